"""A window's predictions beside their outcomes, as the arrays that performance is measured on.

Belongs here: joining predictions, recorded outcomes and scored rows, a piece at a time, so that a window of any size leaves
behind some numbers a row. What is measured on them is in `performance.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import zip_longest
from sys import intern

import numpy as np
import polars as pl

from mlops_assets.datasets import pieces
from mlops_assets.datasets.quarantine import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.models import SCORE
from mlops_assets.pipeline.stages.production import OUTCOMES, PREDICTIONS, SCORED_ROWS
from mlops_assets.scoring.outcomes import OutcomeSummary, in_all, join_outcomes, refuse_repeated


@dataclass(frozen=True)
class Matured:
    """Predictions of a window and what became of them.

    Attributes:
        scores: of all predictions: shape (n,), or (n, classes).
        truth, given: outcomes and scores of the matured predictions.
        ids: of the matured predictions.
        columns: what slices and fairness read of the same rows.
        summary: counts of the join.
    """

    scores: np.ndarray
    truth: np.ndarray
    given: np.ndarray
    ids: pl.Series
    columns: pl.DataFrame
    summary: OutcomeSummary

    @property
    def share(self) -> float:
        """Share of the predictions whose outcome has matured."""
        return len(self.truth) / len(self.scores) if len(self.scores) else 0.0


def matured(context: StageContext, reference_performance: ReferencePerformance, window: str) -> Matured:
    """Join the window's predictions with the outcomes that are known now.

    Raises:
        ValueError: the id of a prediction occurs twice.
    """
    declaration, known_at = context.declaration, datetime.now(UTC)
    read = [declaration.id, "event_time", SCORE, *(f"score:{label}" for label in reference_performance.classes)]
    said = (
        context.platform.lake.scan(context.table(PREDICTIONS), window=window)
        .select(read)
        .with_columns(pl.col(declaration.id).cast(pl.String).alias("id"))
    )
    recorded, stored = recorded_outcomes(context, window), _group_columns(context, window)
    several = said.select(pl.len()).collect().item() > pieces.ROWS_AT_ONCE
    if several:
        refuse_repeated(said.select(declaration.id).collect().to_series())
    outcomes, groups = _Beside(recorded, "id", said, several), _Beside(stored, "_id", said, several)
    every, truth, given, ids, columns, summaries = [], [], [], [], [], []
    for piece in pieces.pieces(said):
        joined = join_outcomes(
            piece, outcomes.of(piece["id"]), matures_after=declaration.target.matures_after, known_at=known_at
        )
        rows, found = joined.rows, groups.of(piece["id"])
        if not found["_id"].equals(rows["id"]):
            found = rows.select(pl.col("id").alias("_id")).join(found, on="_id", how="left", maintain_order="left")
        every.append(scores(piece, reference_performance))
        given.append(scores(rows, reference_performance))
        truth.append(targets(rows["outcome"], declaration))
        ids.append(rows[declaration.id])
        # A text a row is too much for a large window.
        columns.append(found.drop("_id").with_columns(pl.col(pl.String).cast(pl.Categorical)) if several else found)
        summaries.append(joined.summary)
    scored, matured_scores = np.concatenate(every), np.concatenate(given)
    return Matured(
        scores=scored,
        truth=np.concatenate(truth),
        given=scored if len(scored) == len(matured_scores) else matured_scores,
        ids=pl.concat(ids),
        columns=pl.concat(columns),
        summary=in_all(summaries, recorded) if several else summaries[0],
    )


class _Beside:
    """A table of ids beside the predictions: read along where it has the same ones in the same order, searched else."""

    def __init__(self, table: pl.LazyFrame, id_: str, said: pl.LazyFrame, several: bool) -> None:
        self._table, self._id = table, id_
        self._whole = None if several else table.collect()
        self._along = pieces.pieces(table) if several and self._same(said) else None

    def of(self, ids: pl.Series) -> pl.DataFrame:
        """Its rows for the next piece of the predictions, whose ids these are; of a small window all of its rows."""
        if self._whole is not None:
            return self._whole
        if self._along is not None:
            return next(self._along)
        return self._table.filter(pl.col(self._id).is_in(ids.implode())).collect(engine="streaming")

    def _same(self, said: pl.LazyFrame) -> bool:
        both = zip_longest(pieces.pieces(self._table.select(self._id)), pieces.pieces(said.select("id")))
        return all(a is not None and b is not None and a[self._id].equals(b["id"]) for a, b in both)


def recorded_outcomes(context: StageContext, window: str) -> pl.LazyFrame:
    """Recordings of the window's outcomes; an empty table where there are none."""
    lake, table = context.platform.lake, context.table(OUTCOMES)
    if window in lake.windows(table):
        return lake.scan(table, window=window)
    return pl.LazyFrame(schema={"id": pl.String, "outcome": pl.String, "recorded_at": pl.Datetime("us", "UTC")})


def targets(outcome: pl.Series, declaration: Declaration) -> np.ndarray:
    """Recorded outcomes as evaluation takes them."""
    if declaration.task is Task.REGRESSION:
        return outcome.cast(pl.Float64).to_numpy()
    if declaration.task is Task.MULTICLASS:
        # One object a class, not one a row.
        return np.asarray([intern(label) for label in outcome.to_list()], dtype=object)
    return (outcome == text_of(declaration.target.positive)).cast(pl.Int64).to_numpy()


def scores(said: pl.DataFrame, reference_performance: ReferencePerformance) -> np.ndarray:
    """Scores as evaluation takes them: one column, or one a class."""
    if not reference_performance.classes:
        return said[SCORE].to_numpy()
    return said.select([f"score:{label}" for label in reference_performance.classes]).to_numpy()


def _group_columns(context: StageContext, window: str) -> pl.LazyFrame:
    """What slices and fairness read of the scored rows, beside their ids as text, `_id`."""
    declaration = context.declaration
    stored = context.platform.lake.scan(context.table(SCORED_ROWS), window=window)
    found = set(stored.collect_schema().names())
    read = [c for c in dict.fromkeys(one.column for one in (*declaration.protected, *declaration.slices)) if c in found]
    return stored.select(pl.col(declaration.id).cast(pl.String).alias("_id"), *read)
