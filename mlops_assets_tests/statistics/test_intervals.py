import numpy as np
import pytest
from scipy import stats

from mlops_assets.statistics.intervals import (
    logit_interval,
    normal_quantile,
    skewed_interval,
    smallest_detectable,
    two_proportions_p,
    two_sided_p,
    upper_tail,
    wilson_interval,
)
from mlops_assets.statistics.multiplicity import holm


@pytest.mark.parametrize(
    ("successes", "n", "reason"),
    [
        (0, 10, "no success at all"),
        (10, 10, "nothing but successes"),
        (3, 17, "few rows"),
        (1234, 200_000, "many rows, a rare event"),
        (1, 1, "one row"),
    ],
)
def test_wilson_equals_scipy(successes, n, reason):
    expected = stats.binomtest(successes, n).proportion_ci(0.95, method="wilson")
    found = wilson_interval(successes, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-12), reason


@pytest.mark.parametrize(("successes", "n"), [(-1, 10), (11, 10), (0, 0)])
def test_wilson_refuses_impossible_counts(successes, n):
    with pytest.raises(ValueError, match="expected 0 <= successes <= n"):
        wilson_interval(successes, n)


@pytest.mark.parametrize("z", [-3.0, 0.0, 1.0, 5.0, 12.0])
def test_tails_equal_scipy(z):
    assert upper_tail(z) == pytest.approx(stats.norm.sf(z), rel=1e-10)
    assert two_sided_p(z) == pytest.approx(2 * stats.norm.sf(abs(z)), rel=1e-10)


def test_an_interval_is_longer_on_the_side_of_the_tail():
    right, none = skewed_interval(1.0, 0.1, 3.0, 100), skewed_interval(1.0, 0.1, 0.0, 100)
    assert (none.low, none.high) == pytest.approx((1 - 0.196, 1 + 0.196), abs=1e-4)
    assert right.high - 1 > none.high - 1 > 1 - right.low
    left = skewed_interval(1.0, 0.1, -3.0, 100)
    assert (1 - left.low, left.high - 1) == pytest.approx((right.high - 1, 1 - right.low))


@pytest.mark.parametrize(("n", "shape"), [(100, 1.0), (400, 0.5)])
def test_the_mean_of_skewed_numbers_is_held_as_often_as_stated(n, shape):
    drawn = np.random.default_rng(3).gamma(shape, 1 / shape, (4000, n))
    mean, spread = drawn.mean(1), drawn.std(1)
    skewness = (((drawn - mean[:, None]) / spread[:, None]) ** 3).mean(1)
    held = [
        found.low <= 1 <= found.high for found in map(skewed_interval, mean, spread / n**0.5, skewness, [n] * len(mean))
    ]
    assert np.mean(held) == pytest.approx(0.95, abs=0.012)


def test_logit_interval_stays_inside():
    found = logit_interval(0.99, 0.02)
    assert 0 < found.low < 0.99 < found.high < 1
    assert logit_interval(1.0, 0.02).high == 1.0


def test_two_proportions_equals_chi_square_and_fisher():
    big = stats.chi2_contingency([[120, 880], [200, 1300]], correction=False).pvalue
    assert two_proportions_p(120, 1000, 200, 1500) == pytest.approx(big)
    small = stats.fisher_exact([[1, 9], [4, 8]]).pvalue
    assert two_proportions_p(1, 10, 4, 12) == pytest.approx(small)


def test_smallest_detectable_is_found_at_the_stated_power():
    error, alpha = 0.01, 0.05
    drop = smallest_detectable(error, alpha, 0.8)
    seen = np.random.default_rng(1).normal(drop, error, 200_000) / error > normal_quantile(1 - alpha)
    assert seen.mean() == pytest.approx(0.8, abs=0.005)


def test_holm_on_a_worked_example():
    # .01·4, .02·3, .03·2, then never below the one before.
    assert holm([0.02, 0.01, 0.04, 0.03]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([]) == []
