"""Many tests at once: p-values adjusted so that their number does not make alarms."""

from collections.abc import Sequence

import numpy as np


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the false discovery rate (Benjamini & Hochberg 1995).

    When nothing changed at all, the probability of any adjusted value below α is at most α.
    """
    p = np.asarray(p_values, dtype=float)
    if not len(p):
        return []
    order = np.argsort(-p, kind="stable")
    ranks = np.arange(len(p), 0, -1)
    adjusted = np.empty(len(p))
    # The factor first: it is at least 1, so that rounding makes no adjusted value smaller than the p-value itself.
    adjusted[order] = np.minimum.accumulate(np.minimum(1.0, p[order] * (len(p) / ranks)))
    return [float(v) for v in adjusted]


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjusted p-values (Holm 1979), in the order given: family-wise error at any dependence."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, p_values[index] * (len(p_values) - rank)))
        adjusted[index] = running
    return adjusted
