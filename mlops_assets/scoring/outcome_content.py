"""The outcomes a source holds, as a digest for each window, by which a verdict is known to be up to date.

Belongs here: reading outcomes as text, and digests of them. Not here: which outcome counts for which prediction
(`outcomes.py`), and when a window is judged again (`pipeline/due.py`).
"""

import polars as pl

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
        pl.len().alias("known"),
        # Sixty-two bits, so that the sum of a billion rows fits into 128.
        (pl.struct("id", "outcome").hash(0) // 4).cast(pl.Int128).sum().alias("sum"),
    )
    return {
        window.isoformat(): f"{count}-{total % 2**64:016x}"
        for window, count, total in counted.collect(engine="streaming").iter_rows()
    }
