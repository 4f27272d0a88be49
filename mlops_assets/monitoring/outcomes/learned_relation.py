"""A relation between inputs and outcome, learned from a reference for want of a model: scores for two tables.

Belongs here: turning rows into numbers and the cross-fitted model. What the scores say of the window is measured as for
any model (`performance.py`). The model is made to compare two tables; it is no candidate for anything.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Task
from mlops_assets.statistics.profile import ColumnProfile, as_number, category_text

FOLDS = 4
BLOCKS_A_FOLD = 5
MOST_CODES = 200
ROUNDS = 80
SEED = 20261121


def learned_scores(
    reference: pl.DataFrame,
    outcome: np.ndarray,
    window: pl.DataFrame,
    columns: Mapping[str, ColumnProfile],
    task: Task,
    *,
    classes: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """Score both tables with models that have not seen the rows they score.

    The reference is cut into 20 blocks of rows that follow each other, dealt to four folds; each fold is scored by a
    gradient boosting fitted on the other three. The window's rows are dealt to the same four models in the same way.
    So both sides are scored by the same models, neither by one that knows the row or its neighbour in time, and what
    differs between them is the window's doing.

    Args:
        reference, window: rows with the columns, in the order of time if there is one.
        outcome: of the reference: 0 and 1, the position of a class, or a number; shape (rows,).
        columns: the inputs.
        task: binary, multiclass or regression.
        classes: number of classes (multiclass).

    Returns:
        Scores of reference and window: probabilities of the positive, shape (rows,); of the classes, shape (rows,
        classes); or predictions, shape (rows,).
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    names = [name for name in columns if name in reference.columns and name in window.columns]
    kinds = [columns[name] for name in names]
    before, now = _numbers(reference, kinds), _numbers(window, kinds)
    kind = HistGradientBoostingRegressor if task is Task.REGRESSION else HistGradientBoostingClassifier
    shape = (classes,) if task is Task.MULTICLASS else ()
    scores = np.zeros((len(before), *shape)), np.zeros((len(now), *shape))
    with threadpool_limits(limits=1, user_api="openmp"):
        for fold in range(FOLDS):
            held = _fold(len(before)) == fold
            if not held.any():
                continue
            # A column without any value to learn from has no bins.
            empty = ~np.isfinite(before[~held]).any(axis=0)
            known, new = (np.where(empty, 0.0, rows) for rows in (before, now))
            model = kind(
                max_iter=ROUNDS,
                max_leaf_nodes=15,
                min_samples_leaf=20,
                l2_regularization=1.0,
                categorical_features=[c.kind == "categorical" for c in kinds],  # type: ignore[arg-type]
                early_stopping=False,  # type: ignore[arg-type]
                random_state=SEED,
            ).fit(known[~held], outcome[~held])
            for rows, into, mine in ((known, scores[0], held), (new, scores[1], _fold(len(now)) == fold)):
                if mine.any():
                    into[mine] = _predicted(model, rows[mine], task, classes)
    return scores


def _fold(rows: int) -> np.ndarray:
    """Fold of each row, in blocks that follow each other."""
    return (np.arange(rows) * FOLDS * BLOCKS_A_FOLD // max(rows, 1)) % FOLDS


def _predicted(model: object, rows: np.ndarray, task: Task, classes: int) -> np.ndarray:
    if task is Task.REGRESSION:
        return model.predict(rows)  # type: ignore[attr-defined]
    known = np.asarray(model.classes_, dtype=int)  # type: ignore[attr-defined]
    # A fold without a rare class gives it no probability; a little for all keeps losses finite.
    probability = np.full((len(rows), max(classes, 2)), 1e-6)
    # Fitted on one class alone, the model still gives two columns.
    probability[:, known] += model.predict_proba(rows) if len(known) > 1 else 1.0  # type: ignore[attr-defined]
    probability /= probability.sum(axis=1, keepdims=True)
    return probability if task is Task.MULTICLASS else probability[:, 1]


def _numbers(frame: pl.DataFrame, columns: Sequence[ColumnProfile]) -> np.ndarray:
    """Shape (rows, columns); categories by their place in the reference's order, NaN for missing and unknown ones."""
    parts = []
    for column in columns:
        series = frame[column.name]
        if column.kind == "numeric" and (series.dtype.is_numeric() or series.dtype.is_temporal()):
            values = as_number(series).to_numpy().astype(float)
        elif column.kind == "numeric":
            values = np.full(len(series), np.nan)
        else:
            places = {value: float(i) for i, value in enumerate(list(column.categories)[:MOST_CODES])}
            text = category_text(series, column.categories)
            values = text.replace_strict(places, default=None, return_dtype=pl.Float64).to_numpy().astype(float)
        parts.append(np.where(np.isfinite(values), values, np.nan))
    return np.column_stack(parts) if parts else np.zeros((frame.height, 1))
