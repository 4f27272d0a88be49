"""Confidence intervals and tests for means and proportions, in closed form.

Belongs here: what needs only counts, or a mean and a standard error. Not here: resampling (`resampling.py`), areas
under a curve (`delong.py`), distances between distributions.
"""

import math
from dataclasses import dataclass

SQRT_2 = math.sqrt(2.0)
LARGEST_SHARE = 0.25
"""Share of a mean's variance that one row may carry before its interval is said to be uncertain."""


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval, in the unit of the quantity."""

    low: float
    high: float


def normal_quantile(probability: float) -> float:
    """Quantile of the standard normal distribution; `probability` strictly between 0 and 1."""
    from statistics import NormalDist

    return NormalDist().inv_cdf(probability)


def upper_tail(z: float, freedom: int = 0) -> float:
    """P(Z >= z) of the standard normal distribution, precise far out in the tail; of Student's with `freedom`."""
    if freedom:
        from scipy.stats import t

        return float(t.sf(z, freedom))
    return 0.5 * math.erfc(z / SQRT_2)


def two_sided_p(z: float, freedom: int = 0) -> float:
    """P(|Z| >= |z|) of the standard normal distribution; of Student's with `freedom`."""
    return 2 * upper_tail(abs(z), freedom) if freedom else math.erfc(abs(z) / SQRT_2)


def z_of(difference: float, standard_error: float) -> float:
    """`difference / standard_error`; without any spread, 0 for no difference and infinity for any other."""
    if standard_error > 0:
        return difference / standard_error
    return 0.0 if difference == 0 else math.copysign(math.inf, difference)


def normal_interval(value: float, standard_error: float, confidence: float = 0.95) -> Interval:
    """Wald interval `value ± z · standard_error`."""
    half = normal_quantile(0.5 + confidence / 2) * standard_error
    return Interval(value - half, value + half)


def mean_interval(value: float, standard_error: float, confidence: float = 0.95, freedom: int = 0) -> Interval:
    """`value ± quantile · standard_error`: the normal quantile, or Student's with `freedom` degrees where it is given."""
    if not freedom:
        return normal_interval(value, standard_error, confidence)
    from scipy.stats import t

    half = float(t.ppf(0.5 + confidence / 2, freedom)) * standard_error
    return Interval(value - half, value + half)


def skewed_interval(value: float, standard_error: float, skewness: float, n: int, confidence: float = 0.95) -> Interval:
    """Interval of a mean of `n` skewed numbers, by Hall's cubic transformation of the t-ratio (Hall 1992, Journal of the
    Royal Statistical Society B 54, 221-228): longer on the side of the tail, where the mean may be underestimated.

    With skewness 0 it is the normal interval. Assumes independent numbers with a finite third moment: where a single one
    carries much of the variance, the true mean is outside more often than stated (`LARGEST_SHARE`).

    Args:
        value: the mean.
        standard_error: of it.
        skewness: of the single numbers.
        n: how many there are.
        confidence: of the interval.
    """
    if abs(skewness) < 1e-6:
        return normal_interval(value, standard_error, confidence)
    root = math.sqrt(n)

    def untransformed(z: float) -> float:
        return 3 * root / skewness * (math.cbrt(1 + skewness * (z / root - skewness / (6 * n))) - 1)

    z = normal_quantile(0.5 + confidence / 2)
    return Interval(value - standard_error * untransformed(z), value - standard_error * untransformed(-z))


def logit_interval(value: float, standard_error: float, confidence: float = 0.95) -> Interval:
    """Interval of a quantity in (0, 1), symmetric on the logit scale, so that it stays inside.

    By the delta method the standard error of `logit(v)` is `se / (v (1 - v))`. At exactly 0 or 1 the logit does not
    exist: the Wald interval cut at 0 and 1 is given.
    """
    if not 0 < value < 1:
        plain = normal_interval(value, standard_error, confidence)
        return Interval(max(0.0, plain.low), min(1.0, plain.high))
    centre = math.log(value / (1 - value))
    half = normal_quantile(0.5 + confidence / 2) * standard_error / (value * (1 - value))
    return Interval(_expit(centre - half), _expit(centre + half))


def wilson_interval(successes: float, n: float, confidence: float = 0.95) -> Interval:
    """Wilson's score interval of a proportion (Wilson 1927); honest at 0, at n and for small n.

    Raises:
        ValueError: n is not positive, or successes are outside 0..n.
    """
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError(f"found {successes} successes of {n} trials, expected 0 <= successes <= n and n > 0")
    z = normal_quantile(0.5 + confidence / 2)
    share = successes / n
    denominator = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / denominator
    half = z / denominator * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # Rounding must not put the bound on the wrong side of an observed 0 or 1.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def two_proportions_p(successes_a: int, n_a: int, successes_b: int, n_b: int) -> float:
    """Two-sided p-value that two independent samples share one proportion.

    Fisher's exact test while any expected cell is below 5, else the pooled z-test (equal to Pearson's chi-square with
    one degree of freedom and no continuity correction).
    """
    if n_a <= 0 or n_b <= 0:
        raise ValueError(f"found samples of {n_a} and {n_b} rows, expected both to be positive")
    pooled = (successes_a + successes_b) / (n_a + n_b)
    if min(n_a, n_b) * min(pooled, 1 - pooled) < 5:
        from scipy.stats import fisher_exact

        table = [[successes_a, n_a - successes_a], [successes_b, n_b - successes_b]]
        return float(fisher_exact(table).pvalue)  # pyright: ignore[reportAttributeAccessIssue]
    spread = math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    return two_sided_p(z_of(successes_a / n_a - successes_b / n_b, spread))


def smallest_detectable(standard_error: float, alpha: float, power: float = 0.8, *, two_sided: bool = False) -> float:
    """Smallest true change that a z-test at level `alpha` finds with probability `power`.

    `(z[1 - alpha] + z[power]) · standard_error`, with `alpha / 2` when the test is two-sided; the standard error is
    that of the difference that is tested.
    """
    tail = alpha / 2 if two_sided else alpha
    return (normal_quantile(1 - tail) + normal_quantile(power)) * standard_error


def _expit(x: float) -> float:
    return 1 / (1 + math.exp(-x)) if x >= 0 else math.exp(x) / (1 + math.exp(x))


def student_deviation(freedom: int) -> float:
    """Standard deviation of Student's distribution: by how much an error that is known from few rows counts more."""
    return math.sqrt(freedom / (freedom - 2)) if freedom > 2 else 1.0
