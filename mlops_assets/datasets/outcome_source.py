"""Outcomes from a source of their own: which report counts for which row, and what became of every other report.

Belongs here: reading the reports as declared, settling those about one row, and joining them with the rows of the inputs. A report
is in exactly one place:

- `counts`: it is the outcome of its row;
- `open`: it has no value yet;
- `repeated`: it says again what an earlier one said;
- `superseded`: a later one counts or withdraws it in its place;
- `withdrawn`: it withdraws what was reported before;
- `quarantined`: it is about no row or about several, has no identifier or time, cannot be read, or contradicts another report and
  nothing later settles it.

Not here: what happens to a verdict when an outcome changes (`pipeline/windows_due.py`).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from mlops_assets.datasets import blake2s
from mlops_assets.datasets.event_times import delivered_time
from mlops_assets.datasets.internal_columns import EVENT_TIME, REASONS, RECORDED_AT, ROW
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.values import delivered_text
from mlops_assets.declaration.columns import Feature, Slice
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import RESERVED_PREFIX, Origin, Role

KEY, DAY, VALUE, STATUS, GIVEN = (RESERVED_PREFIX + name for name in ("key", "day", "value", "status", "given"))
PLACES = ("counts", "open", "repeated", "superseded", "withdrawn", "quarantined")
ON = [KEY, DAY]
NO_ROW = "about no row of the inputs"


@dataclass(frozen=True)
class WrittenOtherwise:
    """Reports about no row whose identifier is that of a row but for how it is written.

    Attributes:
        reports: how many.
        reported: identifier in one of them.
        row: the same identifier in the inputs.
    """

    reports: int
    reported: str
    row: str

    def __str__(self) -> str:
        said = "report is" if self.reports == 1 else "reports are"
        return (
            f"{self.reports} {said} about no row only because identifiers are written in two ways: found {self.reported!r}, "
            f"which is {self.row!r} in the inputs. Write them in one way in both sources"
        )


@dataclass(frozen=True)
class Settled:
    """The reports of a source of outcomes, each in its place.

    Attributes:
        reports: `KEY`, `DAY` (missing where only the identifier joins), `VALUE` (as the target is read), `RECORDED_AT`, `STATUS`
            (one of `PLACES`), `REASONS` (of those in quarantine), in the order of the source.
        delivered: the same reports as they were delivered, as text.
        otherwise: reports that find no row because of how their identifier is written; None where there are none.
    """

    reports: pl.DataFrame
    delivered: pl.DataFrame
    otherwise: WrittenOtherwise | None

    @property
    def counts(self) -> dict[str, int]:
        """Reports by place; they add up to all of them."""
        found = Counter(self.reports[STATUS].to_list())
        return {place: found[place] for place in PLACES}

    @property
    def standing(self) -> pl.DataFrame:
        """The outcome of each row that has one."""
        return self.reports.filter(pl.col(STATUS) == "counts").select(KEY, DAY, VALUE, RECORDED_AT)

    @property
    def quarantined(self) -> pl.DataFrame:
        """Reports that could not be used, as delivered, with the reason."""
        return self.delivered.with_columns(self.reports[REASONS]).filter(self.reports[STATUS] == "quarantined")

    @property
    def reasons(self) -> dict[str, int]:
        """Quarantined reports by reason, most frequent first."""
        return dict(Counter(self.reports[REASONS].drop_nulls().to_list()).most_common())

    @property
    def remarks(self) -> list[str]:
        """What somebody should know who trains or scores with these outcomes."""
        found = []
        if unusable := self.counts["quarantined"]:
            why = "; ".join(f"{reason} ({count})" for reason, count in self.reasons.items())
            found.append(f"{unusable} of {self.reports.height} reports are quarantined: {why}")
        if self.otherwise is not None:
            found.append(str(self.otherwise))
        return found


def reported_as(declaration: Declaration) -> Declaration:
    """The table of outcomes as a declaration of its own, by which its columns are read."""
    outcomes = declaration.outcomes
    assert outcomes is not None
    target = declaration.target.model_copy(update={"column": outcomes.column or declaration.target.column})
    day = {outcomes.event_day: Feature(role=Role.DATE)} if outcomes.event_day else {}
    status = (Slice(column=outcomes.withdrawn.column),) if outcomes.withdrawn else ()
    return declaration.model_copy(
        update={
            "source": outcomes.source,
            "outcomes": None,
            "origin": Origin.TRAINED,
            "external": None,
            "imported": None,
            "id": outcomes.prediction_id or outcomes.id or declaration.id,
            "event_time": outcomes.recorded_at,
            "target": target,
            "features": day,
            "protected": (),
            "slices": status,
        }
    )


def settle(delivered: pl.DataFrame, declaration: Declaration, keys: pl.DataFrame) -> Settled:
    """Put every report in its place.

    Args:
        delivered: the reports, with the columns of `reported_as(declaration)`.
        declaration: the model.
        keys: `KEY` and `DAY` of the rows of the inputs, as `row_keys` gives them, with their identifier as `ROW`.
    """
    outcomes, read = declaration.outcomes, reported_as(declaration)
    assert outcomes is not None
    schema = delivered.schema
    names = [name for name in read.columns if name in schema]
    value = read_expr(read.target.column, schema, read)
    withdrawn = pl.lit(False)
    if outcomes.withdrawn is not None:
        withdrawn = read_expr(outcomes.withdrawn.column, schema, read).is_in(list(outcomes.withdrawn.values))
    time = pl.lit(None, dtype=pl.Datetime("us"))
    if outcomes.recorded_at is not None:
        column = outcomes.recorded_at.column
        time = pl.col(EVENT_TIME) if EVENT_TIME in schema else delivered_time(outcomes.recorded_at, schema[column])
    day = read_expr(outcomes.event_day, schema, read).dt.date() if outcomes.event_day else pl.lit(None, dtype=pl.Date)
    text = delivered_text(schema[read.target.column], pl.col(read.target.column))
    reports = delivered.select(
        key_of_report(declaration, schema).alias(KEY),
        day.alias(DAY),
        pl.when(~withdrawn.fill_null(False)).then(value).alias(VALUE),
        time.alias(RECORDED_AT),
        (text.is_not_null() & (text.str.strip_chars() != "")).alias(GIVEN),
        withdrawn.fill_null(False).alias("withdrawn"),
    ).with_row_index(ROW)
    joins = keys.group_by(ON).agg(rows=pl.col(ROW).n_unique())
    reports = reports.join(joins, on=ON, how="left", nulls_equal=True, maintain_order="left")
    reports = reports.with_columns(_own_fault(declaration).alias(REASONS))
    good = _in_order(reports.filter(pl.col(REASONS).is_null()), timed=outcomes.recorded_at is not None)
    placed = reports.join(good, on=ROW, how="left", maintain_order="left").with_columns(
        pl.coalesce(REASONS, "contradicts").alias(REASONS)
    )
    status = pl.when(pl.col(REASONS).is_not_null()).then(pl.lit("quarantined")).otherwise(pl.col(STATUS))
    as_text = [delivered_text(schema[name], pl.col(name)).alias(name) for name in names]
    placed = placed.with_columns(status.alias(STATUS))
    return Settled(
        placed.select(KEY, DAY, VALUE, RECORDED_AT, STATUS, REASONS),
        delivered.select(as_text),
        _written_otherwise(placed.filter(pl.col(REASONS) == NO_ROW), keys) if outcomes.prediction_id is None else None,
    )


def _written_otherwise(reports: pl.DataFrame, keys: pl.DataFrame) -> WrittenOtherwise | None:
    """Reports about no row that would be about one without zeros in front, `.0` at the end, spaces and capitals."""
    bare = pl.col(KEY).str.strip_chars().str.to_lowercase().str.replace(r"\.0+$", "").str.strip_chars_start("0")
    rows = keys.select(pl.col(KEY).alias("row"), bare.alias("bare")).unique("bare", maintain_order=True)
    found = reports.with_columns(bare.alias("bare")).join(rows, on="bare", maintain_order="left")
    found = found.filter(pl.col(KEY) != pl.col("row"))
    return WrittenOtherwise(found.height, found[KEY][0], found["row"][0]) if found.height else None


def _own_fault(declaration: Declaration) -> pl.Expr:
    """What is wrong with a report by itself; missing where nothing is."""
    outcomes = declaration.outcomes
    assert outcomes is not None
    checks: list[tuple[pl.Expr, str]] = [(pl.col(KEY).is_null(), "no identifier that can be read")]
    if outcomes.event_day:
        checks.append((pl.col(DAY).is_null(), f"{outcomes.event_day}: no day that can be read"))
    if outcomes.recorded_at is not None:
        checks.append((pl.col(RECORDED_AT).is_null(), f"{outcomes.recorded_at.column}: no time that can be read"))
    column = outcomes.column or declaration.target.column
    unreadable = pl.col(GIVEN) & pl.col(VALUE).is_null() & ~pl.col("withdrawn")
    checks += [
        (unreadable, f"{column}: cannot be read"),
        (pl.col("rows").is_null(), NO_ROW),
        (pl.col("rows") > 1, "about several rows of the inputs"),
    ]
    fault = pl.lit(None, dtype=pl.String)
    for wrong, reason in reversed(checks):
        fault = pl.when(wrong).then(pl.lit(reason)).otherwise(fault)
    return fault


def _in_order(reports: pl.DataFrame, *, timed: bool) -> pl.DataFrame:
    """The place of each report among those about the same row: `ROW`, `STATUS`, and `contradicts` where two stand against each
    other."""
    said = pl.col(VALUE).is_not_null() | pl.col("withdrawn")
    waiting = reports.filter(~said).select(
        ROW, pl.lit("open").alias(STATUS), pl.lit(None, dtype=pl.String).alias("contradicts")
    )
    # What is withdrawn is another thing said than any value.
    what = pl.when("withdrawn").then(pl.lit("-")).otherwise(pl.lit("+") + pl.col(VALUE).cast(pl.String))
    known = reports.filter(said).with_columns(what.alias("what")).sort(*ON, RECORDED_AT, ROW, nulls_last=True)
    at_once = [*ON, RECORDED_AT] if timed else ON
    known = known.with_columns(clash=pl.col("what").n_unique().over(at_once) > 1)
    differs = pl.col("what") != pl.col("what").shift(1).over(ON)
    # A later report settles those that contradict each other, whichever of them it agrees with.
    new = (differs | pl.col("clash").shift(1).over(ON)).fill_null(True)
    known = known.with_columns(against=pl.col("clash").last().over(ON), new=new)
    known = known.with_columns(run=pl.col("new").cum_sum().over(ON))
    last = pl.col("run") == pl.col("run").max().over(ON)
    status = (
        pl.when(~pl.col("new"))
        .then(pl.lit("repeated"))
        .when(~last)
        .then(pl.lit("superseded"))
        .when("withdrawn")
        .then(pl.lit("withdrawn"))
        .otherwise(pl.lit("counts"))
    )
    reason = "the last reports about its row contradict each other: " + (
        "they were recorded at the same time" if timed else "no recorded_at says which one is later"
    )
    settled = known.select(ROW, status.alias(STATUS), pl.when("against").then(pl.lit(reason)).alias("contradicts"))
    return pl.concat([settled, waiting])


def key_of_report(declaration: Declaration, schema: pl.Schema) -> pl.Expr:
    """What a report names its row by, as text."""
    outcomes, read = declaration.outcomes, reported_as(declaration)
    assert outcomes is not None
    named = read_expr(read.id, schema, read)
    if outcomes.prediction_id is None or _suppliers(declaration):
        return named
    # Model, window and version before it are those of the prediction; the last part names the row.
    pattern = rf"^{declaration.name}:[^:]+:v[^:]+:([0-9a-f]{{{2 * blake2s.SIZE}}})$"
    return named.str.strip_chars().str.extract(pattern, 1)


def row_keys(schema: pl.Schema, declaration: Declaration) -> list[pl.Expr]:
    """`KEY` and `DAY` of the rows of the inputs."""
    outcomes = declaration.outcomes
    assert outcomes is not None
    key = read_expr(declaration.id, schema, declaration)
    if outcomes.prediction_id is not None:
        given = _suppliers(declaration)
        key = read_expr(given, schema, declaration) if given else key.map_batches(hex_digests, return_dtype=pl.String)
    day = pl.col(EVENT_TIME).dt.date() if outcomes.event_day else pl.lit(None, dtype=pl.Date)
    return [key.alias(KEY), day.alias(DAY)]


def _suppliers(declaration: Declaration) -> str | None:
    """Column of the supplier's own identifier of a prediction."""
    return declaration.external.prediction_id if declaration.external is not None else None


def hex_digests(ids: pl.Series) -> pl.Series:
    """The last part of a prediction's identifier, for each identifier of a row."""
    found = blake2s.digests(ids.cast(pl.String).fill_null(str(None)))
    return pl.Series(ids.name, [row.tobytes().hex() for row in found], dtype=pl.String)


def join(rows: pl.LazyFrame, declaration: Declaration, standing: pl.DataFrame) -> pl.LazyFrame:
    """The rows of the inputs with the outcome that counts as the target, and when it was recorded as `RECORDED_AT`."""
    named = rows.with_columns(row_keys(rows.collect_schema(), declaration))
    found = standing.lazy().rename({VALUE: declaration.target.column})
    return named.join(found, on=ON, how="left", nulls_equal=True, maintain_order="left").drop(ON)


def columns_of(declaration: Declaration) -> Sequence[str]:
    """Columns that the table of outcomes must have."""
    return reported_as(declaration).columns
