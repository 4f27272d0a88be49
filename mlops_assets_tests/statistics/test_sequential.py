"""Sequential tests: their formulas against plain computations, and what they must never do."""

import math

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import multivariate_normal, ncx2, norm

from mlops_assets.statistics.sequential import (
    Compared,
    Sums,
    distance_evidence,
    least_change,
    log_e_above,
    log_e_distance,
    log_noncentral,
    log_onset_weights,
    most_evidence,
    sums_since,
)

CHANGES = np.array([0.3, -0.1, 0.5, 0.4])
VARIANCES = np.array([0.04, 0.09, 0.05, 0.02])


def test_the_weights_of_all_beginnings_add_up_to_one():
    assert np.exp(log_onset_weights(1_000_000)).sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("start", [0, 2])
def test_the_e_value_is_the_likelihood_ratio_of_the_mixture(start: int):
    shared, tolerance, scale = 0.03, 0.1, 0.4
    sums = sums_since(CHANGES, VARIANCES, np.array(shared))
    part, size = CHANGES[start:], 4 - start
    covariance = np.diag(VARIANCES[start:]) + shared

    def density(change: float) -> float:
        return float(multivariate_normal.pdf(part, np.full(size, change), covariance))

    mixture = quad(lambda d: 2 * norm.pdf(d, 0, scale) * density(tolerance + d), 0, 8)[0]
    expected = math.log(mixture / density(tolerance))
    assert log_e_above(sums, tolerance, scale)[start] == pytest.approx(expected, rel=1e-6)


def test_against_earlier_windows_the_reference_does_not_matter():
    changes = np.array([0.1, 0.0, 0.2, 0.1, 0.9, 1.0])
    variances = np.full(6, 0.01)
    for moved in (0.0, 5.0):
        sums = sums_since(changes + moved, variances, np.array(0.0), against_earlier=np.array(0.0))
        assert sums.estimate[4] == pytest.approx(0.95 - 0.1)
        # The error of the mean of four windows is added to that of two.
        assert 1 / sums.precision[4] == pytest.approx(0.01 / 4 + 0.01 / 2)
        assert sums.precision[2] == 0, "two windows before are too few to compare with"


def test_the_confidence_sequence_ends_where_the_test_rejects_no_more():
    sums = sums_since(CHANGES * 3, VARIANCES, np.array(0.01))
    needed = np.full(4, 3.0)
    least = least_change(sums, needed, 0.4)
    for at in range(4):
        one = Sums(sums.precision[at : at + 1], sums.weighted[at : at + 1])
        assert log_e_above(one, float(least[at]), 0.4)[0] == pytest.approx(3.0, abs=1e-6)


@pytest.mark.parametrize("freedom", [1, 2, 9, 120])
def test_a_noncentral_likelihood_ratio_is_that_of_scipy(freedom: int):
    statistic, low, high = freedom + 20.0, 6.0, 30.0
    expected = ncx2.logpdf(statistic, freedom, high) - ncx2.logpdf(statistic, freedom, low)
    found = log_noncentral(statistic, freedom, np.array([high, low]))
    assert found[0] - found[1] == pytest.approx(expected, abs=1e-3)


def test_where_the_bessel_function_underflows_its_expansion_takes_over():
    found = log_noncentral(500.0, 900.0, np.array([0.01, 0.02]))
    assert np.isfinite(found).all()


@pytest.mark.parametrize("noncentrality", [0.0, 8.0, 15.0])
def test_an_e_value_of_a_distance_is_never_expected_above_one(noncentrality: float):
    alternatives = np.array([20.0, 40.0, 80.0])

    def weighted(x: float) -> float:
        density = ncx2.pdf(x, 9, max(noncentrality, 1e-9))
        return math.exp(log_e_distance(x, 9, 15.0, alternatives)) * float(density)

    assert quad(weighted, 0, 400, limit=200)[0] <= 1 + 1e-6


def test_more_variation_between_periods_is_less_evidence():
    calm = distance_evidence(80.0, 9, Compared(5000, 500), 0.05, 0.001)
    restless = distance_evidence(80.0, 9, Compared(5000, 500, 0.05, 2.0, 12), 0.05, 0.001)
    assert calm > 2 > 0 > restless


def test_nothing_to_compare_is_no_evidence():
    assert distance_evidence(0.0, 0, Compared(100, 100), 0.05, 0.01) == 0.0


def test_the_beginning_is_where_the_change_began():
    changes = np.r_[np.zeros(15), np.full(10, 0.5)]
    sums = sums_since(changes, np.full(25, 0.04), np.array(0.001))
    at, surest = most_evidence(log_e_above(sums, 0.05, 0.3))
    assert abs(int(at) - 15) <= 1
    assert surest > 8
