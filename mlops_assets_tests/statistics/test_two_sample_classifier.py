import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from mlops_assets.statistics.two_sample_classifier import _ranked, two_sample_classifier


def samples(seed, rows=1000):
    g = np.random.default_rng(seed)
    return g.normal(size=(rows, 4)), g.normal(size=(rows, 4))


def test_what_no_column_and_no_correlation_shows_is_seen():
    reference, window = samples(1)
    # |x0| = |x1|, with signs of their own: uncorrelated, and each as it was.
    window[:, 1] = np.abs(window[:, 0]) * np.sign(window[:, 1])
    found = two_sample_classifier(reference, window, level=0.001, seed=1)
    assert found.auc > 0.7
    assert found.p_value < 1e-6
    assert set(np.argsort(found.drops)[-2:]) == {0, 1}


def test_nothing_is_seen_where_nothing_is():
    p_values = [two_sample_classifier(*samples(seed, 300), level=0.001, seed=seed).p_value for seed in range(2, 42)]
    # Uniform: two of forty below .05 are to be expected.
    assert sum(p < 0.05 for p in p_values) <= 6
    assert np.mean(p_values) == pytest.approx(0.5, abs=0.15)


def test_it_is_repeatable_and_asks_for_rows():
    reference, window = samples(1, 400)
    once, again = (two_sample_classifier(reference, window, level=0.001, seed=5) for _ in range(2))
    assert once == again
    assert two_sample_classifier(reference[:199], window, level=0.001, seed=5) is None


@pytest.mark.parametrize("steps", [9, 10**6], ids=["ties", "hardly any"])
def test_the_ranking_is_scipys_mann_whitney(steps):
    g = np.random.default_rng(1)
    below, above = g.integers(0, steps, 80), g.integers(0, int(steps * 1.2), 50)
    expected = mannwhitneyu(above, below, alternative="greater", method="asymptotic", use_continuity=False)
    auc, p_value = _ranked(np.concatenate([below, above]), np.repeat([0, 1], [80, 50]), [1.0, 1.0])
    assert auc == pytest.approx(expected.statistic / 4000)
    assert p_value == pytest.approx(expected.pvalue)


def test_rows_drawn_with_replacement_are_not_recognised():
    p_values = []
    for seed in range(10):
        g = np.random.default_rng(seed)
        pool = g.normal(size=(1000, 6))
        drawn = pool[g.integers(1000, size=1000)]
        p_values.append(two_sample_classifier(g.normal(size=(2000, 6)), drawn, level=0.001, seed=seed).p_value)
    assert min(p_values) > 0.001


def test_neighbours_in_time_do_not_tell_the_sides_apart():
    # Each side wanders: rows beside each other are alike, and no region belongs to a side for long.
    p_values = []
    for seed in range(10):
        g = np.random.default_rng(seed)
        phase = np.cumsum(g.normal(size=(2, 2000)) * 0.3, axis=1)
        sides = np.stack([np.sin(phase), np.cos(phase)], axis=2)
        p_values.append(two_sample_classifier(*sides, level=0.001, seed=seed).p_value)
    assert sum(p < 0.001 for p in p_values) <= 2


def test_columns_that_are_empty_or_constant_are_no_obstacle():
    reference, window = samples(1, 400)
    reference[:, 1], window[:, 1], window[:, 2] = np.nan, np.nan, np.nan
    reference[:, 3] = window[:, 3] = 7.0
    assert two_sample_classifier(reference, window, level=0.001, seed=1).p_value < 0.001
