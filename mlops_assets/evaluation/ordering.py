"""Metrics of the order of binary scores that have no simple standard error: average precision and Kolmogorov-Smirnov.

Both are computed from counts of positives and negatives by rising score, for one table or for many resamples at once.
"""

import numpy as np

from mlops_assets.statistics.resampling import assign_bins, equal_frequency_edges, resample_poisson

RESAMPLE_BINS = 500  # a resample needs the spread of a metric, not its fourth digit


def order_counts(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives at each distinct score, in rising order: exact, nothing is binned."""
    order = np.argsort(score, kind="stable")
    ordered, outcome = score[order], y[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    positives = np.add.reduceat(outcome, starts)
    return positives, np.diff(np.append(starts, len(score))) - positives


def bootstrap_ordering(y: np.ndarray, score: np.ndarray, resamples: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Poisson resamples of positives and negatives in score bins, shape (resamples, bins) each.

    At most 500 equal-frequency bins: the grouping moves a metric by less than 1/500, and all resamples alike.
    """
    edges = equal_frequency_edges(score, RESAMPLE_BINS)
    bins = assign_bins(score, edges)
    table = np.stack([np.bincount(bins[y == outcome], minlength=len(edges) + 1) for outcome in (1, 0)])
    drawn = resample_poisson(table, resamples, seed)
    return drawn[:, 0], drawn[:, 1]


def ks_statistics(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Largest distance between the score distributions of the two outcomes; counts of shape (..., bins)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.cumsum(positives, -1) / positives.sum(-1, keepdims=True)
        n = np.cumsum(negatives, -1) / negatives.sum(-1, keepdims=True)
    return np.abs(p - n).max(-1)


def average_precisions(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Area under the precision-recall steps, `Σ (R_k - R_{k-1}) P_k` from the highest score down, as scikit-learn's."""
    caught = np.cumsum(positives[..., ::-1], -1)
    called = caught + np.cumsum(negatives[..., ::-1], -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(called > 0, caught / np.maximum(called, 1), 0.0)
        return (positives[..., ::-1] * precision).sum(-1) / positives.sum(-1)
