"""Features that are nearly one, so that no method can say which of them a decision rests on.

Replacing one of two equal columns makes rows that cannot occur, and shares one reason out to two. They are replaced
together and give one reason.
"""

from collections.abc import Sequence

import numpy as np

LEAST_SHARED = 0.81
"""Share of the variance of each of two features that the other explains, from which they are nearly one: a rank correlation
of 0.9."""


def correlated_groups(
    matrix: np.ndarray, blocks: Sequence[Sequence[int]], least: float = LEAST_SHARED
) -> tuple[tuple[int, ...], ...]:
    """Features in groups, in the order of their first members; a feature that is like no other is a group of its own.

    In a group every two features explain `least` of each other's variance (complete linkage).

    Args:
        matrix: reference rows as the model sees them, shape (rows, columns).
        blocks: columns of each feature.
        least: share of the variance.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    if len(blocks) < 2 or len(matrix) < 3:
        return tuple((j,) for j in range(len(blocks)))
    shared = shared_variance(matrix, blocks)
    apart = 1 - np.minimum(shared, shared.T)
    labels = fcluster(linkage(apart[np.triu_indices(len(blocks), 1)], "complete"), 1 - least + 1e-9, "distance")
    groups: dict[int, list[int]] = {}
    for j, label in enumerate(labels):
        groups.setdefault(int(label), []).append(j)
    return tuple(tuple(group) for group in groups.values())


def shared_variance(matrix: np.ndarray, blocks: Sequence[Sequence[int]]) -> np.ndarray:
    """Share of the variance of feature i that a linear function of feature j explains, at [i, j], on ranks.

    The redundancy index of Stewart & Love 1968 (Psychological Bulletin 70), with columns weighted by their variance; for two
    columns the squared rank correlation. A feature without variance shares none.
    """
    ranks = _ranks(matrix)
    covariance = np.atleast_2d(np.cov(ranks, rowvar=False))
    shared = np.eye(len(blocks))
    for j, columns in enumerate(blocks):
        inner = np.linalg.pinv(covariance[np.ix_(columns, columns)], hermitian=True)
        across = covariance[:, columns]
        explained = np.einsum("ab,bc,ac->a", across, inner, across)
        for i, others in enumerate(blocks):
            total = covariance[others, others].sum()
            if i != j and total > 0:
                shared[i, j] = min(1.0, explained[others].sum() / total)
    return shared


def _ranks(matrix: np.ndarray) -> np.ndarray:
    """Mid-ranks of each column; texts by the alphabet, gaps after everything else."""
    from scipy.stats import rankdata

    return np.column_stack([rankdata(_codes(column)) for column in matrix.T])


def _codes(column: np.ndarray) -> np.ndarray:
    if column.dtype == object and any(isinstance(value, str) for value in column):
        return np.unique(column.astype(str), return_inverse=True)[1]
    return np.nan_to_num(column.astype(np.float64), nan=np.inf, posinf=np.finfo(float).max)
