"""The base rate that moved scores would mean, were the base rate all that changed."""

from dataclasses import dataclass
from math import erfc, sqrt

from mlops_assets.statistics.between_periods import BetweenPeriods
from mlops_assets.statistics.counting import ColumnCounts
from mlops_assets.statistics.profile import ColumnProfile


@dataclass(frozen=True)
class ImpliedBaseRate:
    """What a window's mean score says of its base rate.

    Attributes:
        reference: base rate of the reference: its mean score.
        window: base rate that the window's mean score means; within 0 and 1.
        p_value: two-sided, that the mean score is the reference's.
    """

    reference: float
    window: float
    p_value: float


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
    if periods is None:
        return ImpliedBaseRate(p, rate, erfc(abs(moved) / error / sqrt(2)))
    from scipy.stats import t

    error = sqrt(error**2 + variance * periods.variance * (1 + 1 / periods.periods))
    return ImpliedBaseRate(p, rate, 2 * float(t.sf(abs(moved) / error, periods.periods - 1)))
