"""Tables that may be larger than memory, a piece at a time.

Belongs here: cutting rows into pieces. Not here: what is done with a piece. A table of up to `ROWS_AT_ONCE` rows is one
piece, so that most windows are handled in one step.
"""

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from mlops_assets.datasets.internal_columns import ROW

ROWS_AT_ONCE = 1_000_000
"""With 25 features a piece is 300 MB, and what is made of it while it is scored three times that."""
READ_AT_ONCE = 125_000
"""Several of these are read ahead, while a piece is worked on."""


def pieces(rows: pl.LazyFrame, size: int | None = None) -> Iterator[pl.DataFrame]:
    """The rows in their order, `size` at a time (default `ROWS_AT_ONCE`); of a table without rows one empty piece."""
    yield from regrouped(_read(rows), size)


def _read(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    yield rows.clear().collect()
    yield from rows.collect_batches(chunk_size=READ_AT_ONCE, maintain_order=True)


def regrouped(frames: Iterable[pl.DataFrame], size: int | None = None) -> Iterator[pl.DataFrame]:
    """The same rows in pieces of exactly `size`, the last one smaller; of no rows one empty piece.

    Where a piece begins then depends on the rows alone, and not on those that were left out before them.
    """
    size = size or ROWS_AT_ONCE
    waiting: pl.DataFrame | None = None
    given = False
    for frame in frames:
        waiting = pl.concat([waiting, frame]) if waiting is not None and waiting.height else frame
        while waiting.height >= size:
            given = True
            yield waiting[:size]
            waiting = waiting[size:]
    if waiting is not None and (waiting.height or not given):
        yield waiting


class StoredRows:
    """Rows of a table that stays where it is; as of a frame, some are taken by their positions."""

    def __init__(self, table: pl.LazyFrame, height: int) -> None:
        self.table, self.height = table, height
        self.columns = table.collect_schema().names()

    def __getitem__(self, positions: np.ndarray) -> pl.DataFrame:
        """The rows at these positions, which rise."""
        taken = pl.Series(positions, dtype=pl.UInt32)
        found = self.table.with_row_index(ROW).filter(pl.col(ROW).is_in(taken.implode()))
        return found.collect(engine="streaming").sort(ROW).drop(ROW)
