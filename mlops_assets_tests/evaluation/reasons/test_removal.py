import numpy as np
import pytest

from mlops_assets.evaluation.reasons.removal import comparable, conditional_falls, one_not_named


def total(x: np.ndarray) -> np.ndarray:
    return x.sum(1)


def test_a_factor_that_repeats_another_changes_nothing_when_similar_rows_lend_their_values() -> None:
    """Of two equal columns, replacing one by what similar rows have leaves it as it is: no impossible row is scored."""
    values = np.random.default_rng(1).normal(size=(500, 1))
    twins, row = np.repeat(values, 2, axis=1), np.array([[2.0, 2.0]])
    ((alike, _),) = conditional_falls(total, row, [[0], [1]], [[0, 1]], np.repeat(row, 20, axis=0))
    assert alike == pytest.approx(0.0)
    ((together,),) = conditional_falls(total, row, [[0, 1]], [[0]], twins)
    assert together > 1, "as one factor they are replaced together"
    independent = np.column_stack([np.zeros(500), np.full(500, 2.0)])
    ((other, _),) = conditional_falls(total, row, [[0], [1]], [[0, 1]], independent)
    assert other == pytest.approx(2.0)


def test_falls_come_in_the_order_of_the_factors_removed() -> None:
    pool, rows = np.zeros((10, 3)), np.array([[3.0, 1.0, 2.0], [5.0, 0.0, 0.0]])
    found = conditional_falls(total, rows, [[0], [1], [2]], [[2, 0], []], pool)
    assert found[0] == pytest.approx([2.0, 3.0])
    assert found[1] == []


def test_other_factors_are_drawn_among_those_that_are_no_reason() -> None:
    drawn = [one_not_named([[0, 2]], 4, np.random.default_rng(i))[0][0] for i in range(50)]
    assert set(drawn) == {1, 3}
    assert one_not_named([[0, 1]], 2, np.random.default_rng(1)) == [[]]


def test_texts_and_gaps_are_comparable() -> None:
    pool = np.array([["a", 1.0], ["b", np.nan], ["c", 3.0]], dtype=object)
    rows, others = comparable(pool[:1], pool)
    assert np.isfinite(rows).all()
    assert np.isfinite(others).all()
    assert others.std(0) == pytest.approx([1.0, 1.0])
