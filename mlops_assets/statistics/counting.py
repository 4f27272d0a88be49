"""A window as counts in the reference's bins: one scan, written once, for Polars, DuckDB and Spark alike.

Every number of every numeric column comes from one aggregate select over the window (how many values lie below each
edge); the values of a categorical column from one group-by over that column. Narwhals turns both into the engine's own
plan, so the rows stay where they are.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mlops_assets.statistics.profile import NUMERIC_ROLES, ColumnProfile, Profile

DAY_IN_MICROSECONDS = 86_400_000_000
MOST_NEW = 50


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


def count_window(frame: Any, profile: Profile) -> WindowCounts:
    """Count a window in the bins of `profile`.

    Args:
        frame: a Polars frame or lazy frame, a DuckDB relation, a PySpark frame, or anything else Narwhals reads.
        profile: of the reference.
    """
    import narwhals as nw

    native: Any = nw.from_native(frame)
    schema = native.collect_schema()
    found = list(schema.names())
    readable = {
        name: column for name, column in profile.columns.items() if name in found and _fits(column, schema[name])
    }
    numeric = [c for c in readable.values() if c.kind == "numeric"]
    lazy = native.lazy() if hasattr(native, "lazy") else native
    totals = _numeric_totals(nw, lazy, numeric, schema)
    rows = int(totals["rows"])
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
            columns[name] = _categorical_counts(nw, lazy, column, rows, dtype)
    return WindowCounts(rows, columns, tuple(n for n in found if n not in profile.columns))


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


def _numeric_totals(nw: Any, lazy: Any, columns: list[ColumnProfile], schema: Mapping[str, Any]) -> dict[str, Any]:
    """One row: `rows`, and for each column its counts below each edge, nulls, infinities and range."""
    expressions = [nw.len().alias("rows")]
    for position, column in enumerate(columns):
        number = _as_number(nw, column.name, schema[column.name])
        is_nan = (number != number).cast(nw.Int64)  # noqa: PLR0124 - the one test for NaN that every engine has
        infinite = (number == float("inf")) | (number == float("-inf"))
        # Engines disagree on whether NaN is above infinity, so only finite values are ever compared with an edge.
        finite = nw.when((number == number) & ~infinite).then(number)  # noqa: PLR0124
        expressions += [
            number.is_null().cast(nw.Int64).sum().alias(f"null_{position}"),
            is_nan.sum().alias(f"nan_{position}"),
            infinite.cast(nw.Int64).sum().alias(f"inf_{position}"),
            finite.min().alias(f"min_{position}"),
            finite.max().alias(f"max_{position}"),
            finite.mean().alias(f"mean_{position}"),
        ]
        for index, edge in enumerate(column.edges):
            # Spark does not sum booleans.
            expressions.append((finite < edge).cast(nw.Int64).sum().alias(f"below_{position}_{index}"))
    collected = lazy.select(*expressions)
    collected = collected.collect() if hasattr(collected, "collect") else collected
    row = next(iter(collected.iter_rows(named=True)))
    totals: dict[str, Any] = {"rows": row["rows"]}
    for position, column in enumerate(columns):
        below = [int(row[f"below_{position}_{i}"] or 0) for i in range(len(column.edges))]
        totals[column.name] = {
            "nulls": int(row[f"null_{position}"] or 0) + int(row[f"nan_{position}"] or 0),
            "infinite": int(row[f"inf_{position}"] or 0),
            "minimum": row[f"min_{position}"],
            "maximum": row[f"max_{position}"],
            "mean": row[f"mean_{position}"],
            "below": below,
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
        counts=tuple(b - a for a, b in zip(cumulated, cumulated[1:], strict=False)),
        minimum=found["minimum"],
        maximum=found["maximum"],
        mean=found["mean"],
        dtype=dtype,
    )


def _categorical_counts(nw: Any, lazy: Any, column: ColumnProfile, rows: int, dtype: str) -> ColumnCounts:
    text = lazy.select(nw.col(column.name).cast(nw.String).alias("value"))
    counted = text.group_by("value").agg(nw.len().alias("rows"))
    counted = counted.collect() if hasattr(counted, "collect") else counted
    by_value = dict(counted.select("value", "rows").iter_rows())
    nulls = int(by_value.pop(None, 0))
    counts = tuple(int(by_value.pop(value, 0)) for value in column.categories)
    # Where the reference had too many values to keep all, a value that was not kept need not be new.
    unseen = {} if column.others else by_value
    new = dict(sorted(unseen.items(), key=lambda item: (-item[1], item[0]))[:MOST_NEW])
    return ColumnCounts(
        name=column.name,
        rows=rows,
        nulls=nulls,
        counts=counts,
        others=sum(by_value.values()) if column.others else 0,
        new={str(k): int(v) for k, v in new.items()},
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
