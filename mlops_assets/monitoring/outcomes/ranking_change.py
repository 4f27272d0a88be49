"""The test of a window's quality against the reference: AUC (binary), or the share of the trivial loss removed (others).

Belongs here: the drop, its uncertainty, its p-value, the smallest drop the test could have seen, and what the window's inputs alone
would make of the quality. Not here: severity (`performance_verdict.py`), and the tests of base rate, calibration and slices
(`outcome_changes.py`).
"""

import math
from dataclasses import dataclass

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import Scored, estimate
from mlops_assets.monitoring.outcomes.between_period_variation import period_error
from mlops_assets.monitoring.outcomes.grades import grade_score, quality_losses
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.statistics.delong import areas_from_counts
from mlops_assets.statistics.intervals import (
    normal_interval,
    smallest_detectable,
    student_deviation,
    upper_tail,
    z_of,
)

LEAST_GRADE_ROWS = 30
MOST_UNKNOWN = 0.05
"""Share of rows in grades that the reference hardly knows, beyond which nothing is expected."""


@dataclass(frozen=True)
class RankingChange:
    """Change of quality: AUC (binary), or the share of the reference's trivial loss removed (others)."""

    metric: str
    reference: float | None
    window: float | None
    low: float | None
    high: float | None
    """Interval of the window's value."""
    drop: float | None
    """Reference minus window; negative is a gain."""
    standard_error: float | None
    """Of the drop, both sides' sampling counted."""
    p_value: float | None
    """One-sided, that the quality did not fall."""
    smallest_detectable: float | None
    """Smallest drop that this test sees with probability .8 at the rules' alpha."""
    reason: str = ""
    own_error: float | None = None
    """Part of the standard error that the window adds itself, a period's difference among it."""
    reference_error: float | None = None
    """Part of it that every window of the version shares: the reference's sampling."""
    between_error: float = 0.0
    """Part of `own_error` that is a period's difference."""
    expected: float | None = None
    """Quality of the window's scores if outcomes by grade were the reference's: what other inputs alone make of it."""
    p_unexpected: float | None = None
    """One-sided, that quality did not fall below what was expected."""
    smallest_in_a_run: float | None = None
    """Smallest drop that as many windows as acting needs would rather show than miss: what they share is in each."""


def window_quality(reference: ReferencePerformance, rows: Scored) -> tuple[float, float]:
    """Quality of a window and its standard error, in the reference's unit."""
    if rows.task is Task.BINARY:
        found = estimate("roc_auc", rows)
        return found.value, found.standard_error or 0.0
    relative = quality_losses(rows) / reference.trivial_loss
    return 1 - float(relative.mean()), float(relative.std(ddof=1)) / math.sqrt(rows.n)


def ranking_change(
    reference: ReferencePerformance,
    rows: Scored,
    alpha: float,
    minimum_outcomes: int,
    *,
    run: int = 1,
    run_alpha: float = 0.01,
) -> RankingChange:
    """One-sided z-test of a drop in quality; for an area the errors are DeLong's (window) and the reference's own.

    Args:
        reference: to compare with.
        rows: of the window.
        alpha: level of the test.
        minimum_outcomes: rows of the rarer outcome that either side needs (binary).
        run: windows that must show a change before it is acted on.
        run_alpha: level for the smallest loss that a run of windows would show.
    """
    name = reference.quality_metric
    if reference.quality is None or reference.trivial_loss <= 0:
        return RankingChange(name, None, None, None, None, None, None, None, None, "the reference has no quality")
    if rows.task is Task.BINARY:
        fewer = min(int(rows.y.sum()), rows.n - int(rows.y.sum()))
        fewer_before = _rarer(reference)
        if min(fewer, fewer_before) < minimum_outcomes:
            where = "the window" if fewer < minimum_outcomes else "the reference"
            reason = f"{where} has {min(fewer, fewer_before)} outcomes of the rarer kind, fewer than {minimum_outcomes}"
            return RankingChange(name, reference.quality, None, None, None, None, None, None, None, reason)
    value, error = window_quality(reference, rows)
    interval = normal_interval(value, error)
    variation = reference.variation_of(rows.n)
    between = period_error(variation, variation.quality if variation else 0.0)
    error_before = _reference_error(reference)
    both = math.hypot(error, error_before, between.deviation)
    drop = reference.quality - value
    freedom = between.freedom or _freedom(reference, rows, error_before, error)
    expected = expected_quality(reference, rows)
    fallen = z_of(expected - value, both) if expected is not None else None
    of_run = math.hypot(error / math.sqrt(run), error_before, between.deviation)
    return RankingChange(
        metric=name,
        reference=reference.quality,
        window=value,
        low=interval.low,
        high=interval.high,
        drop=drop,
        standard_error=both,
        p_value=upper_tail(z_of(drop, both), freedom),
        expected=expected,
        p_unexpected=upper_tail(fallen, freedom) if fallen is not None else None,
        smallest_in_a_run=smallest_detectable(of_run, run_alpha, power=0.5),
        smallest_detectable=smallest_detectable(both, alpha),
        own_error=math.hypot(
            error * student_deviation(_fewer(rows)), between.deviation * student_deviation(between.freedom)
        ),
        reference_error=error_before,
        between_error=between.deviation * student_deviation(between.freedom),
    )


def expected_quality(reference: ReferencePerformance, rows: Scored) -> float | None:
    """Quality of a window's scores if outcomes (others: losses) by fine grade were the reference's.

    The reference reweighted to the window's scores: what is lost against it is another relation, what it lost against the
    reference itself comes from other inputs. None where more than 5 % of the rows are in grades that the reference hardly
    knows.
    """
    table = reference.fine
    n = np.array(table.n, dtype=float)
    grade = np.searchsorted(np.array(table.edges), grade_score(rows), side="right")
    window = np.bincount(grade, minlength=len(n)).astype(float)
    if reference.quality is None or window[n < LEAST_GRADE_ROWS].sum() > MOST_UNKNOWN * rows.n:
        return None
    n = np.maximum(n, 1)
    if rows.task is not Task.BINARY:
        return 1 - float((window * np.array(table.loss) / n).sum() / rows.n) / reference.trivial_loss
    rate = np.array(table.outcome) / n
    if not 0 < float((window * rate).sum()) < rows.n:
        return None
    now, _ = areas_from_counts(window * rate, window * (1 - rate))
    before, _ = areas_from_counts(n * rate, n * (1 - rate))
    # Ties inside a grade hide a little of the ordering, on both sides alike.
    return min(1.0, float(now) + reference.quality - float(before))


def _fewer(rows: Scored) -> int:
    """Rows of the rarer outcome less one, from which the error of an AUC is known; 0 for other measures."""
    return min(int(rows.y.sum()), rows.n - int(rows.y.sum())) - 1 if rows.task is Task.BINARY else 0


def _rarer(reference: ReferencePerformance) -> int:
    """Rows of the reference with the rarer outcome (binary)."""
    events = round(reference.outcome_mean * reference.n)
    return min(events, reference.n - events)


def _freedom(reference: ReferencePerformance, rows: Scored, error_before: float, error: float) -> int:
    """Degrees of freedom of a drop of the AUC (Welch & Satterthwaite); 0, the normal distribution, for other measures.

    The error of an AUC is known from about as many rows as have the rarer outcome: with few of them on one side, the normal
    distribution rejects far too often.
    """
    if rows.task is not Task.BINARY or not (error_before or error):
        return 0
    fewer = min(int(rows.y.sum()), rows.n - int(rows.y.sum()))
    parts = (error_before**2, _rarer(reference) - 1), (error**2, fewer - 1)
    return max(1, int(sum(v for v, _ in parts) ** 2 / sum(v**2 / max(f, 1) for v, f in parts)))


def _reference_error(reference: ReferencePerformance) -> float:
    """Error of the reference's quality with its trivial loss held fixed, as it is held in the window."""
    if Task(reference.task) is Task.BINARY:
        return reference.quality_error or 0.0
    mean = sum(reference.fine.loss) / reference.n
    variance = max(0.0, sum(reference.fine.loss_squares) / reference.n - mean**2)
    return math.sqrt(variance / reference.n) / reference.trivial_loss
