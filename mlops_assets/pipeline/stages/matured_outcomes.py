"""A window's predictions joined with their outcomes, as the arrays that performance is measured on.

Belongs here: joining predictions, recorded outcomes and scored rows, a piece at a time, so that a window of any size leaves
behind a few numbers a row. What is measured on them is in `performance.py`.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from sys import intern

import numpy as np
import polars as pl

from mlops_assets import clock
from mlops_assets.datasets import pieces
from mlops_assets.datasets.values import text_of
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import RESERVED_PREFIX, Task
from mlops_assets.pipeline.stages.outcomes import TABLE as OUTCOMES
from mlops_assets.pipeline.stages.predictions import PREDICTIONS, SCORED_ROWS
from mlops_assets.pipeline.stages.scored_window import ScoredWindow
from mlops_assets.pipeline.stages.versions import SCORE
from mlops_assets.scoring.outcomes import OutcomeSummary, in_all, join_outcomes, refuse_repeated
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.lake import Lake

KEY = RESERVED_PREFIX + "id"
"""Column of identifiers beside a user's columns."""


@dataclass(frozen=True)
class Matured:
    """Predictions that one version decided in a window, and what became of them.

    Attributes:
        scores: of all predictions: shape (n,), or (n, classes).
        truth, given: outcomes and scores of the matured predictions.
        ids: of the matured predictions.
        columns: what slices and fairness read of the same rows.
        summary: counts of the join.
        new_classes: of a binary model, rows whose outcome is neither of the two labels, by label; they are in nothing else.
    """

    scores: np.ndarray
    truth: np.ndarray
    given: np.ndarray
    ids: pl.Series
    columns: pl.DataFrame
    summary: OutcomeSummary
    new_classes: dict[str, int] = field(default_factory=dict)

    @property
    def share(self) -> float:
        """Share of the predictions whose outcome has matured."""
        return len(self.truth) / len(self.scores) if len(self.scores) else 0.0


def matured(
    lake: Lake,
    scored: ScoredWindow,
    version: int,
    declaration: Declaration,
    classes: Sequence[str],
    labels: Collection[str] = (),
) -> Matured:
    """Join the predictions that a version decided in the window with the outcomes that are known now.

    Args:
        lake: with predictions, outcomes and scored rows.
        scored: the window.
        version: whose decisions are meant.
        declaration: under which that version was made.
        classes: of a multiclass model, in the order of its score columns; else none.
        labels: the two outcomes of a binary model, where they are known.

    Raises:
        ValueError: the identifier of a prediction occurs twice.
    """
    window = scored.window.key
    predicted = _predicted(lake, scored, version, classes)
    several = predicted.select(pl.len()).collect().item() > pieces.ROWS_AT_ONCE
    if several:
        refuse_repeated(predicted.select("id").collect().to_series())
    recorded = recorded_outcomes(lake, scored.model, window)
    outcomes = _Beside(recorded, "id", predicted, several)
    groups = _Beside(group_columns(lake, declaration, window), KEY, predicted, several)
    known_at = clock.now()
    new_classes: Counter[str] = Counter()
    every, truth, given, ids, columns, summaries = [], [], [], [], [], []
    for piece in pieces.pieces(predicted):
        joined = join_outcomes(
            piece, outcomes.of(piece["id"]), matures_after=declaration.target.matures_after, known_at=known_at
        )
        rows, found = joined.rows, groups.of(piece["id"])
        if labels:
            known = rows["outcome"].is_in(list(labels))
            new_classes.update(rows["outcome"].filter(~known).to_list())
            rows = rows.filter(known)
        if not found[KEY].equals(rows["id"]):
            found = rows.select(pl.col("id").alias(KEY)).join(found, on=KEY, how="left", maintain_order="left")
        every.append(scores(piece, classes))
        given.append(scores(rows, classes))
        truth.append(targets(rows["outcome"], declaration))
        ids.append(rows["id"])
        # A text a row is too much for a large window.
        columns.append(found.drop(KEY).with_columns(pl.col(pl.String).cast(pl.Categorical)) if several else found)
        summaries.append(joined.summary)
    all_scores, matured_scores = np.concatenate(every), np.concatenate(given)
    return Matured(
        scores=all_scores,
        truth=np.concatenate(truth),
        given=all_scores if len(all_scores) == len(matured_scores) else matured_scores,
        ids=pl.concat(ids),
        columns=pl.concat(columns),
        summary=in_all(summaries, recorded) if several else summaries[0],
        new_classes=dict(new_classes.most_common()),
    )


def labels_of(profile: Profile, declaration: Declaration) -> tuple[str, ...]:
    """The two outcomes that a binary model learned from; none where the reference does not show both, or of another task."""
    column = profile.columns.get(declaration.target.column)
    if declaration.task is not Task.BINARY or column is None:
        return ()
    found = tuple(column.categories)
    return found if len(found) == 2 and text_of(declaration.target.positive) in found else ()


def _predicted(lake: Lake, scored: ScoredWindow, version: int, classes: Sequence[str]) -> pl.LazyFrame:
    """Identifiers and scores of the rows that the version decided."""
    table = lake.scan(f"{scored.model}/{PREDICTIONS}", window=scored.window.key)
    if scored.canary is not None:
        table = table.filter(pl.col("version") == version)
    if scored.record.event.paused:
        # About rows of a paused segment nothing was decided.
        table = table.filter(pl.col("paused").is_null())
    return table.select("id", "event_time", SCORE, *(f"score:{label}" for label in classes))


class _Beside:
    """A table with the identifiers of the predictions: read in step where it has the same ones in the same order, and
    searched otherwise."""

    def __init__(self, table: pl.LazyFrame, id_: str, predicted: pl.LazyFrame, several: bool) -> None:
        self._table, self._id = table, id_
        self._whole = None if several else table.collect()
        self._along = pieces.pieces(table) if several and self._same(predicted) else None

    def of(self, ids: pl.Series) -> pl.DataFrame:
        """Its rows for the next piece of the predictions, whose ids these are; of a small window all of its rows."""
        if self._whole is not None:
            return self._whole
        if self._along is not None:
            return next(self._along)
        return self._table.filter(pl.col(self._id).is_in(ids.implode())).collect(engine="streaming")

    def _same(self, predicted: pl.LazyFrame) -> bool:
        both = zip_longest(pieces.pieces(self._table.select(self._id)), pieces.pieces(predicted.select("id")))
        return all(a is not None and b is not None and a[self._id].equals(b["id"]) for a, b in both)


def recorded_outcomes(lake: Lake, model: str, window: str) -> pl.LazyFrame:
    """Recordings of the window's outcomes; an empty table where there are none."""
    table = f"{model}/{OUTCOMES}"
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


def scores(predicted: pl.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """Scores as evaluation takes them: one column, or one a class."""
    if not classes:
        return predicted[SCORE].to_numpy()
    return predicted.select([f"score:{label}" for label in classes]).to_numpy()


def group_columns(lake: Lake, declaration: Declaration, window: str) -> pl.LazyFrame:
    """What slices and fairness read of the scored rows, beside their identifiers, `KEY`."""
    stored = lake.scan(f"{declaration.name}/{SCORED_ROWS}", window=window)
    found = set(stored.collect_schema().names())
    read = [c for c in dict.fromkeys(one.column for one in (*declaration.protected, *declaration.slices)) if c in found]
    return stored.select(pl.col(declaration.id).alias(KEY), *read)
