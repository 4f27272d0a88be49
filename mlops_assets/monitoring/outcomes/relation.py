"""Whether the same score still means the same: outcomes by grade, window against reference.

Belongs here: tests on two grade tables. Two questions are told apart. Did outcomes by grade change at all? And did they
change in a way that a shifted base rate alone does not explain? Under a pure shift of the base rate every grade's
log-odds move by one and the same amount (Bayes' rule; Saerens, Latinne & Decaestecker 2002); what differs from grade to
grade beyond that is a changed relation between inputs and outcome.
"""

import math
from dataclasses import dataclass

import numpy as np

from mlops_assets.monitoring.outcomes.grades import GradeTable
from mlops_assets.statistics.sequential import Compared, distance_evidence


@dataclass(frozen=True)
class Relation:
    """Change of outcomes given the score."""

    p_any: float | None
    """P-value that outcomes by grade are those of the reference."""
    common_shift: float | None
    """Shift that all grades share: of log-odds (classification), or of the mean outcome (regression)."""
    p_beyond: float | None
    """P-value that the common shift is all there is (Cochran's Q over grades): small for a changed relation."""
    unexplained: float | None
    """Root mean square change of the outcome by grade beyond the common shift, in the outcome's unit, weighted by rows;
    what chance alone would give is taken off, so that small windows do not look worse than large ones."""
    grades: int
    reason: str = ""
    smallest_detectable: float | None = None
    """Smallest change from grade to grade, in the outcome's unit and up in some as much as down in others, that the test
    beyond a common shift sees with probability .8 at the level that was asked for."""
    statistic: float | None = None
    """Cochran's Q of what is beyond the common shift, on one degree of freedom fewer than grades."""
    log_e: float | None = None
    """Logarithm of the e-value that the change beyond a common shift is above the tolerated one."""


def compare_grades(
    reference: GradeTable,
    window: GradeTable,
    *,
    binary: bool,
    alpha: float = 0.01,
    variation: float = 0.0,
    periods: int = 0,
    tolerance: float | None = None,
) -> Relation:
    """Test two tables with the same edges; grades with fewer than five rows on either side take no part.

    Args:
        reference, window: rows by grade.
        binary: outcomes are events; else numbers.
        alpha: the level for which the smallest detectable change is given; no p-value depends on it.
        variation: by how much a row adds to the mean of Q per degree of freedom between periods of the reference. Q is held
            against an F distribution then, since it is known from so many `periods` only.
        tolerance: change in standard deviations of the outcome that is none, for evidence that adds up over windows; None:
            not asked for.
    """
    from scipy.stats import chi2, f

    n, m = np.array(reference.n, dtype=float), np.array(window.n, dtype=float)
    used = (n >= 5) & (m >= 5)
    if used.sum() < 2:
        return Relation(None, None, None, None, int(used.sum()), "fewer than two grades have five rows on both sides")
    n, m = n[used], m[used]
    before, after = np.array(reference.outcome)[used], np.array(window.outcome)[used]
    if binary:
        pooled = (before + after) / (n + m)
        variance = pooled * (1 - pooled) * (1 / n + 1 / m)
        gap = after / m - before / n
        # One half added to each cell: the empirical logit exists for grades without events.
        shift = _logit(after, m) - _logit(before, n)
        spread = sum(1 / (part + 0.5) for part in (before, n - before, after, m - after))
    else:
        gap = after / m - before / n
        variance = _residual_variance(reference, used) / n + _residual_variance(window, used) / m
        # Scores inside a grade may have moved: only what they do not explain is a change of the relation.
        gap = gap - (np.array(window.score)[used] / m - np.array(reference.score)[used] / n)
        shift, spread = gap, variance
    known = variance > 0
    statistic = float((gap[known] ** 2 / variance[known]).sum())
    p_any = float(chi2.sf(statistic, max(1, int(known.sum())))) if known.any() else 1.0
    weight = 1 / np.maximum(spread, 1e-300)
    common = float((weight * shift).sum() / weight.sum())
    q = float((weight * (shift - common) ** 2).sum())
    freedom = len(shift) - 1
    # Between periods of the reference Q is so many times what drawing rows gives.
    times = 1 + variation * float(n.sum() * m.sum() / (n.sum() + m.sum()))
    p_beyond = float(f.sf(q / freedom / times, freedom, freedom * (periods - 1)) if variation else chi2.sf(q, freedom))
    if binary:
        level = np.log((before + 0.5) / (n - before + 0.5)) + common
        expected = 1 / (1 + np.exp(-level))
        beyond = after / m - expected
    else:
        expected = np.zeros(len(shift))
        beyond = shift - common
    # One degree of freedom of the noise went into the common shift.
    noise = times * variance * freedom / len(shift)
    excess = float((m * (beyond**2 - noise)).sum() / m.sum())
    # How far a change of one unit of the outcome moves a grade on the scale that is tested.
    stretch = 1 / np.maximum(expected * (1 - expected), 1e-9) if binary else np.ones(len(shift))
    least = math.sqrt(times * _least_noncentrality(freedom, alpha) / float((weight * stretch**2).sum()))
    log_e = None
    if tolerance is not None:
        # Q over n m / (n + m) is the squared change in standard deviations of a row's outcome.
        sides = Compared(int(n.sum()), int(m.sum()), freedom * variation, float(freedom), periods)
        log_e = distance_evidence(q, freedom, sides, tolerance**2, alpha)
    return Relation(p_any, common, p_beyond, math.sqrt(max(0.0, excess)), int(used.sum()), "", least, q, log_e)


def _least_noncentrality(freedom: int, alpha: float, power: float = 0.8) -> float:
    """Noncentrality at which a chi-square test at `alpha` rejects with probability `power`."""
    from scipy.optimize import brentq
    from scipy.stats import chi2, ncx2

    critical = float(chi2.isf(alpha, freedom))
    return float(brentq(lambda lam: float(ncx2.sf(critical, freedom, lam)) - power, 1e-6, 10 * critical + 100))  # pyright: ignore


def _logit(events: np.ndarray, n: np.ndarray) -> np.ndarray:
    return np.log((events + 0.5) / (n - events + 0.5))


def _residual_variance(table: GradeTable, used: np.ndarray) -> np.ndarray:
    n = np.array(table.n, dtype=float)[used]
    mean = (np.array(table.outcome)[used] - np.array(table.score)[used]) / n
    return np.maximum(np.array(table.residual_squares)[used] / n - mean**2, 0) * n / np.maximum(n - 1, 1)
