"""Where a relation changed: the part of the rows that most of the lost accuracy comes from.

Belongs here: finding one part, described by one column. Whether anything was lost at all is tested before
(`performance.py`).
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.statistics.profile import ColumnProfile, as_number, category_text

PARTS = 6
MOST_VALUES = 20
LEAST_ROWS = 30
LEAST_Z = 4.0
LEAST_SHARE_OF_LOSS = 0.6
MOST_ROWS = 0.7
LEAST_LIFT = 1.4


@dataclass(frozen=True)
class Segment:
    """A part of the rows.

    Attributes:
        column: that describes it.
        where: in words, such as `state = CA` or `age below 30`.
        rows: share of the window's rows.
        loss: share of the window's additional loss that comes from it; above 1 where the rest gained.
    """

    column: str
    where: str
    rows: float
    loss: float

    @property
    def text(self) -> str:
        """For a sentence."""
        return f"where {self.where} ({self.rows:.0%} of the rows, {min(self.loss, 1.0):.0%} of the additional loss)"


def find_segment(
    columns: Mapping[str, ColumnProfile],
    reference: pl.DataFrame,
    window: pl.DataFrame,
    before: np.ndarray,
    now: np.ndarray,
) -> Segment | None:
    """The smallest part of the rows that holds most of the additional loss.

    A part counts if it holds 60 % of the additional loss in at most 70 % of the rows, at least 1.4 times its share of
    rows, and if its loss rose by four standard errors: it is the best of many parts, so chance must be ruled out for all.

    Args:
        columns: that may describe a part.
        reference, window: rows with these columns.
        before, now: loss of each row under the same scores; shape (rows,) each.
    """
    gained = float(now.sum() - before.mean() * len(now))
    if not len(before) or gained <= 0:
        return None
    best: tuple[float, Segment] | None = None
    for column in columns.values():
        if column.name not in reference.columns or column.name not in window.columns:
            continue
        for where, inside_before, inside_now in _parts(column, reference[column.name], window[column.name]):
            a, b = before[inside_before], now[inside_now]
            if min(len(a), len(b)) < LEAST_ROWS:
                continue
            rows, share = len(b) / len(now), float((b - a.mean()).sum()) / gained
            error = math.sqrt(a.var() / len(a) + b.var() / len(b))
            if rows > MOST_ROWS or share < LEAST_SHARE_OF_LOSS or share < LEAST_LIFT * rows or error == 0:
                continue
            if (b.mean() - a.mean()) / error < LEAST_Z:
                continue
            # Much of the loss in few of the rows.
            found = min(share, 1.0) - rows
            if best is None or found > best[0]:
                best = found, Segment(column.name, where, rows, share)
    return best[1] if best else None


def _parts(
    column: ColumnProfile, reference: pl.Series, window: pl.Series
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Each value of a category; each run of a few bins of a number, from either end or in between."""
    if column.kind == "categorical":
        texts = [category_text(side, column.categories) for side in (reference, window)]
        for value in list(column.categories)[:MOST_VALUES]:
            yield f"{column.name} = {value}", *((t == value).fill_null(False).to_numpy() for t in texts)  # type: ignore[misc]
        return
    if not all(s.dtype.is_numeric() or s.dtype.is_temporal() for s in (reference, window)) or not column.edges:
        return
    edges = np.asarray(column.edges)
    if len(edges) >= PARTS:
        edges = edges[np.linspace(0, len(edges) - 1, PARTS + 1).round().astype(int)[1:-1]]
    limits = [-math.inf, *np.unique(edges).tolist(), math.inf]
    values = [as_number(s).fill_null(math.nan).to_numpy().astype(float) for s in (reference, window)]
    for i, low in enumerate(limits[:-1]):
        for high in limits[i + 1 :]:
            if low == -math.inf and high == math.inf:
                continue
            yield _range_text(column.name, low, high), *((v >= low) & (v < high) for v in values)  # type: ignore[misc]


def _range_text(name: str, low: float, high: float) -> str:
    if low == -math.inf:
        return f"{name} is below {high:.4g}"
    return f"{name} is {low:.4g} or more" if high == math.inf else f"{name} is from {low:.4g} to {high:.4g}"
