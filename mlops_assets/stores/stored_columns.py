"""Columns as Delta keeps them: their names, which differ in more than capitals, and types that it has."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from mlops_assets.declaration.terms import CASED

SAME_IN_PARQUET = (
    pl.String, pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Date,
    pl.Datetime("us"), pl.Datetime("us", "UTC"), pl.Binary,
)  # fmt: skip
"""Types that Polars writes as Delta keeps them; Delta's own writer converts the others."""


def types(schema: Any) -> dict[str, str]:
    """Type of each column as Delta names it, whatever the columns' order."""
    return {field.name: str(field.type) for field in schema.fields}


def as_stored(names: Sequence[str]) -> dict[str, str]:
    """New names for columns that differ from an earlier one in capitals only, which Delta takes for the same."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name.casefold(), []).append(name)
    return {
        name: f"{CASED}{position}:{name}"
        for group in groups.values()
        for position, name in enumerate(group)
        if position > 0
    }


def as_named(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The columns under the names they were given."""
    stored = [name for name in frame.collect_schema().names() if name.startswith(CASED)]
    return frame.rename({name: given(name) for name in stored}) if stored else frame


def given(stored: str) -> str:
    """The name that a column was given, from the one that it has in the table."""
    return stored.partition(":")[2] if stored.startswith(CASED) else stored


def writable(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows as Delta can keep them."""
    frame = frame.rename(as_stored(frame.columns))
    # Delta's writer stops on dictionary columns.
    text = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    # A column without a single value has no type that Delta knows.
    empty = [name for name, kind in frame.schema.items() if kind == pl.Null]
    # Delta keeps nanoseconds as a feature that its readers do not have; a microsecond is what an event is known to.
    times = [pl.col(n).dt.cast_time_unit("us") for n, k in frame.schema.items() if isinstance(k, pl.Datetime)]
    return frame.with_columns(pl.col(text + empty).cast(pl.String), *times)
