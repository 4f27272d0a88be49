"""Reading delivered columns as declared: the declaration decides the type, whatever was delivered.

Belongs here: which column holds what, and the reading of a frame, where what cannot be read is remembered and not turned
into a missing value unseen. Not here: the form of one value (`values.py`), and ranges, allowed values and other rules
(`contract.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import polars as pl

from mlops_assets.datasets.event_times import delivered_time, time_expr
from mlops_assets.datasets.internal_columns import EVENT_TIME
from mlops_assets.datasets.values import canonical_text, identifier_text, number
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Role, Task

TRUE_TEXTS = ("true", "t", "yes", "y", "1")
FALSE_TEXTS = ("false", "f", "no", "n", "0")


class Kind(StrEnum):
    """What a declared column holds."""

    IDENTIFIER = "identifier"
    EVENT_TIME = "event_time"
    NUMBER = "number"
    BOOLEAN = "boolean"
    TIME = "time"
    CODE = "code"
    NUMBER_CODE = "number_code"
    """A code that the declaration names by numbers: text such as 1.0 is read as the number."""
    BOOLEAN_CODE = "boolean_code"
    """A code that the declaration names by true and false."""


READ_AS_NUMBER = (Kind.NUMBER, Kind.NUMBER_CODE)
READ_AS_TIME = (Kind.TIME, Kind.EVENT_TIME)


@dataclass(frozen=True)
class Read:
    """A frame read as declared.

    Attributes:
        frame: the declared columns in the types of their kinds, rows in the order delivered.
        unreadable: per column with such values, a mask of the rows whose value could not be read.
    """

    frame: pl.DataFrame
    unreadable: dict[str, pl.Series]


def kind_of(name: str, declaration: Declaration) -> Kind:
    """What the declared column `name` holds."""
    if name == declaration.id:
        return Kind.IDENTIFIER
    if declaration.event_time is not None and name == declaration.event_time.column:
        return Kind.EVENT_TIME
    if name in declaration.features:
        feature = declaration.features[name]
        if feature.role in (Role.CATEGORICAL, Role.ORDINAL):
            numeric = feature.role is Role.ORDINAL and feature.allowed is None
            return Kind.NUMBER if numeric else _code(feature.allowed or ())
        return {Role.NUMERIC: Kind.NUMBER, Role.BOOLEAN: Kind.BOOLEAN, Role.DATE: Kind.TIME}[feature.role]
    if name == declaration.target.column:
        if declaration.task is Task.REGRESSION:
            return Kind.NUMBER
        return _code([declaration.target.positive] if declaration.task is Task.BINARY else [])
    if declaration.external is not None and name == declaration.external.score:
        return Kind.NUMBER
    if declaration.external is not None and name == declaration.external.decision:
        return _code([declaration.external.decision_positive])
    grouped = [p.column for p in declaration.protected if p.bins] + [s.column for s in declaration.slices if s.bins]
    return Kind.NUMBER if name in grouped else Kind.CODE


def read_as_declared(frame: pl.DataFrame, declaration: Declaration, columns: Sequence[str]) -> Read:
    """Read `columns` of `frame`.

    Identifiers and codes become text (see `values.py`), numbers Float64, booleans Boolean, dates and event times
    `Datetime("us")` in UTC without a zone, event years Int64. The types depend on the declaration alone, so that every
    delivery gives the same ones. The event time is taken from `internal_columns.EVENT_TIME` where the frame has it.
    """
    exprs = [read_expr(name, frame.schema, declaration).alias(name) for name in columns]
    read = frame.select(exprs)
    unreadable = {}
    for name in columns:
        lost = frame.select(_is_present(frame.schema[name], pl.col(name))).to_series() & read[name].is_null()
        if lost.any():
            unreadable[name] = lost
    return Read(read, unreadable)


def read_expr(name: str, schema: pl.Schema, declaration: Declaration) -> pl.Expr:
    """The delivered column `name` in the type of its kind; what cannot be read becomes missing."""
    kind, dtype, column = kind_of(name, declaration), schema[name], pl.col(name)
    if dtype in (pl.Categorical, pl.Enum):
        dtype, column = pl.String(), column.cast(pl.String)
    if kind is Kind.IDENTIFIER:
        return identifier_text(dtype, column)
    if kind is Kind.EVENT_TIME:
        time = time_of_row(schema, declaration)
        yearly = declaration.event_time is not None and declaration.event_time.format == "year"
        return time.dt.year().cast(pl.Int64) if yearly else time
    if kind is Kind.NUMBER:
        return number(dtype, column)
    if kind is Kind.TIME:
        return time_expr(column, dtype)
    if kind is Kind.BOOLEAN:
        return _boolean(dtype, column)
    text = canonical_text(dtype, column)
    if dtype == pl.String and kind is Kind.NUMBER_CODE:
        return pl.coalesce(canonical_text(pl.Float64(), number(dtype, column)), text)
    if kind is Kind.BOOLEAN_CODE:
        return pl.coalesce(canonical_text(pl.Boolean(), _boolean(dtype, column)), text)
    return text


def time_of_row(schema: pl.Schema, declaration: Declaration) -> pl.Expr:
    """The event time of delivered rows as `Datetime("us")` in UTC without a zone: `EVENT_TIME`, or read as declared."""
    assert declaration.event_time is not None
    if EVENT_TIME in schema:
        return pl.col(EVENT_TIME)
    return delivered_time(declaration.event_time, schema[declaration.event_time.column])


def _code(declared: Sequence[object]) -> Kind:
    if declared and all(isinstance(value, bool) for value in declared):
        return Kind.BOOLEAN_CODE
    if declared and all(isinstance(value, int | float) and not isinstance(value, bool) for value in declared):
        return Kind.NUMBER_CODE
    return Kind.CODE


def _boolean(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    text = canonical_text(dtype, column).str.strip_chars().str.to_lowercase()
    return pl.when(text.is_in(TRUE_TEXTS)).then(True).when(text.is_in(FALSE_TEXTS)).then(False)


def _is_present(dtype: pl.DataType, column: pl.Expr) -> pl.Expr:
    """Whether a value was delivered: NaN and, in text, nothing but spaces are none."""
    if dtype.is_float():
        return column.is_not_null() & column.is_not_nan()
    if dtype == pl.String:
        return column.is_not_null() & (column.str.strip_chars() != "")
    return column.is_not_null()
