"""The base rate that moved scores would mean, were the base rate all that changed."""

from dataclasses import dataclass
from math import erfc, sqrt

import numpy as np

from mlops_assets.statistics.between_periods import BetweenPeriods
from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.profile import ColumnProfile

LEAST_BINS = 5
LEVEL = 0.01
MOST_LEFT = 0.2
"""Part of the moved scores' chi-square that a pure shift of the base rate may leave unexplained."""


@dataclass(frozen=True)
class ImpliedBaseRate:
    """What a window's mean score says of its base rate.

    Attributes:
        reference: base rate of the reference: its mean score.
        window: base rate that the window's mean score means; within 0 and 1.
        p_value: two-sided, that the mean score is the reference's.
        agrees: whether the scores are distributed as under a pure shift of the base rate.
    """

    reference: float
    window: float
    p_value: float
    agrees: bool = True


def implied_base_rate(
    reference: ColumnProfile, window: ColumnCounts, periods: BetweenPeriods | None = None
) -> ImpliedBaseRate | None:
    """Solve for the base rate under a pure shift of it (P(x | y) stays).

    A window's mean score is π E[s | 1] + (1 − π) E[s | 0]. For a calibrated score with mean p and variance v,
    E[s | 1] − E[s | 0] = v / (p (1 − p)), hence π = p + (mean − p) · p (1 − p) / v (the method of moments of Saerens,
    Latinne & Decaestecker 2002, and Lipton, Wang & Smola 2018). It is an estimate with an assumption: a changed mix of
    inputs moves scores too.

    Where the reference's own periods differ, all of what they differ by is taken to be in the mean score: the error is
    never too small, and Student's distribution takes the normal's place.

    Args:
        reference, window: the score's column; None comes back where it is not a probability that varies.
        periods: how much the reference's own periods differ; None: rows are independent.
    """
    if reference.mean is None or not reference.std or window.mean is None or not reference.present:
        return None
    if reference.minimum is None or reference.maximum is None or reference.minimum < 0 or reference.maximum > 1:
        return None
    p, variance = reference.mean, reference.std**2
    moved = window.mean - p
    error = reference.std * sqrt(1 / window.present + 1 / reference.present)
    rate = p + moved * p * (1 - p) / variance
    rate = min(max(rate, 0.0), 1.0)
    agrees = pure_shift(reference, window, rate)
    if periods is None:
        return ImpliedBaseRate(p, rate, erfc(abs(moved) / error / sqrt(2)), agrees)
    from scipy.stats import t

    error = sqrt(error**2 + variance * periods.variance * (1 + 1 / periods.periods))
    return ImpliedBaseRate(p, rate, 2 * float(t.sf(abs(moved) / error, periods.periods - 1)), agrees)


def pure_shift(reference: ColumnProfile, window: ColumnCounts, rate: float) -> bool:
    """Whether a window's scores are the reference's with the two classes weighted anew.

    Of a calibrated score s with counts c the classes have densities proportional to c s and c (1 - s), so that a bin's share
    becomes c (π s / p + (1 - π) (1 - s) / (1 - p)). What the window's shares are off from that is held against what they are
    off from the reference's: no more than a fifth of the chi-square may be left, but for chance.
    """
    from scipy.stats import chi2

    low, high = reference.minimum, reference.maximum
    counts, now = np.asarray(reference.counts, dtype=float), np.asarray(window.counts, dtype=float)
    if low is None or high is None or len(counts) < LEAST_BINS or not now.sum() or not counts.sum():
        return True
    limits = np.array([low, *reference.edges, high], dtype=float)
    middle = np.clip((limits[1:] + limits[:-1]) / 2, 1e-6, 1 - 1e-6)
    p = float((counts * middle).sum() / counts.sum())
    shifted = counts * (rate * middle / p + (1 - rate) * (1 - middle) / (1 - p))
    left, off = (_chi_square(expected, now, float(counts.sum())) for expected in (shifted, counts))
    freedom = len(counts) - 2
    if chi2.sf(left, freedom) >= LEVEL:
        return True
    return left - freedom <= MOST_LEFT * max(off - freedom, 0.0)


def _chi_square(expected: np.ndarray, now: np.ndarray, reference_rows: float) -> float:
    rows = float(now.sum())
    expected = np.maximum(expected / expected.sum() * rows, 0.5)
    return float(((now - expected) ** 2 / (expected * (1 + rows / reference_rows))).sum())
