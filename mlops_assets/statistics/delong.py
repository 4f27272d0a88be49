"""The area under the ROC curve with its variance, from rows or from counts, and paired differences of two areas.

Source: DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44; computed from mid-ranks as in Sun & Xu (2014), so that the
cost is that of one sort. Scores may be on any scale: only their order matters, ties count one half.
"""

import math
from dataclasses import dataclass

import numpy as np

from mlops_assets.statistics.intervals import Interval, two_sided_p, z_of


@dataclass(frozen=True)
class Area:
    """An area under the ROC curve and what its uncertainty is made of."""

    value: float
    standard_error: float
    influence: np.ndarray
    """One number a row: how far the area moves when the row gains weight; mean 0, `se² = mean(influence²) / n` up to
    the small-sample correction in `standard_error`."""


@dataclass(frozen=True)
class PairedAreas:
    """Two areas measured on the same rows."""

    first: float
    second: float
    difference: float
    """second - first"""
    standard_error: float
    p_value: float
    """Two-sided, that the areas are equal."""


def area(y: np.ndarray, score: np.ndarray) -> Area:
    """Area under the ROC curve of `score` for `y` (n values of 0 or 1).

    Raises:
        ValueError: only one class is present, so that no pair can be ordered.
    """
    positive = y.astype(bool)
    m, n = int(positive.sum()), int((~positive).sum())
    if m == 0 or n == 0:
        raise ValueError(f"found {m} positives and {n} negatives, expected at least one of each for an area")
    placement = _placements(positive, score, m, n)
    value = float(placement[positive].mean())
    influence = (placement - value) * (m + n) / np.where(positive, m, n)
    return Area(value, _standard_error(placement[positive], placement[~positive]), influence)


def area_interval(area: float, standard_error: float, rarer: int, confidence: float = 0.95) -> Interval | None:
    """Interval of an area that keeps its level where one outcome is rare; None with fewer than two rows of it.

    DeLong's variance rests on the placements of the rarer outcome: with few of them it is too small by chance, and it is 0
    for one row and for perfect order. So one further row is counted whose placement has the largest variance it can
    have, `a (1 - a)`, and the quantile is Student's with one degree of freedom less than there are rows of the rarer
    outcome; on the logit scale, so that the interval stays inside 0 and 1. Assumes independent rows. In simulations of
    normal scores the lower end of a 95 % interval lay above the true area in at most 3.8 % of samples for 5 to 50 rows
    of the rarer outcome and areas of .5 to .95, against 5 to 66 % without the correction.

    Args:
        area: as measured.
        standard_error: DeLong's.
        rarer: rows of the rarer outcome.
        confidence: of the interval.
    """
    if rarer < 2:
        return None
    from scipy.stats import t

    inside = min(max(area, 0.5 / rarer**2), 1 - 0.5 / rarer**2)
    spread = inside * (1 - inside)
    error = math.sqrt((standard_error**2 * (rarer - 1) + spread / rarer) / rarer)
    half = float(t.ppf(0.5 + confidence / 2, rarer - 1)) * error / spread
    centre = math.log(inside / (1 - inside))
    return Interval(*(1 / (1 + math.exp(-min(max(x, -700.0), 700.0))) for x in (centre - half, centre + half)))


def _placements(positive: np.ndarray, score: np.ndarray, m: int, n: int) -> np.ndarray:
    """Share of the other class that each row is ordered rightly against, ties one half: DeLong's structural components.

    A row's mid-rank among all rows less its mid-rank in its own class is the number of the other class below it: one
    sort gives both.
    """
    order = np.argsort(score)
    ordered, ones = score[order], positive[order]
    starts = np.flatnonzero(np.concatenate(([True], ordered[1:] != ordered[:-1])))
    sizes = np.diff(np.concatenate((starts, [len(score)])))
    positives = np.add.reduceat(ones.astype(np.int64), starts)
    # Of millions of rows each of these arrays is large, and no two more than needed are kept.
    del ordered, starts
    negatives = sizes - positives
    against = (np.cumsum(negatives) - negatives / 2) / n
    del negatives
    placement = np.repeat(against, sizes)
    against = 1 - (np.cumsum(positives) - positives / 2) / m
    del positives
    placement = np.where(ones, placement, np.repeat(against, sizes))
    del against, sizes
    in_order = np.empty(len(score))
    in_order[order] = placement
    return in_order


def compare_areas(y: np.ndarray, first: np.ndarray, second: np.ndarray) -> PairedAreas:
    """DeLong's test of two correlated areas: `first` and `second` score the same n rows of `y`."""
    a, b = area(y, first), area(y, second)
    positive = y.astype(bool)
    share = positive.mean()
    # Back from influence to placements: the difference of placements has the same variance formula.
    gap = (b.influence - a.influence) * np.where(positive, share, 1 - share)
    spread = _standard_error(gap[positive], gap[~positive])
    difference = b.value - a.value
    return PairedAreas(a.value, b.value, difference, spread, two_sided_p(z_of(difference, spread)))


def areas_from_counts(positives: np.ndarray, negatives: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and standard errors of many histograms at once.

    `positives` and `negatives` are counts (or weights) of shape (..., bins), bins in rising order of the score; values
    in one bin count as ties. Returns two arrays of shape (...), NaN where a class is absent.
    """
    m = positives.sum(-1, dtype=float)
    n = negatives.sum(-1, dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        below = (np.cumsum(negatives, -1) - negatives / 2) / n[..., None]
        above = (m[..., None] - np.cumsum(positives, -1) + positives / 2) / m[..., None]
        value = (positives * below).sum(-1) / m
        spread_positive = (positives * (below - value[..., None]) ** 2).sum(-1) / np.maximum(m - 1, 1)
        spread_negative = (negatives * (above - value[..., None]) ** 2).sum(-1) / np.maximum(n - 1, 1)
        error = np.sqrt(spread_positive / m + spread_negative / n)
    return value, error


def _standard_error(positive: np.ndarray, negative: np.ndarray) -> float:
    """Two-sample standard error; a class of one row has no spread of its own to estimate and adds none."""
    total = 0.0
    for part in (positive, negative):
        if len(part) > 1:
            total += float(part.var(ddof=1)) / len(part)
    return math.sqrt(total)


def concordance(outcome: np.ndarray, prediction: np.ndarray) -> float | None:
    """Share of pairs of rows with different outcomes that are predicted in the same order; ties count half.

    For a binary outcome it is the area under the ROC curve; without ties it is (1 + Kendall's tau) / 2. It is bounded
    whatever the size of an error, and 0.5 says that the order is chance.

    Source: Harrell, Califf, Pryor, Lee & Rosati (1982), Evaluating the yield of medical tests, JAMA 247(18).

    Args:
        outcome: (n,) numbers without NaN.
        prediction: (n,) numbers without NaN. Time and memory grow with n²: meant for a few thousand rows.

    Returns:
        A number from 0 to 1, or None when all outcomes are equal.
    """
    y, said = np.asarray(outcome, dtype=float), np.asarray(prediction, dtype=float)
    above = y[:, None] > y[None, :]
    pairs = int(above.sum())
    if pairs == 0:
        return None
    agreeing = int(((said[:, None] > said[None, :]) & above).sum())
    tied = int(((said[:, None] == said[None, :]) & above).sum())
    return (agreeing + 0.5 * tied) / pairs
