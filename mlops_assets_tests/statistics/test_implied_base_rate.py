import numpy as np
import polars as pl
import pytest
from scipy.stats import norm

from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.implied_base_rate import implied_base_rate
from mlops_assets.statistics.profile import build_profile


def scores(rows, rate, seed):
    """Calibrated at a base rate of .2: the log odds of two normals, one and a half standard deviations apart."""
    g = np.random.default_rng(seed)
    positive = g.random(rows) < rate
    evidence = g.normal(np.where(positive, 1.125, -1.125), 1.5)
    return 1 / (1 + np.exp(-(evidence + np.log(0.2 / 0.8))))


def implied(reference, window):
    profile = build_profile(pl.DataFrame({"s": reference}), {"s": "score"})
    counts = count_window(pl.DataFrame({"s": window}), profile)
    return implied_base_rate(profile.columns["s"], counts.columns["s"])


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.4, 0.8])
def test_a_known_base_rate_is_found(rate):
    found = implied(scores(50_000, 0.2, 1), scores(50_000, rate, 2))
    assert found.reference == pytest.approx(0.2, abs=0.01)
    assert found.window == pytest.approx(rate, abs=0.02)


def test_the_p_value_is_that_of_a_two_sided_z_test_on_means():
    reference, window = scores(4000, 0.2, 3), scores(1000, 0.23, 4)
    error = reference.std() * np.sqrt(1 / 4000 + 1 / 1000)
    expected = 2 * norm.sf(abs(window.mean() - reference.mean()) / error)
    assert implied(reference, window).p_value == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "why"),
    [([0.3] * 100, "does not vary"), ([300.0, 700.0] * 50, "no probability"), ([None] * 100, "nothing in it")],
)
def test_what_is_no_probability_implies_nothing(values, why):
    column = pl.Series("s", values, dtype=pl.Float64)
    assert implied(column, column) is None, why


def test_scores_that_moved_otherwise_than_by_a_base_rate_do_not_agree():
    reference = scores(20_000, 0.2, 1)
    assert implied(reference, scores(4000, 0.35, 2)).agrees
    assert implied(reference, scores(4000, 0.2, 3)).agrees
    narrow = np.clip(reference.mean() + 0.3 * (scores(4000, 0.2, 4) - reference.mean()), 0, 1)
    assert not implied(reference, narrow).agrees, "all scores near the mean: no weighting of the classes does that"
    odds = np.log(reference[:4000] / (1 - reference[:4000]))
    sharper = 1 / (1 + np.exp(-2.2 * odds))
    assert not implied(reference, sharper).agrees, "scores that became more extreme on both sides"
