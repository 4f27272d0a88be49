import numpy as np
import pytest

from mlops_assets.statistics.brier import brier_parts
from mlops_assets.statistics.resampling import (
    assign_bins,
    equal_frequency_edges,
    percentile_interval,
    resample_poisson,
)


def test_poisson_resamples_keep_shape_mean_and_seed():
    counts = np.array([[50, 30], [15, 5]])
    drawn = resample_poisson(counts, 4000, seed=1)
    assert drawn.shape == (4000, 2, 2)
    assert drawn.mean(0) == pytest.approx(counts, abs=0.5)
    assert drawn[:, 0, 0].var() == pytest.approx(50, rel=0.1)
    assert np.array_equal(drawn, resample_poisson(counts, 4000, seed=1))


def test_interval_needs_values():
    assert percentile_interval(np.full(100, np.nan)) is None
    found = percentile_interval(np.arange(1001.0), 0.9)
    assert found is not None
    assert (found.low, found.high) == pytest.approx((50, 950))


@pytest.mark.parametrize(
    ("values", "bins", "reason"),
    [
        (np.arange(1000.0), 10, "all distinct"),
        (np.repeat([0.0, 1.0], 500), 10, "two values"),
        (np.concatenate([np.zeros(900), np.arange(1, 101)]), 10, "most are one value"),
    ],
)
def test_bins_are_not_empty(values, bins, reason):
    edges = equal_frequency_edges(values, bins)
    counts = np.bincount(assign_bins(values, edges), minlength=len(edges) + 1)
    assert counts.min() > 0, reason
    assert len(counts) <= bins


def test_constant_has_one_bin():
    assert len(equal_frequency_edges(np.ones(10), 5)) == 0


def test_brier_decomposition_is_exact():
    generator = np.random.default_rng(4)
    score = generator.random(5000)
    y = (generator.random(5000) < score**1.3).astype(int)
    grade = assign_bins(score, equal_frequency_edges(score, 10))
    parts = brier_parts(y, score, grade)
    rebuilt = parts.reliability - parts.resolution + parts.uncertainty + parts.within_variance - parts.within_covariance
    assert rebuilt == pytest.approx(parts.score, abs=1e-12)
    assert parts.score == pytest.approx(np.mean((score - y) ** 2))
