"""Signs that a delivery as a whole is broken: sent twice, sent again, or with identifiers that repeat.

Belongs here: what only whole rows show. What single columns show is in `faults.py`.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from mlops_assets.monitoring.inputs.faults import Fault

LEAST_ROWS = 30


@dataclass(frozen=True)
class BatchContent:
    """What comparing whole rows needs to know of a window, so that it is read once."""

    rows: int
    digest: str
    """Of the values of all rows, whatever their order. Row hashes are those of the installed Polars: digests of two versions
    of it need not agree."""
    sent_twice: bool
    """Every row occurs an even number of times."""


def batch_content(frame: pl.DataFrame, columns: Sequence[str]) -> BatchContent:
    """Content of a window's rows; leave the identifier out of `columns` to see through new ones."""
    return content_of([row_hashes(frame, columns)])


def row_hashes(frame: pl.DataFrame, columns: Sequence[str]) -> pl.Series:
    """A number for each row, by its values: what `content_of` needs of a piece of a window."""
    return frame.select(columns).hash_rows(seed=0)


def content_of(hashes: Sequence[pl.Series]) -> BatchContent:
    """Content of a window from the `row_hashes` of its pieces, one at least."""
    ordered = pl.concat(hashes).sort()
    digest = hashlib.sha256(f"{len(ordered)}:".encode())
    digest.update(ordered.to_numpy().data)
    return BatchContent(len(ordered), digest.hexdigest(), _sent_twice(ordered))


def content_digest(frame: pl.DataFrame, columns: Sequence[str]) -> str:
    """`BatchContent.digest` alone."""
    return batch_content(frame, columns).digest


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
            found.append(
                Fault("duplicated_ids", f"{again} of {frame.height} rows repeat a value of the identifier {identifier}")
            )
    if not present:
        return found
    return found + faults_of_content(batch_content(frame, present), earlier or {})


def faults_of_content(content: BatchContent, earlier: Mapping[str, str]) -> list[Fault]:
    """Signs `stale_batch` and `duplicated_rows`, as found; `earlier` as in `find_batch_faults`."""
    if content.rows < LEAST_ROWS:
        return []
    same = next((name for name, digest in earlier.items() if digest == content.digest), None)
    found = (
        [Fault("stale_batch", f"all {content.rows} rows are the rows of {same}: the batch was sent again")]
        if same is not None
        else []
    )
    if content.sent_twice:
        text = f"every one of {content.rows} rows occurs an even number of times: the batch was sent twice"
        found.append(Fault("duplicated_rows", text))
    return found


def _sent_twice(hashes: pl.Series) -> bool:
    """Whether the window is two copies of one batch; honest rows repeat too, but not all of them, in even numbers."""
    if len(hashes) % 2:
        return False
    times = hashes.rle().struct.field("len")
    # A handful of different rows may come out even by chance.
    return bool((times % 2 == 0).all()) and len(times) >= LEAST_ROWS
