"""Shares: one against its expectation (Jeffreys), two against each other, and values never seen before."""

from dataclasses import dataclass

from mlops_assets.statistics.homogeneity import TestResult


def share_increase(reference_hits: int, reference_rows: int, window_hits: int, window_rows: int) -> TestResult:
    """One-sided Fisher test that the window's share is higher.

    Exact (hypergeometric) whatever the sizes: shares of missing values are often 0 in the reference, where a normal
    approximation has no variance.

    Returns:
        Statistic and effect: difference of the shares, window minus reference.
    """
    from scipy.stats import hypergeom

    if not reference_rows or not window_rows:
        return TestResult(0.0, 1.0, 0.0)
    difference = window_hits / window_rows - reference_hits / reference_rows
    total = reference_rows + window_rows
    p_value = float(hypergeom.sf(window_hits - 1, total, reference_hits + window_hits, window_rows))
    return TestResult(difference, min(1.0, p_value), difference)


def unseen_values(singletons: int, doubletons: int, reference_rows: int, new_rows: int, window_rows: int) -> TestResult:
    """Whether more rows hold never-seen values than chance brings.

    In a sample of n rows the probability U that the next row holds an unseen value is about f₁ / n, with a variance of
    about (f₁ + 2 f₂) / n², f₁ and f₂ the numbers of values seen once and twice (Good 1953; Esty 1983). U is taken as a
    gamma variable of that mean and variance (one is added to f₁: an estimate of 0 is never certain), so that the rows
    with unseen values in the window are negative binomial.

    Returns:
        Statistic: rows with new values. Effect: their share of the window beyond the one to be expected.
    """
    from scipy.stats import nbinom

    if not window_rows or not reference_rows:
        return TestResult(0.0, 1.0, 0.0)
    effect = max(0.0, new_rows / window_rows - singletons / reference_rows)
    if not new_rows:
        return TestResult(0.0, 1.0, effect)
    # In units of 1 / reference rows.
    mean, variance = singletons + 1.0, singletons + 2.0 * doubletons + 1.0
    scale = variance / mean * window_rows / reference_rows
    p_value = float(nbinom.sf(new_rows - 1, mean**2 / variance, 1 / (1 + scale)))
    return TestResult(float(new_rows), p_value, effect)


@dataclass(frozen=True)
class Jeffreys:
    """Result of the test for one grade or portfolio."""

    p_underestimated: float
    """P-value of "the estimate is high enough": small when outcomes are worse than estimated (the ECB's test)."""
    p_overestimated: float
    """P-value of "the estimate is low enough": small when outcomes are better than estimated."""
    low: float
    high: float
    """Equal-tailed credible interval of the true rate."""


def jeffreys(events: int, n: int, estimate: float, confidence: float = 0.95) -> Jeffreys:
    """Test an `estimate` (a probability) against `events` among `n` rows.

    Assumes independent rows; where defaults move together, the p-value is too small.

    Raises:
        ValueError: n is not positive, events are outside 0..n, or the estimate is outside 0..1.
    """
    from scipy.special import betainc, betaincc, betaincinv

    if n <= 0 or not 0 <= events <= n:
        raise ValueError(f"found {events} events among {n} rows, expected 0 <= events <= n and n > 0")
    if not 0 <= estimate <= 1:
        raise ValueError(f"found an estimate of {estimate}, expected a probability between 0 and 1")
    a, b = events + 0.5, n - events + 0.5
    tail = (1 - confidence) / 2
    # The usual convention for the Jeffreys interval: an end that the data touch is 0 or 1.
    low = 0.0 if events == 0 else float(betaincinv(a, b, tail))
    high = 1.0 if events == n else float(betaincinv(a, b, 1 - tail))
    return Jeffreys(float(betainc(a, b, estimate)), float(betaincc(a, b, estimate)), low, high)
