"""A window as counts in the reference's bins: one scan, written once, for Polars, DuckDB and Spark alike.

Every number of every numeric column comes from one aggregate select over the window (how many values lie below each
edge); the values of a categorical column from one group-by over that column. Narwhals turns both into the engine's own
plan, so the rows stay where they are.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from mlops_assets.declaration.terms import CASED, RESERVED_PREFIX
from mlops_assets.statistics.profile import NUMERIC_ROLES, ColumnProfile, Profile, number_as_listed

ROWS, VALUE = RESERVED_PREFIX + "rows", RESERVED_PREFIX + "value"
"""Columns of the counts themselves, beside a user's."""
DAY_IN_MICROSECONDS = 86_400_000_000
MOST_NEW = 50
COLUMNS_AT_ONCE = 4


@dataclass(frozen=True)
class ColumnCounts:
    """One column of a window, in the bins of its profile.

    Attributes:
        name: of the column.
        rows: of the window.
        nulls, infinite: rows without a value (NaN too), rows with an infinite one.
        counts: rows in each bin of the profile (numeric), or of each of its categories in its order (categorical).
        others: rows with values that the profile counts together (categorical).
        new: rows by value never seen in the reference, most frequent first (categorical).
        new_rows: rows with such values, all of them.
        unlisted: rows by value, most frequent first, of values that the reference has, if at all, among its others.
        outside: rows farther below or above the reference's range than that range is wide (numeric).
        distinct: different values (categorical).
        minimum, maximum: of finite values (numeric).
        mean: of finite values (numeric).
        dtype: the column's type as found.
        missing: the window has no such column.
        wrong_type: the column cannot be read as the profile reads it.
    """

    name: str
    rows: int
    nulls: int = 0
    infinite: int = 0
    counts: tuple[int, ...] = ()
    others: int = 0
    new: dict[str, int] = field(default_factory=dict)
    new_rows: int = 0
    unlisted: dict[str, int] = field(default_factory=dict)
    outside: int = 0
    distinct: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    dtype: str = ""
    missing: bool = False
    wrong_type: bool = False

    @property
    def present(self) -> int:
        """Rows with a finite value."""
        return self.rows - self.nulls - self.infinite


@dataclass(frozen=True)
class WindowCounts:
    """A whole window as counts.

    Attributes:
        rows: of the window.
        columns: by name; one for each column of the profile.
        extra: columns of the window that the profile does not know.
    """

    rows: int
    columns: dict[str, ColumnCounts]
    extra: tuple[str, ...] = ()


def count_window(frame: Any, profile: Profile, engine: str | None = None) -> WindowCounts:
    """Count a window in the bins of `profile`.

    Args:
        frame: a Polars frame or lazy frame, a DuckDB relation, a PySpark frame, or anything else Narwhals reads.
        profile: of the reference.
        engine: None lets the frame's own engine count; `duckdb` hands a Polars frame over to DuckDB.

    Raises:
        ValueError: an unknown engine.
    """
    import narwhals as nw

    if engine not in (None, "polars", "duckdb", "pyspark"):
        raise ValueError(f"found engine {engine!r}, expected polars, duckdb or pyspark")
    native: Any = nw.from_native(frame)
    by_database = engine == "duckdb" or native.implementation.is_pyspark()
    if by_database and (own := distinct_names(native.collect_schema().names())):
        # A database takes names that differ only in capitals for one.
        return _named(count_window(_renamed(frame, own), _with_names(profile, own), engine), own)
    if engine == "duckdb":
        frame = _in_duckdb(frame)
        native = nw.from_native(frame)
    if native.implementation.is_pyspark():
        native = nw.from_native(_spark_times_as_days(frame, profile))
    elif native.implementation.is_duckdb():
        native = nw.from_native(_duckdb_times_as_days(frame, profile))
    schema = native.collect_schema()
    found = list(schema.names())
    readable = {
        name: column for name, column in profile.columns.items() if name in found and _fits(column, schema[name])
    }
    numeric = [c for c in readable.values() if c.kind == "numeric"]
    categorical = [c for c in readable.values() if c.kind == "categorical"]
    lazy = native.lazy() if hasattr(native, "lazy") else native
    # A plan reads its own columns: a few at a time keep what an engine reads ahead small.
    size = COLUMNS_AT_ONCE if _is_polars(lazy) else max(1, len(numeric))
    parts = [numeric[i : i + size] for i in range(0, len(numeric), size)] or [[]]
    plans = [_numeric_plan(nw, lazy, part, schema) for part in parts]
    collected = _collect(nw, [*plans, *(_categorical_plan(nw, lazy, c) for c in categorical)])
    totals: dict[str, Any] = {}
    rows = 0
    for part, row in zip(parts, collected, strict=False):
        rows = int(next(iter(row.iter_rows(named=True)))[ROWS])
        totals |= _numeric_totals(row, part)
    unclean = [c for c in numeric if totals[c.name]["unclean"]]
    if unclean:
        exact = next(iter(_collect(nw, [_unclean_plan(nw, lazy, unclean, schema)])[0].iter_rows(named=True)))
        for position, column in enumerate(unclean):
            totals[column.name] |= _unclean(exact, position, totals[column.name])
    by_value = {c.name: table for c, table in zip(categorical, collected[len(parts) :], strict=True)}
    columns: dict[str, ColumnCounts] = {}
    for name, column in profile.columns.items():
        dtype = str(schema[name]) if name in found else ""
        if name not in found:
            columns[name] = ColumnCounts(name, rows, missing=True)
        elif name not in readable:
            columns[name] = ColumnCounts(name, rows, dtype=dtype, wrong_type=True)
        elif column.kind == "numeric":
            columns[name] = _numeric_counts(column, totals, rows, dtype)
        else:
            columns[name] = _categorical_counts(by_value[name], column, rows, dtype, schema[name].is_numeric())
    return WindowCounts(rows, columns, tuple(n for n in found if n not in profile.columns))


def distinct_names(names: Iterable[str]) -> dict[str, str]:
    """A name of its own for each column whose name differs from another one's in capitals only; empty where none does."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    alike = [name for group in groups.values() if len(group) > 1 for name in group]
    return {name: f"{CASED}{position}:{name}" for position, name in enumerate(alike)}


def _renamed(frame: Any, names: Mapping[str, str]) -> Any:
    if hasattr(frame, "toDF"):  # Spark: by position, since it would take either name for both columns.
        return frame.toDF(*(names.get(name, name) for name in frame.columns))
    return frame.rename(names)


def _with_names(profile: Profile, names: Mapping[str, str]) -> Profile:
    columns = {names.get(name, name): column for name, column in profile.columns.items()}
    return Profile(profile.rows, {name: replace(column, name=name) for name, column in columns.items()})


def _named(counts: WindowCounts, names: Mapping[str, str]) -> WindowCounts:
    """The counts under the names the columns had."""
    back = {own: name for name, own in names.items()}
    columns = {back.get(name, name): column for name, column in counts.columns.items()}
    columns = {name: replace(column, name=name) for name, column in columns.items()}
    return WindowCounts(counts.rows, columns, tuple(back.get(name, name) for name in counts.extra))


def _in_duckdb(frame: Any) -> Any:
    import duckdb
    import polars as pl

    if isinstance(frame, pl.LazyFrame):
        frame = frame.collect(engine="streaming")
    # A relation borrows the frame by name: it has to live as long as the relation, in the relation's connection.
    connection = duckdb.connect()
    connection.register("window_rows", frame.to_arrow() if isinstance(frame, pl.DataFrame) else frame)
    return connection.table("window_rows")


def _duckdb_times_as_days(relation: Any, profile: Profile) -> Any:
    """Narwhals cannot read times out of DuckDB either."""
    replaced = []
    for name, kind in zip(relation.columns, map(str, relation.types), strict=True):
        column = profile.columns.get(name)
        if column is None or column.kind != "numeric" or not (kind == "DATE" or kind.startswith("TIMESTAMP")):
            continue
        quoted = '"' + name.replace('"', '""') + '"'
        time = quoted if "TIME ZONE" in kind else f"CAST({quoted} AS TIMESTAMP)"
        replaced.append(f"CAST(epoch_us({time}) AS DOUBLE) / {float(DAY_IN_MICROSECONDS)!r} AS {quoted}")
    return relation.project(f"* REPLACE ({', '.join(replaced)})") if replaced else relation


def _spark_times_as_days(frame: Any, profile: Profile) -> Any:
    """Narwhals cannot read times out of Spark; wall-clock times are taken as UTC there as everywhere."""
    from pyspark.sql import functions as f  # pyright: ignore[reportMissingImports]

    for name, kind in frame.dtypes:
        column = profile.columns.get(name)
        if column is None or column.kind != "numeric":
            continue
        if kind == "date":
            frame = frame.withColumn(name, f.datediff(f.col(name), f.to_date(f.lit("1970-01-01"))).cast("double"))
        elif kind == "timestamp_ntz":
            since = f.timestamp_diff("MICROSECOND", f.to_timestamp_ntz(f.lit("1970-01-01 00:00:00")), f.col(name))
            frame = frame.withColumn(name, since.cast("double") / f.lit(float(DAY_IN_MICROSECONDS)))
        elif kind == "timestamp":
            since = f.unix_micros(f.col(name)).cast("double")
            frame = frame.withColumn(name, since / f.lit(float(DAY_IN_MICROSECONDS)))
    return frame


def _collect(nw: Any, plans: list[Any]) -> list[Any]:
    """Run all plans; by Polars in pieces, so that a file is never held as a whole. One after another: run together,
    they would share what they scan, which then is held."""
    if _is_polars(plans[0]):
        return [nw.from_native(nw.to_native(plan).collect(engine="streaming")) for plan in plans]
    return [plan.collect() if hasattr(plan, "collect") else plan for plan in plans]


def _is_polars(frame: Any) -> bool:
    return frame.implementation.is_polars()


def _fits(column: ColumnProfile, dtype: Any) -> bool:
    if column.kind == "categorical":
        return True
    return dtype.is_numeric() or dtype.is_temporal() or str(dtype) == "Boolean"


def _as_number(nw: Any, name: str, dtype: Any) -> Any:
    column = nw.col(name)
    if str(dtype) == "Date":
        return column.cast(nw.Datetime("us")).dt.timestamp("us").cast(nw.Float64) / DAY_IN_MICROSECONDS
    if dtype.is_temporal():
        return column.dt.timestamp("us").cast(nw.Float64) / DAY_IN_MICROSECONDS
    return column.cast(nw.Float64)


def _numeric_plan(nw: Any, lazy: Any, columns: list[ColumnProfile], schema: Mapping[str, Any]) -> Any:
    """One row: `rows`, and for each column its counts below each edge, nulls, infinities and range."""
    expressions = [nw.len().alias(ROWS)]
    for position, column in enumerate(columns):
        number = _as_number(nw, column.name, schema[column.name])
        expressions += [
            _count(nw, lazy, number.is_null()).alias(f"null_{position}"),
            *_range_expressions(number, position),
        ]
        # NaN is below no edge in any engine, as the greatest value or as none; -inf is below all and taken off later.
        expressions += [
            _count(nw, lazy, number < edge).alias(f"below_{position}_{i}") for i, edge in enumerate(column.edges)
        ]
        if column.minimum is not None and column.maximum is not None:
            width = column.maximum - column.minimum
            expressions.append(_count(nw, lazy, number < column.minimum - width).alias(f"under_{position}"))
            expressions.append(_count(nw, lazy, number <= column.maximum + width).alias(f"upto_{position}"))
    return lazy.select(*expressions)


def _count(nw: Any, lazy: Any, condition: Any) -> Any:
    # Spark does not sum booleans; Polars counts them in bits, far faster than as numbers.
    return condition.sum() if _is_polars(lazy) else condition.cast(nw.Int64).sum()


def _range_expressions(number: Any, position: int) -> list[Any]:
    return [
        number.min().alias(f"min_{position}"),
        number.max().alias(f"max_{position}"),
        number.mean().alias(f"mean_{position}"),
    ]


def _unclean_plan(nw: Any, lazy: Any, columns: list[ColumnProfile], schema: Mapping[str, Any]) -> Any:
    """A second scan, for columns that hold NaN or infinite values: how many, and range and mean of the others alone."""
    expressions = []
    for position, column in enumerate(columns):
        number = _as_number(nw, column.name, schema[column.name])
        expressions += [
            # The one test for NaN that every engine has; those that count NaN as equal to itself say so in their order.
            _count(nw, lazy, number > float("inf")).alias(f"above_{position}"),
            _count(nw, lazy, number != number).alias(f"nan_{position}"),
            _count(nw, lazy, number == float("-inf")).alias(f"low_{position}"),
            _count(nw, lazy, number == float("inf")).alias(f"high_{position}"),
        ]
        finite = nw.when((number < float("inf")) & (number > float("-inf"))).then(number)
        expressions += _range_expressions(finite, position)
    return lazy.select(*expressions)


def _unclean(row: Mapping[str, Any], position: int, found: Mapping[str, Any]) -> dict[str, Any]:
    low, high = int(row[f"low_{position}"] or 0), int(row[f"high_{position}"] or 0)
    nan = max(int(row[f"nan_{position}"] or 0), int(row[f"above_{position}"] or 0))
    return {
        "nulls": found["nulls"] + nan,
        "infinite": low + high,
        "below": [count - low for count in found["below"]],
        **_range(row, position),
    }


def _range(row: Mapping[str, Any], position: int) -> dict[str, float | None]:
    return {"minimum": row[f"min_{position}"], "maximum": row[f"max_{position}"], "mean": row[f"mean_{position}"]}


def _numeric_totals(collected: Any, columns: list[ColumnProfile]) -> dict[str, Any]:
    row = next(iter(collected.iter_rows(named=True)))
    totals: dict[str, Any] = {}
    for position, column in enumerate(columns):
        mean = row[f"mean_{position}"]
        totals[column.name] = {
            "nulls": int(row[f"null_{position}"] or 0),
            "infinite": 0,
            # One NaN or infinite value among the rows, and the mean is none either; every engine agrees on that.
            "unclean": mean is not None and not math.isfinite(mean),
            **_range(row, position),
            "below": [int(row[f"below_{position}_{i}"] or 0) for i in range(len(column.edges))],
            # Both hold -inf, which is no value outside but an infinite one.
            "inside": int(row.get(f"upto_{position}") or 0) - int(row.get(f"under_{position}") or 0),
        }
    return totals


def _numeric_counts(column: ColumnProfile, totals: Mapping[str, Any], rows: int, dtype: str) -> ColumnCounts:
    found = totals[column.name]
    present = rows - found["nulls"] - found["infinite"]
    cumulated = [0, *found["below"], present]
    return ColumnCounts(
        name=column.name,
        rows=rows,
        nulls=found["nulls"],
        infinite=found["infinite"],
        counts=tuple(b - a for a, b in pairwise(cumulated)),
        minimum=found["minimum"],
        maximum=found["maximum"],
        mean=found["mean"],
        outside=present - found["inside"] if column.minimum is not None else 0,
        dtype=dtype,
    )


def _categorical_plan(nw: Any, lazy: Any, column: ColumnProfile) -> Any:
    """Rows by value, `null` among them."""
    return (
        lazy.select(nw.col(column.name).alias(VALUE))
        .group_by(VALUE)
        .agg(nw.len().alias(ROWS))
        .select(nw.col(VALUE).cast(nw.String), ROWS)
    )


def _categorical_counts(counted: Any, column: ColumnProfile, rows: int, dtype: str, number: bool) -> ColumnCounts:
    by_value: dict[str | None, int] = {}
    for value, found in counted.select(VALUE, ROWS).iter_rows():
        # Two numbers may have one text, and a number that is none is missing.
        text = value
        if number and value is not None:
            text = None if value.lower() == "nan" else number_as_listed(value, column.categories)
        by_value[text] = by_value.get(text, 0) + int(found)
    nulls = int(by_value.pop(None, 0))
    counts = tuple(int(by_value.pop(value, 0)) for value in column.categories)
    # Where the reference had too many values to keep all, a value that was not kept need not be new.
    unseen = {} if column.others else by_value
    frequent = {str(k): int(v) for k, v in sorted(by_value.items(), key=lambda item: (-item[1], item[0]))[:MOST_NEW]}
    return ColumnCounts(
        name=column.name,
        rows=rows,
        nulls=nulls,
        counts=counts,
        others=sum(by_value.values()) if column.others else 0,
        new={} if column.others else frequent,
        unlisted=frequent if column.others else {},
        new_rows=int(sum(unseen.values())),
        distinct=len(by_value) + sum(c > 0 for c in counts),
        dtype=dtype,
    )


def infer_roles(schema: Mapping[str, Any]) -> dict[str, str]:
    """Roles for a table without a declaration: numbers and times in bins, everything else by value."""
    roles = {}
    for name, dtype in schema.items():
        temporal = getattr(dtype, "is_temporal", lambda: False)()
        roles[name] = "date" if temporal else "numeric" if dtype.is_numeric() else "categorical"
    assert set(roles.values()) <= NUMERIC_ROLES | {"categorical"}
    return roles
