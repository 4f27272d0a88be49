"""Metrics of the order of binary scores that have no simple standard error: average precision and Kolmogorov-Smirnov.

Both are computed from counts of positives and negatives by rising score, for one table or for many resamples at once.
"""

import numpy as np

from mlops_assets.statistics.intervals import Interval, normal_quantile
from mlops_assets.statistics.resampling import assign_bins, equal_frequency_edges

RESAMPLE_BINS = 500  # a resample needs the spread of a metric, not its fourth digit


def order_counts(y: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives at each distinct score, in rising order: exact, nothing is binned."""
    order = np.argsort(score, kind="stable")
    ordered, outcome = score[order], y[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    positives = np.add.reduceat(outcome, starts)
    return positives, np.diff(np.append(starts, len(score))) - positives


def binned_order(y: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Positives and negatives in score bins, shape (2, bins).

    At most 500 equal-frequency bins: the grouping moves a metric by less than 1/500, and all resamples alike.
    """
    edges = equal_frequency_edges(score, RESAMPLE_BINS)
    bins = assign_bins(score, edges)
    return np.stack([np.bincount(bins[y == outcome], minlength=len(edges) + 1) for outcome in (1, 0)])


def ks_interval(value: float, table: np.ndarray, drawn: np.ndarray, confidence: float = 0.95) -> Interval:
    """Interval of the Kolmogorov-Smirnov distance from bootstrap resamples.

    The distance is a maximum, so that its value lies too high on few rows and the bootstrap of the value is not valid
    (Fang & Santos 2019, Review of Economic Studies 86). The lower end takes off what the largest of the deviations at all
    scores adds that may be where the maximum is: those within one uniform band of it. The upper end is that of the distance
    at one score, which the maximum never lies below. At least the stated share of intervals hold the true distance, for
    independent rows; with a distance far above 0 the upper end is cautious.

    Args:
        value: the distance, from all rows.
        table: rows by outcome and bin, shape (2, bins).
        drawn: resamples of it, shape (resamples, 2, bins).
        confidence: of the interval.
    """
    found = _distances(table[0], table[1])
    deviations = _distances(drawn[:, 0], drawn[:, 1]) - found
    deviations = deviations[np.isfinite(deviations).all(1)]
    if not len(deviations):
        return Interval(0.0, 1.0)
    band = float(np.quantile(np.abs(deviations).max(1), confidence))
    above, below = found >= np.abs(found).max() - band, -found >= np.abs(found).max() - band
    largest = np.maximum(
        np.where(above, deviations, -np.inf).max(1),
        np.where(below, -deviations, -np.inf).max(1),
    )
    tail = 0.5 + confidence / 2
    error = float(deviations.std(0)[above | below].max())
    return Interval(
        max(0.0, value - float(np.quantile(largest, tail))), min(1.0, value + normal_quantile(tail) * error)
    )


def ks_statistics(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Largest distance between the score distributions of the two outcomes; counts of shape (..., bins)."""
    return np.abs(_distances(positives, negatives)).max(-1)


def _distances(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Difference of the two distribution functions at each bin; NaN where an outcome has no row."""
    with np.errstate(invalid="ignore", divide="ignore"):
        p = np.cumsum(positives, -1) / positives.sum(-1, keepdims=True)
        n = np.cumsum(negatives, -1) / negatives.sum(-1, keepdims=True)
    return p - n


def average_precisions(positives: np.ndarray, negatives: np.ndarray) -> np.ndarray:
    """Area under the precision-recall steps, `Σ (R_k - R_{k-1}) P_k` from the highest score down, as scikit-learn's."""
    caught = np.cumsum(positives[..., ::-1], -1)
    called = caught + np.cumsum(negatives[..., ::-1], -1)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = np.where(called > 0, caught / np.maximum(called, 1), 0.0)
        return (positives[..., ::-1] * precision).sum(-1) / positives.sum(-1)
