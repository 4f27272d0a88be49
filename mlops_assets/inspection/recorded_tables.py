"""Tables of the lake, held against what is on record before anything is computed from them.

Whoever can write to the lake can make Delta's own log fit what they changed. What a verdict, a reason or a replay rests on is
therefore compared with the digest that the ledger or a recorded result holds, each time it is read, and not only by
`mlops verify`. Where rows were removed by a signed record, those that remain and the hashes of those that were removed must
give the root on record. Belongs here: keeping and comparing. What the tables hold is for the stages that write them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.datasets.kept_rows import SaltedWindow
from mlops_assets.datasets.pieces import ROWS_AT_ONCE, pieces
from mlops_assets.datasets.row_tree import HASH_BYTES, as_array, leaves_of, tree
from mlops_assets.datasets.snapshot import digest_by_column, rows_digest
from mlops_assets.declaration.terms import RESERVED_PREFIX
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.state.removals import Removal, Removals, place_of
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import SALT, WINDOW, Lake, reading
from mlops_assets.stores.results import OF

REFERENCE_SAMPLE = "reference_sample"
"""Training rows that are kept with a version: windows and decisions are compared with them."""
HELD_OUT_LOSSES = "held_out_losses"
"""Held-out rows of a version with the loss of each."""
POSITION = RESERVED_PREFIX + "position"
"""Place of a row in its table: what is drawn from the rows depends on their order."""


class ChangedRows(MlopsAssetsError):
    """A table of the lake does not hold the rows that were recorded; nothing is computed from it."""


class RowsRemoved(MlopsAssetsError):
    """Rows that were asked for left the lake by a signed record."""


@dataclass(frozen=True)
class Recorded:
    """What is on record of a table's rows.

    Attributes:
        table: in the lake.
        digest: over all columns and salts.
        root: of the tree over the rows; None in older records.
        by: column that orders the rows for the digest.
        window: whose rows they are, or None.
        version: Delta version that holds them; None: the newest.
        remedy: what to materialize again.
    """

    table: str
    digest: str
    root: str | None
    by: str | None
    window: str | None = None
    version: int | None = None
    remedy: str = ""

    @property
    def name(self) -> str:
        """The table, and which part of it."""
        return f"{self.table}, {self.window or f'version {self.version}'}"

    def removal(self, removals: Removals) -> Removal | None:
        """What was removed from it; None where nothing was."""
        return removals.get(self.root or "") or removals.get(place_of(self.table, self.window))


def stored_rows(lake: Lake, recorded: Recorded, removals: Removals) -> pl.LazyFrame:
    """The rows as they are in the lake, with their salts.

    Raises:
        RowsRemoved: all of them were removed.
        LakeError: there are none.
    """
    removal, version = recorded.removal(removals), recorded.version
    if removal is not None and removal.whole:
        raise RowsRemoved(f"{recorded.name}: {removal.words}")
    if removal is not None and version is not None:
        # What remains was written again, as a version of its own under the same digest.
        version = lake.version_of(recorded.table, recorded.digest) or version
    return lake.scan(recorded.table, version=version, window=recorded.window, salted=True).drop(WINDOW, strict=False)


def require_recorded(lake: Lake, recorded: Recorded, removals: Removals) -> None:
    """Refuse rows that are not those on record.

    Raises:
        ChangedRows: other rows are there.
        RowsRemoved: all of them were removed.
    """
    problem = difference(stored_rows(lake, recorded, removals), recorded, removals)
    if problem:
        raise ChangedRows(problem)


def recorded_rows(lake: Lake, recorded: Recorded, removals: Removals) -> pl.DataFrame:
    """The rows on record, without their salts.

    Raises:
        ChangedRows: other rows are there.
        RowsRemoved: all of them were removed.
        LakeError: there are none.
    """
    rows = lake.collect(recorded.table, stored_rows(lake, recorded, removals))
    problem = difference(rows.lazy(), recorded, removals)
    if problem:
        raise ChangedRows(problem)
    return rows.drop(SALT, strict=False)


def difference(rows: pl.LazyFrame, recorded: Recorded, removals: Removals) -> str:
    """What is wrong with rows that should be those on record; empty where they are."""
    removal = recorded.removal(removals)
    with reading(recorded.table):
        if removal is None or recorded.root is None:
            found, expected, what = _digest(rows, recorded.by), recorded.digest, "digest"
        else:
            found, expected = root_with_removed(pieces(rows), removal), recorded.root
            what = "root, removed ones included,"
    if found == expected:
        return ""
    again = f", or materialize {recorded.remedy} again" if recorded.remedy else ""
    return (
        f"{recorded.name}: the rows in the lake were changed: they have {what} {found[:12]}, expected {expected[:12]} as "
        f"recorded. Find out who wrote them (`mlops verify`), restore them from a backup{again}"
    )


def root_with_removed(frames: Iterator[pl.DataFrame], removal: Removal) -> str:
    """Root over the rows that are there and those that were removed."""
    left = leaves_of(frames, removal.columns)
    there = {leaf.tobytes().hex() for leaf in left} & removal.leaves
    gone = as_array([bytes.fromhex(leaf) for leaf in removal.leaves - there])
    return tree(np.concatenate([left, gone]) if len(gone) else left).root


def still_there(frames: Iterator[pl.DataFrame], removal: Removal) -> int:
    """How many of the rows that were removed by a record are in the lake."""
    found = leaves_of(frames, removal.columns).reshape(-1, HASH_BYTES)
    return sum(leaf.tobytes().hex() in removal.leaves for leaf in found)


def keep_with_version(platform: Platform, model: str, table: str, version: int, rows: pl.DataFrame) -> None:
    """Write rows that belong to a version, and record both hashes of them, which are also over their order."""
    address, window = f"{model}/{table}", f"v{version}"
    before = platform.evidence_book.latest(f"{model}{OF}v{version}", table)
    if before is not None and window in platform.lake.windows(address):
        stored = platform.lake.read(address, window=window).drop(WINDOW)
        if rows_digest(stored, by=POSITION) == rows_digest(rows.with_row_index(POSITION), by=POSITION):
            return
    with SaltedWindow(platform.lake, address, window) as kept:
        kept.add(rows.with_row_index(POSITION))
        found = kept.sealed(by=POSITION)
        platform.evidence_book.keep(model, f"{model}{OF}v{version}", table, found.digest, found.root)
        kept.commit()


def recorded_with_version(platform: Platform, model: str, table: str, version: int | str) -> Recorded | None:
    """What is on record of the rows that `keep_with_version` wrote; None where nothing is."""
    record = platform.evidence_book.latest(f"{model}{OF}v{version}", table)
    if record is None:
        return None
    remedy, window = f"{model}/reference_profile", f"v{version}"
    return Recorded(f"{model}/{table}", record.event.digest, record.event.root, POSITION, window, remedy=remedy)


def kept_with_version(platform: Platform, model: str, table: str, version: int | str) -> pl.DataFrame:
    """The rows that `keep_with_version` wrote, in their order.

    Raises:
        ChangedRows: they are not those that were recorded.
        RowsRemoved: they were removed.
        LakeError: there are none.
    """
    recorded = recorded_with_version(platform, model, table, version)
    if recorded is None:
        rows = platform.lake.read(f"{model}/{table}", window=f"v{version}").drop(WINDOW)
    else:
        rows = recorded_rows(platform.lake, recorded, platform.ledger.state().model(model).removals)
    return rows.sort(POSITION).drop(POSITION) if POSITION in rows.columns else rows


def _digest(rows: pl.LazyFrame, by: str | None) -> str:
    names = rows.collect_schema().names()
    height = rows.select(pl.len()).collect().item()
    if height <= ROWS_AT_ONCE:
        frame = rows.collect()
        return digest_by_column(names, height, frame.get_column, by)
    return digest_by_column(names, height, lambda name: rows.select(name).collect().to_series(), by)
