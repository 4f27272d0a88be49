"""The Jeffreys test of a probability of default against observed defaults.

Source: ECB, Instructions for reporting the validation results of internal models (2019), section 2.5.3.1: with the
prior Beta(1/2, 1/2), D defaults among N obligors give the posterior Beta(D + 1/2, N - D + 1/2) for the true rate.
"""

from dataclasses import dataclass


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
