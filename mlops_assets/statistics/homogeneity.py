"""Whether two columns of counts come from one distribution: Pearson's chi-square test, made safe for sparse bins."""

from dataclasses import dataclass

import numpy as np

from mlops_assets.statistics.between_periods import BetweenPeriods

LEAST_EXPECTED = 5.0


@dataclass(frozen=True)
class TestResult:
    """A test's answer.

    Attributes:
        statistic: value of the test statistic.
        p_value: probability of a statistic at least as large when nothing changed.
        effect: size of the change, in the unit the test's own docstring names.
        freedom: degrees of freedom of the statistic; 0 where it has none.
    """

    statistic: float
    p_value: float
    effect: float
    freedom: int = 0


def chi_square_two_sample(
    reference: np.ndarray, window: np.ndarray, periods: BetweenPeriods | None = None, *, cut_on_reference: bool = False
) -> TestResult:
    """Pearson's chi-square test of homogeneity of two count vectors over the same k cells.

    X² = Σ over both samples and all cells of (observed − expected)² / expected, expected = row total · column total /
    grand total; asymptotically chi-square with k − 1 degrees of freedom (Pearson 1900). Cells whose smaller expected
    count is below 5 are joined, smallest first, since the approximation does not hold for them (Cochran 1954).

    Where the reference's own periods differ, rows are no independent draws. With nₑ = n·m / (n + m) and the extra
    covariance S of a period, X² is a sum of squares with covariance I + nₑ (1 + 1/K) S: its mean e and the trace f of
    the squares give e² / f degrees of freedom (Satterthwaite's second-order correction, Rao & Scott 1984), and since S
    is known from K periods only, X² / e is held against an F distribution.

    Where the cells were cut at the reference's own quantiles, its counts are fixed and the cells' true shares are what
    varies, as a Dirichlet vector does. Divided by shares that are too small by chance, X² then has a longer tail than
    chi-square: with 10 rows a cell it rejects 3 % at 1 %. The Freeman-Tukey statistic 4 nₑ Σ (√p − √q)² (1950), of the same
    asymptotic distribution, is that of roots, whose variance hardly depends on the share; the smaller of the two counts.

    Args:
        reference, window: counts, shape (k,).
        periods: how much the reference's own periods differ; None: rows are independent.
        cut_on_reference: whether the cells were cut at quantiles of these reference rows.

    Returns:
        Effect: Cramér's V, 0 (same) to 1 (disjoint). With one cell left nothing can differ: p-value 1.
    """
    from scipy.stats import chi2, f

    table = merge_sparse(np.asarray([reference, window], dtype=float))
    total = table.sum()
    if table.shape[1] < 2 or (table.sum(axis=1) == 0).any():
        return TestResult(0.0, 1.0, 0.0)
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / total
    statistic = float(((table - expected) ** 2 / expected).sum())
    freedom = table.shape[1] - 1
    if cut_on_reference:
        shares = table / table.sum(axis=1, keepdims=True)
        apart = float(((np.sqrt(shares[0]) - np.sqrt(shares[1])) ** 2).sum())
        statistic = min(statistic, 4 * float(table.sum(axis=1).prod() / total) * apart)
    if periods is None or not periods.variance:
        p_value = float(chi2.sf(statistic, freedom))
    else:
        rows = float(table.sum(axis=1).prod() / total) * (1 + 1 / periods.periods)
        mean = freedom + rows * periods.variance
        squares = freedom + 2 * rows * periods.variance + rows**2 * periods.squares
        known = (periods.periods - 1) * mean**2 / (rows**2 * periods.squares)
        p_value = float(f.sf(statistic / mean, mean**2 / squares, known))
    return TestResult(statistic, p_value, float(np.sqrt(statistic / total)), freedom)


def merge_sparse(table: np.ndarray) -> np.ndarray:
    """Join cells (columns of a 2 × k table) until each expects at least 5 in both rows; the total stays."""
    table = table[:, table.sum(axis=0) > 0]
    share = table.sum(axis=1).min() / max(table.sum(), 1.0)
    order = np.argsort(table.sum(axis=0), kind="stable")
    table = table[:, order]
    sparse = table.sum(axis=0) * share < LEAST_EXPECTED
    if not sparse.any():
        return table
    kept = table[:, ~sparse]
    pooled = table[:, sparse].sum(axis=1, keepdims=True)
    if pooled.sum() * share < LEAST_EXPECTED and kept.shape[1]:
        # The pool itself is too small: it joins the smallest cell that is not.
        kept = kept.copy()
        kept[:, :1] += pooled
        return kept
    return np.concatenate([pooled, kept], axis=1)
