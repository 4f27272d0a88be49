"""Signs that a delivery as a whole is broken: sent twice, sent again, or with identifiers that repeat.

Belongs here: what only whole rows tell. What single columns tell is in `faults.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence

import polars as pl

from mlops_assets.monitoring.faults import Fault

LEAST_ROWS = 30


def content_digest(frame: pl.DataFrame, columns: Sequence[str]) -> str:
    """SHA-256 over the rows' values, whatever their order; leave the identifier out of `columns` to see through new ones.

    Row hashes are those of the installed Polars: digests of two versions of it need not agree.
    """
    return _digest_of(_row_hashes(frame, columns))


def _row_hashes(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    return frame.select(columns).hash_rows(seed=0).sort()


def _digest_of(hashes: pl.Series) -> str:
    return hashlib.sha256(f"{len(hashes)}:".encode() + hashes.to_numpy().tobytes()).hexdigest()


def find_batch_faults(
    frame: pl.DataFrame,
    columns: Sequence[str],
    *,
    identifier: str | None = None,
    earlier: Mapping[str, str] | None = None,
) -> list[Fault]:
    """Look at a window's rows.

    Args:
        frame: the window.
        columns: what is compared (the features); those the window lacks are left out.
        identifier: column that must not repeat; None where there is none.
        earlier: content digest by name, of the reference and of earlier windows.

    Returns:
        Signs `duplicated_ids`, `duplicated_rows` and `stale_batch`, as found.
    """
    found: list[Fault] = []
    present = [name for name in columns if name in frame.columns]
    if identifier is not None and identifier in frame.columns:
        ids = frame[identifier].drop_nulls()
        again = len(ids) - ids.n_unique()
        if again:
            found.append(Fault("duplicated_ids", f"{again} of {frame.height} rows repeat a value of {identifier}"))
    if frame.height < LEAST_ROWS or not present:
        return found
    hashes = _row_hashes(frame, present)
    digest = _digest_of(hashes)
    for name, other in (earlier or {}).items():
        if other == digest:
            found.append(Fault("stale_batch", f"all {frame.height} rows are those of {name}"))
            break
    if _sent_twice(hashes):
        found.append(
            Fault("duplicated_rows", f"every row of the window is there an even number of times ({frame.height})")
        )
    return found


def _sent_twice(hashes: pl.Series) -> bool:
    """Whether the window is two copies of one batch; honest rows repeat too, but not all of them, in even numbers."""
    if len(hashes) % 2:
        return False
    times = hashes.rle().struct.field("len")
    # A handful of different rows may come out even by chance.
    return bool((times % 2 == 0).all()) and len(times) >= LEAST_ROWS
