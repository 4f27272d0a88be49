"""The tests of a window's base rate, calibration and slices against the reference; put together in `performance.py`.

Belongs here: a number, its uncertainty, its p-value, and the smallest change the test could have seen. Not here:
severity. By how much the reference's own periods differ (`between_period_variation.py`) is part of every uncertainty. The test of the quality is in `ranking_change.py`.
"""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.calibration import Calibration
from mlops_assets.evaluation.estimators import Scored
from mlops_assets.monitoring.outcomes.between_period_variation import period_error
from mlops_assets.monitoring.outcomes.grades import grade_outcome, grade_score
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, slice_values
from mlops_assets.statistics.homogeneity import chi_square_two_sample
from mlops_assets.statistics.intervals import (
    smallest_detectable,
    student_deviation,
    two_proportions_p,
    two_sided_p,
    upper_tail,
    z_of,
)
from mlops_assets.statistics.multiplicity import holm


@dataclass(frozen=True)
class BaseRateChange:
    """Change of the outcome itself: rate of positives, mean target, or shares of classes."""

    reference: float | None
    window: float | None
    p_value: float | None
    """Two-sided, that the outcome is distributed as in the reference."""
    expected: float | None
    """What the reference's outcomes by grade give on the window's scores: the part of the change that the inputs
    explain."""
    p_unexpected: float | None
    """Two-sided, that the window's outcome is what was expected."""
    smallest_detectable: float | None
    """Multiclass: of the share of any one class."""
    classes: dict[str, dict[str, float]]
    """Multiclass: reference and window share of each class."""


@dataclass(frozen=True)
class CalibrationChange:
    """Change of calibration in the large, and the grades of the window."""

    reference: float
    window: float
    """Mean outcome minus mean score."""
    change: float
    size: float
    """Absolute change in units of the reference's base rate (classification; of the rarer outcome) or of the target's
    standard deviation."""
    p_value: float | None
    """Two-sided, that calibration is that of the reference."""
    direction: str
    """`higher`: outcomes rose against the scores (risk is underestimated); `lower`: they fell."""
    smallest_detectable: float | None
    grades: tuple[dict[str, Any], ...]
    """Jeffreys by grade of the window's scores at their word; see `evaluation.calibration.Grade`."""
    p_grades: float | None
    """Smallest two-sided p-value over the grades, after Holm."""
    own_error: float | None = None
    reference_error: float | None = None
    between_error: float = 0.0
    """Parts of the standard error as in `RankingChange`; None with several classes, of which the worst is shown."""
    unit: float | None = None
    """What `size` is measured in."""
    label: str = ""
    """Multiclass: the class whose share the scores missed most; the other fields are about it."""


@dataclass(frozen=True)
class SliceChange:
    """One declared slice, window against reference."""

    slice: str
    n: int
    reference: float | None
    window: float | None
    drop: float | None
    p_value: float | None
    p_adjusted: float | None
    smallest_detectable: float | None
    reason: str


def base_rate_change(reference: ReferencePerformance, rows: Scored, alpha: float = 0.01) -> BaseRateChange:
    """Two-sided test of the outcome's distribution, and of the part that the scores did not foresee."""
    if rows.task is Task.MULTICLASS:
        return _class_shares(reference, rows, alpha)
    mean = float(rows.y.mean())
    spread = reference.outcome_spread
    variation = reference.variation_of(rows.n)
    between = period_error(variation, variation.outcome if variation else 0.0)
    error = math.hypot(float(rows.y.std()) / math.sqrt(rows.n), spread / math.sqrt(reference.n), between.deviation)
    if rows.task is Task.BINARY and not between.freedom:
        p = two_proportions_p(round(reference.outcome_mean * reference.n), reference.n, int(rows.y.sum()), rows.n)
    else:
        p = two_sided_p(z_of(mean - reference.outcome_mean, error), between.freedom)
    expected, p_unexpected = _expected(reference, rows)
    return BaseRateChange(
        reference.outcome_mean, mean, p, expected, p_unexpected, smallest_detectable(error, alpha, two_sided=True), {}
    )


def _expected(reference: ReferencePerformance, rows: Scored) -> tuple[float | None, float | None]:
    """Mean outcome if outcomes by grade were those of the reference, and a test of the window against it."""
    table = reference.grades
    n = np.array(table.n, dtype=float)
    grade = np.searchsorted(np.array(table.edges), grade_score(rows), side="right")
    share = np.bincount(grade, minlength=len(n)) / rows.n
    if (share[n == 0] > 0).any():
        return None, None
    n = np.maximum(n, 1)
    rate = np.array(table.outcome) / n
    # Where scores inside a grade moved, so did what was expected.
    if rows.task is Task.REGRESSION:
        inside = np.bincount(grade, grade_score(rows), minlength=len(n)) / np.maximum(share * rows.n, 1)
        rate = rate + np.where(share > 0, inside - np.array(table.score) / n, 0.0)
        noise = np.array(table.residual_squares) / n
    else:
        noise = rate * (1 - rate)
    expected = float((share * rate).sum())
    variance = float((share * noise).sum()) / rows.n + float((share**2 * noise / n).sum())
    variation = reference.variation_of(rows.n)
    between = period_error(variation, variation.residual[0] if variation else 0.0)
    error = math.hypot(math.sqrt(variance), between.deviation)
    return expected, two_sided_p(z_of(float(grade_outcome(rows).mean()) - expected, error), between.freedom)


def _class_shares(reference: ReferencePerformance, rows: Scored, alpha: float) -> BaseRateChange:
    from scipy.stats import chi2_contingency

    before = np.array(reference.class_counts)
    after = np.bincount(rows.y, minlength=len(rows.classes))
    table = np.stack((before, after))[:, before + after > 0]
    variation = reference.variation_of(rows.n)
    if variation is not None and variation.classes is not None:
        p = chi_square_two_sample(before, after, variation.classes).p_value
    else:
        p = float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0  # pyright: ignore
    shares = {
        label: {"reference": float(before[k] / before.sum()), "window": float(after[k] / after.sum())}
        for k, label in enumerate(rows.classes)
    }
    # The share that is nearest to one half varies most: what is seen there is seen in every class.
    share = np.minimum(before / before.sum(), 1 - before / before.sum()).max()
    error = math.sqrt(float(share * (1 - share)) * (1 / before.sum() + 1 / rows.n))
    least = smallest_detectable(error, alpha / max(len(before), 1), two_sided=True)
    return BaseRateChange(None, None, p, None, None, least, shares)


def calibration_change(
    reference: ReferencePerformance, rows: Scored, found: Calibration, alpha: float
) -> CalibrationChange:
    """Test the mean residual of the window against that of the reference.

    Against the reference rather than against zero, so that a model that was never calibrated raises no alarm for ever.
    Multiclass: the residuals of each class, the p-value after Bonferroni over the classes.
    """
    if rows.task is Task.MULTICLASS:
        return _class_calibration_change(reference, rows, found, alpha)
    residual = grade_outcome(rows) - grade_score(rows)
    window = float(residual.mean())
    table = reference.grades
    before = (sum(table.outcome) - sum(table.score)) / reference.n
    spread = math.sqrt(max(0.0, sum(table.residual_squares) / reference.n - before**2))
    variation = reference.variation_of(rows.n)
    between = period_error(variation, variation.residual[0] if variation else 0.0)
    drawn = float(residual.std(ddof=1))
    if rows.task is Task.REGRESSION:
        unit = reference.outcome_spread
    else:
        rate = sum(table.outcome) / reference.n
        unit = min(rate, 1 - rate)
        floor = float(_least_variance(reference.n * rate, reference.n, grade_score(rows)))
        drawn, spread = (math.sqrt(max(one**2, floor)) for one in (drawn, spread))
    error = math.hypot(drawn / math.sqrt(rows.n), spread / math.sqrt(reference.n), between.deviation)
    change = window - before
    return CalibrationChange(
        reference=before,
        window=window,
        change=change,
        size=abs(change) / unit if unit > 0 else (0.0 if change == 0 else math.inf),
        p_value=two_sided_p(z_of(change, error), between.freedom),
        direction="higher" if change > 0 else "lower",
        smallest_detectable=smallest_detectable(error, alpha, two_sided=True),
        grades=tuple(asdict(grade) for grade in found.grades),
        p_grades=min((grade.p_adjusted for grade in found.grades), default=None),
        own_error=math.hypot(drawn / math.sqrt(rows.n), between.deviation * student_deviation(between.freedom)),
        reference_error=spread / math.sqrt(reference.n),
        between_error=between.deviation * student_deviation(between.freedom),
        unit=unit,
    )


def _least_variance(events: np.ndarray | float, rows: int, scores: np.ndarray) -> np.ndarray:
    """Variance that the residual of a window's row has at least, were nothing to change.

    Of a rare outcome a window may hold none: its residuals then hardly vary, and any score at all would contradict them.
    What scores say themselves, p (1 − p), is a floor, but for scores that were never calibrated: for those it is the
    reference's rate. One more event of either kind, so that no rate is 0.
    """
    rate = (events + 1) / (rows + 2)
    return np.minimum(rate * (1 - rate), (scores * (1 - scores)).mean(0))


def _class_calibration_change(
    reference: ReferencePerformance, rows: Scored, found: Calibration, alpha: float
) -> CalibrationChange:
    classes = len(rows.classes)
    residuals = (rows.y[:, None] == np.arange(classes)) - rows.score
    after = residuals.mean(0)
    counts = np.array(reference.class_counts, dtype=float)
    before = (counts - np.array(reference.class_scores)) / reference.n
    # The reference keeps sums alone: its residuals are taken to vary as the window's do.
    variation = reference.variation_of(rows.n)
    between = [period_error(variation, variation.residual[i] if variation else 0.0) for i in range(classes)]
    variance = np.maximum(residuals.var(0, ddof=1), _least_variance(counts, reference.n, rows.score))
    drawn = np.sqrt(variance * (1 / rows.n + 1 / reference.n))
    errors = np.hypot(drawn, [one.deviation for one in between])
    change = after - before
    rate = counts / reference.n
    unit = np.minimum(rate, 1 - rate)
    size = np.divide(np.abs(change), unit, out=np.where(change == 0, 0.0, np.inf), where=unit > 0)
    p = np.array(
        [
            min(1.0, classes * two_sided_p(z_of(float(c), float(e)), one.freedom))
            for c, e, one in zip(change, errors, between, strict=True)
        ]
    )
    # Of the classes that surely changed the one for which it matters most; where none did, the likeliest.
    k = int(np.argmax(np.where(p < alpha, size, -1.0))) if (p < alpha).any() else int(np.argmin(p))
    return CalibrationChange(
        reference=float(before[k]),
        window=float(after[k]),
        change=float(change[k]),
        size=float(size[k]),
        p_value=float(p[k]),
        direction="higher" if change[k] > 0 else "lower",
        smallest_detectable=smallest_detectable(float(errors[k]), alpha / classes, two_sided=True),
        grades=tuple(asdict(grade) for grade in found.grades),
        p_grades=min((grade.p_adjusted for grade in found.grades), default=None),
        label=rows.classes[k],
    )


def slice_changes(
    reference: ReferencePerformance,
    rows: Scored,
    frame: pl.DataFrame | None,
    declaration: Declaration | None,
    minimum_rows: int,
    alpha: float,
) -> tuple[SliceChange, ...]:
    """Declared slices of the window against the same of the reference, Holm over those that both sides could
    measure; the smallest drop that could have been seen is that of `alpha` shared among them."""
    window = slice_values(rows, frame, declaration, reference.slice_edges, minimum_rows)
    changes: list[SliceChange] = []
    errors: dict[int, float] = {}
    for name, after in window.items():
        before = reference.slices.get(name)
        value, error = after["value"], after["standard_error"]
        if before is None or value is None or error is None or before["value"] is None:
            reason = after["reason"] or (before["reason"] if before else "not in the reference")
            known = before["value"] if before else None
            changes.append(SliceChange(name, after["n"], known, value, None, None, None, None, reason))
            continue
        if rows.task is not Task.BINARY:
            # Skill in the reference's unit, so that a calmer or wilder window is no change of the model.
            scale = after["trivial"] / reference.trivial_loss
            value, error = 1 - (1 - value) * scale, error * scale
        both = math.hypot(error, before["standard_error"] or 0.0)
        drop = before["value"] - value
        p = upper_tail(z_of(drop, both))
        errors[len(changes)] = both
        changes.append(SliceChange(name, after["n"], before["value"], value, drop, p, None, None, ""))
    for i, p in zip(errors, holm([changes[i].p_value or 0.0 for i in errors]), strict=True):
        least = smallest_detectable(errors[i], alpha / len(errors))
        changes[i] = SliceChange(**{**asdict(changes[i]), "p_adjusted": p, "smallest_detectable": least})
    return tuple(changes)
