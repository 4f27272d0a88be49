"""What each factor adds to one row's score, compared with a typical value.

Belongs here: the reference that rows are compared with, and the contribution of one factor. Does not belong here: which
contributions become reasons, and whether those are true (`explanations.py`).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.features.frame import number_features, to_model_frame
from mlops_assets.features.transformer import output_columns
from mlops_assets.training.metrics import model_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

REFERENCE_ROWS = 20_000
BACKGROUND_ROWS = 16
POOL_ROWS = 1000
# Rows put through the model at once: bounds the memory whatever the number of features.
BATCH_ROWS = 100_000


@dataclass(frozen=True)
class Reference:
    """What a row is compared with.

    Attributes:
        typical: feature -> median (numbers) or most frequent value (categories) of the reference rows,
            those decided favourably where decisions are made.
        typical_row: the typical row in the model's matrix, shape (columns,).
        background: some reference rows in the model's matrix, shape (rows, columns), rows decided favourably where
            decisions are made.
    """

    typical: dict[str, float | str | None]
    typical_row: np.ndarray
    background: np.ndarray
    pool: np.ndarray


def build_reference(
    pipeline: "Pipeline", frame: pl.DataFrame, declaration: Declaration, threshold: float | None
) -> Reference:
    """The typical row, and a seeded draw of background rows.

    Where decisions are made, both are of the rows decided favourably: reasons say how a refused applicant
    differs from those who were not refused. The official interpretation of 12 CFR 1002.9(b)(2) names comparisons of this kind
    (with applicants who just passed, or with all) and leaves the choice of a statistically sound method open.

    Args:
        pipeline: fitted, steps `features` and `model`.
        frame: reference rows (training or held out), at least one.
        declaration: the model.
        threshold: binary only: the decision threshold, which separates favourable from adverse decisions.

    Raises:
        ValueError: when there are no rows.
    """
    import pandas as pd

    if frame.height == 0:
        raise ValueError("reference: found no rows; the typical values need at least one")
    order = np.argsort(seeded_hash(frame[declaration.id], declaration.training.seed + 3), kind="stable")
    rows = to_model_frame(frame[np.sort(order[:REFERENCE_ROWS])], declaration)
    transformer, model = pipeline.named_steps["features"], pipeline.named_steps["model"]
    matrix = np.asarray(transformer.transform(rows))
    if declaration.task is Task.BINARY and threshold is not None:
        favourable = ~is_adverse(model_scores(model, matrix, declaration), declaration, threshold)
        if favourable.any():
            rows, matrix = rows[favourable], matrix[favourable]
    numbers = set(number_features(declaration))
    typical = {name: _median(rows[name]) if name in numbers else _mode(rows[name]) for name in declaration.features}
    values = {name: [float("nan") if value is None else value] for name, value in typical.items()}
    return Reference(
        typical=typical,
        typical_row=np.asarray(transformer.transform(pd.DataFrame(values)))[0],
        background=matrix[:BACKGROUND_ROWS],
        pool=matrix[BACKGROUND_ROWS : BACKGROUND_ROWS + POOL_ROWS] if len(matrix) > BACKGROUND_ROWS else matrix,
    )


def _median(values: Any) -> float | None:
    numbers = values.to_numpy()
    return float(np.nanmedian(numbers)) if np.isfinite(numbers).any() else None


def _mode(values: Any) -> str:
    counts = values.value_counts()
    most_often = int(counts.max())
    # The first of several in order of the alphabet, so that it is the same each time.
    return min(str(value) for value, count in counts.items() if count == most_often)


def contributions(
    pipeline: "Pipeline", frame: pl.DataFrame, declaration: Declaration, reference: Reference
) -> np.ndarray:
    """By how much each factor raises each row's score over what it would be at the factor's typical value.

    Replacing a factor replaces all columns it becomes in the model's matrix, which is exact, since every feature has
    columns of its own.

    Returns:
        Shape (rows, features), features in declared order, in units of the score: P(positive) for binary,
        P(predicted class) for multiclass, the prediction's own units for regression.
    """
    model, matrix, scores = matrix_and_scores(pipeline, frame, declaration)
    return factor_contributions(
        model, matrix, scores, declaration, feature_blocks(pipeline, declaration), reference.typical_row
    )


def adverse_sign(declaration: Declaration) -> float:
    """1 where a high score is adverse, -1 where a low one is."""
    return 1.0 if declaration.target.favourable == "negative" else -1.0


def is_adverse(scores: np.ndarray, declaration: Declaration, threshold: float) -> np.ndarray:
    """Which scores are decided against the person."""
    return scores >= threshold if declaration.target.favourable == "negative" else scores < threshold


def feature_blocks(pipeline: "Pipeline", declaration: Declaration) -> list[list[int]]:
    """For each feature in declared order, its columns in the model\'s matrix."""
    found = output_columns(pipeline.named_steps["features"])
    return [found[name] for name in declaration.features]


def matrix_and_scores(
    pipeline: "Pipeline", frame: pl.DataFrame, declaration: Declaration
) -> tuple[Any, np.ndarray, np.ndarray]:
    """The estimator, the rows as it sees them, and its score of each."""
    model = pipeline.named_steps["model"]
    matrix = np.asarray(pipeline.named_steps["features"].transform(to_model_frame(frame, declaration)))
    return model, matrix, one_score(model, matrix, declaration, None)


def one_score(model: Any, matrix: np.ndarray, declaration: Declaration, chosen: np.ndarray | None) -> np.ndarray:
    """One score a row; for multiclass that of class `chosen`, or of the most probable class."""
    scores = model_scores(model, matrix, declaration)
    if scores.ndim == 1:
        return scores
    columns = scores.argmax(axis=1) if chosen is None else chosen
    return scores[np.arange(len(scores)), columns]


def factor_contributions(
    model: Any,
    matrix: np.ndarray,
    scores: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    replacement: np.ndarray,
) -> np.ndarray:
    """What each block of columns adds over its value in the row `replacement`, shape (rows, blocks)."""
    added = np.zeros((len(matrix), len(blocks)))
    if len(matrix) == 0:
        return added
    chosen = model_scores(model, matrix, declaration).argmax(axis=1) if declaration.task is Task.MULTICLASS else None
    for start in range(0, len(matrix), BATCH_ROWS):
        rows = slice(start, start + BATCH_ROWS)
        part = matrix[rows]
        # As many features at once as fit a batch: a call to the model costs milliseconds however few its rows.
        together = max(1, BATCH_ROWS // len(part))
        for first in range(0, len(blocks), together):
            group = range(first, min(first + together, len(blocks)))
            stacked = np.tile(part, (len(group), 1))
            for position, j in enumerate(group):
                stacked[position * len(part) : (position + 1) * len(part), blocks[j]] = replacement[blocks[j]]
            labels = None if chosen is None else np.tile(chosen[rows], len(group))
            replaced = one_score(model, stacked, declaration, labels).reshape(len(group), len(part))
            added[rows, first : first + len(group)] = (scores[rows] - replaced).T
    return added


def background_contributions(
    model: Any,
    matrix: np.ndarray,
    scores: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    background: np.ndarray,
) -> np.ndarray:
    """Mean over the background rows of what each factor adds over its value there (interventional expectation)."""
    parts = [factor_contributions(model, matrix, scores, declaration, blocks, row) for row in background]
    return np.mean(parts, axis=0)
