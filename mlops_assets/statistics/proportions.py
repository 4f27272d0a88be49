"""Two shares compared: missing values, and values never seen before."""

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


def unseen_values(singletons: int, reference_rows: int, new_rows: int, window_rows: int) -> TestResult:
    """Whether more rows hold never-seen values than chance brings.

    In a sample of n rows the probability that the next row holds an unseen value is about f₁ / n, f₁ the number of
    values seen once (Good 1953); one is added to f₁ because an estimate of 0 is never certain. The rows expected in the
    window are compared by a negative binomial, which is a Poisson whose rate is itself uncertain.

    Returns:
        Statistic: rows with new values. Effect: their share of the window.
    """
    from scipy.stats import nbinom

    if not window_rows or not reference_rows:
        return TestResult(0.0, 1.0, 0.0)
    # Gamma(f₁ + 1) prior on the number of unseen values a sample as large as the reference would bring.
    p_value = float(nbinom.sf(new_rows - 1, singletons + 1, reference_rows / (reference_rows + window_rows)))
    return TestResult(float(new_rows), p_value if new_rows else 1.0, new_rows / window_rows)
