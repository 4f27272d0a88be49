"""One column of a window against the reference: which cells are compared, how far they moved, and how grave that is.

Belongs here: the verdict on a single column. Not here: signs of a broken column (`faults.py`), and the window as a whole
(`drift.py`).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from mlops_assets.monitoring.inputs.column_statistics import ColumnStatistic, alarm
from mlops_assets.monitoring.inputs.faults import find_fault
from mlops_assets.monitoring.severity import TOLERATED_DISTANCE, Severity, at_least
from mlops_assets.monitoring.wording import shown_p
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.between_periods import BetweenPeriods, as_long_as
from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.distances import kolmogorov_smirnov
from mlops_assets.statistics.homogeneity import LEAST_EXPECTED, TestResult, chi_square_two_sample
from mlops_assets.statistics.implied_base_rate import implied_base_rate
from mlops_assets.statistics.profile import ColumnProfile
from mlops_assets.statistics.proportions import share_increase
from mlops_assets.statistics.psi import between_psi, net_psi, psi
from mlops_assets.statistics.sequential import Compared, distance_evidence

LEAST_CATEGORY = 20
GROUP_FACTOR = 1.5
GROUP_POINTS = 0.02
HARDLY_USED = 0.01
"""A feature with less than this share of all importance is worth a note; an alarm on it alone is only `watch`."""
BASE_RATE_WATCH = 0.2
"""Change of the base rate, relative to it, worth a word: seen in outcomes, or meant by a moved mean score."""
DELIVERY_FAULTS = (
    "missing_column",
    "wrong_type",
    "missing_values",
    "infinite_values",
    "new_categories",
    "renamed_category",
)
"""Faults that the model's own score may have: it is missing, no number, or a class that does not exist."""
LEAST_EVIDENCE = 30
"""Below the minimum of rows no distribution is judged, but a fault this many rows agree on is still named."""


@dataclass(frozen=True)
class ColumnDrift:
    """One column's verdict.

    Attributes:
        name: of the column.
        kind: numeric or categorical.
        statistic: what `value` is: `psi`.
        value: PSI.
        effect: PSI less what noise alone would give; what the thresholds are held against.
        variation: PSI that periods of the reference have among themselves, which is part of that noise.
        p_value: that the distribution is the same, adjusted over the columns (Benjamini-Hochberg).
        raw_p_value: before that.
        severity: of this column.
        reason: in words.
        fault: the sign of a broken feed, or empty.
        ks: Kolmogorov-Smirnov distance (numeric).
        statistics: what registered statistics found.
        null_share, reference_null_share: shares of missing values.
        new_share: share of rows with values never seen.
        importance: share of all importance, None where it is not known.
        partner: the other column of a swap.
        fault_strength: how far a fault is likelier than an honest change, 0 to 1; 0 without a fault.
        group: the category that has become at least one and a half times as frequent, or empty.
        group_factor: how many times as frequent it is.
        implied_base_rate, reference_base_rate: of a probability score: the mean outcome its window would mean if only
            the base rate had changed, and the reference's.
        log_e: logarithm of the e-value that the distance is above the tolerated one, for evidence that adds up over windows.
    """

    name: str
    kind: str
    statistic: str
    value: float | None
    effect: float | None
    p_value: float | None
    raw_p_value: float | None
    severity: Severity
    reason: str
    fault: str = ""
    variation: float = 0.0
    ks: float | None = None
    statistics: tuple[ColumnStatistic, ...] = ()
    null_share: float = 0.0
    reference_null_share: float = 0.0
    new_share: float = 0.0
    importance: float | None = None
    partner: str = ""
    fault_strength: float = 0.0
    group: str = ""
    group_factor: float = 0.0
    implied_base_rate: float | None = None
    reference_base_rate: float | None = None
    log_e: float | None = None


def judge_column(
    reference: ColumnProfile,
    window: ColumnCounts,
    thresholds: MonitoringThresholds,
    tests: int,
    measurable: bool,
    share: float | None,
    is_score: bool,
) -> ColumnDrift:
    """Compare one column; p-values are not adjusted and changes not graded yet.

    Args:
        reference: profile of the column.
        window: its counts in the profile's bins.
        thresholds: of the policy.
        tests: number of columns that share the false-alarm level.
        measurable: whether the window has the rows that a verdict needs.
        share: of all importance; None where it is not known.
        is_score: whether the column holds the model's own score.
    """
    level = thresholds.alpha / max(tests, 1) / 5
    fault = find_fault(reference, window, thresholds, level) if counts_enough(window) else None
    if fault is not None and is_score and fault.sign not in DELIVERY_FAULTS:
        # A score is what the model made of its inputs: what its values do is a change, not a fault of the data.
        fault = None
    base = ColumnDrift(
        name=reference.name,
        kind=reference.kind,
        statistic="psi",
        value=None,
        effect=None,
        p_value=None,
        raw_p_value=None,
        severity="not_measurable",
        reason=f"{window.rows} rows, fewer than the {thresholds.minimum_rows} that a verdict needs",
        null_share=window.nulls / window.rows if window.rows else 0.0,
        reference_null_share=reference.nulls / reference.rows,
        new_share=window.new_rows / window.present if window.present else 0.0,
        importance=share,
    )
    if fault is not None:
        base = replace(base, severity="act", reason=fault.text, fault=fault.sign, fault_strength=fault.strength)
    if window.missing or window.wrong_type or not measurable:
        return base
    before, now = comparable_counts(reference, window)
    if before.sum() == 0 or now.sum() == 0:
        return base if fault else replace(base, reason="no value to compare", severity="not_measurable")
    periods = as_long_as(reference.periods, reference.present, window.present)
    # Few different values have a cell each; more are parted at the reference's quantiles.
    cut = reference.kind == "numeric" and reference.distinct > len(reference.counts)
    test = chi_square_two_sample(before, now, periods, cut_on_reference=cut)
    p_value, ks = test.p_value, None
    if reference.kind == "numeric":
        smirnov = kolmogorov_smirnov(before, now)
        ks = smirnov.statistic
        if periods is None:
            p_value = min(1.0, 2 * min(p_value, smirnov.p_value))
    extra: dict[str, Any] = {}
    if reference.kind == "categorical":
        extra["group"], extra["group_factor"] = grown_group(reference, window, level)
    elif is_score and fault is None:
        moved = implied_base_rate(reference, window, periods)
        if moved is not None and moved.agrees:
            p_value = min(1.0, 1.5 * min(p_value, 2 * moved.p_value))
            extra = {"implied_base_rate": moved.window, "reference_base_rate": moved.reference}
    return replace(
        base,
        log_e=_evidence(test, int(before.sum()), int(now.sum()), periods, thresholds.psi_watch, level),
        value=psi(before, now),
        effect=net_psi(before, now, periods),
        variation=between_psi(periods),
        raw_p_value=p_value,
        severity=base.severity if fault else "none",
        reason=base.reason if fault else "",
        ks=ks,
        **extra,
    )


def _evidence(
    test: TestResult, reference_rows: int, rows: int, periods: BetweenPeriods | None, watch: float, level: float
) -> float:
    """Logarithm of the e-value that the column's distance is above the tolerated one."""
    sides = Compared(reference_rows, rows)
    if periods is not None:
        freedom = periods.variance**2 / periods.squares if periods.squares else 1.0
        sides = replace(sides, between=periods.variance, between_freedom=freedom, periods=periods.periods)
    return distance_evidence(test.statistic, test.freedom, sides, TOLERATED_DISTANCE * watch, level)


def counts_enough(window: ColumnCounts) -> bool:
    """Whether a window has enough rows for a fault to be more than chance."""
    return window.rows >= LEAST_EVIDENCE


def graded(column: ColumnDrift, thresholds: MonitoringThresholds) -> ColumnDrift:
    """The column with its severity and the reason for it: of the population stability index, or of a registered statistic that
    raises a graver alarm."""
    if column.fault:
        return column
    found = _graded_by_psi(column, thresholds)
    severity, reason = alarm(column.statistics, thresholds)
    return found if at_least(found.severity, severity) else replace(found, severity=severity, reason=reason)


def _graded_by_psi(column: ColumnDrift, thresholds: MonitoringThresholds) -> ColumnDrift:
    """Severity and reason from the adjusted p-value and the size of the change."""
    effect, p_value = column.effect or 0.0, column.p_value if column.p_value is not None else 1.0
    if p_value >= thresholds.alpha:
        usual = (
            f"within what periods of the reference differ by (PSI {column.variation:.2f})" if column.variation else ""
        )
        return replace(column, reason=usual or "within chance")
    if effect < thresholds.psi_watch and column.group:
        return replace(
            column,
            severity="watch",
            reason=f"{column.group!r} is {column.group_factor:.1f} times as frequent as in the reference",
        )
    implied, expected = column.implied_base_rate, column.reference_base_rate
    moved = abs(implied / expected - 1) if implied is not None and expected else 0.0
    if effect < thresholds.psi_watch and moved >= BASE_RATE_WATCH:
        reason = f"as if the base rate were {implied:.3f} against {expected:.3f} in the reference"
        return replace(column, severity="watch", reason=reason)
    if effect < thresholds.psi_watch:
        return replace(column, reason=f"changed, but too little to matter (PSI {effect:.3f} net of noise)")
    severity: Severity = "act" if effect >= thresholds.psi_act else "watch"
    reason = f"PSI {effect:.2f} net of noise, {shown_p(p_value)}"
    if severity == "act" and column.importance is not None and column.importance < HARDLY_USED:
        return replace(
            column,
            severity="watch",
            reason=f"{reason}; hardly used by the model, {column.importance:.1%} of importance",
        )
    return replace(column, severity=severity, reason=reason)


def comparable_counts(reference: ColumnProfile, window: ColumnCounts) -> tuple[np.ndarray, np.ndarray]:
    """Counts of both sides over the same cells; for categories with a last cell for all that are too rare.

    Which value is too rare is decided by both sides together. Were it decided by the reference's rows alone, each value
    that is kept would be one whose share they overstate, and a window without change would look changed.
    """
    if reference.kind == "numeric":
        return np.asarray(reference.counts), np.asarray(window.counts)
    before = np.asarray([*reference.categories.values(), *(0 for _ in window.new)])
    now = np.asarray([*window.counts, *window.new.values()])
    rows = max(reference.present + window.present, 1)
    kept = (before + now) * min(reference.present, window.present) / rows >= LEAST_EXPECTED
    if reference.others:
        # The list of values ends where the reference's own counts said: near its end the same overstatement holds.
        listed_from = min(reference.categories.values())
        kept &= (before + now) * reference.present / rows >= 2 * listed_from
    pooled = reference.present - int(before[kept].sum())
    pooled_now = window.present - int(now[kept].sum())
    if not pooled and not pooled_now:
        return before[kept], now[kept]
    return np.append(before[kept], pooled), np.append(now[kept], pooled_now)


def grown_group(reference: ColumnProfile, window: ColumnCounts, level: float) -> tuple[str, float]:
    """The category that is one and a half times as frequent or more, by two points or more, beyond chance, and its
    factor; PSI hardly sees a small one. Empty and 0 where there is none."""
    before, now = np.asarray(list(reference.categories.values()), dtype=float), np.asarray(window.counts, dtype=float)
    if not len(before) or not window.present:
        return "", 0.0
    p, q = before / max(reference.present, 1), now / window.present
    grown = (q >= GROUP_FACTOR * p) & (q - p >= GROUP_POINTS) & (before >= LEAST_CATEGORY)
    if not grown.any():
        return "", 0.0
    at = int(np.argmax(np.where(grown, q - p, 0.0)))
    test = share_increase(int(before[at]), reference.present, int(now[at]), window.present)
    certain = test.p_value * len(before) < level
    return (list(reference.categories)[at], float(q[at] / p[at])) if certain else ("", 0.0)
