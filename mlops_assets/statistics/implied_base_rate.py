"""The base rate that moved scores would mean, were the base rate all that changed."""

from dataclasses import dataclass
from math import erfc, sqrt

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


def implied_base_rate(reference: ColumnProfile, window: ColumnCounts) -> ImpliedBaseRate | None:
    """Solve for the base rate under a pure shift of it (P(x | y) stays).

    A window's mean score is π E[s | 1] + (1 − π) E[s | 0]. For a calibrated score with mean p and variance v,
    E[s | 1] − E[s | 0] = v / (p (1 − p)), hence π = p + (mean − p) · p (1 − p) / v (the method of moments of Saerens,
    Latinne & Decaestecker 2002, and Lipton, Wang & Smola 2018). It is an estimate with an assumption: a changed mix of
    inputs moves scores too.

    Args:
        reference, window: the score's column; None comes back where it is not a probability that varies.
    """
    if reference.mean is None or not reference.std or window.mean is None or not reference.present:
        return None
    if reference.minimum is None or reference.maximum is None or reference.minimum < 0 or reference.maximum > 1:
        return None
    p, variance = reference.mean, reference.std**2
    moved = window.mean - p
    error = reference.std * sqrt(1 / window.present + 1 / reference.present)
    rate = p + moved * p * (1 - p) / variance
    return ImpliedBaseRate(p, min(max(rate, 0.0), 1.0), erfc(abs(moved) / error / sqrt(2)))
