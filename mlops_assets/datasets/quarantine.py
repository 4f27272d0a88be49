"""Reading values as declared, and telling which rows hold one that cannot be read.

Belongs here: the coercion of a delivered column to the type its role asks for, where what cannot be read is
remembered and not turned into a missing value unseen. Does not belong here: ranges, allowed values and other rules
(`contract.py`).
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from mlops_assets.datasets.windows import time_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task

TRUE_TEXTS = ("true", "t", "yes", "y", "1")
FALSE_TEXTS = ("false", "f", "no", "n", "0")
REASONS = "_reasons"


@dataclass(frozen=True)
class Coerced:
    """A frame read as declared.

    Attributes:
        frame: the declared columns in their declared types, rows in the order delivered.
        unreadable: per column with such values, a mask of the rows whose value could not be read.
    """

    frame: pl.DataFrame
    unreadable: dict[str, pl.Series]


def coerce(
    frame: pl.DataFrame, declaration: Declaration, columns: list[str], whole_numbers: Collection[str] | None = None
) -> Coerced:
    """Read `columns` of `frame` in the types their roles ask for.

    Numbers become Int64 or Float64 (text is read as a number, NaN is missing), booleans Boolean, dates and event
    times `Datetime("us")` in UTC without a zone, event years Int64, everything else text, whole number or boolean as
    it came (floats that are all whole become Int64, so that a column reads the same with and without gaps).

    Args:
        frame: rows as delivered.
        declaration: the model.
        columns: to read.
        whole_numbers: the columns that `all_whole` names for the table that the frame is a piece of; without it, the frame
            is the table.
    """
    if whole_numbers is None:
        whole_numbers = all_whole(frame.lazy(), declaration, columns)
    series: list[pl.Series] = []
    unreadable: dict[str, pl.Series] = {}
    for name in columns:
        raw = plain(frame[name])
        read = _read(raw, _kind(name, declaration), whole=name in whole_numbers)
        lost = raw.is_not_null() & read.is_null()
        if lost.any():
            unreadable[name] = lost
        series.append(read.rename(name))
    return Coerced(pl.DataFrame(series), unreadable)


def all_whole(rows: pl.LazyFrame, declaration: Declaration, columns: Sequence[str]) -> frozenset[str]:
    """Columns read by value whose numbers come as floats and are all whole; of no others can a piece tell the type."""
    schema = rows.collect_schema()
    found = [
        name
        for name in columns
        if (schema[name].is_float() or schema[name].is_decimal()) and _kind(name, declaration) == "category"
    ]
    if not found:
        return frozenset()
    numbers = {name: pl.col(name).cast(pl.Float64).fill_nan(None) for name in found}
    whole = rows.select(
        ((number.round(0) == number) & (number.abs() < 2**53)).fill_null(True).all().alias(name)
        for name, number in numbers.items()
    ).collect(engine="streaming")
    return frozenset(name for name in found if whole[name][0])


def plain(series: pl.Series) -> pl.Series:
    """The series without dictionary types and NaN: Categorical and Enum become text, NaN becomes missing.

    Delta's writer cannot take dictionary columns, and a NaN would slip past every comparison.
    """
    if series.dtype in (pl.Categorical, pl.Enum):
        return series.cast(pl.String)
    if series.dtype.is_float():
        numbers = series.cast(pl.Float64)
        # Without one, the column is not copied.
        return numbers.fill_nan(None) if numbers.is_nan().any() else numbers
    if series.dtype.is_decimal():
        return series.cast(pl.Float64)
    if series.dtype.is_integer():
        return series.cast(pl.Int64, strict=False)
    return series


def canonical_text(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """A value as the text by which it is compared with a declared one: 1, 1.0 and "1" agree, and so do true and "true".

    The inverse of nothing: it is for comparing and for naming categories, missing stays missing.
    """
    if dtype == pl.Boolean:
        return pl.when(column).then(pl.lit("true")).when(~column).then(pl.lit("false"))
    if dtype.is_float():
        whole = column.round(0) == column
        small = column.abs() < 2**53
        as_whole = column.cast(pl.Int64, strict=False).cast(pl.String)
        return pl.when(whole & small).then(as_whole).otherwise(column.cast(pl.String))
    return column.cast(pl.String)


def text_of(value: object) -> str:
    """The text of one declared value, as `canonical_text` writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return str(int(value))
    return str(value)


def _kind(name: str, declaration: Declaration) -> str:
    if name in declaration.features:
        feature = declaration.features[name]
        if feature.role is Role.ORDINAL:
            return "number" if feature.allowed is None else "category"
        return {Role.NUMERIC: "number", Role.BOOLEAN: "boolean", Role.DATE: "time"}.get(feature.role, "category")
    if declaration.event_time is not None and name == declaration.event_time.column:
        return "year" if declaration.event_time.format == "year" else "time"
    if name == declaration.target.column and declaration.task is Task.REGRESSION:
        return "number"
    return "category"


def _read(raw: pl.Series, kind: str, *, whole: bool) -> pl.Series:
    column = pl.col(raw.name)
    dtype = raw.dtype
    if kind in ("number", "year"):
        if dtype == pl.String:
            text = column.str.strip_chars()
            expr = pl.when(text != "").then(text).cast(pl.Float64, strict=False).fill_nan(None)
        elif dtype == pl.Boolean:
            expr = column.cast(pl.Int64)
        else:
            expr = column if dtype.is_numeric() else column.cast(pl.Float64, strict=False)
        if kind == "year":
            expr = pl.when(expr.cast(pl.Float64).is_between(1, 9999)).then(expr).cast(pl.Int64, strict=False)
    elif kind == "boolean":
        text = canonical_text(dtype, column).str.strip_chars().str.to_lowercase()
        expr = pl.when(text.is_in(TRUE_TEXTS)).then(True).when(text.is_in(FALSE_TEXTS)).then(False)
    elif kind == "time":
        expr = time_expr(column, dtype)
    elif dtype.is_float() and whole:
        expr = column.cast(pl.Int64)
    elif dtype == pl.Null or dtype.is_nested() or dtype.is_temporal() or dtype == pl.Binary:
        expr = column.cast(pl.String, strict=False) if not dtype.is_nested() else _json(raw)
    else:
        expr = column
    return raw.to_frame().select(expr.alias(raw.name)).to_series()


def _json(raw: pl.Series) -> pl.Expr:
    return pl.when(pl.col(raw.name).is_not_null()).then(pl.struct(pl.col(raw.name)).struct.json_encode())
