"""Rows put into named segments: by the values of a column, by quantile bins, or by declared edges.

Belongs here: which row is in which segment, and what the segment is called. Used by slices and by fairness.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

MISSING = "(missing)"
OTHER = "(other)"


@dataclass(frozen=True)
class Segments:
    """A partition of the rows."""

    columns: tuple[str, ...]
    codes: np.ndarray
    """Shape (n,): position in `names`."""
    names: tuple[str, ...]

    @property
    def sizes(self) -> np.ndarray:
        """Rows in each segment."""
        return np.bincount(self.codes, minlength=len(self.names))


def by_value(
    frame: pl.DataFrame, column: str, *, labels: Mapping[str, str] | None = None, most: int | None = None
) -> Segments:
    """One segment a value, missing values in one of their own; with `most`, the rarest are joined as `(other)`.

    Raises:
        ValueError: the frame has no such column; the message lists those it has.
    """
    values = _column(frame, column)
    if values.dtype.is_float():
        values = values.fill_nan(None)
        whole = values.drop_nulls()
        # 1.0 and 1 are one value: labels are declared for whole numbers.
        if whole.is_finite().all() and (whole == whole.round(0)).all():
            values = values.cast(pl.Int64)
    text = values.cast(pl.String).alias("value")
    counts = text.drop_nulls().value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    kept = counts["value"].to_list()[: most if most is not None else None]
    # In order of the value itself, so that names do not jump with the counts.
    kept = _in_order(kept)
    position = {value: index for index, value in enumerate(kept)}
    names = [(labels or {}).get(value, value) for value in kept]
    rest = len(names)
    if most is not None and counts.height > most:
        names.append(OTHER)
    unknown = len(names)
    if text.null_count():
        names.append(MISSING)
    mapped = text.replace_strict(position, default=rest, return_dtype=pl.Int64) if position else None
    if mapped is None:
        return Segments((column,), np.zeros(frame.height, np.int64), tuple(names) or (MISSING,))
    codes = pl.select(pl.when(text.is_null()).then(unknown).otherwise(mapped)).to_series().to_numpy()
    return Segments((column,), codes.astype(np.int64), tuple(names))


def by_edges(frame: pl.DataFrame, column: str, edges: Sequence[float]) -> Segments:
    """Segments of a numeric column: under the first edge, from each edge to the next (excluded), the last and over."""
    values = _column(frame, column)
    if not (values.dtype.is_numeric() or values.dtype == pl.Boolean):
        raise ValueError(f"column {column!r} is of type {values.dtype}, expected numbers to cut at {list(edges)}")
    numbers = values.cast(pl.Float64).to_numpy()
    missing = np.isnan(numbers)
    codes = np.searchsorted(np.asarray(edges, dtype=float), numbers, side="right")
    shown = [f"{edge:g}" for edge in edges]
    names = [
        f"under {shown[0]}",
        *(f"{a} to {b}" for a, b in pairwise(shown)),
        f"{shown[-1]} and over",
    ]
    if missing.any():
        codes[missing] = len(names)
        names.append(MISSING)
    return Segments((column,), codes.astype(np.int64), tuple(names))


def by_quantile(frame: pl.DataFrame, column: str, bins: int, *, edges: Sequence[float] | None = None) -> Segments:
    """Segments of a numeric column with about equally many rows; `edges` fixes them (from a reference)."""
    from mlops_assets.statistics.resampling import equal_frequency_edges

    values = _column(frame, column)
    if not values.dtype.is_numeric():
        raise ValueError(f"column {column!r} is of type {values.dtype}, expected numbers for quantile bins")
    inner = equal_frequency_edges(values.cast(pl.Float64).to_numpy(), bins) if edges is None else np.asarray(edges)
    if len(inner) == 0:
        return by_value(frame, column, most=bins)
    return by_edges(frame, column, list(inner))


def automatic(frame: pl.DataFrame, column: str, levels: int) -> Segments:
    """Quantile bins for numbers with more than `levels` values, else the most frequent values."""
    values = _column(frame, column)
    if values.dtype.is_temporal():
        frame = frame.select(pl.col(column).to_physical().alias(column))
        values = frame[column]
    if values.dtype.is_numeric() and values.n_unique() > levels:
        return by_quantile(frame, column, levels)
    return by_value(frame, column, most=levels)


def cross(first: Segments, second: Segments, joined: str = " & ") -> Segments:
    """All combinations, named `a & b`; combinations without rows keep their place with size 0."""
    width = len(second.names)
    names = tuple(f"{a}{joined}{b}" for a in first.names for b in second.names)
    return Segments(first.columns + second.columns, first.codes * width + second.codes, names)


def _column(frame: pl.DataFrame, column: str) -> pl.Series:
    if column not in frame.columns:
        raise ValueError(f"found no column {column!r}, expected it among {', '.join(frame.columns)}")
    return frame[column]


def _in_order(values: list[str]) -> list[str]:
    try:
        return sorted(values, key=float)
    except ValueError:
        return sorted(values)
