"""Evidence that adds up over the windows of a life, and that may be looked at after each of them.

An e-value is a number that is never expected to exceed 1 when nothing changed. A product of e-values, each made from what
came before it, is a test martingale: the probability that it ever reaches 1 / α is at most α, however often one looks
(Ville 1939; Ramdas, Grünwald, Vovk & Shafer 2023). So evidence of a small change grows with each window, and the level
holds for the whole life.

The null hypothesis is a change no larger than a tolerance. What windows share, the error of the reference and the variation
between its periods, belongs to the null hypothesis: more windows do not make a reference more exact.

A change may begin at any window. One process is started at each of them, with a weight; the weights add up to 1, so that by
Bonferroni's inequality the level holds over all beginnings, and the process with the most evidence says since when.

Belongs here: the processes, on arrays. Not here: which numbers of a window go in (`monitoring/verdict/accumulated.py`).
"""

import math
from dataclasses import dataclass

import numpy as np

LEAST_BEFORE = 3
"""Windows before a beginning that a change against them needs."""
ONSET_SCALE = 12.0
"""Windows over which the weights of beginnings fall to a quarter."""


def log_onset_weights(windows: int) -> np.ndarray:
    """Logarithms of the weights c / ((s + c)(s + c + 1)), s = 0, 1, ..., which add up to 1 over all s; shape (windows,)."""
    s = np.arange(windows)
    return math.log(ONSET_SCALE) - np.log((s + ONSET_SCALE) * (s + ONSET_SCALE + 1))


@dataclass(frozen=True)
class Sums:
    """What the windows from each beginning to the last one say of a mean; arrays of shape (..., windows).

    Attributes:
        precision: P, one over the variance of the estimate, what all windows share counted once.
        weighted: S; S / P is the estimate.
    """

    precision: np.ndarray
    weighted: np.ndarray

    @property
    def estimate(self) -> np.ndarray:
        """Of the mean change since each beginning; 0 where nothing is known."""
        known = self.precision > 0
        return np.divide(self.weighted, self.precision, out=np.zeros_like(self.weighted), where=known)


def sums_since(
    changes: np.ndarray, variances: np.ndarray, shared: np.ndarray, *, against_earlier: np.ndarray | None = None
) -> Sums:
    """Sums over the windows s to the last one, for each s.

    Window t shows d_t = δ + b + ε_t with independent ε_t of variance v_t, and one b of variance r² for all of them. With
    A = Σ 1 / v_t and B = Σ d_t / v_t the sufficient statistics are P = A / (1 + r² A) and S = B / (1 + r² A)
    (Sherman-Morrison).

    Args:
        changes: d_t, in order of arrival; shape (..., windows).
        variances: v_t, same shape.
        shared: r², broadcast against them; where it differs between windows, the largest from s on counts.
        against_earlier: compare with the mean of the windows before s in place of the reference: its own variance takes the
            place of the reference's error, and this one (of what a run of windows may share beyond it) is added.
    """

    def since(values: np.ndarray) -> np.ndarray:
        return np.cumsum(values[..., ::-1], axis=-1)[..., ::-1]

    a, b = since(1 / variances), since(changes / variances)
    if against_earlier is None:
        largest = np.maximum.accumulate(np.broadcast_to(shared, changes.shape)[..., ::-1], axis=-1)[..., ::-1]
        damping = 1 + largest * a
        return Sums(a / damping, b / damping)
    before = a[..., :1] - a
    known = np.arange(changes.shape[-1]) >= LEAST_BEFORE
    # The precision of what came before; nothing is known where too little did.
    mean = np.divide(b[..., :1] - b, before, out=np.zeros_like(b), where=known)
    error = np.divide(1.0, before, out=np.full_like(a, np.inf), where=known) + against_earlier
    damping = 1 + error * a
    return Sums(a / damping, np.where(known, (b - mean * a) / damping, 0.0))


def log_e_above(sums: Sums, tolerance: float, scale: float) -> np.ndarray:
    """Logarithm of the e-process against "the change is at most `tolerance`", for each beginning.

    Likelihood ratio of a half-normal mixture over changes δ above the tolerance θ, with standard deviation σ (`scale`):

        E = 2 (1 + σ² P)^(-1/2) exp(U² σ² / (2 (1 + σ² P))) Φ(U σ / √(1 + σ² P)),   U = S - θ P

    (the one-sided normal mixture of Robbins 1970). It rises with S, so a change that varies below θ gives no more evidence
    than one that stays at θ: the level holds for each of them.
    """
    from scipy.special import log_ndtr

    u = sums.weighted - tolerance * sums.precision
    spread = 1 + scale**2 * sums.precision
    z = u * scale / np.sqrt(spread)
    return math.log(2) - 0.5 * np.log(spread) + z**2 / 2 + log_ndtr(z)


def least_change(sums: Sums, log_needed: np.ndarray, scale: float) -> np.ndarray:
    """Lower end of the confidence sequence: the largest tolerance that the e-process rejects, for each beginning.

    Args:
        sums: of the windows.
        log_needed: logarithm of the e-value that rejects, the weight of the beginning taken into account; shape of the sums.
        scale: σ of the mixture.
    """
    # The e-process depends on the tolerance through U alone: find the U at which it rejects, by bisection.
    low, high = np.zeros_like(sums.precision), 50 * np.sqrt(sums.precision + 1 / scale**2)
    for _ in range(60):
        middle = (low + high) / 2
        rejects = log_e_above(Sums(sums.precision, middle), 0.0, scale) >= log_needed
        low, high = np.where(rejects, low, middle), np.where(rejects, middle, high)
    return (sums.weighted - high) / sums.precision


def log_e_distance(statistic: float, freedom: float, tolerated: float, alternatives: np.ndarray) -> float:
    """Logarithm of one window's e-value against "the squared distance is at most the tolerated one".

    The statistic is noncentral chi-square with `freedom` degrees; its likelihood ratio between noncentralities λ₁ > λ₀
    rises with it (the family has a monotone likelihood ratio), so the mean over the alternatives has expectation at most 1
    for every noncentrality up to λ₀.

    Args:
        statistic: X² of the window.
        freedom: of it.
        tolerated: λ₀, above 0.
        alternatives: λ₁, each above λ₀.
    """
    ratios = log_noncentral(statistic, freedom, alternatives) - log_noncentral(statistic, freedom, np.array(tolerated))
    largest = float(ratios.max())
    return largest + math.log(float(np.exp(ratios - largest).mean()))


def log_noncentral(statistic: float, freedom: float, noncentrality: np.ndarray) -> np.ndarray:
    """Logarithm of the noncentral chi-square density, but for terms that do not depend on the noncentrality.

    -λ / 2 - (k / 4 - 1 / 2) ln λ + ln I(√(λ x)) with the modified Bessel function I of order k / 2 - 1. Where it underflows,
    its uniform expansion for large orders takes its place (Abramowitz & Stegun 1964, 9.7.7, first term).
    """
    from scipy.special import ive

    order = freedom / 2 - 1
    z = np.sqrt(noncentrality * max(statistic, 1e-12))
    scaled = ive(order, z)
    with np.errstate(divide="ignore", invalid="ignore"):
        exact = np.log(scaled) + z
        if order > 0:
            root = np.sqrt(order**2 + z**2)
            expanded = root + order * np.log(z / (order + root)) - 0.5 * np.log(2 * np.pi * root)
            exact = np.where(scaled > 1e-280, exact, expanded)
    return -noncentrality / 2 - (freedom / 4 - 0.5) * np.log(noncentrality) + exact


@dataclass(frozen=True)
class Compared:
    """What the null hypothesis of a distance holds beside the tolerance.

    Attributes:
        reference_rows, window_rows: of the two sides.
        between: squared distance of a period from the others, on average; 0 where periods do not differ.
        between_freedom: degrees of freedom of that distance.
        periods: that it is known from.
    """

    reference_rows: int
    window_rows: int
    between: float = 0.0
    between_freedom: float = 1.0
    periods: int = 0


def distance_evidence(statistic: float, freedom: int, compared: Compared, tolerance: float, level: float) -> float:
    """Logarithm of a window's e-value that its distance from the population of the reference is above a tolerance.

    A two-sample statistic X² with n and m rows, times (n + m) / n, is noncentral chi-square with m D² given the reference's
    shares, D their distance to the window's population. Over references, n D² is noncentral chi-square with n times the
    tolerance: D is at most its upper quantile at `level` (by a multiple of chi-square with its first two moments, Patnaik
    1949), plus what a period differs by (the upper quantile of F, which allows for the few periods that it is known from).

    Args:
        statistic: X², of Pearson's test or Cochran's Q.
        freedom: of it.
        compared: the two sides.
        tolerance: squared distance that is no change.
        level: share of the false-alarm rate that is spent on the reference's error, and the same on its periods.
    """
    from scipy.special import chdtri
    from scipy.stats import f

    n, m = compared.reference_rows, compared.window_rows
    if freedom < 1 or not n or not m:
        return 0.0
    far = n * tolerance
    times = (freedom + 2 * far) / (freedom + far)
    limit = math.sqrt(times * float(chdtri((freedom + far) / times, level)) / n)
    if compared.between > 0:
        times = float(f.isf(level, max(1.0, compared.between_freedom), max(1, compared.periods - 1)))
        limit += math.sqrt(compared.between * times)
    alternatives = m * (limit + np.array(STEPS)) ** 2
    return log_e_distance(statistic * (n + m) / n, freedom, m * limit**2, alternatives)


STEPS = (0.05, 0.1, 0.2, 0.4)
"""Distances above the limit that the mixture holds against it."""


def most_evidence(log_e: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The beginning with the most evidence.

    Args:
        log_e: of each beginning, shape (..., windows).

    Returns:
        Its position, and the logarithm of its e-value times its weight: both of shape (...).
    """
    weighted = log_e + log_onset_weights(log_e.shape[-1])
    at = weighted.argmax(axis=-1)
    return at, np.take_along_axis(weighted, np.expand_dims(at, -1), -1)[..., 0]
