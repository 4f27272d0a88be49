import numpy as np
import pytest
from scipy import stats
from scipy.stats import fisher_exact

from mlops_assets.statistics.proportions import jeffreys, share_increase, unseen_values


@pytest.mark.parametrize(("a", "n", "b", "m"), [(0, 1000, 3, 200), (50, 1000, 12, 100), (5, 50, 5, 50), (0, 9, 0, 9)])
def test_share_increase_is_fishers_exact_test(a, n, b, m):
    expected = fisher_exact([[b, m - b], [a, n - a]], alternative="greater").pvalue
    found = share_increase(a, n, b, m)
    assert found.p_value == pytest.approx(expected)
    assert found.effect == pytest.approx(b / m - a / n)


def test_nothing_to_compare():
    assert share_increase(0, 0, 5, 10).p_value == 1
    assert unseen_values(0, 0, 10, 0, 0).p_value == 1


@pytest.mark.parametrize(("m", "n"), [(1000, 200), (1000, 5000), (5000, 1000)])
def test_unseen_values_rarely_alarm_on_a_long_tail(m, n):
    generator = np.random.default_rng(m + n)
    alarms = 0
    for _ in range(300):
        reference, window = generator.zipf(1.6, m), generator.zipf(1.6, n)
        values, counts = np.unique(reference, return_counts=True)
        new = int((~np.isin(window, values)).sum())
        alarms += unseen_values(int((counts == 1).sum()), int((counts == 2).sum()), m, new, n).p_value < 0.01
    assert alarms <= 12


def test_new_values_in_a_closed_list_are_seen():
    assert unseen_values(0, 0, 5000, 50, 500).p_value < 1e-6
    assert unseen_values(0, 0, 5000, 50, 500).effect == pytest.approx(0.1)
    assert unseen_values(0, 0, 5000, 0, 500).p_value == 1


@pytest.mark.parametrize(("events", "n", "estimate"), [(0, 50, 0.01), (5, 100, 0.02), (30, 1000, 0.03), (7, 7, 0.9)])
def test_equals_the_beta_distribution_of_the_instructions(events, n, estimate):
    found = jeffreys(events, n, estimate)
    posterior = stats.beta(events + 0.5, n - events + 0.5)
    assert found.p_underestimated == pytest.approx(posterior.cdf(estimate), rel=1e-9)
    assert found.p_overestimated == pytest.approx(posterior.sf(estimate), rel=1e-9)
    if 0 < events < n:
        assert (found.low, found.high) == pytest.approx((posterior.ppf(0.025), posterior.ppf(0.975)), rel=1e-9)


def test_direction():
    assert jeffreys(20, 100, 0.05).p_underestimated < 1e-6
    assert jeffreys(0, 500, 0.05).p_overestimated < 1e-6
    fair = jeffreys(5, 100, 0.05)
    assert min(fair.p_underestimated, fair.p_overestimated) > 0.25


@pytest.mark.parametrize(("events", "n", "estimate"), [(1, 0, 0.1), (5, 4, 0.1), (1, 4, 1.2)])
def test_refuses_the_impossible(events, n, estimate):
    with pytest.raises(ValueError, match="expected"):
        jeffreys(events, n, estimate)
