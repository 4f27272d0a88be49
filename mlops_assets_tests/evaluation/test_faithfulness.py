"""Reasons are tested against something by which they were not chosen, and the test can fail."""

from itertools import permutations

import numpy as np
import polars as pl
import pytest

from mlops_assets.evaluation.contributions import build_reference, feature_blocks, matrix_and_scores, one_score
from mlops_assets.evaluation.explanations import ReasonLimits, examine_reason_codes, reason_codes
from mlops_assets.evaluation.faithfulness import conditional_falls, shapley_values
from mlops_assets.training.candidates import refit
from mlops_assets_tests.training.tables import declare, table

FEATURES = {
    "income (€)": "numeric",
    "größe": "categorical",
    "grade": {"role": "ordinal", "allowed": ["low", "mid", "high"]},
}
FRAME = table(800)


def fitted(frame: pl.DataFrame, number: int = 1):  # type: ignore[no-untyped-def]
    model = declare(features=FEATURES)
    pipeline = refit(model, model.candidates[number], frame)
    return model, pipeline, build_reference(pipeline, frame, model, 0.5)


def test_shapley_values_are_those_of_all_orders_and_add_up() -> None:
    model, pipeline, reference = fitted(FRAME)
    estimator, matrix, scores = matrix_and_scores(pipeline, FRAME.head(3), model)
    blocks, start = feature_blocks(pipeline, model), reference.pool[:1]
    found = shapley_values(estimator, matrix, model, blocks, start, seed=1)
    base = one_score(estimator, start, model, None)[0]
    assert found.sum(1) == pytest.approx(scores - base, abs=1e-12)
    for row, values in zip(matrix, found, strict=True):
        exact = np.zeros(len(blocks))
        orders = list(permutations(range(len(blocks))))
        for order in orders:
            now = start[0].copy()
            for j in order:
                before = one_score(estimator, now[None], model, None)[0]
                now[blocks[j]] = row[blocks[j]]
                exact[j] += (one_score(estimator, now[None], model, None)[0] - before) / len(orders)
        assert values == pytest.approx(exact, abs=0.05)


def test_a_factor_that_repeats_another_changes_nothing_when_similar_rows_lend_their_values() -> None:
    """Of two equal columns, replacing one by what similar rows have leaves it as it is: no impossible row is scored."""

    class Sum:
        classes_ = np.array([0, 1])

        def predict_proba(self, matrix: np.ndarray) -> np.ndarray:
            score = 1 / (1 + np.exp(-matrix.sum(1)))
            return np.column_stack([1 - score, score])

    values = np.random.default_rng(1).normal(size=(500, 1))
    pool, row = np.repeat(values, 2, axis=1), np.array([[2.0, 2.0]])
    model = declare(features={"a": "numeric", "b": "numeric"})
    pool[0] = row[0]
    ((alike, _),) = conditional_falls(Sum(), row, model, [[0], [1]], [[0, 1]], np.repeat(pool[:1], 20, axis=0))
    assert alike == pytest.approx(0.0)
    independent = np.column_stack([np.zeros(500), np.full(500, 2.0)])
    ((other, _),) = conditional_falls(Sum(), row, model, [[0], [1]], [[0, 1]], independent)
    assert other > 0.05


def test_factors_named_at_random_are_told_from_reasons() -> None:
    """A test that repeats the choice cannot fail; this one does where the factors named are not the reasons."""
    model, pipeline, reference = fitted(FRAME)
    report = examine_reason_codes(pipeline, FRAME, model, 0.5, reference)
    assert report.faithful_share is not None
    assert report.faithful_share > 0.9
    assert report.shapley_agreement is not None
    assert report.shapley_agreement > 0.9
    estimator, matrix, scores = matrix_and_scores(pipeline, FRAME, model)
    adverse = matrix[scores >= 0.5]
    generator = np.random.default_rng(5)
    named = [[int(j)] for j in generator.integers(0, len(FEATURES), len(adverse))]
    falls = conditional_falls(estimator, adverse, model, feature_blocks(pipeline, model), named, reference.pool)
    assert np.mean([one[0] > 1e-9 for one in falls]) < report.faithful_share - 0.1


@pytest.mark.parametrize("least", [0.0, 0.02, 0.1])
def test_a_further_reason_contributes_at_least_the_limit(least: float) -> None:
    model, pipeline, reference = fitted(FRAME)
    limits = ReasonLimits(least=least)
    codes = reason_codes(pipeline, FRAME, model, 0.5, reference, limits)
    further = [r["contribution"] for reasons in codes["reasons"].to_list() for r in reasons[1:]]
    assert all(contribution >= least for contribution in further)
    without = reason_codes(pipeline, FRAME, model, 0.5, reference, ReasonLimits(least=0.0))
    explained = [frame.filter(pl.col("reasons").list.len() > 0).height for frame in (codes, without)]
    assert explained[0] == explained[1], "the first reason is given however small it is"
    report = examine_reason_codes(pipeline, FRAME, model, 0.5, reference, limits=limits)
    if report.least_contribution is not None:
        assert report.least_contribution >= least
