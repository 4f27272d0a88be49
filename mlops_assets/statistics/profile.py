"""The reference profile: what a table looked like, in a few kilobytes that any window can be compared with.

A profile holds, for each column, bin edges with counts (numbers) or categories with counts (text), missing values,
infinities, range and moments. It is made once, from the rows a model was made with; a window then costs one scan
(`counting.py`), and no reference row is read again.
"""

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.statistics.between_periods import BetweenPeriods, PeriodOfRows, measure_periods, number_periods

Kind = Literal["numeric", "categorical"]

VERSION = 1
BINS = 20
MOST_CATEGORIES = 200
LEAST_PARTS = 5
"""Bins, at least, for what lies beside values so frequent that they have bins of their own."""
LEAST_IN_A_PART = 10
NUMERIC_ROLES = frozenset({"numeric", "ordinal", "date", "score"})


class ProfileError(MlopsAssetsError, ValueError):
    """A table cannot be profiled, or a stored profile cannot be read; the message names the column."""


@dataclass(frozen=True)
class ColumnProfile:
    """One column of the reference.

    Attributes:
        name: of the column.
        kind: `numeric` (compared in bins) or `categorical` (compared by value).
        rows: of the table.
        nulls: rows without a value; NaN counts as missing.
        infinite: rows with an infinite value (numeric).
        edges: inner bin edges in rising order; bin i holds `edges[i-1] <= x < edges[i]`, first and last are open.
        counts: rows in each bin, one more than there are edges.
        categories: rows by value, most frequent first, at most 200.
        others: rows with values beyond those (categorical).
        distinct: different values.
        singletons, doubletons: values that occur once, twice (categorical); they tell how often unseen values are to be
            expected, and how well that is known.
        minimum, maximum, mean, std: of finite values (numeric).
        periods: how much the reference's own periods differ; empty where its rows have no order in time.
    """

    name: str
    kind: Kind
    rows: int
    nulls: int
    infinite: int = 0
    edges: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    categories: dict[str, int] = field(default_factory=dict)
    others: int = 0
    distinct: int = 0
    singletons: int = 0
    doubletons: int = 0
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    periods: tuple[BetweenPeriods, ...] = ()

    @property
    def present(self) -> int:
        """Rows with a finite value."""
        return self.rows - self.nulls - self.infinite

    @property
    def resolution(self) -> float:
        """Largest share of rows in one bin: a Kolmogorov-Smirnov distance from bins is at most this much too small."""
        return max(self.counts, default=0) / self.present if self.present else 1.0


@dataclass(frozen=True)
class Profile:
    """A whole table as a reference."""

    rows: int
    columns: dict[str, ColumnProfile]
    version: int = VERSION

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, without NaN."""
        return {"version": self.version, "rows": self.rows, "columns": [asdict(c) for c in self.columns.values()]}

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON of the profile."""
        text = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.sha256(text.encode()).hexdigest()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Profile":
        """Read back what `to_dict` wrote.

        Raises:
            ProfileError: written by a later version of the project.
        """
        if stored.get("version") != VERSION:
            raise ProfileError(
                f"found a profile of version {stored.get('version')}, expected {VERSION}: build it again"
            )
        columns = [
            ColumnProfile(
                **{
                    **c,
                    "edges": tuple(c["edges"]),
                    "counts": tuple(c["counts"]),
                    # Stored JSON may have its keys in another order than that of frequency.
                    "categories": dict(sorted(c["categories"].items(), key=lambda one: (-one[1], one[0]))),
                    "periods": tuple(BetweenPeriods(**one) for one in c.get("periods", ())),
                }
            )
            for c in stored["columns"]
        ]
        return cls(stored["rows"], {c.name: c for c in columns})


def build_profile(
    frame: pl.DataFrame | pl.LazyFrame,
    columns: Mapping[str, str],
    *,
    times: pl.Series | None = None,
    bins: int = BINS,
) -> Profile:
    """Profile the reference table.

    Args:
        frame: reference rows.
        columns: role by column name: numeric, ordinal, date and score are compared in bins, everything else by value.
        times: of the rows, by which the reference's own periods are told apart; None: rows without order.
        bins: how many bins of about equal counts a continuous column gets; a value that fills a bin alone has its own.

    Raises:
        ProfileError: a column is missing, or the table is empty.
    """
    found = frame.collect_schema().names()
    missing = [name for name in columns if name not in found]
    if missing:
        raise ProfileError(f"the reference lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    lazy = frame.lazy()
    rows = int(lazy.select(pl.len()).collect().item())
    if rows == 0:
        raise ProfileError("the reference has no rows")
    # One column after another: a table larger than memory needs room for its largest column only.
    series = (lazy.select(name).collect()[name] for name in columns)
    periods = None if times is None else number_periods(times)
    profiled = [_column(s, role, bins, periods) for s, role in zip(series, columns.values(), strict=True)]
    return Profile(rows, {c.name: c for c in profiled})


def kind_of(role: str, dtype: pl.DataType) -> Kind:
    """How a column is compared: in bins where its role and its values are numbers or times, by value otherwise."""
    if role in NUMERIC_ROLES and (dtype.is_numeric() or dtype.is_temporal()):
        return "numeric"
    return "categorical"


def as_number(series: pl.Series) -> pl.Series:
    """A number or time as float64; times in days since 1970, so that no unit is larger than the data."""
    if series.dtype == pl.Date:
        return series.to_physical().cast(pl.Float64)
    if series.dtype.is_temporal():
        return series.cast(pl.Datetime("us")).to_physical().cast(pl.Float64) / 86_400_000_000
    return series.cast(pl.Float64)


def category_text(series: pl.Series, listed: Collection[str] = ()) -> pl.Series:
    """Values of a category as text, one code the same whatever its type: text as it is, numbers in one form.

    Args:
        series: text, numbers, truth values or times.
        listed: categories that the reference has; a number is written as it is there.
    """
    if series.dtype.is_float():
        series = series.fill_nan(None)
    text = series.cast(pl.String)
    if not series.dtype.is_numeric():
        return text
    forms = {value: number_as_listed(value, listed) for value in text.drop_nulls().unique().to_list()}
    return text.replace({value: form for value, form in forms.items() if value != form})


def number_as_listed(value: str, listed: Collection[str]) -> str:
    """A number's text in the form that a list of categories has it in; where it is not listed, without trailing zeros.

    1, 1.0 and 1.00 are one code: whole numbers become 1.0 as soon as one of them is missing.
    """
    if value in listed:
        return value
    plain = value.rstrip("0").rstrip(".") if "." in value and "e" not in value.lower() else value
    return f"{plain}.0" if plain not in listed and f"{plain}.0" in listed else plain


def _column(series: pl.Series, role: str, bins: int, periods: PeriodOfRows | None) -> ColumnProfile:
    kind = kind_of(role, series.dtype)
    column = _numeric(series, bins) if kind == "numeric" else _categorical(series)
    if periods is None:
        return column
    looked_at = series.filter(periods.part >= 0)
    return replace(column, periods=measure_periods(_cells(looked_at, column), periods, _size(column)))


def _size(column: ColumnProfile) -> int:
    return len(column.counts) if column.kind == "numeric" else len(column.categories) + 1


def _cells(series: pl.Series, column: ColumnProfile) -> np.ndarray:
    """Cell of each row in the order of the profile's counts or categories, the last one for all others; −1 for none."""
    if column.kind == "categorical":
        places = {value: i for i, value in enumerate(column.categories)}
        text = category_text(series, column.categories)
        coded = text.replace_strict(places, default=len(places), return_dtype=pl.Int64)
        return coded.set(text.is_null(), -1).to_numpy()
    numbers = as_number(series).fill_null(np.nan).to_numpy()
    return np.where(np.isfinite(numbers), np.searchsorted(column.edges, numbers, side="right"), -1)


def _numeric(series: pl.Series, bins: int) -> ColumnProfile:
    numbers = as_number(series).fill_nan(None)
    nulls = numbers.null_count()
    present = numbers.drop_nulls().to_numpy()
    finite = present[np.isfinite(present)]
    values, times = _different(finite)
    edges = _edges(values, times, bins)
    # Rows of each bin from the different values: far fewer look-ups than rows, where values repeat.
    counts = np.diff(np.concatenate([[0], np.cumsum(times)])[np.r_[0, np.searchsorted(values, edges), len(values)]])
    return ColumnProfile(
        distinct=len(values),
        name=series.name,
        kind="numeric",
        rows=series.len(),
        nulls=nulls,
        infinite=len(present) - len(finite),
        edges=tuple(float(e) for e in edges),
        counts=tuple(int(c) for c in counts),
        minimum=float(finite.min()) if len(finite) else None,
        maximum=float(finite.max()) if len(finite) else None,
        mean=float(finite.mean()) if len(finite) else None,
        std=float(finite.std()) if len(finite) else None,
    )


def _different(finite: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Different values, rising, and how often each is there."""
    if len(finite) == 0:
        return finite, np.empty(0, dtype=int)
    # Polars sorts on all cores.
    rising = pl.Series(finite).sort().to_numpy()
    starts = np.concatenate([[0], np.flatnonzero(rising[1:] != rising[:-1]) + 1])
    return rising[starts], np.diff(np.append(starts, len(rising)))


def _edges(values: np.ndarray, counts: np.ndarray, bins: int) -> np.ndarray:
    """Inner edges that part values into about `bins` bins of equal counts.

    Few different values get a bin each; a single one is fenced in, or whatever took its place would be in its bin. A value so frequent that several quantiles fall on it is fenced in by an edge
    on each side: else it would share its bin, and hide, with what lies beside it. What is left is parted by its own
    quantiles, into five bins or more where there are the rows for it: in a column that is nearly all 0, the amounts
    are what matters.
    """
    rows = int(counts.sum())
    if len(values) == 1:
        return np.asarray([values[0], np.nextafter(values[0], np.inf)], dtype=float)
    if len(values) <= bins:
        return values[1:]
    heavy = np.flatnonzero(counts >= rows / bins)
    beside = counts.copy()
    beside[heavy] = 0
    rest = int(beside.sum())
    parts = max(LEAST_PARTS, round(bins * rest / rows)) if len(heavy) else bins
    parts = max(1, min(parts, rest // LEAST_IN_A_PART)) if len(heavy) else parts
    chosen = np.searchsorted(np.cumsum(beside), rest * np.arange(1, parts) / parts, side="left")
    fences = [values[i] for i in heavy if i > 0] + [values[i + 1] for i in heavy if i + 1 < len(values)]
    light = [values[i] for i in np.unique(chosen) if i > 0 and i not in set(heavy.tolist())]
    return np.unique(np.asarray([*light, *fences], dtype=float))


def _categorical(series: pl.Series) -> ColumnProfile:
    text = category_text(series).alias("value")
    counts = text.drop_nulls().value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    kept = counts.head(MOST_CATEGORIES)
    return ColumnProfile(
        name=series.name,
        kind="categorical",
        rows=series.len(),
        nulls=text.null_count(),
        categories={str(k): int(v) for k, v in kept.iter_rows()},
        others=int(counts["rows"].sum() or 0) - int(kept["rows"].sum() or 0),
        distinct=counts.height,
        singletons=int((counts["rows"] == 1).sum()),
        doubletons=int((counts["rows"] == 2).sum()),
    )
