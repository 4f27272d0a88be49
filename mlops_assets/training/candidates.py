"""The algorithms a declaration asks for, each cross-validated and fitted on all training rows.

Belongs here: comparing all candidates on the same folds, and what is kept of each. Does not belong here: how one is built and
fitted (`fitting.py`), which one wins (`selection.py`), and how good the winner is on held-out rows (`evaluation/`).
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.declaration.training import Candidate
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.training.fitting import CandidateError, code_of, fit, parameters_of, require_storable
from mlops_assets.training.folds import canonical_order, make_folds
from mlops_assets.training.metrics import METRICS_OF, default_metric, metrics_of, scores_of, single_threaded

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# Folds compare candidates; a comparison on this many rows ranks them as one on all would, in a fraction of the time.
CROSS_VALIDATION_ROWS = 20_000


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
        code: SHA-256 of the source of an algorithm that does not belong to this package; None for one that does.
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
    code: str | None = None

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


def only_candidate(
    declaration: Declaration, algorithm: str, pipeline: "Pipeline", parameters: dict[str, Any]
) -> Candidates:
    """A model that was not trained here, as the only candidate: nothing was fitted, and nothing compared.

    Args:
        declaration: the model.
        algorithm: label of its algorithm.
        pipeline: that gives its scores.
        parameters: what is known of it, JSON-able.
    """
    given = FittedCandidate(
        algorithm=algorithm,
        label=algorithm,
        pipeline=pipeline,
        parameters=parameters,
        metric=default_metric(declaration.task),
        cv_mean={},
        cv_std={},
        folds=(),
        fold_method="none",
        cv_rows=0,
        fit_rows=0,
        fit_seconds=0.0,
    )
    return Candidates((given,))


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
            pipeline = fit(candidate, self.declaration, self.features.iloc[train], self.target[train])
            scores.append(self._measure(candidate, pipeline, test))
        if pipeline is None:
            pipeline = fit(candidate, self.declaration, self.features, self.target)
        require_storable(candidate, pipeline, self.declaration)
        mean, std = _summary(scores)
        return FittedCandidate(
            algorithm=candidate.algorithm,
            label=candidate.label,
            pipeline=pipeline,
            parameters=parameters_of(pipeline),
            metric=self.metric,
            cv_mean=mean,
            cv_std=std,
            folds=tuple(scores),
            fold_method=self.method,
            cv_rows=len(self.target),
            fit_rows=0,
            fit_seconds=0.0,
            code=code_of(candidate),
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
        pipeline = fit(candidate, declaration, features, target)
    except CandidateError as error:
        raise _FinalFitError(compared, str(error)) from error
    seconds = time.perf_counter() - started
    return replace(
        compared, pipeline=pipeline, parameters=parameters_of(pipeline), fit_rows=len(target), fit_seconds=seconds
    )


def refit(declaration: Declaration, candidate: Candidate, fit_frame: pl.DataFrame) -> "Pipeline":
    """Fit one candidate as `fit_candidates` does, without comparing it; equal bit for bit (a replay needs no folds)."""
    rows = canonical_order(_draw(fit_frame, declaration, declaration.training.max_rows), declaration)
    target = target_vector(rows, declaration)
    _require_learnable(target, rows.height, declaration)
    with single_threaded():
        return fit(candidate, declaration, to_model_frame(rows, declaration), target)


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
