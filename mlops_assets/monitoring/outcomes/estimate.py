"""Performance of a window whose outcomes are not known yet: an estimate, and always called one.

Belongs here: what scores alone can tell. Binary: the expected confusion of calibrated probabilities (the idea of
NannyML's CBPE); multiclass and regression: the expected loss by grade of the prediction (direct loss estimation, from
the prediction alone). It assumes that the same score still means the same outcome. A changed relation between inputs
and outcome cannot be seen here, by this or any method without outcomes; so nothing in an estimate may say that all is
well. Where scores have moved out of what the calibration was made on, or the caller says that inputs have, it abstains.

The calibration is the reference's own: outcomes by fine grade of the score, on held-out rows. Its uncertainty (few rows
in a grade) and the window's own chance are both in the interval.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.performance import plain
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.statistics.delong import areas_from_counts
from mlops_assets.statistics.intervals import upper_tail, z_of

DRAWS = 400
MOST_SCORE_SHIFT = 0.25
LEAST_GRADE_ROWS = 30
MINIMUM_ROWS = 200


@dataclass(frozen=True)
class Estimated:
    """One estimated number."""

    value: float
    low: float
    high: float
    reference: float | None
    p_value: float | None
    """One-sided, that the quality did not fall (two-sided for a base rate); given the assumption, like everything
    here."""


@dataclass(frozen=True)
class PerformanceEstimate:
    """What the performance of a window would be if the same scores still meant the same outcomes."""

    task: str
    n: int
    method: str
    label: str
    """How the numbers must be called wherever they are shown."""
    abstained: bool
    reason: str
    score_shift: float | None
    """PSI of the scores over the reference's grades."""
    outside: float | None
    """Share of rows in grades that the reference hardly knows."""
    metrics: dict[str, Estimated]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def estimate_performance(
    reference: ReferencePerformance,
    score: np.ndarray,
    *,
    inputs_moved: str | None = None,
    most_score_shift: float = MOST_SCORE_SHIFT,
    minimum_rows: int = MINIMUM_ROWS,
    confidence: float = 0.95,
    seed: int = 20261121,
) -> PerformanceEstimate:
    """Estimate quality and base rate of a window from its scores (shapes as in `evaluation.performance.evaluate`).

    `inputs_moved` is the reason why inputs are out of what the model was calibrated on, where the caller knows one (a
    data-quality fault, say); the estimate then abstains and repeats it.
    """
    task = Task(reference.task)
    score = np.asarray(score, dtype=float)
    predicted = score.max(1) if task is Task.MULTICLASS else score
    method = "expected confusion of calibrated scores" if task is Task.BINARY else "expected loss by grade"

    def answer(abstained: bool, reason: str, shift=None, outside=None, metrics=None) -> PerformanceEstimate:
        return PerformanceEstimate(
            task.value,
            len(score),
            method,
            "estimate, not a measurement",
            abstained,
            reason,
            shift,
            outside,
            metrics or {},
        )

    if len(score) < minimum_rows:
        return answer(True, f"{len(score)} rows, fewer than {minimum_rows}")
    if not np.isfinite(predicted).all():
        return answer(True, f"{int((~np.isfinite(predicted)).sum())} scores are NaN or infinite")
    table = reference.fine
    known = np.array(table.n, dtype=float)
    grade = np.searchsorted(np.array(table.edges), predicted, side="right")
    window = np.bincount(grade, minlength=len(known)).astype(float)
    shift = _stability_index(known, window)
    outside = float(window[known < LEAST_GRADE_ROWS].sum() / len(score))
    if inputs_moved:
        return answer(True, f"inputs are out of what the model was calibrated on: {inputs_moved}", shift, outside)
    if shift > most_score_shift:
        reason = (
            f"the scores moved (PSI {shift:.2f}, more than {most_score_shift:g}): the calibration was made on others"
        )
        return answer(True, reason, shift, outside)
    if outside > 0.05:
        return answer(True, f"{outside:.0%} of scores are where the reference has too few rows", shift, outside)
    if reference.quality is None:
        return answer(True, "the reference has no quality to compare with", shift, outside)
    drawn = (_binary if task is Task.BINARY else _by_loss)(reference, window, np.random.default_rng(seed))
    metrics = {
        name: _summary(draws, value, before, confidence, two_sided=name == "base_rate")
        for name, (value, draws, before) in drawn.items()
    }
    reason = (
        "assumes that the same score still means the same outcome; a changed relation cannot be seen without outcomes"
    )
    return answer(False, reason, shift, outside, metrics)


Drawn = dict[str, tuple[float, np.ndarray, float | None]]
"""Metric to (value, draws, value on the reference)."""


def _binary(reference: ReferencePerformance, window: np.ndarray, rng: np.random.Generator) -> Drawn:
    n, events = np.array(reference.fine.n), np.array(reference.fine.outcome)
    # One row of the overall base rate a grade: a grade without events is rare, not impossible, and the base rate stays what
    # it is, as half a row of each outcome would not leave it where positives are rare.
    prior = float(np.clip(events.sum() / max(n.sum(), 1), 1e-6, 1 - 1e-6))
    smoothed = (events + prior) / (n + 1)
    rate = rng.beta(events + prior, n - events + 1 - prior, size=(DRAWS, len(n)))
    positives = rng.binomial(window.astype(np.int64), rate)
    negatives = window - positives
    expected = window * smoothed
    area, _ = areas_from_counts(expected, window - expected)
    areas, _ = areas_from_counts(positives, negatives)
    # Ties inside a grade hide a little of the ordering, on both sides alike: it is added back.
    before, _ = areas_from_counts(n * smoothed, n * (1 - smoothed))
    hidden = (reference.quality or 0.0) - float(before)
    return {
        "roc_auc": (float(area) + hidden, areas + hidden, reference.quality),
        "base_rate": (float(expected.sum() / window.sum()), positives.sum(1) / window.sum(), reference.outcome_mean),
    }


def _by_loss(reference: ReferencePerformance, window: np.ndarray, rng: np.random.Generator) -> Drawn:
    table = reference.fine
    n = np.maximum(np.array(table.n, dtype=float), 1)
    mean = np.array(table.loss) / n
    variance = np.maximum(np.array(table.loss_squares) / n - mean**2, 0)
    total = window.sum()
    spread = np.sqrt(variance / n + np.where(window > 0, variance / np.maximum(window, 1), 0))
    draws = (rng.normal(mean, spread, size=(DRAWS, len(n))) * window).sum(1) / total
    value = float((mean * window).sum() / total)
    unit = reference.trivial_loss
    skill = (1 - value / unit, 1 - draws / unit, reference.quality)
    if Task(reference.task) is Task.MULTICLASS:
        before = reference.metrics.get("log_loss", {}).get("value")
        return {reference.quality_metric: skill, "log_loss": (value, draws, before)}
    before = reference.metrics.get("rmse", {}).get("value")
    return {reference.quality_metric: skill, "rmse": (math.sqrt(value), np.sqrt(np.maximum(draws, 0)), before)}


def _summary(draws: np.ndarray, value: float, before: float | None, confidence: float, *, two_sided: bool) -> Estimated:
    tail = (1 - confidence) / 2
    low, high = np.quantile(draws, [tail, 1 - tail])
    p = None
    if before is not None:
        z = z_of(before - value, float(draws.std(ddof=1)))
        p = min(1.0, 2 * upper_tail(abs(z))) if two_sided else upper_tail(z)
    return Estimated(value, min(float(low), value), max(float(high), value), before, p)


def _stability_index(known: np.ndarray, window: np.ndarray) -> float:
    """PSI over grades, one half a row added to each so that an empty grade has a logarithm."""
    a = (known + 0.5) / (known + 0.5).sum()
    b = (window + 0.5) / (window + 0.5).sum()
    return float(((b - a) * np.log(b / a)).sum())
