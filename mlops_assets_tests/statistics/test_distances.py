import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance

from mlops_assets.statistics.distances import jensen_shannon, kolmogorov_smirnov, normalised_wasserstein
from mlops_assets.statistics.psi import net_psi, psi, psi_noise


def test_psi_by_hand():
    # (.5-.4) ln(.5/.4) + (.5-.6) ln(.5/.6) = .022314 + .018232
    assert psi(np.array([40_000, 60_000]), np.array([50_000, 50_000])) == pytest.approx(0.040547, abs=1e-5)
    assert psi(np.array([10, 20]), np.array([10, 20])) == 0


def test_psi_of_an_empty_cell_is_finite():
    assert np.isfinite(psi(np.array([100, 0]), np.array([0, 100])))


def test_psi_noise_is_the_mean_psi_when_nothing_changed():
    generator = np.random.default_rng(2)
    shares = np.full(20, 0.05)
    for n, m in ((200, 1000), (1000, 20_000)):
        drawn = [psi(generator.multinomial(m, shares), generator.multinomial(n, shares)) for _ in range(500)]
        assert np.mean(drawn) == pytest.approx(psi_noise(20, m, n), rel=0.08)
    unchanged = [net_psi(generator.multinomial(1000, shares), generator.multinomial(200, shares)) for _ in range(500)]
    assert np.mean(unchanged) < 0.02


def test_jensen_shannon_is_scipys():
    a, b = np.array([10, 20, 70]), np.array([30, 30, 40])
    assert jensen_shannon(a, b) == pytest.approx(jensenshannon(a / 100, b / 100, base=2))
    assert jensen_shannon(np.array([1, 0]), np.array([0, 1])) == 1
    assert jensen_shannon(np.array([1, 0]), np.array([0, 0])) == 0


def sample(shift=0.0, n=3000, seed=1):
    return np.random.default_rng(seed).normal(shift, 1, n)


def binned(values, edges):
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def test_kolmogorov_smirnov_is_below_the_true_distance_by_at_most_a_bin():
    a, b = sample(), sample(0.3, 1000, 2)
    edges = np.quantile(a, np.arange(1, 20) / 20)
    true = ks_2samp(a, b)
    found = kolmogorov_smirnov(binned(a, edges), binned(b, edges))
    assert true.statistic - 0.05 - 1e-9 <= found.statistic <= true.statistic + 1e-9


def test_kolmogorov_smirnov_with_a_bin_per_value_is_scipys():
    a, b = np.repeat([1, 2, 3, 4], [10, 50, 20, 20]), np.repeat([1, 2, 3, 4], [30, 10, 20, 40])
    edges = np.array([2, 3, 4])
    assert kolmogorov_smirnov(binned(a, edges), binned(b, edges)).statistic == pytest.approx(ks_2samp(a, b).statistic)


def test_wasserstein_is_near_scipys_in_standard_deviations():
    a, b = sample(n=20_000), sample(0.5, 20_000, 2)
    edges = np.quantile(a, np.arange(1, 50) / 50)
    low, high = min(a.min(), b.min()), max(a.max(), b.max())
    found = normalised_wasserstein(binned(a, edges), binned(b, edges), tuple(edges), low, high, a.std())
    # Taken as linear, the open bins at both ends count for a little more than they are.
    assert found == pytest.approx(wasserstein_distance(a, b) / a.std(), rel=0.1)
    assert normalised_wasserstein(binned(a, edges), binned(b, edges), tuple(edges), low, high, 0.0) is None
