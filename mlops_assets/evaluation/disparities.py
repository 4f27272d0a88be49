"""Differences and ratios between groups, with intervals and significance, from counts or from group means.

The pair that is compared is named: the group with the lowest and the one with the highest rate. Because the data chose
that pair, a test against a limit is multiplied by the number of groups that could have been chosen (Bonferroni).
"""

from dataclasses import dataclass

import numpy as np

from mlops_assets.evaluation.segments import Segments
from mlops_assets.statistics.intervals import normal_interval, two_sided_p, upper_tail, z_of
from mlops_assets.statistics.resampling import percentile_interval, resample_counts


@dataclass(frozen=True)
class Disparity:
    """One disparity between the lowest and the highest group; value None where fewer than two groups have the rate."""

    value: float | None
    low: float | None
    high: float | None
    """Bootstrap percentile (counts) or normal interval (means) for the pair named."""
    standard_error: float | None
    """Of the value; of its logarithm for a ratio."""
    p_value: float | None
    """That all groups have one and the same rate (or mean)."""
    lowest: str
    highest: str
    comparisons: int
    """Groups that could have been the one furthest from the best: factor of the tests against a limit."""
    limit: float | None = None
    p_beyond_limit: float | None = None
    """Ratio: p-value of "the ratio is at least `limit`"; small when it is surely below."""
    reason: str = ""

    def p_beyond(self, limit: float, *, ratio: bool = False) -> float | None:
        """P-value of "the true disparity is within the limit" (a difference at most, or a ratio at least, `limit`).

        One-sided, normal on the scale of `standard_error`, multiplied by `comparisons`.
        """
        if self.value is None or self.standard_error is None:
            return None
        return tail_p(self.value, limit, self.standard_error, self.comparisons, ratio)


def tail_p(value: float, limit: float, standard_error: float, comparisons: int, ratio: bool) -> float:
    """See `Disparity.p_beyond`; for evidence that was stored as JSON."""
    if ratio:
        if value <= 0 or limit <= 0:
            # Nobody in the lowest group was selected: the logarithm says nothing, the bootstrap's zero error does.
            return 0.0 if value < limit else 1.0
        excess = np.log(limit) - np.log(value)
    else:
        excess = value - limit
    return min(1.0, comparisons * upper_tail(z_of(float(excess), standard_error)))


def counted_disparities(
    cells: np.ndarray,
    names: list[str],
    minimum_outcomes: int,
    confidence: float,
    resamples: int,
    seed: int,
    ratio_limit: float,
) -> dict[str, Disparity]:
    """Disparities of decisions from counts of shape (groups, 2, 2): group, favourable outcome, favourable decision."""
    draws = resample_counts(cells, resamples, seed)
    selection, selection_draws = _rates(cells, None), _rates(draws, None)
    found = {
        "demographic_parity_difference": _difference(
            selection, selection_draws, names, _homogeneity(cells.sum(1)), confidence
        ),
        "demographic_parity_ratio": _ratio(
            cells, selection, selection_draws, names, _homogeneity(cells.sum(1)), confidence, ratio_limit
        ),
    }
    odds = []
    for outcome in (1, 0):
        enough = cells[:, outcome].sum(1) >= minimum_outcomes
        kept = [name for name, ok in zip(names, enough, strict=True) if ok]
        if len(kept) < 2:
            what = "favourable" if outcome else "unfavourable"
            reason = f"{len(kept)} groups have {minimum_outcomes} or more {what} outcomes: a disparity needs two"
            odds.append(Disparity(None, None, None, None, None, "", "", max(1, len(kept) - 1), reason=reason))
            continue
        p = _homogeneity(cells[enough, outcome])
        odds.append(_difference(_rates(cells[enough], outcome), _rates(draws[:, enough], outcome), kept, p, confidence))
    found["equal_opportunity_difference"] = odds[0]
    found["equalized_odds_difference"] = _larger(*odds)
    return found


def mean_disparity(
    values: np.ndarray, segments: Segments, measured: np.ndarray, unit: float, confidence: float
) -> Disparity:
    """Largest difference of group means of `values`, divided by `unit`; Welch's test of equal means over all groups."""
    size = segments.sizes.astype(float)[measured]
    total = np.bincount(segments.codes, values, minlength=len(measured))[measured]
    squares = np.bincount(segments.codes, values**2, minlength=len(measured))[measured]
    mean = total / size
    variance = np.maximum(squares - size * mean**2, 0) / np.maximum(size - 1, 1) / size
    names = [name for name, ok in zip(segments.names, measured, strict=True) if ok]
    low, high = int(mean.argmin()), int(mean.argmax())
    value = float(mean[high] - mean[low]) / unit
    error = float(np.sqrt(variance[high] + variance[low])) / unit
    interval = normal_interval(value, error, confidence)
    p = _equal_means(mean, variance)
    return Disparity(value, interval.low, interval.high, error, p, names[low], names[high], len(names) - 1)


def _rates(cells: np.ndarray, outcome: int | None) -> np.ndarray:
    """Share of favourable decisions, among all rows or those with one outcome; shape (..., groups)."""
    table = cells.sum(-2) if outcome is None else cells[..., outcome, :]
    with np.errstate(invalid="ignore", divide="ignore"):
        return table[..., 1] / table.sum(-1)


def _difference(
    rates: np.ndarray, draws: np.ndarray, names: list[str], p_value: float | None, confidence: float
) -> Disparity:
    low, high = int(rates.argmin()), int(rates.argmax())
    gaps = draws[:, high] - draws[:, low]
    interval = percentile_interval(gaps, confidence)
    return Disparity(
        value=float(rates[high] - rates[low]),
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        standard_error=float(np.nanstd(gaps, ddof=1)),
        p_value=p_value,
        lowest=names[low],
        highest=names[high],
        comparisons=len(names) - 1,
    )


def _ratio(
    cells: np.ndarray,
    rates: np.ndarray,
    draws: np.ndarray,
    names: list[str],
    p_value: float | None,
    confidence: float,
    limit: float,
) -> Disparity:
    low, high = int(rates.argmin()), int(rates.argmax())
    if rates[high] == 0:
        reason = "no group has a favourable decision: there is no ratio"
        return Disparity(None, None, None, None, p_value, names[low], names[high], len(names) - 1, reason=reason)
    with np.errstate(invalid="ignore", divide="ignore"):
        interval = percentile_interval(draws[:, low] / draws[:, high], confidence)
    value = float(rates[low] / rates[high])
    # Delta method on the logarithm; one half is added where a group has no favourable decision at all.
    selected, size = cells[..., 1].sum(1).astype(float), cells.sum((1, 2)).astype(float)
    chosen = np.maximum(selected[[low, high]], 0.5)
    error = float(np.sqrt((1 / chosen - 1 / size[[low, high]]).sum()))
    tested = value if value > 0 else 0.5 / size[low] / float(rates[high])
    return Disparity(
        value=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        standard_error=error,
        p_value=p_value,
        lowest=names[low],
        highest=names[high],
        comparisons=len(names) - 1,
        limit=limit,
        p_beyond_limit=tail_p(tested, limit, error, len(names) - 1, True),
    )


def _larger(first: Disparity, second: Disparity) -> Disparity:
    """The larger of two differences; its p-values count both (Bonferroni)."""
    known = [d for d in (first, second) if d.value is not None]
    if not known:
        return first
    largest = max(known, key=lambda d: d.value or 0.0)
    p_values = [d.p_value for d in known if d.p_value is not None]
    p = min(1.0, len(p_values) * min(p_values)) if p_values else None
    missing = next((d.reason for d in (first, second) if d.value is None), "")
    return Disparity(
        largest.value,
        largest.low,
        largest.high,
        largest.standard_error,
        p,
        largest.lowest,
        largest.highest,
        largest.comparisons * len(known),
        reason=missing,
    )


def _homogeneity(table: np.ndarray) -> float | None:
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
        pairs = len(mean) * (len(mean) - 1) / 2
        return min(
            1.0, pairs * two_sided_p(z_of(gap, float(np.sqrt(variance[mean.argmax()] + variance[mean.argmin()]))))
        )
    from scipy.stats import chi2

    weight = 1 / variance
    centre = float((weight * mean).sum() / weight.sum())
    return float(chi2.sf(float((weight * (mean - centre) ** 2).sum()), len(mean) - 1))
