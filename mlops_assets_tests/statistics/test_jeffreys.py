import pytest
from scipy import stats

from mlops_assets.statistics.jeffreys import jeffreys


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
