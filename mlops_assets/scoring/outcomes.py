"""Predictions joined with what turned out to be true, as it arrives.

Belongs here: which outcome counts for which prediction, and from when. Not here: measuring
(`monitoring/outcomes/performance.py`).

Rules, one for each way in which outcomes are untidy:

- *late*: recorded after the outcome was due; it counts from when it was recorded, and is marked;
- *early*: recorded before it was due (a loan is charged off in its third month): it is known but waits, because only
bad news
  comes early and a share of positives made of it would be too high;
- *repeated*: recorded again with the same value; the first recording counts, the repetitions are counted;
- *corrected*: recorded again with another value; the last recording counts, and all of them are kept in the history;
- *partial*: some matured predictions have no outcome yet; the share that has is given, and a share below 1 is said
wherever the
  outcomes are used;
- *unknown*: an outcome of an id that was never predicted is set apart, never joined, never dropped silently;
- *withdrawn*: a later recording without a value takes the outcome back; the prediction waits for another one;
- *empty*: an outcome without value or id that takes nothing back is set apart as well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.declaration.period import Period
from mlops_assets.declaration.terms import Cadence

_UNITS = {
    Cadence.DAY: "d",
    Cadence.WEEK: "w",
    Cadence.MONTH: "mo",
    Cadence.QUARTER: "q",
    Cadence.YEAR: "y",
}
HISTORY = ("id", "outcome", "recorded_at", "position", "status")


@dataclass(frozen=True)
class OutcomeSummary:
    """Counts of one join; every prediction and every outcome is in exactly one count of its kind."""

    known_at: str
    """Instant of the join, ISO: nothing recorded later is used."""
    predictions: int
    due: int
    """Predictions whose outcome should be known by then."""
    matured: int
    """Of those due, the ones with an outcome: the rows that performance is measured on."""
    missing: int
    """Of those due, the ones without."""
    not_due: int
    early: int
    """Of those not due, the ones that have an outcome already; they wait."""
    late: int
    """Of the matured, the ones recorded after they were due."""
    recordings: int
    """Recordings of outcomes that were looked at."""
    repeated: int
    """Recordings that say again what was said before."""
    corrected: int
    """Predictions whose outcome was changed by a later recording."""
    withdrawn: int
    """Recordings that take back what was recorded before."""
    unknown: int
    """Recordings of ids that were never predicted."""
    empty: int
    """Recordings without id or value."""
    future: int
    """Recordings from after `known_at`, not used."""

    @property
    def matured_share(self) -> float:
        """Share of the predictions due that have an outcome; 0 where none is due."""
        return self.matured / self.due if self.due else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form."""
        return {**asdict(self), "matured_share": self.matured_share}


@dataclass(frozen=True)
class MaturedOutcomes:
    """The join and everything that was not joined."""

    rows: pl.DataFrame
    """The predictions due with an outcome: all columns of the predictions, and `outcome`, `recorded_at`, `due_at`,
    `late`,
    `corrections` (how often the value changed)."""
    waiting: pl.DataFrame
    """Predictions due without an outcome, with `due_at`."""
    history: pl.DataFrame
    """Every recording looked at: `id`, `outcome`, `recorded_at`, `position` (order among those of the id) and `status`:
    `counts`,
    `repeated`, `superseded`, `withdrawn`, `unknown`, `empty`."""
    summary: OutcomeSummary


def join_outcomes(
    predictions: pl.DataFrame,
    outcomes: pl.DataFrame,
    *,
    matures_after: Period | None,
    known_at: datetime,
    id_column: str = "id",
    time_column: str = "event_time",
    outcome_column: str = "outcome",
    recorded_column: str = "recorded_at",
) -> MaturedOutcomes:
    """Join predictions with the outcomes known at an instant.

    Args:
        predictions: one row a prediction, with an id that is unique and the time of the event.
        outcomes: recordings of outcomes: id, value, and when it was recorded; in any order, any number for an id.
        matures_after: how long after the event the outcome is due (`Target.matures_after`); None: at once.
        known_at: the instant of the join, with a time zone; asked again for the same instant, the answer is the same.
        id_column: of both tables.
        time_column: of the predictions: a date, or a timestamp (without zone it is read as UTC).
        outcome_column: of the outcomes.
        recorded_column: of the outcomes: a date or a timestamp.

    Raises:
        ValueError: a column is missing, `known_at` has no time zone, or a prediction id occurs twice.
    """
    _need(predictions, "predictions", id_column, time_column)
    _need(outcomes, "outcomes", id_column, outcome_column, recorded_column)
    if known_at.tzinfo is None:
        raise ValueError(f"found known_at {known_at.isoformat()} without a time zone, expected one such as UTC")
    refuse_repeated(predictions[id_column])
    instant = pl.lit(known_at.astimezone(UTC)).cast(pl.Datetime("us", "UTC"))
    recorded = outcomes.select(
        id=pl.col(id_column).cast(pl.String),
        outcome=pl.col(outcome_column),
        recorded_at=_instant(outcomes.schema, recorded_column),
    )
    if recorded["outcome"].dtype.is_float():
        recorded = recorded.with_columns(pl.col("outcome").fill_nan(None))
    future = recorded.filter(pl.col("recorded_at") > instant).height
    # A recording without an instant cannot be placed before or after another one: it is set apart as empty.
    recorded = recorded.filter((pl.col("recorded_at") <= instant) | pl.col("recorded_at").is_null())
    history = _history(recorded, predictions[id_column].cast(pl.String))
    standing = _standing(history)
    due_at = _instant(predictions.schema, time_column)
    if matures_after is not None:
        due_at = due_at.dt.offset_by(f"{matures_after.count}{_UNITS[matures_after.unit]}")
    joined = predictions.with_columns(due_at=due_at, __key=pl.col(id_column).cast(pl.String))
    if joined["__key"].equals(standing["id"]):
        # All outcomes are known, in the order of the predictions: there is nothing to look up.
        joined = joined.hstack(standing.drop("id"))
    else:
        joined = joined.join(standing, left_on="__key", right_on="id", how="left", maintain_order="left")
    due = joined.filter(pl.col("due_at") <= instant)
    rows = due.filter(pl.col("outcome").is_not_null()).with_columns(late=pl.col("recorded_at") > pl.col("due_at"))
    waiting = due.filter(pl.col("outcome").is_null()).drop("__key", "outcome", "recorded_at", "corrections")
    early = joined.filter(pl.col("outcome").is_not_null() & ~(pl.col("due_at") <= instant)).height
    status = history["status"]
    return MaturedOutcomes(
        rows=rows.drop("__key"),
        waiting=waiting,
        history=history,
        summary=OutcomeSummary(
            known_at=known_at.astimezone(UTC).isoformat(),
            predictions=predictions.height,
            due=due.height,
            matured=rows.height,
            missing=waiting.height,
            not_due=predictions.height - due.height,
            early=early,
            late=int(rows["late"].sum()),
            recordings=history.height,
            repeated=int((status == "repeated").sum()),
            corrected=int((standing["corrections"] > 0).sum()),
            withdrawn=int((status == "withdrawn").sum()),
            unknown=int((status == "unknown").sum()),
            empty=int((status == "empty").sum()),
            future=future,
        ),
    )


def in_all(parts: Sequence[OutcomeSummary], outcomes: pl.LazyFrame) -> OutcomeSummary:
    """Counts of a join that was made in parts: each part with some of the predictions, and the recordings of their ids.

    Args:
        parts: one at least, of one instant.
        outcomes: all recordings, `id`, `outcome` and `recorded_at`, those of ids that were never predicted included.
    """
    sums = {
        name: sum(getattr(part, name) for part in parts)
        for name in OutcomeSummary.__dataclass_fields__
        if name != "known_at"
    }
    instant = pl.lit(datetime.fromisoformat(parts[0].known_at)).cast(pl.Datetime("us", "UTC"))
    schema = outcomes.collect_schema()
    value = pl.col("outcome").fill_nan(None) if schema["outcome"].is_float() else pl.col("outcome")
    recorded_at = _instant(schema, "recorded_at")
    future = (recorded_at > instant).fill_null(False)
    empty = ~future & (pl.col("id").is_null() | value.is_null() | recorded_at.is_null())
    total = outcomes.select(
        recordings=(~future).sum().cast(pl.Int64), future=future.sum().cast(pl.Int64), empty=empty.sum().cast(pl.Int64)
    ).collect(engine="streaming")
    counts = total.row(0, named=True)
    # A recording without a value of a prediction that had one takes it back, and is not empty; the parts know these.
    counts["empty"] -= sums["withdrawn"]
    # What is no recording of a prediction, and not empty, is one of an id that was never predicted.
    predicted = sums["recordings"] - sums["empty"] - sums["unknown"]
    unknown = counts["recordings"] - counts["empty"] - predicted
    return OutcomeSummary(**{**sums, **counts, "unknown": unknown}, known_at=parts[0].known_at)


def refuse_repeated(ids: pl.Series) -> None:
    """Refuse predictions that share an id.

    Raises:
        ValueError: with one that is there twice.
    """
    if different(ids) < len(ids):
        doubled = ids.filter(ids.is_duplicated())
        raise ValueError(
            f"found {len(doubled)} predictions that share an id (such as {doubled[0]!r}), expected each once"
        )


def different(ids: pl.Series) -> int:
    """How many different ids there are; where they rise from row to row, as they often do, that is seen at a glance."""
    rising = bool((ids[1:] > ids[:-1]).all(ignore_nulls=False))
    return len(ids) if rising else ids.n_unique()


def _need(frame: pl.DataFrame, what: str, *columns: str) -> None:
    missing = [column for column in columns if column not in frame.columns]
    if missing:
        raise ValueError(f"found {what} without {', '.join(missing)}, expected them among {', '.join(frame.columns)}")


def _instant(schema: Mapping[str, pl.DataType], column: str) -> pl.Expr:
    """A date or timestamp as an instant in UTC."""
    dtype = schema[column]
    if dtype == pl.Date or dtype == pl.Null:
        return pl.col(column).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    if isinstance(dtype, pl.Datetime):
        zoned = pl.col(column) if dtype.time_zone else pl.col(column).dt.replace_time_zone("UTC")
        return zoned.dt.convert_time_zone("UTC").dt.cast_time_unit("us")
    raise ValueError(f"found column {column!r} of type {dtype}, expected dates or timestamps: parse it first")


def _history(recorded: pl.DataFrame, predicted: pl.Series) -> pl.DataFrame:
    """Every recording with its position and status; equal instants keep the order in which they were given."""
    empty = pl.col("id").is_null() | pl.col("outcome").is_null() | pl.col("recorded_at").is_null()
    same = recorded["id"].equals(predicted)
    unknown = pl.lit(False) if same else ~pl.col("id").is_in(predicted.implode())
    marked = recorded.with_columns(
        status=pl.when(empty).then(pl.lit("empty")).when(unknown).then(pl.lit("unknown")).otherwise(pl.lit("counts"))
    )
    if same or different(marked["id"]) == marked.height:
        # The usual case, and much the cheapest: each outcome was recorded once.
        position = pl.when(pl.col("status") == "counts").then(pl.lit(1, pl.Int64))
        return marked.with_columns(position=position).select(HISTORY)
    marked = marked.sort("id", "recorded_at", maintain_order=True, nulls_last=True)
    had_one = (pl.col("status") == "counts").cum_sum().over("id") > 0
    taken_back = pl.col("outcome").is_null() & pl.col("recorded_at").is_not_null() & had_one
    marked = marked.with_columns(status=pl.when(taken_back).then(pl.lit("counts")).otherwise(pl.col("status")))
    known = marked.filter(pl.col("status") == "counts").with_columns(
        position=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("id"),
        repeats=pl.col("outcome").eq_missing(pl.col("outcome").shift(1).over("id")),
    )
    # What counts is the first recording of the last value: repeating it later does not make it later.
    last_change = pl.col("position").filter(~pl.col("repeats")).max().over("id")
    known = known.with_columns(
        status=pl.when(pl.col("outcome").is_null())
        .then(pl.lit("withdrawn"))
        .when(pl.col("position") > 1, pl.col("repeats"))
        .then(pl.lit("repeated"))
        .when(pl.col("position") == last_change)
        .then(pl.lit("counts"))
        .otherwise(pl.lit("superseded"))
    ).drop("repeats")
    rest = marked.filter(pl.col("status") != "counts").with_columns(position=pl.lit(None, pl.Int64))
    return pl.concat([known.select(HISTORY), rest.select(HISTORY)])


def _standing(history: pl.DataFrame) -> pl.DataFrame:
    """The outcome that counts for each id, when it was recorded, and how often it had been another one."""
    known = history.filter(pl.col("status").is_in(["counts", "superseded"]))
    if not (known["status"] == "superseded").any():
        return known.select("id", "outcome", "recorded_at", corrections=pl.lit(0, pl.Int64))
    corrections = known.group_by("id").agg(corrections=(pl.len() - 1).cast(pl.Int64))
    counting = known.filter(pl.col("status") == "counts").select("id", "outcome", "recorded_at")
    return counting.join(corrections, on="id", how="left")
