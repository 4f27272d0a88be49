"""Shapley values of the adverse score: what reasons are compared with, and an alternative way to choose them.

The value of a set of factors is the mean score when they are the person's and all others are a reference row's
(interventional, as in Lundberg & Lee 2017, Advances in Neural Information Processing Systems 30). Values add up to the
person's score less the mean score of the reference rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np

from mlops_assets.evaluation.reasons.reference import AdverseScore

LEAST_ROWS = 8
"""Reference rows that exact values are computed over."""


@dataclass(frozen=True)
class ShapleyValues:
    """Of some rows.

    Attributes:
        values: shape (rows, factors).
        errors: standard errors: of drawing the reference rows, and of drawing orders where those are drawn.
        exact: every set of factors was scored; otherwise orders are drawn.
    """

    values: np.ndarray
    errors: np.ndarray
    exact: bool


def shapley_values(
    score: AdverseScore,
    matrix: np.ndarray,
    factors: Sequence[Sequence[int]],
    pool: np.ndarray,
    generator: np.random.Generator,
    calls: int,
) -> ShapleyValues:
    """Exact values where scoring every set of factors is within `calls`, else values from orders drawn at random.

    Args:
        score: of rows.
        matrix: rows, shape (rows, columns).
        factors: columns of each.
        pool: reference rows, at least one.
        generator: draws reference rows and orders.
        calls: rows that may be scored in all.
    """
    sets = 2 ** len(factors)
    each = calls // max(len(matrix), 1)
    rows = min(len(pool), max(LEAST_ROWS, each // sets))
    if rows * sets <= each:
        parts = exact_values(score, matrix, factors, pool[generator.choice(len(pool), rows, replace=False)])
        return ShapleyValues(parts.mean(1), _error(parts), True)
    parts = _sampled(score, matrix, factors, pool, generator, max(2, each // (2 * (len(factors) + 1))))
    return ShapleyValues(parts.mean(1), _error(parts), False)


def exact_values(
    score: AdverseScore, matrix: np.ndarray, factors: Sequence[Sequence[int]], others: np.ndarray
) -> np.ndarray:
    """Values of each row for each reference row, shape (rows, reference rows, factors), from all 2^factors sets.

    Shapley 1953, Contributions to the Theory of Games 2.
    """
    count = len(factors)
    sets = np.arange(2**count)
    inside = (sets[:, None] >> np.arange(count)) & 1 == 1
    sizes = inside.sum(1)
    # Rows, then reference rows, then sets: one call of the model for all, since a call costs milliseconds however few its rows.
    mixed = np.tile(np.repeat(others, len(sets), axis=0), (len(matrix), 1))
    own = np.repeat(matrix, len(others) * len(sets), axis=0)
    taken = np.tile(inside, (len(matrix) * len(others), 1))
    for j, columns in enumerate(factors):
        for column in columns:
            mixed[taken[:, j], column] = own[taken[:, j], column]
    value = score(mixed).reshape(len(matrix), len(others), len(sets))
    weight = np.array([1 / (count * comb(count - 1, size)) for size in range(count)])
    found = np.empty((len(matrix), len(others), count))
    for j in range(count):
        without = sets[~inside[:, j]]
        found[..., j] = (value[..., without | (1 << j)] - value[..., without]) @ weight[sizes[without]]
    return found


def _sampled(
    score: AdverseScore,
    matrix: np.ndarray,
    factors: Sequence[Sequence[int]],
    pool: np.ndarray,
    generator: np.random.Generator,
    pairs: int,
) -> np.ndarray:
    """Values from pairs of orders, one the reverse of the other, each pair from one pool row, shape (rows, pairs, factors).

    Strumbelj & Kononenko 2014, Knowledge and Information Systems 41. Each adds up exactly.
    """
    count = len(factors)
    paths, orders = [], []
    for row in matrix:
        for _ in range(pairs):
            order, start = generator.permutation(count), pool[generator.integers(len(pool))]
            for each in (order, order[::-1]):
                path = np.tile(start, (count + 1, 1))
                for step, j in enumerate(each, start=1):
                    path[step:, factors[j]] = row[factors[j]]
                orders.append(each)
                paths.append(path)
    gained = np.diff(score(np.concatenate(paths)).reshape(len(paths), -1), axis=1)
    values = np.empty((len(paths), count))
    np.put_along_axis(values, np.stack(orders), gained, axis=1)
    return values.reshape(len(matrix), pairs, 2, count).mean(2)


def _error(parts: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the second axis."""
    if parts.shape[1] < 2:
        return np.zeros((parts.shape[0], parts.shape[2]))
    return parts.std(1, ddof=1) / np.sqrt(parts.shape[1])
