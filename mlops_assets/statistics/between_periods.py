"""How much the periods of a reference differ from each other by themselves, beyond what drawing rows would give.

Rows of a stream are not independent draws: neighbours are alike, months have their own mix. A test that takes them for
independent calls every window changed. The variance between the reference's own periods is
measured once, and each later test adds it to the one of drawing rows.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.statistics.resampling import spread_positions

PERIODS = (64, 48, 32, 24, 16, 12, 8)
"""Numbers of periods the reference is parted into; a window is held against those of about its own size."""
PARTS = 192
"""Parts that periods of each of these numbers are put together from."""
LEAST_PERIODS = 8
LEAST_ROWS = 100
"""Rows a period needs for its shares to be worth comparing."""
MOST_ROWS = 100_000
"""Rows looked at, spread over the whole reference: the extra variance is known well enough from so many."""
LEAST_EXPECTED = 5.0
LEVEL = 0.01
"""Below this p-value the periods are taken to differ; else rows are taken to be independent."""


@dataclass(frozen=True)
class BetweenPeriods:
    """How the shares of a column's cells vary from period to period beyond chance.

    With p the shares of the cells and S the covariance of a period's shares beyond the multinomial one, each share
    divided by the root of its p:

    Attributes:
        periods: into how many the reference was parted.
        variance: trace of S; the chi-square distance between periods that rows drawn at random would not have.
        squares: trace of S²; variance² where periods differ in one way only, less where in many.
        p_value: that periods do not differ at all (chi-square test of homogeneity).
    """

    periods: int
    variance: float
    squares: float
    p_value: float


@dataclass(frozen=True)
class PeriodOfRows:
    """Which part of a table's time each row belongs to.

    Attributes:
        part: of each row, 0 to 191 in the order of time; −1 for rows that are not looked at.
        finest: into how many periods, at most, the rows may be parted.
    """

    part: np.ndarray
    finest: int


def number_periods(times: pl.Series) -> PeriodOfRows | None:
    """Part rows into periods of about equally many rows, cut only where the time changes.

    At most 64, and no more than have 100 rows each. Rows without a time belong to none. Of more than 100,000 rows so
    many are looked at, spread over all.

    Args:
        times: of each row, any type that sorts.

    Returns:
        None where fewer than 8 periods come about: without an order nothing is known of them.
    """
    rank = times.rank("min").cast(pl.Float64).fill_null(np.nan).to_numpy() - 1
    known = np.flatnonzero(np.isfinite(rank))
    looked_at = known[spread_positions(len(known), MOST_ROWS)]
    finest = next((k for k in PERIODS if len(looked_at) >= k * LEAST_ROWS), 0)
    if not finest:
        return None
    part = np.full(len(times), -1)
    part[looked_at] = (rank[looked_at] * PARTS / len(known)).astype(int)
    if len(np.unique(part[looked_at])) < LEAST_PERIODS:
        return None
    return PeriodOfRows(part, finest)


def measure_periods(cells: np.ndarray, periods: PeriodOfRows, size: int) -> tuple[BetweenPeriods, ...]:
    """Measure one column at each number of periods, from the cell of each row.

    Args:
        cells: of each row that is looked at (`part` of 0 or more) in their order, 0 to size − 1; −1 where there is no
            value.
        periods: of all rows.
        size: number of cells.
    """
    part = periods.part[periods.part >= 0]
    there = cells >= 0
    flat = np.bincount(part[there] * size + cells[there], minlength=PARTS * size)
    table = flat.reshape(PARTS, size)
    each = (table.reshape(k, PARTS // k, size).sum(1) for k in PERIODS if k <= periods.finest)
    return tuple(one for one in map(between_periods, each) if one is not None)


def between_periods(counts: np.ndarray) -> BetweenPeriods | None:
    """Method of moments, from the counts of k cells in K periods.

    Pearson's X² of the K × k table has the mean (K − 1)(k − 1) where periods do not differ, and n₀ (K − 1) tr S more
    where they do, n₀ = (N − Σ nᵢ² / N) / (K − 1) (as in a one-way analysis of variance with random effects; the extra
    variance is Rao & Scott's generalised design effect less 1, 1981). tr S² is the unbiased estimate for normal
    vectors (Bai & Saranadasa 1996), less what drawing rows adds to it, within what tr S allows.

    Args:
        counts: shape (K, k). Cells that expect fewer than 5 rows a period are joined.

    Returns:
        None with fewer than 8 periods that have rows, or fewer than two cells.
    """
    from scipy.stats import chi2

    occupied = counts[counts.sum(1) > 0].astype(float)
    table = _joined(occupied) if len(occupied) else occupied
    periods, size = table.shape
    if periods < LEAST_PERIODS or size < 2:
        return None
    rows, total = table.sum(1), table.sum()
    shares = table.sum(0) / total
    apart = (table / rows[:, None] - shares) / np.sqrt(shares)
    statistic = float((rows * (apart**2).sum(1)).sum())
    freedom = (periods - 1) * (size - 1)
    typical = (total - float((rows**2).sum()) / total) / (periods - 1)
    variance = max(0.0, (statistic / freedom - 1) * (size - 1) / typical)
    # Of the weighted deviations, Gram and covariance matrix have one trace of squares.
    weighted = apart * np.sqrt(rows / typical)[:, None]
    gram = weighted @ weighted.T / (periods - 1)
    trace, squared = float(np.trace(gram)), float((gram**2).sum())
    unbiased = (squared - trace**2 / (periods - 1)) * (periods - 1) ** 2 / ((periods - 2) * (periods + 1))
    squares = unbiased - 2 * variance / typical - (size - 1) / typical**2
    return BetweenPeriods(
        periods,
        variance,
        float(np.clip(squares, variance**2 / (size - 1), variance**2)),
        float(chi2.sf(statistic, freedom)),
    )


def extra_deviation(values: np.ndarray, errors: np.ndarray) -> tuple[float, float]:
    """Standard deviation of a quantity between periods beyond that of its errors (DerSimonian & Laird 1986).

    τ² = (Q − (K − 1)) / (Σw − Σw² / Σw) with w = 1 / error² and Q = Σ w (value − mean)².

    Args:
        values, errors: of each of K periods; periods without an error take no part.

    Returns:
        τ, and the p-value that there is none; 0 and 1 with fewer than 8 periods.
    """
    from scipy.stats import chi2

    known = np.isfinite(values) & np.isfinite(errors) & (errors > 0)
    if known.sum() < LEAST_PERIODS:
        return 0.0, 1.0
    value, weight = values[known], 1 / errors[known] ** 2
    mean = (weight * value).sum() / weight.sum()
    q, freedom = float((weight * (value - mean) ** 2).sum()), len(value) - 1
    variance = max(0.0, q - freedom) / (weight.sum() - (weight**2).sum() / weight.sum())
    return float(np.sqrt(variance)), float(chi2.sf(q, freedom))


def as_long_as(measured: tuple[BetweenPeriods, ...], reference_rows: int, window_rows: int) -> BetweenPeriods | None:
    """The measurement whose periods are the largest that are no larger than the window: smaller ones differ more, so
    that what a window may differ by is not put too low.

    None where none was made, or where periods of no length differ beyond chance: rows are independent then. That they do is
    seen best at another length than the window's, mostly a shorter one, of which there are more.
    """
    if not measured or not window_rows:
        return None
    wanted = reference_rows / window_rows
    found = min(measured, key=lambda one: (one.periods < wanted, abs(one.periods - wanted)))
    restless = min(one.p_value for one in measured) * len(measured) < LEVEL or found.p_value < LEVEL
    return found if restless and found.variance > 0 else None


def _joined(table: np.ndarray) -> np.ndarray:
    """Rare cells as one, so that each expects 5 rows in a period of middling size."""
    expected = table.sum(0) / max(len(table), 1)
    rare = expected < LEAST_EXPECTED
    if not rare.any():
        return table
    joined = np.column_stack([table[:, ~rare], table[:, rare].sum(1)])
    return joined[:, joined.sum(0) > 0]
