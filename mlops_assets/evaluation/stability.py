"""Whether training gives about the same model again: the chosen candidate fitted anew over seeds and over resamples.

Belongs here: repeated fits, how far their performance spreads and how many decisions change between them. Not here:
what is tolerable (`gates/stability.py`), or drift of a model in use (`monitoring/`).

The fits are on a bounded draw of the rows, so that the measure costs seconds: fewer rows spread more, so what is found
is an upper estimate for a model fitted on all of them.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.declaration.training import Candidate
from mlops_assets.evaluation.estimators import NotMeasurable, estimate, prepare
from mlops_assets.evaluation.metrics import QUALITY_METRIC
from mlops_assets.evaluation.performance import plain
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.training.candidates import refit
from mlops_assets.training.fitting import CandidateError
from mlops_assets.training.folds import canonical_order
from mlops_assets.training.metrics import scores_of


@dataclass(frozen=True)
class StabilitySettings:
    """How often and on how many rows a candidate is fitted again.

    Attributes:
        repeats: fits of each kind, the first of the seeds being the declared one.
        rows: most rows of a fit.
        scored: most rows that are scored.
    """

    repeats: int = 4
    rows: int = 4000
    scored: int = 4000


@dataclass(frozen=True)
class Repeats:
    """Fits that differ in one thing.

    Attributes:
        values: the metric of each fit on the same rows; None where it could not be fitted or measured.
        spread: standard deviation of the values (n - 1); None below two.
        churn: share of rows on which two of the fits decide differently, mean over all pairs of fits (prediction churn:
            Milani Fard et al. 2016); None for a regression, which decides nothing.
        errors: why a value is missing.
    """

    values: tuple[float | None, ...]
    spread: float | None
    churn: float | None
    errors: tuple[str, ...]


@dataclass(frozen=True)
class Stability:
    """How much chance there is in a training.

    Attributes:
        metric: quality metric of the task.
        rows_fitted: rows of each fit.
        rows_scored: held-out rows on which each fit is measured.
        seeds: fits on the same rows, each with another seed: what the training itself leaves to chance.
        resamples: fits with the same seed, each on another bootstrap resample of the rows: what the sample leaves to
            chance.
    """

    metric: str
    rows_fitted: int
    rows_scored: int
    seeds: Repeats
    resamples: Repeats

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def measure_stability(
    declaration: Declaration,
    candidate: Candidate,
    fit_rows: pl.DataFrame,
    holdout: pl.DataFrame,
    *,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    settings: StabilitySettings = StabilitySettings(),
) -> Stability:
    """Fit `candidate` several times over seeds and as often over resamples; the same rows give the same answer.

    Args:
        declaration: of the model; its seed also draws the rows.
        candidate: the chosen one.
        fit_rows: rows to fit on, of which at most `settings.rows` are drawn.
        holdout: rows that no fit sees, of which at most `settings.scored` are drawn.
        threshold: of the decisions (binary).
        classes: multiclass: labels in the order of the version's scores.
        settings: how often, and on how many rows.
    """
    seed = declaration.training.seed
    generator = np.random.default_rng(seed)
    sample = _drawn(fit_rows, settings.rows, declaration, generator)
    held = _drawn(holdout, settings.scored, declaration, generator)
    judge = _judge(declaration, held, threshold, classes)
    seeds = [_seeded(declaration, seed + k) for k in range(settings.repeats)]
    draws = [np.sort(generator.integers(0, sample.height, sample.height)) for _ in range(settings.repeats)]
    return Stability(
        metric=QUALITY_METRIC[declaration.task],
        rows_fitted=sample.height,
        rows_scored=held.height,
        seeds=_repeated([lambda d=d: refit(d, candidate, sample) for d in seeds], judge),
        resamples=_repeated([lambda d=d: refit(declaration, candidate, sample[d]) for d in draws], judge),
    )


def churn_of(decisions: Sequence[np.ndarray]) -> float | None:
    """Mean over rows and pairs of the share of pairs that disagree; None below two.

    Args:
        decisions: one array (n,) of whole numbers for each fit.
    """
    fits = len(decisions)
    if fits < 2:
        return None
    table = np.stack(decisions)
    agreeing = sum(np.sum(c * (c - 1)) for c in ((table == value).sum(0) for value in np.unique(table)))
    return float(1 - agreeing / (table.shape[1] * fits * (fits - 1)))


Judge = Callable[[Any], tuple[float, np.ndarray | None]]
"""From a fitted pipeline to its quality and its decisions on the held-out rows."""


def _judge(
    declaration: Declaration, held: pl.DataFrame, threshold: float | None, classes: Sequence[str] | None
) -> Judge:
    task, target, features = declaration.task, target_vector(held, declaration), to_model_frame(held, declaration)
    metric = QUALITY_METRIC[task]
    cut = threshold if threshold is not None else 0.5

    def judged(pipeline: Any) -> tuple[float, np.ndarray | None]:
        scores = scores_of(pipeline, features, declaration)
        if task is Task.MULTICLASS and classes is not None:
            scores = _in_order(scores, [str(c) for c in pipeline.named_steps["model"].classes_], classes)
        value = estimate(
            metric, prepare(target, scores, task, threshold=cut, classes=list(classes or ()) or None)
        ).value
        if task is Task.REGRESSION:
            return value, None
        return value, scores.argmax(1) if task is Task.MULTICLASS else (scores >= cut).astype(np.int64)

    return judged


def _repeated(fits: Sequence[Callable[[], Any]], judge: Judge) -> Repeats:
    values: list[float | None] = []
    decisions, errors = [], Counter[str]()
    for fit in fits:
        try:
            value, decided = judge(fit())
        except (CandidateError, NotMeasurable, ValueError) as error:
            values.append(None)
            errors[str(error)[:200]] += 1
            continue
        values.append(value)
        decisions.append(decided)
    known = [v for v in values if v is not None]
    return Repeats(
        values=tuple(values),
        spread=float(np.std(known, ddof=1)) if len(known) > 1 else None,
        churn=None if any(d is None for d in decisions) else churn_of(decisions),
        errors=tuple(f"{text} ({count} times)" for text, count in errors.items()),
    )


def _drawn(frame: pl.DataFrame, most: int, declaration: Declaration, generator: np.random.Generator) -> pl.DataFrame:
    ordered = canonical_order(frame, declaration)
    if ordered.height <= most:
        return ordered
    return ordered[np.sort(generator.choice(ordered.height, most, replace=False))]


def _seeded(declaration: Declaration, seed: int) -> Declaration:
    return declaration.model_copy(update={"training": declaration.training.model_copy(update={"seed": seed})})


def _in_order(scores: np.ndarray, found: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """Columns in the version's order; a class that a resample does not hold has probability 0."""
    table = np.zeros((len(scores), len(wanted)))
    for column, label in enumerate(found):
        table[:, list(wanted).index(label)] = scores[:, column]
    return table
