"""Whether a rate or a mean differs between groups by more than a limit, with stated error rates over all pairs.

Belongs here: from a group's count or mean to the disparity that the data support, in both directions. Does not belong
here: which groups there are, and what a policy allows (`gates/`).

The pair of groups that differs most is chosen by the data, so its own p-value is too small: of eight equal groups the two
farthest apart differ "significantly at 5 %" in half of all samples. Therefore:

- "Some pair is beyond the limit" is claimed from the smallest p-value of all pairs times their number (Bonferroni): the
  chance of a false claim is at most alpha, however many groups there are.
- "Every pair is within the limit" is claimed from the largest p-value of all pairs, each pair tested against the limit
  (intersection-union test; Berger 1982, Technometrics 24:295): the chance of a false claim is at most alpha without any
  adjustment, because all tests must agree.
- What neither claim holds for is undecided.

Assumed: independent rows, and groups of some dozens of rows or more. Rates are compared by the linear contrast
`p_low - r * p_high`, with one success and one failure added to each group (Price & Bonett 2004, Computational Statistics
& Data Analysis 45:449), which keeps the error rate for rates near 0 or 1; means by a normal contrast with the
groups' own variances.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

Scale = Literal["ratio", "difference"]
Numbers = Sequence[float] | np.ndarray
POWER = 0.8


@dataclass(frozen=True)
class Groups:
    """A rate or a mean of each group.

    Attributes:
        names: of the groups, at least two.
        value: shape (groups,): as measured.
        centre, variance: shape (groups,): what tests use: for rates with one success and one failure added; `variance`
            is that of `centre`.
        trials: rows of each group for rates; None for means.
    """

    names: tuple[str, ...]
    value: np.ndarray
    centre: np.ndarray
    variance: np.ndarray
    trials: np.ndarray | None

    @classmethod
    def of_rates(cls, names: Sequence[str], successes: Numbers, trials: Numbers) -> "Groups":
        """Groups from counts; every group needs at least one trial."""
        n, x = np.asarray(trials, dtype=float), np.asarray(successes, dtype=float)
        centre = (x + 1) / (n + 2)
        return cls(tuple(names), x / n, centre, centre * (1 - centre) / (n + 2), n)

    @classmethod
    def of_means(cls, names: Sequence[str], means: Numbers, variances: Numbers) -> "Groups":
        """Groups from means and the squared standard errors of the means."""
        mean = np.asarray(means, dtype=float)
        return cls(tuple(names), mean, mean, np.asarray(variances, dtype=float), None)


@dataclass(frozen=True)
class Extremes:
    """The pair of groups farthest apart.

    Attributes:
        value: lowest to highest group: their ratio, or highest minus lowest; None for a ratio of two zeros.
        low, high: interval of the true largest disparity over all pairs.
        lowest, highest: names of the pair.
    """

    value: float | None
    low: float
    high: float
    lowest: str
    highest: str


def extremes(groups: Groups, scale: Scale, confidence: float = 0.95) -> Extremes:
    """The largest disparity between two or more groups; the interval covers the true one although the data chose the pair.

    The truly extreme pair is some fixed pair, so the end away from equality needs no adjustment when it is taken over all
    pairs; the end towards equality is claimed of the pair that the data chose, and is adjusted (Bonferroni). Ratios are
    compared by their logarithms (delta method).

    Raises:
        ValueError: fewer than two groups.
    """
    from scipy.special import ndtri

    if len(groups.names) < 2:
        raise ValueError(f"found {len(groups.names)} groups, expected two or more")
    lowest, highest = _positions(groups)
    bottom, top = float(groups.value[lowest]), float(groups.value[highest])
    tail = (1 - confidence) / 2
    wide, narrow = float(ndtri(1 - tail)), float(ndtri(1 - tail / pair_count(len(groups.names))))
    names = groups.names[lowest], groups.names[highest]
    centre, variance = groups.centre, groups.variance
    if scale == "ratio":
        centre, variance = np.log(centre), variance / centre**2
    gap = centre[None, :] - centre[:, None]
    error = np.sqrt(variance[None, :] + variance[:, None])
    np.fill_diagonal(gap, -np.inf)
    near, far = max(0.0, float((gap - narrow * error).max())), float((gap + wide * error).max())
    if scale == "ratio":
        return Extremes(bottom / top if top > 0 else None, math.exp(-far), math.exp(-near), *names)
    return Extremes(top - bottom, near, far, *names)


@dataclass(frozen=True)
class Disparity:
    """The largest disparity between groups, and what the data say of it against a limit.

    Attributes:
        extremes: the pair of groups farthest apart.
        p_beyond: of "every pair is within the limit", over all pairs; small: some pair is beyond.
        p_within: of "some pair is beyond the limit"; small: every pair is within.
        fails_from: true disparity of the pair named from which on `p_beyond` is below alpha with probability .8; None: no
            disparity is found in groups of this size.
        passes_from: true disparity of the pair named from which on `p_within` is below alpha with probability .8; None:
            not even equal groups of this size are found to be within the limit.
    """

    extremes: Extremes
    p_beyond: float
    p_within: float
    fails_from: float | None
    passes_from: float | None


def compare_groups(groups: Groups, scale: Scale, limit: float, *, alpha: float, alpha_within: float) -> Disparity:
    """Test the largest disparity between two or more groups against a limit.

    Args:
        groups: rates for a ratio; rates or means for a difference.
        scale: `ratio` (limit: smallest lowest-to-highest ratio allowed) or `difference` (limit: largest allowed).
        limit: see `scale`.
        alpha: level at which `p_beyond` will be judged; used for the power alone.
        alpha_within: the same for `p_within`.

    Raises:
        ValueError: fewer than two groups.
    """
    from scipy.special import ndtr

    slope, offset = (limit, 0.0) if scale == "ratio" else (1.0, limit)
    # Below the limit: centre[i] - slope * centre[j] + offset < 0 for the pair (i, j).
    excess = groups.centre[:, None] - slope * groups.centre[None, :] + offset
    error = np.sqrt(groups.variance[:, None] + slope**2 * groups.variance[None, :])
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0, excess / error, np.sign(excess) * np.inf)
    z[np.isnan(z)] = 0.0
    np.fill_diagonal(z, np.inf)
    pairs = pair_count(len(groups.names))
    fails, passes = _power(groups, _positions(groups), (slope, offset), scale, (alpha / pairs, alpha_within))
    return Disparity(
        extremes=extremes(groups, scale),
        p_beyond=min(1.0, pairs * float(ndtr(z.min()))),
        p_within=float(ndtr(-z.min())),
        fails_from=fails,
        passes_from=passes,
    )


def pair_count(groups: int) -> int:
    """Unordered pairs of groups: of each, only one direction can be beyond a limit."""
    return groups * (groups - 1) // 2


def _positions(groups: Groups) -> tuple[int, int]:
    """Positions of the lowest and the highest group; different ones even where all are equal."""
    order = sorted(range(len(groups.names)), key=lambda i: (groups.value[i], groups.names[i]))
    return order[0], order[-1]


def _power(
    groups: Groups, pair: tuple[int, int], contrast: tuple[float, float], scale: Scale, alphas: tuple[float, float]
) -> tuple[float | None, float | None]:
    """(fails_from, passes_from) of `Disparity` for the pair: solved by bisection, the highest group's rate kept."""
    from scipy.special import ndtri

    low, high = pair
    slope, offset = contrast
    top, spread = float(groups.centre[high]), float(groups.variance[high])

    def margin(disparity: float) -> tuple[float, float]:
        """How far the limit is kept by this true disparity, and the standard error then."""
        rate = top * disparity if scale == "ratio" else top - disparity
        own = float(groups.variance[low])
        if groups.trials is not None:
            rate = min(max(rate, 0.0), 1.0)
            n = float(groups.trials[low])
            smoothed = (n * rate + 1) / (n + 2)
            own = smoothed * (1 - smoothed) / (n + 2)
        return rate - slope * top + offset, math.sqrt(own + slope**2 * spread)

    worst = 0.0 if scale == "ratio" else (top if groups.trials is not None else math.inf)
    equal = 1.0 if scale == "ratio" else 0.0
    limit = slope if scale == "ratio" else offset
    beyond, within = (float(ndtri(1 - a) + ndtri(POWER)) for a in alphas)
    if math.isinf(worst):
        worst = limit + 2 * beyond * margin(limit)[1] + 1e-12
    return (
        _solve(lambda d: -margin(d)[0] - beyond * margin(d)[1], limit, worst),
        _solve(lambda d: margin(d)[0] - within * margin(d)[1], limit, equal),
    )


def _solve(reached, start: float, end: float) -> float | None:
    """Value between `start` (not reached) and `end` from which on `reached` is 0 or more; None: not even at the end."""
    if reached(end) < 0:
        return None
    for _ in range(60):
        middle = (start + end) / 2
        start, end = (start, middle) if reached(middle) >= 0 else (middle, end)
    return end
