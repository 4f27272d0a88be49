"""Whether reasons for a decision are true of the model, tested against something by which they were not chosen.

Reasons are chosen by replacing a factor by its typical value (`explanations.py`); doing the same again would confirm
whatever was chosen. Here a factor is replaced by what similar rows have, and reasons are compared with Shapley values. Both
use reference rows that the choice never saw. Assumes that rows alike in all other columns show which values the
factor could have had; with few reference rows they are alike only roughly.
"""

from typing import Any

import numpy as np

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evaluation.contributions import adverse_sign, one_score

DRAWS = 8
PERMUTATIONS = 16


def conditional_falls(
    model: Any,
    matrix: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    named: list[list[int]],
    pool: np.ndarray,
) -> list[list[float]]:
    """By how much the adverse score falls on average when a factor takes the values of the most similar pool rows.

    Similar means near in all of the model's columns but the factor's own, each column in standard deviations: draws from
    about the factor's distribution given the others, so that no impossible row is scored (the conditional removal of
    Covert, Lundberg & Lee 2021, Journal of Machine Learning Research 22).

    Args:
        model: fitted estimator.
        matrix: adverse rows as it sees them, shape (rows, columns).
        declaration: the model's.
        blocks: columns of each factor.
        named: factors named for each row.
        pool: reference rows, shape (rows, columns), at least one.

    Returns:
        For each row one number for each factor named, in the same order.
    """
    sign, draws = adverse_sign(declaration), min(DRAWS, len(pool))
    rows, others = comparable(matrix, pool)
    distance = _squared_distances(rows, others)
    before = one_score(model, matrix, declaration, None)
    falls = [[0.0] * len(factors) for factors in named]
    for j, columns in enumerate(blocks):
        holders = np.array([i for i, factors in enumerate(named) if j in factors], dtype=int)
        if not len(holders):
            continue
        apart = distance[holders] - _squared_distances(rows[holders][:, columns], others[:, columns])
        nearest = np.argpartition(apart, draws - 1, axis=1)[:, :draws]
        changed = np.repeat(matrix[holders], draws, axis=0)
        changed[:, columns] = pool[nearest.ravel()][:, columns]
        after = one_score(model, changed, declaration, None).reshape(len(holders), draws).mean(1)
        for i, fall in zip(holders, sign * (before[holders] - after), strict=True):
            falls[i][named[i].index(j)] = float(fall)
    return falls


def shapley_values(
    model: Any,
    matrix: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    pool: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Shapley value of each factor for the adverse score of each row, shape (rows, factors), by sampling.

    Orders of the factors are drawn in pairs, one the reverse of the other, each pair with one pool row as the start
    (Strumbelj & Kononenko 2014, Knowledge and Information Systems 41). For every draw the values add up exactly to the
    row's score less that of the pool row.
    """
    generator = np.random.default_rng(seed)
    total = np.zeros((len(matrix), len(blocks)))
    for i, row in enumerate(matrix):
        orders, paths = [], []
        for _ in range(PERMUTATIONS):
            order = generator.permutation(len(blocks))
            start = pool[generator.integers(len(pool))]
            for each in (order, order[::-1]):
                path = np.tile(start, (len(blocks) + 1, 1))
                for step, j in enumerate(each, start=1):
                    path[step:, blocks[j]] = row[blocks[j]]
                orders.append(each)
                paths.append(path)
        scores = one_score(model, np.concatenate(paths), declaration, None).reshape(len(paths), -1)
        for order, gained in zip(orders, np.diff(scores, axis=1), strict=True):
            total[i, order] += gained
    return adverse_sign(declaration) * total / (2 * PERMUTATIONS)


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
