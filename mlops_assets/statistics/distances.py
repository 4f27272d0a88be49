"""Distances between two samples from counts in the same cells; the population stability index is in `psi.py`."""

from collections.abc import Sequence

import numpy as np

from mlops_assets.statistics.homogeneity import TestResult
from mlops_assets.statistics.statistic import Change, Statistic, StatisticInputs


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


def jensen_shannon(reference: np.ndarray, window: np.ndarray) -> float:
    """Square root of the Jensen-Shannon divergence with logarithms to base 2: 0 (same) to 1 (disjoint).

    JSD = H((p + q) / 2) − (H(p) + H(q)) / 2, H the entropy (Lin 1991); its root is a metric (Endres & Schindelin 2003).

    Args:
        reference, window: counts, shape (k,).
    """
    if not reference.sum() or not window.sum():
        return 0.0
    p, q = reference / reference.sum(), window / window.sum()
    middle = (p + q) / 2
    return float(np.sqrt(max(0.0, _entropy(middle) - (_entropy(p) + _entropy(q)) / 2)))


def _entropy(shares: np.ndarray) -> float:
    positive = shares[shares > 0]
    return float(-(positive * np.log2(positive)).sum())


def normalised_wasserstein(
    reference: np.ndarray, window: np.ndarray, edges: Sequence[float], minimum: float, maximum: float, std: float
) -> float | None:
    """W₁ = ∫ |F(x) − G(x)| dx between the outermost values seen, over the reference's standard deviation.

    Both distribution functions are known on the edges and taken as linear between them, the least that counts allow;
    a distance of 1 is a shift of the whole distribution by one standard deviation.

    Args:
        reference, window: counts, shape (k,).
        edges: inner edges, shape (k − 1,).
        minimum, maximum: outermost finite values of both samples.
        std: of the reference; None comes back where it is 0 or there is nothing to compare.
    """
    if not std or not reference.sum() or not window.sum():
        return None
    points = np.asarray([minimum, *edges, maximum], dtype=float)
    points = np.maximum.accumulate(np.clip(points, minimum, maximum))
    f = np.concatenate([[0.0], np.cumsum(reference) / reference.sum()])
    g = np.concatenate([[0.0], np.cumsum(window) / window.sum()])
    left, right = (f - g)[:-1], (f - g)[1:]
    width = np.diff(points)
    # The integral of |linear| over a piece whose ends have different signs is that of two triangles.
    crossing = left * right < 0
    total = np.abs(left) + np.abs(right)
    area = np.where(crossing, (left**2 + right**2) / np.where(total > 0, total, 1.0), total) / 2
    return float((area * width).sum() / std)


def _jensen_shannon(found: StatisticInputs) -> Change:
    return Change(jensen_shannon(found.before, found.now))


def _wasserstein(found: StatisticInputs) -> Change | None:
    reference, window = found.reference, found.window
    if None in (reference.minimum, reference.maximum, window.minimum, window.maximum, reference.std):
        return None
    low, high = min(reference.minimum, window.minimum), max(reference.maximum, window.maximum)  # type: ignore[type-var]
    distance = normalised_wasserstein(found.before, found.now, reference.edges, low, high, reference.std)  # type: ignore[arg-type]
    return None if distance is None else Change(distance)


JENSEN_SHANNON = Statistic(
    "jensen_shannon", "Square root of the Jensen-Shannon divergence, 0 to 1 (Lin 1991).", _jensen_shannon
)
WASSERSTEIN = Statistic(
    "wasserstein",
    "Mean distance that values have moved, in standard deviations of the reference.",
    _wasserstein,
    kinds=("numeric",),
)
