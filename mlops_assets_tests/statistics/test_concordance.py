"""Concordance is the area under the ROC curve, for outcomes of any kind."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kendalltau
from sklearn.metrics import roc_auc_score

from mlops_assets.statistics.concordance import concordance


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
