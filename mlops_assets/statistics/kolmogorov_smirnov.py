"""Kolmogorov-Smirnov distance from counts in bins."""

import numpy as np

from mlops_assets.statistics.homogeneity import TestResult


def kolmogorov_smirnov(reference: np.ndarray, window: np.ndarray) -> TestResult:
    """Largest distance D of the two empirical distribution functions, looked at on the bin edges.

    The true D is at least this one and exceeds it by no more than the largest share of one bin
    (`ColumnProfile.resolution`). The p-value is Smirnov's asymptotic one with n·m/(n+m) rows; because the distance from
    bins is never too large, it is conservative.

    Args:
        reference, window: counts in order of the bins, shape (k,).

    Returns:
        Statistic and effect: D, 0 to 1.
    """
    from scipy.stats import kstwobign

    n, m = reference.sum(), window.sum()
    if not n or not m:
        return TestResult(0.0, 1.0, 0.0)
    distance = float(np.abs(np.cumsum(reference) / n - np.cumsum(window) / m).max())
    return TestResult(distance, float(kstwobign.sf(distance * np.sqrt(n * m / (n + m)))), distance)
