"""Replacing a factor by what similar people have.

Reasons are chosen by comparison with a typical row (`contributions.py`); doing the same again would confirm whatever was
chosen. Here a factor gets the values that reference rows have which are alike in everything else, and those rows take no part in
the choice. Assumes that such rows show which values the factor could have had; with few reference rows they are alike
only roughly.
"""

from collections.abc import Sequence

import numpy as np

from mlops_assets.evaluation.reasons.reference import AdverseScore

DRAWS = 8


def conditional_falls(
    score: AdverseScore,
    matrix: np.ndarray,
    factors: Sequence[Sequence[int]],
    removed: Sequence[Sequence[int]],
    pool: np.ndarray,
) -> list[list[float]]:
    """By how much the adverse score falls on average when a factor takes the values of the most similar pool rows.

    Similar means near in all of the model's columns but the factor's own, each column in standard deviations: draws from
    about the factor's distribution given the others, so that no impossible row is scored (the conditional removal of
    Covert, Lundberg & Lee 2021, Journal of Machine Learning Research 22).

    Args:
        score: of rows.
        matrix: adverse rows as the model sees them, shape (rows, columns).
        factors: columns of each.
        removed: for each row, the factors that are removed, one at a time.
        pool: reference rows, shape (rows, columns), at least one.

    Returns:
        For each row one number for each of its factors, in the same order.
    """
    draws = min(DRAWS, len(pool))
    rows, others = comparable(matrix, pool)
    distance = _squared_distances(rows, others)
    before = score(matrix)
    falls = [[0.0] * len(places) for places in removed]
    for j, columns in enumerate(factors):
        holders = np.array([i for i, places in enumerate(removed) if j in places], dtype=int)
        if not len(holders):
            continue
        apart = distance[holders] - _squared_distances(rows[holders][:, columns], others[:, columns])
        nearest = np.argpartition(apart, draws - 1, axis=1)[:, :draws]
        changed = np.repeat(matrix[holders], draws, axis=0)
        changed[:, columns] = pool[nearest.ravel()][:, columns]
        after = score(changed).reshape(len(holders), draws).mean(1)
        for i, fall in zip(holders, before[holders] - after, strict=True):
            falls[i][removed[i].index(j)] = float(fall)
    return falls


def one_not_named(named: Sequence[Sequence[int]], factors: int, generator: np.random.Generator) -> list[list[int]]:
    """For each row one factor at random that is no reason, or none where all are."""
    found = []
    for places in named:
        others = [j for j in range(factors) if j not in places]
        found.append([int(generator.choice(others))] if others else [])
    return found


def comparable(matrix: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both in standard deviations of the pool's columns.

    The matrix of an imported model may have text and gaps: texts become their place in the alphabet, as ordinal codes do, and
    a gap becomes the pool's median.
    """
    if pool.dtype == object:
        matrix, pool = _coded(matrix, pool)
    if np.isnan(pool).any() or np.isnan(matrix).any():
        middle = np.array([np.median(known) if (known := c[~np.isnan(c)]).size else 0.0 for c in pool.T])
        matrix, pool = (np.where(np.isnan(values), middle, values) for values in (matrix, pool))
    spread = pool.std(0)
    unit = np.where(spread > 0, spread, 1.0)
    return matrix / unit, pool / unit


def _coded(matrix: np.ndarray, pool: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Columns of text as whole numbers, other columns as they are."""
    both = np.concatenate([matrix, pool])
    columns = [
        np.unique(column.astype(str), return_inverse=True)[1] if isinstance(column[0], str) else column
        for column in both.T
    ]
    coded = np.column_stack(columns).astype(np.float64)
    return coded[: len(matrix)], coded[len(matrix) :]


def _squared_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Shape (rows of first, rows of second)."""
    return (first**2).sum(1)[:, None] + (second**2).sum(1)[None, :] - 2 * first @ second.T
