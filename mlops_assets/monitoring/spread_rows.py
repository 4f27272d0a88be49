"""A bounded number of rows from all over a table, the same each time."""

from collections.abc import Sequence

import polars as pl

POSITION = "position of the row"


def spread_rows(frame: pl.LazyFrame, names: Sequence[str], most: int) -> pl.DataFrame:
    """At most `most` rows, in their order and at even distances from the first to the last.

    Args:
        frame: the whole table.
        names: columns to keep.
        most: number of rows; all of them where there are no more.
    """
    rows = int(frame.select(pl.len()).collect().item())
    kept = frame.select(names)
    if rows > most:
        place = pl.col(POSITION).cast(pl.Int64)
        kept = kept.with_row_index(POSITION).filter(place * most // rows != (place - 1) * most // rows).drop(POSITION)
    return kept.collect(engine="streaming")
