"""Jensen-Shannon distance from counts."""

import numpy as np


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
