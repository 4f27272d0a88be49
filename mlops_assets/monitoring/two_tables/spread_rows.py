"""A bounded number of rows from all over a table, the same each time."""

from collections.abc import Sequence

import polars as pl

from mlops_assets.statistics.spread import spread_positions

POSITION = "position of the row"


def spread_rows(frame: pl.LazyFrame, names: Sequence[str], most: int) -> pl.DataFrame:
    """At most `most` rows, in their order, drawn from all over the table.

    Args:
        frame: the whole table.
        names: columns to keep.
        most: number of rows; all of them where there are no more.
    """
    rows = int(frame.select(pl.len()).collect().item())
    kept = frame.select(names)
    if rows > most:
        places = pl.Series(spread_positions(rows, most), dtype=pl.get_index_type())
        kept = kept.with_row_index(POSITION).filter(pl.col(POSITION).is_in(places.implode())).drop(POSITION)
    return kept.collect(engine="streaming")
