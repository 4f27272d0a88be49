"""The outcomes and identifiers a source holds, as a digest for each window, by which a verdict is known to be up to date.

Belongs here: reading outcomes as text, and digests of them. Not here: which outcome counts for which prediction
(`outcomes.py`), and when a window is judged again (`pipeline/due.py`).
"""

from dataclasses import dataclass

import polars as pl

from mlops_assets.datasets.accounting import ids_by_window
from mlops_assets.datasets.reading import read_expr, time_of_row
from mlops_assets.datasets.windows import after_training_expr, window_start_expr
from mlops_assets.declaration.declaration import Declaration

NONE_KNOWN = "0"
"""Digest of a window of which no outcome is known."""


def outcome_text(declaration: Declaration, schema: pl.Schema) -> pl.Expr:
    """The target as text: the code it was trained by, or the number."""
    return read_expr(declaration.target.column, schema, declaration).cast(pl.String)


def outcomes_by_window(source: pl.LazyFrame, declaration: Declaration) -> dict[str, str]:
    """Digest of the known outcomes of each window, by the window's start; in one scan, whatever the order of the rows.

    It is the number of outcomes and a sum of row hashes. Hashes are those of the installed Polars: after an update of it
    windows may be judged once more, with the same verdict. Windows without a known outcome are left out; so are all of them
    where the source has no such columns.

    Args:
        source: rows as `sources.deliver` gives them, of any number of windows.
        declaration: of a model with time.
    """
    schema = source.collect_schema()
    event = declaration.event_time
    if event is None or not {declaration.id, event.column, declaration.target.column} <= set(schema):
        return {}
    time = time_of_row(schema, declaration)
    known = (
        source.filter(after_training_expr(time, declaration))
        .select(
            window=window_start_expr(time, declaration.monitoring.cadence),
            id=read_expr(declaration.id, schema, declaration),
            outcome=outcome_text(declaration, schema),
        )
        .drop_nulls()
    )
    counted = known.group_by("window").agg(
        pl.len().alias("known"), _sum(pl.struct("id", "outcome").hash(0)).alias("sum")
    )
    return {
        window.isoformat(): _digest(count, total)
        for window, count, total in counted.collect(engine="streaming").iter_rows()
    }


@dataclass(frozen=True)
class Contents:
    """What a source holds for each window, by the window's start.

    Attributes:
        ids: as `ids_by_window` gives them.
        outcomes: as `outcomes_by_window` gives them.
    """

    ids: dict[str, str]
    outcomes: dict[str, str]


def contents_by_window(source: pl.LazyFrame, declaration: Declaration) -> Contents:
    """`ids_by_window` and `outcomes_by_window` in one scan, for whoever needs both.

    Args:
        source: rows as `sources.deliver` gives them.
        declaration: of a model with time.
    """
    schema = source.collect_schema()
    if declaration.target.column not in schema:
        return Contents(ids_by_window(source, declaration), {})
    time = time_of_row(schema, declaration)
    rows = source.select(
        window=window_start_expr(time, declaration.monitoring.cadence),
        id=read_expr(declaration.id, schema, declaration),
        outcome=outcome_text(declaration, schema),
        inside=after_training_expr(time, declaration),
    ).filter(pl.col("window").is_not_null() & pl.col("inside"))
    known = pl.col("id").is_not_null() & pl.col("outcome").is_not_null()
    counted = rows.group_by("window").agg(
        pl.len().alias("rows"),
        _sum(pl.col("id").hash(0)).alias("ids"),
        known.sum().alias("known"),
        _sum(pl.struct("id", "outcome").hash(0).filter(known)).alias("outcomes"),
    )
    found = Contents({}, {})
    for window, count, ids, known_count, outcomes in counted.collect(engine="streaming").iter_rows():
        found.ids[window.isoformat()] = _digest(count, ids)
        if known_count:
            found.outcomes[window.isoformat()] = _digest(known_count, outcomes)
    return found


def _sum(hashes: pl.Expr) -> pl.Expr:
    """Sum of row hashes: sixty-two bits of each, so that the sum of a billion rows fits into 128."""
    return (hashes // 4).cast(pl.Int128).sum()


def _digest(count: int, total: int) -> str:
    return f"{count}-{total % 2**64:016x}"
