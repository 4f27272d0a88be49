"""Scores for a batch of rows.

Belongs here: from checked rows and a fitted pipeline to one prediction a row. Not here: which version scores, and keeping
the predictions (`stores/`).
"""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.values import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.features.frame import to_model_frame
from mlops_assets.scoring.prediction_id import prediction_ids
from mlops_assets.training.metrics import scores_of

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ROWS_AT_ONCE = 50_000
"""Rows predicted at a time: their memory is reused from piece to piece. With 200,000 rows, allocating and clearing memory
took as long as predicting."""


def score(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float | None,
    *,
    version: str | int = 0,
    window: str | None = None,
) -> pl.DataFrame:
    """Score checked rows.

    Args:
        pipeline: the fitted pipeline of the version.
        frame: rows that met the input contract.
        declaration: the model.
        threshold: binary only: predicted positive from this score on.
        version: version of the model, part of the prediction id.
        window: partition key of the rows' window; none for a model without time.

    Returns:
        One row a row of `frame`, in its order: `prediction_id`, `id` (the row's identifier as text), `event_time`
        (null without time), `score`, `prediction`. No column has a name of the user's, so that none can clash. Binary: score is P(positive), prediction 1 or 0. Multiclass:
        score is the probability of the predicted class, prediction its text, and one column `score:<class>` each.
        Regression: score and prediction are the predicted value.

    Raises:
        ValueError: when a binary model is scored without a threshold.
    """
    identity = frame.select(
        prediction_ids(frame[declaration.id], declaration.name or "model", window, version),
        pl.col(declaration.id).alias("id"),
        event_time_expr(declaration.event_time).alias("event_time")
        if declaration.event_time is not None
        else pl.lit(None, dtype=pl.Datetime("us")).alias("event_time"),
    )
    if declaration.task is Task.BINARY and threshold is None:
        raise ValueError("a binary model needs a threshold to decide by; pass the one recorded with the version")
    if frame.height == 0:
        empty = pl.String if declaration.task is Task.MULTICLASS else pl.Float64
        kind = pl.Int64 if declaration.task is Task.BINARY else empty
        return identity.with_columns(
            pl.lit(None, dtype=pl.Float64).alias("score"), pl.lit(None, dtype=kind).alias("prediction")
        )
    # What a pipeline makes of its rows takes several times their memory: a large window goes through it in pieces.
    scores = np.concatenate(
        [
            scores_of(pipeline, to_model_frame(frame[start : start + ROWS_AT_ONCE], declaration), declaration)
            for start in range(0, frame.height, ROWS_AT_ONCE)
        ]
    )
    if declaration.task is Task.REGRESSION:
        return identity.with_columns(pl.Series("score", scores), pl.Series("prediction", scores))
    if declaration.task is Task.BINARY:
        decided = _given_decisions(frame, declaration)
        if decided is None:
            decided = (scores >= threshold).astype(np.int64)
        return identity.with_columns(pl.Series("score", scores), pl.Series("prediction", decided))
    classes = [str(label) for label in pipeline.named_steps["model"].classes_]
    chosen = scores.argmax(axis=1)
    return identity.with_columns(
        pl.Series("score", scores[np.arange(len(scores)), chosen]),
        pl.Series("prediction", [classes[i] for i in chosen], dtype=pl.String),
        *(pl.Series(f"score:{label}", scores[:, i]) for i, label in enumerate(classes)),
    )


def _given_decisions(frame: pl.DataFrame, declaration: Declaration) -> np.ndarray | None:
    """What the supplier of a model decided: 1 for the positive outcome, else 0; None where the score alone decides."""
    external = declaration.external
    if external is None or external.decision is None:
        return None
    return (frame[external.decision] == text_of(external.decision_positive)).cast(pl.Int64).to_numpy()


def decision_threshold(declaration: Declaration, share_of_positives: float) -> float | None:
    """The declared threshold, else the share of positives among the rows fitted on; none for other tasks."""
    if declaration.task is not Task.BINARY:
        return None
    return declaration.decision_threshold if declaration.decision_threshold is not None else share_of_positives
