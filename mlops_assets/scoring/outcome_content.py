"""What a source says of outcomes, window by window, as a digest: by it a verdict is known to rest on what is known now.

Belongs here: reading outcomes as text, and digests of them. Not here: which outcome counts for which prediction
(`outcomes.py`), and when a window is judged again (`pipeline/due.py`).
"""

import polars as pl

from mlops_assets.datasets.quarantine import canonical_text
from mlops_assets.datasets.windows import window_start_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task

NONE_KNOWN = "0"
"""Digest of a window of which no outcome is known."""


def outcome_text(declaration: Declaration, dtype: pl.DataType) -> pl.Expr:
    """The target as text, by which values are compared as training compares them: true and "true" agree, 1 and 1.0 too."""
    column = pl.col(declaration.target.column)
    return column.cast(pl.String) if declaration.task is Task.REGRESSION else canonical_text(dtype, column)


def outcomes_by_window(source: pl.LazyFrame, declaration: Declaration) -> dict[str, str]:
    """Digest of the known outcomes of each window, by the window's start; in one scan, whatever the order of the rows.

    It is the number of outcomes and a sum of row hashes. Hashes are those of the installed Polars: after an update of it
    windows may be judged once more, with the same verdict. Windows without a known outcome are left out; so are all of them
    where the source has no such columns.

    Args:
        source: rows as delivered, of any number of windows.
        declaration: of a model with time.
    """
    schema, event = source.collect_schema(), declaration.event_time
    if event is None or not {declaration.id, event.column, declaration.target.column} <= set(schema):
        return {}
    start = window_start_expr(event, declaration.monitoring.cadence, schema[event.column])
    known = source.select(
        start.alias("window"),
        pl.col(declaration.id).cast(pl.String).alias("id"),
        outcome_text(declaration, schema[declaration.target.column]).alias("outcome"),
    ).drop_nulls()
    counted = known.group_by("window").agg(
        pl.len().alias("known"),
        # Sixty-two bits, so that the sum of a billion rows fits into 128.
        (pl.struct("id", "outcome").hash(0) // 4).cast(pl.Int128).sum().alias("sum"),
    )
    return {
        window.isoformat(): f"{count}-{total % 2**64:016x}"
        for window, count, total in counted.collect(engine="streaming").iter_rows()
    }
