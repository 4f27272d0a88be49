"""What the contract has to know of a table as a whole when it is checked in pieces.

Belongs here: facts that no single row and no piece shows. Not here: the rules (`contract.py`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.datasets.pieces import pieces
from mlops_assets.datasets.reading import read_as_declared, read_expr
from mlops_assets.declaration.declaration import Declaration


@dataclass(frozen=True)
class Survey:
    """A table as a whole.

    Attributes:
        copies: positions, from 0, of rows that repeat an earlier row of the same id in every value.
        conflicts: positions of rows that contradict another one of the same id.
    """

    copies: np.ndarray
    conflicts: np.ndarray


def survey(rows: pl.LazyFrame, declaration: Declaration, columns: list[str]) -> Survey:
    """Look at a table without holding it: at its ids, and a second time at the rows whose id is there twice.

    Rows are compared by two hashes of 64 bits: that two different ones pass for one is not to be expected of any table.

    Args:
        rows: as delivered.
        declaration: the model.
        columns: the declared columns in which copies agree.
    """
    nothing = np.empty(0, np.int64)
    id_ = read_expr(declaration.id, rows.collect_schema(), declaration)
    repeated = _repeated_hashes(rows, id_)
    if not len(repeated):
        return Survey(nothing, nothing)
    suspects, first = [], 0
    for piece in pieces(rows):
        read = read_as_declared(piece, declaration, columns).frame
        ids = read.select(declaration.id)
        suspects.append(
            pl.DataFrame(
                {
                    "row": np.arange(first, first + piece.height),
                    "hash": ids.select(pl.first().hash()).to_series(),
                    "known": ids.to_series().is_not_null(),
                    **{f"id{seed}": ids.hash_rows(seed=seed) for seed in range(2)},
                    **{f"value{seed}": read.hash_rows(seed=seed) for seed in range(2)},
                }
            ).filter(pl.col("hash").is_in(repeated.implode()) & pl.col("known"))
        )
        first += piece.height
    value, both = pl.struct("value0", "value1"), ("id0", "id1")
    found = pl.concat(suspects).with_columns(
        again=pl.len().over(both) > 1, versions=value.n_unique().over(both), first=pl.col("row").min().over(both)
    )
    copies = found.filter((pl.col("versions") == 1) & (pl.col("row") > pl.col("first")))["row"]
    conflicts = found.filter(pl.col("versions") > 1)["row"]
    return Survey(copies.to_numpy(), conflicts.to_numpy())


def _repeated_hashes(rows: pl.LazyFrame, column: pl.Expr) -> pl.Series:
    """Hashes of the known values that are there twice."""
    hashes = rows.select(column.drop_nulls().hash().alias("hash")).collect(engine="streaming")["hash"].sort()
    return hashes[1:].filter(hashes[1:] == hashes[:-1]).unique()
