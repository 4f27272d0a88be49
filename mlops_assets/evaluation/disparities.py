"""Differences and ratios between groups, with intervals and the test that all groups are equal, from counts or means.

The pair shown is the one farthest apart, which the data chose; the intervals allow for that
(`statistics/group_limits.py`). Not here: whether a policy's limit is kept (`gates/fairness.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_assets.evaluation.segments import Segments
from mlops_assets.statistics.group_limits import Groups, Scale, extremes, pair_count
from mlops_assets.statistics.intervals import two_sided_p, z_of


@dataclass(frozen=True)
class Disparity:
    """One disparity between the lowest and the highest group.

    Attributes:
        value: highest minus lowest, or lowest to highest; None where fewer than two groups have the rate.
        low, high: interval of the true largest disparity over all pairs of groups.
        p_value: that all groups have one and the same rate (or mean).
        lowest, highest: the groups named.
        reason: why a value is missing.
    """

    value: float | None
    low: float | None
    high: float | None
    p_value: float | None
    lowest: str
    highest: str
    reason: str = ""


def counted_disparities(
    cells: np.ndarray, names: Sequence[str], minimum_outcomes: int, confidence: float = 0.95
) -> dict[str, Disparity]:
    """Disparities of decisions from counts of shape (groups, 2, 2): group, favourable outcome, favourable decision."""
    selection = cells.sum(1)  # (groups, decision): outcomes added up
    found = {
        "demographic_parity_difference": _disparity(selection, names, "difference", confidence),
        "demographic_parity_ratio": _disparity(selection, names, "ratio", confidence),
    }
    odds = []
    for outcome, what in ((1, "favourable"), (0, "unfavourable")):
        table = cells[:, outcome]
        enough = table.sum(1) >= minimum_outcomes
        if enough.sum() < 2:
            reason = f"{enough.sum()} groups have {minimum_outcomes} or more {what} outcomes: a disparity needs two"
            odds.append(Disparity(None, None, None, None, "", "", reason))
            continue
        kept = [name for name, ok in zip(names, enough, strict=True) if ok]
        odds.append(_disparity(table[enough], kept, "difference", confidence))
    found["predictive_parity_difference"] = _predictive_parity(cells, names, minimum_outcomes, confidence)
    found["equal_opportunity_difference"] = odds[0]
    found["equalized_odds_difference"] = _larger(*odds)
    return found


def _predictive_parity(cells: np.ndarray, names: Sequence[str], minimum: int, confidence: float) -> Disparity:
    """Of the favourable decisions, the share with a favourable outcome (Chouldechova, 2017, Big Data 5(2), definition 2.2)."""
    table = cells[:, :, 1]
    enough = table.sum(1) >= minimum
    if enough.sum() < 2:
        reason = f"{enough.sum()} groups have {minimum} or more favourable decisions: a disparity needs two"
        return Disparity(None, None, None, None, "", "", reason)
    kept = [name for name, ok in zip(names, enough, strict=True) if ok]
    return _disparity(table[enough], kept, "difference", confidence)


def mean_disparity(
    values: np.ndarray, segments: Segments, measured: np.ndarray, unit: float, confidence: float = 0.95
) -> Disparity:
    """Largest difference of group means of `values`, divided by `unit`; Welch's test of equal means over all groups."""
    size = segments.sizes.astype(float)[measured]
    total = np.bincount(segments.codes, values, minlength=len(measured))[measured]
    squares = np.bincount(segments.codes, values**2, minlength=len(measured))[measured]
    mean = total / size
    variance = np.maximum(squares - size * mean**2, 0) / np.maximum(size - 1, 1) / size
    names = [name for name, ok in zip(segments.names, measured, strict=True) if ok]
    found = extremes(Groups.of_means(names, mean / unit, variance / unit**2), "difference", confidence)
    p_value = _equal_means(mean, variance)
    return Disparity(found.value, found.low, found.high, p_value, found.lowest, found.highest)


def _disparity(table: np.ndarray, names: Sequence[str], scale: Scale, confidence: float) -> Disparity:
    """Of favourable decisions, from counts of shape (groups, 2): unfavourable, favourable."""
    found = extremes(Groups.of_rates(names, table[:, 1], table.sum(1)), scale, confidence)
    p_value = _equal_rates(table)
    if found.value is None:
        reason = "no group has a favourable decision: there is no ratio"
        return Disparity(None, None, None, p_value, found.lowest, found.highest, reason)
    return Disparity(found.value, found.low, found.high, p_value, found.lowest, found.highest)


def _larger(first: Disparity, second: Disparity) -> Disparity:
    """The larger of two differences; its p-value counts both (Bonferroni)."""
    known = [d for d in (first, second) if d.value is not None]
    if not known:
        return first
    largest = max(known, key=lambda d: d.value or 0.0)
    p_values = [d.p_value for d in known if d.p_value is not None]
    p_value = min(1.0, len(p_values) * min(p_values)) if p_values else None
    missing = next((d.reason for d in (first, second) if d.value is None), "")
    return Disparity(largest.value, largest.low, largest.high, p_value, largest.lowest, largest.highest, reason=missing)


def _equal_rates(table: np.ndarray) -> float | None:
    """P-value that the rows of a (groups, 2) table share one rate: chi-square, or Fisher for two small groups."""
    if (table.sum(0) == 0).any():
        return 1.0
    from scipy.stats import chi2_contingency, fisher_exact

    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    if len(table) == 2 and expected.min() < 5:
        return float(fisher_exact(table).pvalue)  # pyright: ignore[reportAttributeAccessIssue]
    return float(chi2_contingency(table, correction=False).pvalue)  # pyright: ignore[reportAttributeAccessIssue]


def _equal_means(mean: np.ndarray, variance: np.ndarray) -> float | None:
    """Large-sample Welch test that all means are equal; `variance` is that of each mean."""
    if len(mean) == 2 or (variance == 0).any():
        gap = float(mean.max() - mean.min())
        error = float(np.sqrt(variance[mean.argmax()] + variance[mean.argmin()]))
        return min(1.0, pair_count(len(mean)) * two_sided_p(z_of(gap, error)))
    from scipy.stats import chi2

    weight = 1 / variance
    centre = float((weight * mean).sum() / weight.sum())
    return float(chi2.sf(float((weight * (mean - centre) ** 2).sum()), len(mean) - 1))
