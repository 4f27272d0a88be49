import numpy as np
import pytest

from mlops_assets.evaluation.reasons.correlated import correlated_groups, shared_variance


def columns(correlation: float, rows: int = 2000) -> np.ndarray:
    generator = np.random.default_rng(1)
    a, b, c = generator.normal(size=(3, rows))
    return np.column_stack([a, correlation * a + np.sqrt(1 - correlation**2) * b, c])


@pytest.mark.parametrize(
    ("matrix", "groups", "why"),
    [
        (columns(1.0), ((0, 1), (2,)), "twins"),
        (columns(-0.95), ((0, 1), (2,)), "opposites"),
        (columns(0.8), ((0,), (1,), (2,)), "correlated, and still two"),
        (np.exp(3 * columns(1.0)), ((0, 1), (2,)), "ranks are compared"),
        (np.ones((50, 3)), ((0,), (1,), (2,)), "constants"),
        (columns(1.0)[:2], ((0,), (1,), (2,)), "too few rows"),
    ],
)
def test_groups(matrix: np.ndarray, groups: tuple, why: str) -> None:
    assert correlated_groups(matrix, [[0], [1], [2]]) == groups, why


def test_no_chain_of_neighbours_is_one_group() -> None:
    steps = np.random.default_rng(2).normal(size=(5000, 6))
    chain = np.cumsum(np.column_stack([3 * steps[:, 0], steps[:, 1:]]), axis=1)
    groups = correlated_groups(chain, [[j] for j in range(6)])
    assert len(groups) > 1
    shared = shared_variance(chain, [[j] for j in range(6)])
    assert all(min(shared[i, j], shared[j, i]) >= 0.81 for group in groups for i in group for j in group)


def test_categories_are_compared_over_all_their_columns() -> None:
    """Two features that share one rare value are two; the same categories twice are one."""
    kind = np.random.default_rng(3).integers(0, 4, 2000)
    other = np.where(kind == 3, 3, np.random.default_rng(4).integers(0, 3, 2000))
    one_hot = np.eye(4)
    same = np.column_stack([one_hot[kind], one_hot[(kind + 1) % 4]])
    partly = np.column_stack([one_hot[kind], one_hot[other]])
    blocks = [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert correlated_groups(same, blocks) == ((0, 1),)
    assert correlated_groups(partly, blocks) == ((0,), (1,))


def test_an_imported_models_matrix_may_have_texts_and_gaps() -> None:
    texts = np.random.default_rng(5).choice(["x", "y", "z"], 200)
    matrix = np.empty((200, 3), dtype=object)
    matrix[:, 0], matrix[:, 1], matrix[:, 2] = texts, texts, np.where(texts == "x", np.nan, 1.0)
    assert correlated_groups(matrix, [[0], [1], [2]])[0] == (0, 1)
