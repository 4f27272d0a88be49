"""What the contract has to know of a table as a whole when it is checked in pieces.

Belongs here: what no single row tells and no piece can. Does not belong here: the rules (`contract.py`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.datasets.pieces import pieces
from mlops_assets.datasets.quarantine import all_whole, coerce
from mlops_assets.declaration.declaration import Declaration


@dataclass(frozen=True)
class Survey:
    """A table as a whole.

    Attributes:
        copies: positions, from 0, of rows that repeat an earlier row of the same id in every value.
        conflicts: positions of rows that contradict another one of the same id.
        whole_numbers: see `quarantine.all_whole`.
    """

    copies: np.ndarray
    conflicts: np.ndarray
    whole_numbers: frozenset[str]


def survey(rows: pl.LazyFrame, declaration: Declaration, columns: list[str]) -> Survey:
    """Look at a table without holding it: at its ids, and a second time at the rows whose id is there twice.

    Rows are compared by two hashes of 64 bits: that two different ones pass for one is not to be expected of any table.
    """
    whole = all_whole(rows, declaration, columns)
    nothing = np.empty(0, np.int64)
    text = rows.collect_schema()[declaration.id] in (pl.Categorical, pl.Enum)
    raw = pl.col(declaration.id).cast(pl.String) if text else pl.col(declaration.id)
    repeated = _repeated_hashes(rows, raw)
    if not len(repeated):
        return Survey(nothing, nothing, whole)
    suspects, first = [], 0
    for piece in pieces(rows.select(columns)):
        read = coerce(piece, declaration, columns, whole).frame
        id_ = read.select(declaration.id)
        suspects.append(
            pl.DataFrame(
                {
                    "row": np.arange(first, first + piece.height),
                    "raw": piece.select(raw.hash()).to_series(),
                    "known": id_.to_series().is_not_null(),
                    **{f"id{seed}": id_.hash_rows(seed=seed) for seed in range(2)},
                    **{f"value{seed}": read.hash_rows(seed=seed) for seed in range(2)},
                }
            ).filter(pl.col("raw").is_in(repeated.implode()) & pl.col("known"))
        )
        first += piece.height
    value, id_ = pl.struct("value0", "value1"), ("id0", "id1")
    found = pl.concat(suspects).with_columns(
        again=pl.len().over(id_) > 1, versions=value.n_unique().over(id_), first=pl.col("row").min().over(id_)
    )
    copies = found.filter((pl.col("versions") == 1) & (pl.col("row") > pl.col("first")))["row"]
    conflicts = found.filter(pl.col("versions") > 1)["row"]
    return Survey(copies.to_numpy(), conflicts.to_numpy(), whole)


def _repeated_hashes(rows: pl.LazyFrame, column: pl.Expr) -> pl.Series:
    """Hashes of the known values that are there twice."""
    hashes = rows.select(column.drop_nulls().hash().alias("raw")).collect(engine="streaming")["raw"].sort()
    return hashes[1:].filter(hashes[1:] == hashes[:-1]).unique()
