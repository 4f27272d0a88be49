"""The parts of a source as one table: files whose columns or types differ, brought to one type without loss.

Belongs here: what two deliveries of one column have in common. Not here: finding and opening the files (`sources.py`), and
reading values as declared (`reading.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from mlops_assets.datasets.internal_columns import FAULT
from mlops_assets.datasets.reading import READ_AS_NUMBER, READ_AS_TIME, Kind, kind_of
from mlops_assets.datasets.text_tables import USUAL_NULLS, TextFormat, in_numbers, without_markers
from mlops_assets.datasets.values import canonical_text
from mlops_assets.declaration.columns import EPOCH_FORMATS
from mlops_assets.declaration.declaration import Declaration

ISO = "%Y-%m-%dT%H:%M:%S%.6f"
DIGITS = {"year": "%Y", "yyyymm": "%Y%m", "yyyymmdd": "%Y%m%d"}


@dataclass(frozen=True)
class Part:
    """Some rows of a source, of one schema.

    Attributes:
        name: of its file or files.
        rows: as they are stored; of text files every column is text.
        how: how a text file is written; None for typed rows.
    """

    name: str
    rows: pl.LazyFrame
    how: TextFormat | None = None


@dataclass(frozen=True)
class Table:
    """All parts as one table.

    Attributes:
        rows: the declared columns that any part has, and `FAULT` where a part has it.
        columns: all columns of all parts, in the order found.
        differences: what differs between parts, a line each.
    """

    rows: pl.LazyFrame
    columns: tuple[str, ...]
    differences: list[str] = field(default_factory=list)


def one_table(parts: Sequence[Part], declaration: Declaration) -> Table:
    """Bring the declared columns of all parts to one type each; a column that a part lacks is missing in its rows."""
    schemas = [part.rows.collect_schema() for part in parts]
    columns = tuple(dict.fromkeys(name for schema in schemas for name in schema.names() if name != FAULT))
    wanted = [name for name in declaration.columns if name in columns]
    differences = [text for name in wanted if (text := _difference(name, parts, schemas))]
    targets = {name: _common(name, [s[name] for s in schemas if name in s], declaration) for name in wanted}
    faulty = any(FAULT in schema for schema in schemas)
    frames = []
    for part, schema in zip(parts, schemas, strict=True):
        exprs = [_as(name, schema, targets[name], part, declaration).alias(name) for name in wanted]
        if faulty:
            exprs.append(pl.col(FAULT) if FAULT in schema else pl.lit(None, dtype=pl.String).alias(FAULT))
        frames.append(part.rows.select(exprs))
    rows = frames[0] if len(frames) == 1 else pl.concat(frames, how="vertical")
    return Table(rows, columns, differences)


def _common(name: str, found: Sequence[pl.DataType], declaration: Declaration) -> pl.DataType:
    """The type that holds what every part delivers in a column."""
    types = {dtype for dtype in found if dtype != pl.Null}
    if len(types) == 1:
        return types.pop()
    kind = kind_of(name, declaration)
    if types and kind is Kind.NUMBER and all(t.is_numeric() or t == pl.Boolean for t in types):
        return pl.Float64()
    if types and kind in READ_AS_TIME and all(t == pl.Date or isinstance(t, pl.Datetime) for t in types):
        return pl.Datetime("us", "UTC")
    return pl.String()


def _as(name: str, schema: pl.Schema, target: pl.DataType, part: Part, declaration: Declaration) -> pl.Expr:
    """A part's column in the common type."""
    if name not in schema:
        return pl.lit(None, dtype=target)
    column, dtype, kind = pl.col(name), schema[name], kind_of(name, declaration)
    if part.how is not None:
        column = _from_text(column, kind, part.how, declaration)
    if dtype == target:
        return column
    if dtype == pl.Null or target == pl.Float64:
        return column.cast(target)
    event_time = declaration.event_time if kind is Kind.EVENT_TIME else None
    if isinstance(target, pl.Datetime):
        if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
            return column.dt.convert_time_zone("UTC").cast(target)
        zone = event_time.time_zone if event_time is not None and dtype != pl.Date else None
        local = column.cast(pl.Datetime("us")).dt.replace_time_zone(
            zone or "UTC", ambiguous="earliest", non_existent="null"
        )
        return local.dt.convert_time_zone("UTC")
    if event_time is not None and isinstance(dtype, pl.Datetime | pl.Date):
        return _written(column, dtype, event_time.format)
    return canonical_text(dtype, column)


def _written(column: pl.Expr, dtype: pl.DataType, how: str) -> pl.Expr:
    """A time as text in a declared format, beside text of other parts."""
    zoned = isinstance(dtype, pl.Datetime) and dtype.time_zone is not None
    time = (column.dt.convert_time_zone("UTC").dt.replace_time_zone(None) if zoned else column).cast(pl.Datetime("us"))
    if how in EPOCH_FORMATS:
        return (time.dt.epoch("us") // EPOCH_FORMATS[how]).cast(pl.String)
    return time.dt.strftime(ISO + ("Z" if zoned else "") if how == "timestamp" else DIGITS.get(how, how))


def _from_text(column: pl.Expr, kind: Kind, how: TextFormat, declaration: Declaration) -> pl.Expr:
    """A column of a text file without its null markers and with decimal points; other text stays as delivered."""
    declared = declaration.source.null_values
    if declared is not None:
        column = without_markers(column, declared)
    elif kind in READ_AS_NUMBER or kind in READ_AS_TIME:
        column = without_markers(column, USUAL_NULLS)
    return in_numbers(column, how) if kind in READ_AS_NUMBER else column


def _difference(name: str, parts: Sequence[Part], schemas: Sequence[pl.Schema]) -> str:
    """How the parts differ in a column; empty where they do not."""
    by_type: dict[str, list[str]] = {}
    for part, schema in zip(parts, schemas, strict=True):
        by_type.setdefault(str(schema[name]) if name in schema else "no such column", []).append(part.name)
    if len(by_type) < 2:
        return ""
    usual = max(by_type, key=lambda dtype: len(by_type[dtype]))
    others = [f"{dtype} in {', '.join(names[:3])}" for dtype, names in by_type.items() if dtype != usual]
    return f"{name}: {'; '.join(others)}, {usual} elsewhere"
