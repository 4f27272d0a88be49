from itertools import permutations

import numpy as np
import pytest

from mlops_assets.evaluation.reasons.contributions import contributions
from mlops_assets.evaluation.reasons.shapley import exact_values, shapley_values

WEIGHTS = np.array([1.0, -0.5, 0.25, 0.0])
FACTORS = [[0], [1], [2], [3]]


def linear(x: np.ndarray) -> np.ndarray:
    return x @ WEIGHTS


def pairs(x: np.ndarray) -> np.ndarray:
    """A sum of functions of one or two factors."""
    return np.maximum(x[:, 0], x[:, 1]) + x[:, 2] * x[:, 3] + np.exp(-x[:, 1])


def threes(x: np.ndarray) -> np.ndarray:
    return x[:, 0] * x[:, 1] * x[:, 2] + x[:, 3]


def either(x: np.ndarray) -> np.ndarray:
    return ((x[:, 0] > 0.5) | (x[:, 1] > 0.5)).astype(float)


@pytest.mark.parametrize("score", [linear, pairs, threes, either])
def test_exact_values_are_the_mean_over_all_orders(score) -> None:  # type: ignore[no-untyped-def]
    generator = np.random.default_rng(1)
    row, others = generator.normal(size=4), generator.normal(size=(3, 4))
    (found,) = exact_values(score, row[None], FACTORS, others)
    for values, other in zip(found, others, strict=True):
        exact = np.zeros(4)
        orders = list(permutations(range(4)))
        for order in orders:
            now = other.copy()
            for j in order:
                before = score(now[None])[0]
                now[j] = row[j]
                exact[j] += (score(now[None])[0] - before) / len(orders)
        assert values == pytest.approx(exact)
        assert values.sum() == pytest.approx(score(row[None])[0] - score(other[None])[0])


def test_twelve_factors_are_exact_on_a_small_background_and_drawn_orders_are_within_their_errors() -> None:
    generator = np.random.default_rng(2)
    weights, factors = generator.normal(size=12), [[j] for j in range(12)]
    rows, pool = generator.normal(size=(4, 12)), generator.normal(size=(40, 12))

    def score(x: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-x @ weights)) + x[:, 0] * x[:, 1] * x[:, 2]

    exact = shapley_values(score, rows, factors, pool[:8], np.random.default_rng(0), 4 * 8 * 2**12)
    drawn = shapley_values(score, rows, factors, pool[:8], np.random.default_rng(0), 20_000)
    assert (exact.exact, drawn.exact) == (True, False)
    apart = np.abs(drawn.values - exact.values) / np.hypot(drawn.errors, 1e-12)
    assert np.mean(apart > 2) < 0.15
    for found in (exact, drawn):
        assert found.errors.shape == found.values.shape == (4, 12)
    assert exact.values.sum(1) == pytest.approx(score(rows) - score(pool[:8]).mean())


@pytest.mark.parametrize("score", [linear, pairs, either])
def test_contributions_are_shapley_values_of_sums_of_pairs(score) -> None:  # type: ignore[no-untyped-def]
    generator = np.random.default_rng(3)
    rows, other = generator.normal(size=(20, 4)), generator.normal(size=4)
    found = contributions(score, rows, score(rows), FACTORS, other)
    assert found == pytest.approx(exact_values(score, rows, FACTORS, other[None])[:, 0])


def test_contributions_to_a_linear_score_are_weight_times_difference() -> None:
    rows, other = np.random.default_rng(4).normal(size=(50, 4)), np.array([0.1, 0.2, 0.3, 0.4])
    assert contributions(linear, rows, linear(rows), FACTORS, other) == pytest.approx(WEIGHTS * (rows - other))


def test_either_is_enough_and_both_are_reasons() -> None:
    """Replacing one of two factors of which either is enough changes nothing; each still counts, and alike."""
    row, other = np.array([[2.0, 2.0, 0.0, 0.0]]), np.zeros(4)
    assert contributions(either, row, either(row), FACTORS, other) == pytest.approx(np.array([[0.5, 0.5, 0.0, 0.0]]))
