"""What each factor adds to one row's score.

Belongs here: the contribution of one factor. Not here: what rows are compared with (`reference.py`), which contributions
become reasons (`reason_codes.py`), and whether those are true (`examination.py`).
"""

from collections.abc import Sequence

import numpy as np

from mlops_assets.evaluation.reasons.reference import AdverseScore

# Rows put through the model at once: bounds the memory whatever the number of features.
BATCH_ROWS = 100_000


def contributions(
    score: AdverseScore, matrix: np.ndarray, scores: np.ndarray, factors: Sequence[Sequence[int]], other: np.ndarray
) -> np.ndarray:
    """By how much each factor raises the adverse score of each row over that of another row.

    The mean of two numbers: by how much the score falls when the factor alone is replaced by its value in the other row,
    and by how much it rises when the factor alone is put into the other row. The first misses two factors of which either
    is enough (replacing one leaves the other), the second misses two that are bad only together. For a score that is a
    sum of functions of one or two factors the mean is the Shapley value for that other row: of the dividend of a pair
    (Harsanyi 1963, International Economic Review 4) a factor gets none when it comes first, all when it comes last, and
    half of it is its share. For a linear score it is weight times difference.

    Args:
        score: of rows.
        matrix: rows, shape (rows, columns).
        scores: of these rows.
        factors: columns of each.
        other: the row compared with, shape (columns,).

    Returns:
        Shape (rows, factors).
    """
    base = score(other[None, :])[0]
    removed = scores[:, None] - _scores_with(score, matrix, factors, other, into_other=False)
    put_in = _scores_with(score, matrix, factors, other, into_other=True) - base
    return (removed + put_in) / 2


def mean_contributions(
    score: AdverseScore, matrix: np.ndarray, scores: np.ndarray, factors: Sequence[Sequence[int]], others: np.ndarray
) -> np.ndarray:
    """The mean of `contributions` over several rows that are compared with, one at least."""
    return np.mean([contributions(score, matrix, scores, factors, other) for other in others], axis=0)


def _scores_with(
    score: AdverseScore, matrix: np.ndarray, factors: Sequence[Sequence[int]], other: np.ndarray, into_other: bool
) -> np.ndarray:
    """Scores of rows with one factor from the other row each, or of the other row with one factor from each row."""
    found = np.zeros((len(matrix), len(factors)))
    for start in range(0, len(matrix), BATCH_ROWS):
        part = matrix[start : start + BATCH_ROWS]
        # As many factors at once as fit a batch: a call to the model costs milliseconds however few its rows.
        together = max(1, BATCH_ROWS // len(part))
        for first in range(0, len(factors), together):
            group = factors[first : first + together]
            stacked = np.tile(other, (len(group) * len(part), 1)) if into_other else np.tile(part, (len(group), 1))
            for position, columns in enumerate(group):
                rows = slice(position * len(part), (position + 1) * len(part))
                stacked[rows, columns] = part[:, columns] if into_other else other[columns]
            found[start : start + len(part), first : first + len(group)] = (
                score(stacked).reshape(len(group), len(part)).T
            )
    return found
