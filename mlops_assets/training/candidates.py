"""The algorithms a declaration asks for, each cross-validated and fitted on all training rows.

Belongs here: building estimators and folds, and fitting the same bit for bit every time. Does not belong here: which
candidate wins (`selection.py`) and how good the winner is on held-out rows (`evaluation/`).
"""

import importlib
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.declaration.training import Candidate
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.features.transformer import Form, build_transformer
from mlops_assets.training.artifact import foreign_message, foreign_types
from mlops_assets.training.metrics import METRICS_OF, default_metric, metrics_of, scores_of, single_threaded

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Folds compare candidates; a comparison on this many rows ranks them as one on all would, in a fraction of the time.
CROSS_VALIDATION_ROWS = 20_000
FOREST_THREADS = 2
# A flexible candidate fitted on the first few rows alone would be compared where it will never be used.
EARLIEST_FIT_SHARE = 0.4


class CandidateError(MlopsAssetsError, ValueError):
    """A candidate cannot be built, fitted or stored; the message names the algorithm and what to do."""


@dataclass(frozen=True)
class FittedCandidate:
    """One algorithm, compared and fitted.

    Attributes:
        algorithm: as declared.
        label: short name for tables.
        pipeline: transformer and estimator (steps `features` and `model`), fitted on `fit_rows` rows.
        parameters: every parameter of the estimator, JSON-able.
        metric: name of the metric that ranks candidates.
        cv_mean: metric -> mean over folds; None where no fold could measure it.
        cv_std: metric -> standard deviation over folds.
        folds: the metrics of each fold, in order of the folds.
        fold_method: `time` (each fold is tested on later days than it was fitted on) or `stratified`.
        cv_rows: rows used in the cross-validation.
        fit_rows: rows of the final fit; 0: another candidate was chosen, and this one was compared only.
        fit_seconds: wall time of the final fit; the only value here that differs between two trainings.
    """

    algorithm: str
    label: str
    pipeline: "Pipeline"
    parameters: dict[str, Any]
    metric: str
    cv_mean: dict[str, float | None]
    cv_std: dict[str, float | None]
    folds: tuple[dict[str, float | None], ...]
    fold_method: str
    cv_rows: int
    fit_rows: int
    fit_seconds: float

    def to_dict(self) -> dict[str, Any]:
        """The candidate without its pipeline, for an evidence file."""
        skipped = {"pipeline"}
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name not in skipped}


@dataclass(frozen=True)
class FailedCandidate:
    """One algorithm that could not be built, fitted, measured or stored, and why."""

    algorithm: str
    label: str
    reason: str


@dataclass(frozen=True)
class Candidates:
    """Every declared algorithm: those that were compared, in declared order, and those that failed."""

    fitted: tuple[FittedCandidate, ...]
    failed: tuple[FailedCandidate, ...] = ()


Choose = Callable[[Sequence[FittedCandidate]], FittedCandidate]


def fit_candidates(declaration: Declaration, fit_frame: pl.DataFrame, choose: Choose | None = None) -> Candidates:
    """Cross-validate every declared candidate, in declared order, and fit on all rows the one that `choose` picks.

    Without `choose` all are fitted on all rows. One that is not keeps the pipeline of its last fold, and has no
    `fit_rows`. A candidate that fails is left out with its reason, and the others are compared without it.

    The result depends on the rows' content, not on their order. Everything random is seeded and sums are done on one
    thread, so that two trainings agree bit for bit on the same kind of machine. Fitting uses at most
    `training.max_rows` rows, the cross-validation at most 20,000, both drawn by a seeded hash of the id.

    Raises:
        CandidateError: when every candidate failed (all reasons are named), or `training.metric` is not one of the
            task's.
        ValueError: when there are too few rows, or a classifier's target has one class only.
    """
    rows = canonical_order(_draw(fit_frame, declaration, declaration.training.max_rows), declaration)
    target = target_vector(rows, declaration)
    _require_learnable(target, rows.height, declaration)
    metric = declaration.training.metric or default_metric(declaration.task)
    if metric not in METRICS_OF[declaration.task]:
        known = ", ".join(METRICS_OF[declaration.task])
        raise CandidateError(f"training.metric: found {metric!r}, expected one of {known}")
    features = to_model_frame(rows, declaration)
    chosen = _draw_mask(rows, declaration, CROSS_VALIDATION_ROWS)
    folds, method = make_folds(rows.filter(chosen), target[chosen], declaration)
    compared = _Comparison(
        declaration, features[chosen].reset_index(drop=True), target[chosen], tuple(folds), method, metric
    )
    fitted: list[FittedCandidate] = []
    failed: list[FailedCandidate] = []
    with single_threaded():
        for candidate in declaration.candidates:
            try:
                fitted.append(compared.of(candidate))
            except CandidateError as error:
                failed.append(FailedCandidate(candidate.algorithm, candidate.label, str(error)))
        while fitted:
            wanted = fitted if choose is None else [choose(fitted)]
            try:
                done = {c.label: _fit_all(c, declaration, features, target) for c in wanted}
            except _FinalFitError as error:
                # It failed on all rows: the choice is made again among the others.
                fitted.remove(error.candidate)
                failed.append(FailedCandidate(error.candidate.algorithm, error.candidate.label, str(error)))
                continue
            return Candidates(tuple(done.get(c.label, c) for c in fitted), tuple(failed))
    raise CandidateError(f"every candidate failed: {'; '.join(f.reason for f in failed)}")


@dataclass(frozen=True)
class _Comparison:
    """The rows and folds on which all candidates are compared."""

    declaration: Declaration
    features: Any
    target: np.ndarray
    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    method: str
    metric: str

    def of(self, candidate: Candidate) -> FittedCandidate:
        """Cross-validate one candidate.

        Raises:
            CandidateError: it cannot be built, fitted, measured or stored.
        """
        scores: list[dict[str, float | None]] = []
        pipeline = None
        for train, test in self.folds:
            if self.declaration.task is not Task.REGRESSION and len(np.unique(self.target[train])) < 2:
                # One class teaches nothing: the fold is not measurable, for any candidate.
                scores.append(dict.fromkeys(METRICS_OF[self.declaration.task]))
                continue
            pipeline = _fit(candidate, self.declaration, self.features.iloc[train], self.target[train])
            scores.append(self._measure(candidate, pipeline, test))
        if pipeline is None:
            pipeline = _fit(candidate, self.declaration, self.features, self.target)
        _require_storable(candidate, pipeline, self.declaration)
        mean, std = _summary(scores)
        return FittedCandidate(
            algorithm=candidate.algorithm,
            label=candidate.label,
            pipeline=pipeline,
            parameters=_parameters(pipeline),
            metric=self.metric,
            cv_mean=mean,
            cv_std=std,
            folds=tuple(scores),
            fold_method=self.method,
            cv_rows=len(self.target),
            fit_rows=0,
            fit_seconds=0.0,
        )

    def _measure(self, candidate: Candidate, pipeline: "Pipeline", test: np.ndarray) -> dict[str, float | None]:
        try:
            predicted = scores_of(pipeline, self.features.iloc[test], self.declaration)
            if not np.isfinite(predicted).all():
                raise ValueError(f"{int((~np.isfinite(predicted)).sum())} scores are NaN or infinite")
            return metrics_of(self.target[test], predicted, pipeline, self.declaration)
        except Exception as error:  # whatever a user's own algorithm raises must not stop the others
            raise CandidateError(
                f"candidate {candidate.algorithm}: scoring {len(test)} rows failed ({type(error).__name__}: {error})"
            ) from error


class _FinalFitError(CandidateError):
    """A candidate that was compared, and then failed on all rows."""

    def __init__(self, candidate: FittedCandidate, message: str) -> None:
        super().__init__(message)
        self.candidate = candidate


def _fit_all(compared: FittedCandidate, declaration: Declaration, features: Any, target: np.ndarray) -> FittedCandidate:
    """The compared candidate, fitted on all rows."""
    candidate = next(c for c in declaration.candidates if c.label == compared.label)
    started = time.perf_counter()
    try:
        pipeline = _fit(candidate, declaration, features, target)
    except CandidateError as error:
        raise _FinalFitError(compared, str(error)) from error
    seconds = time.perf_counter() - started
    return replace(
        compared, pipeline=pipeline, parameters=_parameters(pipeline), fit_rows=len(target), fit_seconds=seconds
    )


def _require_storable(candidate: Candidate, pipeline: "Pipeline", declaration: Declaration) -> None:
    """A model that cannot be stored safely cannot be used: refused here, so that another candidate is chosen."""
    if ":" not in candidate.algorithm:
        return
    try:
        foreign = foreign_types(pipeline, declaration)
    except Exception as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: cannot be stored without pickle ({type(error).__name__}: {error})"
        ) from error
    if foreign:
        raise CandidateError(f"candidate {candidate.algorithm}: {foreign_message('the model', foreign)}")


def refit(declaration: Declaration, candidate: Candidate, fit_frame: pl.DataFrame) -> "Pipeline":
    """Fit one candidate as `fit_candidates` does, without comparing it; equal bit for bit (a replay needs no folds)."""
    rows = canonical_order(_draw(fit_frame, declaration, declaration.training.max_rows), declaration)
    target = target_vector(rows, declaration)
    _require_learnable(target, rows.height, declaration)
    with single_threaded():
        return _fit(candidate, declaration, to_model_frame(rows, declaration), target)


def canonical_order(frame: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Rows in the order of time, then of a seeded hash of the id: the same however they were delivered."""
    order: list[pl.Expr | pl.Series] = [
        pl.Series("_draw", seeded_hash(frame[declaration.id], declaration.training.seed))
    ]
    if declaration.event_time is not None:
        order.insert(0, event_time_expr(declaration.event_time))
    return frame.sort(*order, maintain_order=True)


def make_folds(
    frame: pl.DataFrame, target: np.ndarray, declaration: Declaration
) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Positions of (fitting, testing) rows for each fold, and how they were made.

    With time: the earliest 40 % of the rows are never tested on, the others are cut between days into as many parts as
    there are folds, of about equal size; each is tested on by a fit on everything before it. Where there
    are fewer different days than folds, or no time: seeded shuffled folds, stratified by class.

    Args:
        frame: rows in canonical order.
        target: their targets.
        declaration: the model.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    count = declaration.training.folds
    if declaration.event_time is not None:
        days = frame.select(event_time_expr(declaration.event_time).dt.date()).to_series().to_physical().to_numpy()
        wanted = [EARLIEST_FIT_SHARE + (1 - EARLIEST_FIT_SHARE) * k / count for k in range(count)]
        cuts = _day_cuts(days, wanted)
        if cuts is not None:
            bounds = [0, *cuts, len(days)]
            return [(np.arange(0, bounds[k]), np.arange(bounds[k], bounds[k + 1])) for k in range(1, count + 1)], "time"
    seed = declaration.training.seed % 2**32
    if declaration.task is Task.REGRESSION:
        return list(KFold(count, shuffle=True, random_state=seed).split(target)), "shuffled"
    smallest = int(np.unique(target, return_counts=True)[1].min())
    if smallest < count:
        return list(KFold(count, shuffle=True, random_state=seed).split(target)), "shuffled"
    return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(target, target)), "stratified"


def _day_cuts(days: np.ndarray, shares: list[float]) -> list[int] | None:
    """Positions, each the first row of a day, that cut sorted `days` as wanted; None when there are too few days."""
    starts = np.flatnonzero(np.diff(days)) + 1
    if len(starts) < len(shares):
        return None
    cuts = [int(starts[np.argmin(np.abs(starts - len(days) * share))]) for share in shares]
    return cuts if len(set(cuts)) == len(cuts) else None


def build_estimator(candidate: Candidate, declaration: Declaration, rows: int) -> tuple[Any, Form]:
    """The unfitted estimator of a candidate, seeded, and the form of features it reads.

    Raises:
        CandidateError: when the algorithm cannot be imported, called, or does not take the parameters.
    """
    seed = declaration.training.seed % 2**32
    builders: dict[str, tuple[Callable[[Declaration, int, int], Any], Form]] = {
        "linear": (_linear, "linear"),
        "hist_gradient_boosting": (_hist_gradient_boosting, "trees"),
        "random_forest": (_random_forest, "trees"),
    }
    try:
        if candidate.algorithm in builders:
            build, form = builders[candidate.algorithm]
            return build(declaration, seed, rows).set_params(**candidate.parameters), form
        return _seeded(_own(candidate), seed), "linear"
    except CandidateError:
        raise
    except Exception as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: cannot be built with {candidate.parameters} "
            f"({type(error).__name__}: {error}). Correct its parameters in the declaration."
        ) from error


def _linear(declaration: Declaration, seed: int, rows: int) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    if declaration.task is Task.REGRESSION:
        return Ridge(alpha=1.0, random_state=seed)
    return LogisticRegression(max_iter=1000, random_state=seed)


def _hist_gradient_boosting(declaration: Declaration, seed: int, rows: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Any = HistGradientBoostingRegressor if declaration.task is Task.REGRESSION else HistGradientBoostingClassifier
    return kind(
        max_iter=150,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=40 if rows >= 4000 else 10,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed,
    )


def _random_forest(declaration: Declaration, seed: int, rows: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    regression = declaration.task is Task.REGRESSION
    kind: Any = RandomForestRegressor if regression else RandomForestClassifier
    # A third of the features is usual for regression; on a wide table it costs more than it finds.
    narrow = regression and len(declaration.features) <= 60
    return kind(
        n_estimators=60,
        max_leaf_nodes=256,
        min_samples_leaf=10 if rows >= 4000 else 3,
        max_features=1 / 3 if narrow else "sqrt",
        max_samples=20_000 if rows > 20_000 else None,
        random_state=seed,
    )


def _own(candidate: Candidate) -> Any:
    module_name, _, function_name = candidate.algorithm.partition(":")
    try:
        function = getattr(importlib.import_module(module_name), function_name)
    except (ImportError, AttributeError) as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: cannot be imported ({error}). "
            "It must be an importable `module:function` that returns an unfitted estimator."
        ) from error
    estimator = function(**candidate.parameters)
    if not (hasattr(estimator, "fit") and hasattr(estimator, "predict") and hasattr(estimator, "get_params")):
        raise CandidateError(
            f"candidate {candidate.algorithm}: returned {type(estimator).__name__}, expected a scikit-learn estimator"
        )
    return estimator


def _seeded(estimator: Any, seed: int) -> Any:
    """Set every random_state that was left open: an unseeded part would train differently each time."""
    for name, value in estimator.get_params(deep=True).items():
        if name.split("__")[-1] == "random_state" and value is None:
            estimator.set_params(**{name: seed})
    return estimator


def _fit(candidate: Candidate, declaration: Declaration, features: Any, target: np.ndarray) -> "Pipeline":
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.pipeline import Pipeline

    estimator, form = build_estimator(candidate, declaration, len(target))
    forest = candidate.algorithm == "random_forest"
    if forest:
        # Trees are seeded one by one, so fitting them side by side changes nothing; predicting side by side would
        # add them up in the order in which threads finish.
        estimator.set_params(n_jobs=FOREST_THREADS)
    pipeline = Pipeline([("features", build_transformer(declaration, form)), ("model", estimator)])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            pipeline.fit(features, target)
    except Exception as error:
        raise CandidateError(
            f"candidate {candidate.algorithm}: fitting on {len(target)} rows failed ({type(error).__name__}: {error})"
        ) from error
    if forest:
        estimator.set_params(n_jobs=1)
        for tree in estimator.estimators_:
            tree.random_state = int(tree.random_state)
    return pipeline


def _parameters(pipeline: "Pipeline") -> dict[str, Any]:
    """Every parameter of the estimator as JSON takes it: NaN and infinities (`missing=nan`) as text."""
    return {name: _plain(value) for name, value in sorted(pipeline.named_steps["model"].get_params(deep=True).items())}


def _plain(value: Any) -> str | int | float | bool | None:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if isinstance(value, str | int | float | bool | None) else repr(value)


def _summary(folds: list[dict[str, float | None]]) -> tuple[dict[str, float | None], dict[str, float | None]]:
    mean: dict[str, float | None] = {}
    std: dict[str, float | None] = {}
    for name in folds[0]:
        values = [v for fold in folds if (v := fold[name]) is not None]
        mean[name] = float(np.mean(values)) if values else None
        std[name] = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return mean, std


def _draw_mask(frame: pl.DataFrame, declaration: Declaration, most: int | None) -> np.ndarray:
    if most is None or frame.height <= most:
        return np.ones(frame.height, dtype=bool)
    order = seeded_hash(frame[declaration.id], declaration.training.seed + 1)
    mask = np.zeros(frame.height, dtype=bool)
    mask[np.argsort(order, kind="stable")[:most]] = True
    return mask


def _draw(frame: pl.DataFrame, declaration: Declaration, most: int | None) -> pl.DataFrame:
    return frame.filter(_draw_mask(frame, declaration, most))


def _require_learnable(target: np.ndarray, rows: int, declaration: Declaration) -> None:
    least = 2 * (declaration.training.folds + 1)
    if rows < least:
        raise ValueError(f"found {rows} rows to fit on; {declaration.training.folds} folds need at least {least}")
    if declaration.task is not Task.REGRESSION and len(np.unique(target)) < 2:
        raise ValueError(
            f"{declaration.target.column}: the rows to fit on have one class only; widen training.window, or check "
            "`target.positive` in the declaration"
        )
