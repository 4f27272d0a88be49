"""Sampling on counts and positions: the bootstrap, bins of equal frequency, and a bounded sample of a table's rows.

Belongs here: drawing and summarising samples. What is computed from a sample belongs to its caller. A bootstrap sample of
n rows in k cells is one draw of k numbers, whatever n is.
"""

import numpy as np

from mlops_assets.statistics.intervals import Interval


def resample_poisson(counts: np.ndarray, resamples: int, seed: int) -> np.ndarray:
    """Poisson bootstrap of a table of counts, shape (resamples, *counts.shape): every cell is drawn by itself.

    The total varies by its square root. Cheaper than the multinomial for tables of thousands of cells, and equal to it
    for large totals.
    """
    generator = np.random.default_rng(seed)
    return generator.poisson(np.asarray(counts, dtype=float), size=(resamples, *np.shape(counts)))


def percentile_interval(values: np.ndarray, confidence: float = 0.95) -> Interval | None:
    """Percentile interval of bootstrap values (shape (resamples,)); None when most resamples had no value."""
    finite = values[np.isfinite(values)]
    if len(finite) < len(values) / 2 or len(finite) == 0:
        return None
    tail = (1 - confidence) / 2
    low, high = np.quantile(finite, [tail, 1 - tail])
    return Interval(float(low), float(high))


def equal_frequency_edges(values: np.ndarray, bins: int) -> np.ndarray:
    """Inner edges of at most `bins` bins that hold about equally many `values`; a bin is `edge <= value < next edge`.

    Fewer bins where values repeat. Sorted, distinct, without infinities; empty when all values are equal.
    """
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return np.empty(0)
    edges = np.unique(np.quantile(finite, np.linspace(0, 1, bins + 1)[1:-1], method="higher"))
    return edges[edges > finite.min()]


def assign_bins(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Number of the bin of each value, 0 to len(edges)."""
    return np.searchsorted(edges, values, side="right")


SEED = 20261121


def spread_positions(rows: int, most: int) -> np.ndarray:
    """Positions of at most `most` of `rows` rows, rising, drawn at random without one coming twice.

    Drawn, not at even distances: against a cycle (hours of a day, say) even distances meet some of its phases only, and
    a sample without the others looks like another table.

    Returns:
        Shape (min(rows, most),), integers.
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(SEED).choice(rows, most, replace=False))
