"""Murphy's decomposition of the Brier score over grades, exact for scores that vary inside a grade.

Source: Murphy (1973), J. Applied Meteorology 12; the two within-grade terms after Stephenson, Coelho & Jolliffe (2008),
Weather and Forecasting 23.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class BrierParts:
    """`score = reliability - resolution + uncertainty + within_variance - within_covariance`, exactly."""

    score: float
    reliability: float
    """How far mean score and observed rate of the grades are apart; 0 is best."""
    resolution: float
    """How far the grades' observed rates are from the overall rate; the larger the better."""
    uncertainty: float
    """Variance of the outcome: nobody's merit, nobody's fault."""
    within_variance: float
    within_covariance: float


def brier_parts(y: np.ndarray, score: np.ndarray, grade: np.ndarray) -> BrierParts:
    """Decompose the Brier score of probabilities `score` for `y` (0 or 1) over numbered grades (shape (n,) each)."""
    n = len(y)
    if n == 0:
        raise ValueError("found no rows, expected at least one for a Brier score")
    y = y.astype(float)
    size = np.bincount(grade).astype(float)
    used = size > 0
    with np.errstate(invalid="ignore"):
        rate = np.bincount(grade, y) / size
        mean = np.bincount(grade, score) / size
    centred_score, centred_y = score - mean[grade], y - rate[grade]
    base = float(y.mean())
    return BrierParts(
        score=float(np.mean((score - y) ** 2)),
        reliability=float(np.sum(size[used] * (mean[used] - rate[used]) ** 2) / n),
        resolution=float(np.sum(size[used] * (rate[used] - base) ** 2) / n),
        uncertainty=base * (1 - base),
        within_variance=float(np.mean(centred_score**2)),
        within_covariance=float(2 * np.mean(centred_score * centred_y)),
    )
