"""Rows by grade of the score: scores and outcomes, as sums that every later test is made of.

Belongs here: the table and how it is counted. Not here: tests on it (`relation.py`, `outcome_changes.py`).
"""

from dataclasses import dataclass

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import Scored, row_losses
from mlops_assets.statistics.resampling import assign_bins

GRADES = 10
FINE_GRADES = 40
FINE_GRADE_ROWS = 45
"""A finer grade has about so many rows: with fewer its outcome says too little to estimate from."""


@dataclass(frozen=True)
class GradeTable:
    """Sums by grade of the score, enough for every later test; lists of equal length, one number a grade."""

    edges: tuple[float, ...]
    """Inner edges: one fewer than grades."""
    n: tuple[int, ...]
    score: tuple[float, ...]
    """Sum of scores."""
    outcome: tuple[float, ...]
    """Sum of outcomes (binary: events)."""
    residual_squares: tuple[float, ...]
    """Sum of (outcome - score)²."""
    loss: tuple[float, ...]
    """Sum of the loss that quality is made of (binary: log loss; regression: squared error)."""
    loss_squares: tuple[float, ...]


def fine_grades(rows: int) -> int:
    """How many grades so many held-out rows can fill."""
    return max(2, min(FINE_GRADES, rows // FINE_GRADE_ROWS))


def grade_score(rows: Scored) -> np.ndarray:
    """The number a grade is made of: the score, or the probability of the class that is predicted."""
    return rows.score.max(1) if rows.task is Task.MULTICLASS else rows.score


def grade_outcome(rows: Scored) -> np.ndarray:
    """The outcome that belongs to `grade_score`: the outcome, or whether the class that was predicted is right."""
    return (rows.predicted == rows.y).astype(float) if rows.task is Task.MULTICLASS else rows.y.astype(float)


def quality_losses(rows: Scored) -> np.ndarray:
    """Row losses that skill is made of: squared error (regression) or log loss."""
    return (rows.score - rows.y) ** 2 if rows.task is Task.REGRESSION else row_losses(rows)


def tabulate(rows: Scored, edges: np.ndarray) -> GradeTable:
    """Sums by grade."""
    score, outcome, losses = grade_score(rows), grade_outcome(rows), quality_losses(rows)
    grade = assign_bins(score, np.asarray(edges, dtype=float))
    size = len(edges) + 1

    def total(values: np.ndarray) -> tuple[float, ...]:
        return tuple(np.bincount(grade, values, minlength=size).tolist())

    return GradeTable(
        edges=tuple(float(edge) for edge in edges),
        n=tuple(np.bincount(grade, minlength=size).tolist()),
        score=total(score),
        outcome=total(outcome),
        residual_squares=total((outcome - score) ** 2),
        loss=total(losses),
        loss_squares=total(losses**2),
    )
