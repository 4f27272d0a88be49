"""Which rows a canary decides: by a seeded hash of the row's id, so that the same row always goes the same way.

The choice depends on nothing but id and seed: not on order, size of the batch, machine or time. It can be made again
from the record of a window, and a larger share keeps every row of a smaller one.
"""

import hashlib

import polars as pl

CELLS = 2**64


def route(ids: pl.Series, share: float, seed: int | str) -> pl.Series:
    """Whether each row is decided by the canary.

    Args:
        ids: of the rows; anything that reads as text.
        share: of rows that the canary decides, from 0 (none) to 1 (all).
        seed: such as `<model>/<version>`: another seed picks other rows, so that it is not always the same people on
            whom versions are tried.

    Returns:
        Booleans, one a row, named `canary`.

    Raises:
        ValueError: a share outside 0 … 1, or a row without an id.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"found share {share}, expected 0 to 1")
    if ids.null_count():
        raise ValueError(
            f"found {ids.null_count()} rows without an id, expected none: they cannot be routed twice alike"
        )
    limit, prefix = int(share * CELLS), f"{seed}\n".encode()
    texts = ids.cast(pl.String).to_list()
    return pl.Series("canary", [_cell(prefix, text) < limit for text in texts], dtype=pl.Boolean)


def _cell(prefix: bytes, text: str) -> int:
    return int.from_bytes(hashlib.sha256(prefix + text.encode()).digest()[:8], "big")
