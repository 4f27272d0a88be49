"""Which pairs of columns have changed the way they go together, though each alone may be as it was."""

from dataclasses import dataclass
from math import ceil

import numpy as np

STRONGEST = 0.98
"""Correlations are taken as no stronger: beyond it a rounding of one column would look like a change."""
MOST_PERMUTATIONS = 4999
SCREEN = 0.05


@dataclass(frozen=True)
class ChangedPair:
    """One pair of columns.

    Attributes:
        first, second: positions of the columns.
        before, now: correlation of normal scores, -1 to 1.
        p_value: that no pair at all has changed, given a difference as large as this one's.
        effect: Jeffreys' divergence, the PSI of the pair as far as correlation carries it; less its mean under no change.
    """

    first: int
    second: int
    before: float
    now: float
    p_value: float
    effect: float


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Ranks of each column as normal quantiles (van der Waerden), ties at their mean, missing values at 0.

    Args:
        values: shape (rows, columns), NaN where missing.
    """
    from scipy.special import ndtri
    from scipy.stats import rankdata

    scores = np.zeros(values.shape)
    for i in range(values.shape[1]):
        present = ~np.isnan(values[:, i])
        if present.any():
            scores[present, i] = ndtri(rankdata(values[present, i]) / (present.sum() + 1))
    return scores


def correlations(scores: np.ndarray) -> np.ndarray:
    """Correlation matrix, 0 where a column does not vary, no stronger than .98 (the diagonal too)."""
    standard = _standard(scores)
    return np.clip(standard.T @ standard / len(scores), -STRONGEST, STRONGEST)


def divergence(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Jeffreys' divergence of two bivariate normals with unit variances and correlations r and s, elementwise.

    KL(r‖s) + KL(s‖r) = (1 − rs) / (1 − r²) + (1 − rs) / (1 − s²) − 2: the same quantity as the PSI, which is Jeffreys'
    divergence of two histograms, so that the same thresholds apply.
    """
    product = 1 - before * now
    return product / (1 - before**2) + product / (1 - now**2) - 2


def changed_pairs(
    reference: np.ndarray, window: np.ndarray, *, level: float, least: float, seed: int, periods: int = 0
) -> list[ChangedPair]:
    """Pairs that changed, the largest effect first.

    The statistic is the difference of Fisher's z = atanh(r), in units of its standard error from the influence values
    of the correlation (which hold where the pair is not normal: ties, heavy tails). Where it passes a first screen, the
    rows' sides are drawn anew at random, and a pair counts as changed if its statistic exceeds the largest of all pairs
    in all but `level` of the draws (Westfall & Young 1993): right for any distribution, rare values included.

    In a stream pairs go together now more and now less. How much z varies from period to period of the reference beyond
    what drawing rows gives is then part of the standard error, Student's quantiles allow for how few periods there are,
    and no pair counts that a period of the reference was as far from as the window is.

    Args:
        reference, window: normal scores over both sides together, shape (rows, columns).
        level: probability of naming any pair when nothing changed.
        least: effect from which on a pair is of interest.
        seed: of the draws.
        periods: into how many periods the reference, its rows in the order of time, is parted; 0: rows without order.
    """
    n, m = len(reference), len(window)
    if reference.shape[1] < 2 or min(n, m) < 10:
        return []
    pooled = np.concatenate([reference, window])
    before, now = correlations(reference), correlations(window)
    variance = z_variance(pooled) * (1 / n + 1 / m)
    extra, farthest = np.zeros_like(variance), np.zeros_like(variance)
    if periods:
        extra, farthest = _between_periods(reference, periods)
        extra = extra * (1 + 1 / periods)
    apart = np.abs(np.arctanh(before) - np.arctanh(now))
    statistic = np.where(apart > farthest, apart / np.sqrt(variance + extra), 0.0)
    statistic = np.where(extra > 0, _as_normal(statistic, periods - 1), statistic) if periods else statistic
    effect = divergence(before, now) - (1 + before**2) * (variance + extra)
    first, second = np.triu_indices(len(before), 1)
    # A normal p-value is too small at times, but seldom twenty times too large: what fails here needs no draws.
    screened = (effect[first, second] >= least) & (_two_sided(statistic[first, second]) * len(first) < SCREEN)
    if not screened.any():
        return []
    largest = _largest_by_chance(pooled, n, np.sqrt(variance), statistic[first, second][screened].max(), level, seed)
    found = []
    for i, j in zip(first[screened], second[screened], strict=True):
        p_value = (1 + int((largest >= statistic[i, j]).sum())) / (1 + len(largest))
        if p_value <= level:
            found.append(
                ChangedPair(int(i), int(j), float(before[i, j]), float(now[i, j]), p_value, float(effect[i, j]))
            )
    return sorted(found, key=lambda pair: -pair.effect)


def _between_periods(scores: np.ndarray, periods: int) -> tuple[np.ndarray, np.ndarray]:
    """Variance of atanh(r) between periods beyond what drawing rows gives, 0 where chance alone would do (level .01); and
    where it would not, how far the farthest period is from all: the extremes of few rare places are no normal's.

    Infinite for a column that does not vary in a fifth of the periods or more (a rare value that comes in a few places): how it goes
    together with others is then known from too few of them.
    """
    from scipy.stats import chi2

    parts = np.array_split(scores, periods)
    rare = np.mean([part.std(axis=0) > 1e-9 for part in parts], axis=0) < 0.8
    drawn = z_variance(scores) * np.mean([1 / len(part) for part in parts])
    each = np.arctanh([correlations(part) for part in parts])
    found = np.var(each, axis=0, ddof=1)
    beyond_chance = found * (periods - 1) > drawn * chi2.isf(0.01, periods - 1)
    extra = np.where(beyond_chance, np.maximum(found - drawn, 0.0), 0.0)
    farthest = np.where(extra > 0, np.abs(each - np.arctanh(correlations(scores))).max(axis=0), 0.0)
    return np.where(rare[:, None] | rare[None, :], np.inf, extra), farthest


def _as_normal(statistic: np.ndarray, freedom: int) -> np.ndarray:
    """Student's t as the normal quantile of the same probability."""
    from scipy.special import ndtri_exp
    from scipy.stats import t

    return -ndtri_exp(t.logsf(statistic, freedom))


def z_variance(scores: np.ndarray) -> np.ndarray:
    """Variance of √rows · atanh(r) for each pair; 1 where both are normal.

    The influence of a row on r is xy − r (x² + y²) / 2 (Devlin, Gnanadesikan & Kettenring 1975), x and y standardised;
    that on atanh(r) is 1 / (1 − r²) of it.
    """
    x = _standard(scores)
    rows = len(x)
    square = x**2
    r = np.clip(x.T @ x / rows, -STRONGEST, STRONGEST)
    both = square.T @ square / rows
    cube = (square * x).T @ x / rows
    fourth = (square**2).mean(axis=0)
    squared = both - r * (cube + cube.T) + r**2 / 4 * (fourth[:, None] + fourth[None, :] + 2 * both)
    return np.maximum(squared / (1 - r**2) ** 2, 0.25)


def _largest_by_chance(
    pooled: np.ndarray, n: int, error: np.ndarray, observed: float, level: float, seed: int
) -> np.ndarray:
    """Largest statistic of all pairs in each draw; draws end early where it is clear that nothing is beyond chance."""
    draws = min(ceil(1 / level) - 1, MOST_PERMUTATIONS)
    allowed = level * (draws + 1)
    generator = np.random.default_rng(seed)
    upper = np.triu_indices(pooled.shape[1], 1)
    largest: list[float] = []
    exceeded = 0
    for _ in range(draws):
        order = generator.permutation(len(pooled))
        one, other = correlations(pooled[order[:n]]), correlations(pooled[order[n:]])
        difference = np.abs(np.arctanh(one) - np.arctanh(other)) / error
        largest.append(float(difference[upper].max()))
        exceeded += largest[-1] >= observed
        if 1 + exceeded > allowed:
            break
    return np.asarray(largest)


def _two_sided(z: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return 2 * ndtr(-z)


def _standard(scores: np.ndarray) -> np.ndarray:
    spread = scores.std(axis=0)
    return (scores - scores.mean(axis=0)) / np.where(spread < 1e-9, np.inf, spread)
