import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau, rankdata
from sklearn.metrics import roc_auc_score

from mlops_assets.statistics.delong import area, areas_from_counts, compare_areas, concordance


def draw(n, seed, signal=1.0, digits=None):
    generator = np.random.default_rng(seed)
    y = (generator.random(n) < 0.3).astype(int)
    score = generator.normal(size=n) + signal * y
    return y, score if digits is None else score.round(digits)


def delong_by_definition(y, score):
    """The structural components as the paper writes them, pair by pair."""
    positive, negative = score[y == 1], score[y == 0]
    kernel = (positive[:, None] > negative[None, :]) + 0.5 * (positive[:, None] == negative[None, :])
    v10, v01 = kernel.mean(1), kernel.mean(0)
    return kernel.mean(), np.sqrt(v10.var(ddof=1) / len(v10) + v01.var(ddof=1) / len(v01)), v10, v01


@pytest.mark.parametrize(("digits", "reason"), [(None, "no ties"), (0, "many ties"), (-1, "almost all ties")])
def test_area_equals_definition_and_sklearn(digits, reason):
    y, score = draw(400, 3, digits=digits)
    found = area(y, score)
    value, error, _, _ = delong_by_definition(y, score)
    assert found.value == pytest.approx(roc_auc_score(y, score), abs=1e-12), reason
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.standard_error == pytest.approx(error, rel=1e-9)
    assert found.influence.mean() == pytest.approx(0, abs=1e-12)
    assert np.sqrt(np.mean(found.influence**2) / len(y)) == pytest.approx(error, rel=0.01)


def test_placements_are_differences_of_midranks():
    y, score = draw(300, 4, digits=1)
    positive = y == 1
    overall, own = rankdata(score), np.empty(len(y))
    own[positive], own[~positive] = rankdata(score[positive]), rankdata(score[~positive])
    below = (overall - own) / np.where(positive, (~positive).sum(), positive.sum())
    share = np.where(positive, below, 1 - below)
    expected = (share - share[positive].mean()) * len(y) / np.where(positive, positive.sum(), (~positive).sum())
    assert area(y, score).influence.tolist() == expected.tolist(), "to the last bit: recorded verdicts are repeated"


def test_paired_difference_equals_definition():
    y, first = draw(500, 5)
    second = first + np.random.default_rng(6).normal(size=len(y)) * 0.7
    _, _, a10, a01 = delong_by_definition(y, first)
    _, _, b10, b01 = delong_by_definition(y, second)
    error = np.sqrt((b10 - a10).var(ddof=1) / len(a10) + (b01 - a01).var(ddof=1) / len(a01))
    found = compare_areas(y, first, second)
    assert found.difference == pytest.approx(roc_auc_score(y, second) - roc_auc_score(y, first))
    assert found.standard_error == pytest.approx(error, rel=1e-9)


def test_same_scores_have_no_difference():
    y, score = draw(200, 7)
    found = compare_areas(y, score, score * 2 + 1)
    assert found.difference == 0
    assert found.p_value == 1


def test_rejection_rate_without_difference_is_the_level():
    rejected = 0
    for seed in range(400):
        generator = np.random.default_rng(seed)
        y = (generator.random(300) < 0.4).astype(int)
        truth = generator.normal(size=300) + y
        noise = generator.normal(size=(2, 300))
        rejected += compare_areas(y, truth + noise[0], truth + noise[1]).p_value < 0.05
    assert 0.025 <= rejected / 400 <= 0.08


def test_counts_equal_rows():
    y, score = draw(3000, 9, digits=1)
    bins = np.unique(score, return_inverse=True)[1]
    positives = np.bincount(bins[y == 1], minlength=bins.max() + 1)
    negatives = np.bincount(bins[y == 0], minlength=bins.max() + 1)
    value, error = areas_from_counts(np.stack([positives] * 2), np.stack([negatives] * 2))
    expected = area(y, score)
    assert value.tolist() == pytest.approx([expected.value] * 2, abs=1e-12)
    assert error.tolist() == pytest.approx([expected.standard_error] * 2, rel=1e-9)


def test_one_class_is_refused():
    with pytest.raises(ValueError, match="0 positives and 3 negatives"):
        area(np.zeros(3, int), np.arange(3.0))
    assert np.isnan(areas_from_counts(np.zeros(4), np.ones(4))[0])


def test_without_ties_it_is_kendalls_tau_on_another_scale():
    draw = np.random.default_rng(3)
    y, said = draw.normal(size=(2, 400))
    assert concordance(y, said + y) == pytest.approx((1 + kendalltau(y, said + y).statistic) / 2)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=2, max_size=40))
def test_for_two_outcomes_it_is_the_area_under_the_roc_curve(rows):
    y, said = np.array([r[0] for r in rows], dtype=float), np.array([r[1] for r in rows], dtype=float)
    if y.min() == y.max():
        assert concordance(y, said) is None
    else:
        assert concordance(y, said) == pytest.approx(roc_auc_score(y, said))


@pytest.mark.parametrize(
    ("y", "said", "expected", "why"),
    [
        ([1, 2, 3], [10, 20, 30], 1.0, "the same order"),
        ([1, 2, 3], [30, 20, 10], 0.0, "the opposite order"),
        ([1, 2, 3], [5, 5, 5], 0.5, "no order is chance"),
        ([1, 1, 2], [1, 9, 5], 0.5, "rows with the same outcome are no pair"),
    ],
)
def test_known_values(y, said, expected, why):
    assert concordance(np.array(y), np.array(said)) == expected, why
