"""Writing rows that are under a digest and a root: each with a salt beside it.

Both go over the salts, so that neither tells anybody whether a guessed row was in the table once its salt is gone. Rows that
are written again keep their salts: the same content has the same digest, and what was done before is recognised.

Belongs here: salts, and the two hashes of what is written. Not here: what is read and compared with them
(`inspection/recorded_tables.py`).
"""

from dataclasses import dataclass

import polars as pl

from mlops_assets.datasets.row_tree import columns_with_values, fresh_salts, leaves_of, tree, tree_of
from mlops_assets.datasets.snapshot import digest_by_column, rows_digest
from mlops_assets.stores.lake import SALT, Lake, WindowWriter, Written


@dataclass(frozen=True)
class Sealed:
    """The two hashes of a table's rows, salts included.

    Attributes:
        digest: `rows_digest`, quick to compute: what is read is compared with it.
        root: of the tree over the rows (`row_tree.py`): by it a row can be shown or taken out alone.
    """

    digest: str
    root: str


@dataclass(frozen=True)
class Kept(Sealed):
    """Rows that were written, and where."""

    written: Written


def sealed(rows: pl.DataFrame, by: str | None = None) -> Sealed:
    """Both hashes of rows that have a salt, ordered by a column for the digest."""
    return Sealed(rows_digest(rows, by=by), tree_of(rows).root)


def salted(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with a fresh salt each."""
    return rows.with_columns(fresh_salts(rows.height))


def keep_snapshot(lake: Lake, table: str, rows: pl.DataFrame, by: str | None = None, tag: str = "") -> Kept:
    """Write rows as a version of a table, unless the same rows are there.

    Args:
        lake: to write to.
        table: name.
        rows: without salts.
        by: column that orders the rows for the digest.
        tag: end of the name under which the version is kept; only rows with the same tag are taken for the same.
    """
    content = rows_digest(rows, by=by)
    for version, name in lake.digests(table, rows=rows.height).items():
        if not name.endswith(tag):
            continue
        before = lake.read(table, version=version, salted=True)
        if SALT in before.columns and rows_digest(before.drop(SALT), by=by) == content:
            found = sealed(before, by)
            return Kept(found.digest, found.root, Written(table, version, rows.height))
    rows = salted(rows)
    found = sealed(rows, by)
    return Kept(found.digest, found.root, lake.write_snapshot(table, rows, found.digest + tag))


class SaltedWindow:
    """The rows of one window, written piece by piece with a salt each; a context, as `WindowWriter` is.

    Args:
        lake: to write to.
        table: name.
        window: start of the window.
        key: column whose values keep the salt that they have in the window now. Rows that bring a salt keep theirs.
    """

    def __init__(self, lake: Lake, table: str, window: str, key: str | None = None) -> None:
        self.writer: WindowWriter = lake.window_writer(table, window)
        self._key = key
        self._known: pl.DataFrame | None = None
        if key is not None and window in lake.windows(table):
            stored = lake.scan(table, window=window, salted=True)
            if {key, SALT} <= set(stored.collect_schema().names()):
                self._known = stored.select(key, SALT).unique(key, keep="first").collect()

    def __enter__(self) -> "SaltedWindow":
        self.writer.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.writer.__exit__(*error)

    def add(self, rows: pl.DataFrame) -> None:
        """Write further rows."""
        if SALT not in rows.columns:
            rows = rows.with_columns(self._salts(rows))
        self.writer.add(rows)

    @property
    def rows(self) -> int:
        """How many there are so far."""
        return self.writer.rows

    def read(self, column: str) -> pl.Series:
        """One column of all rows so far."""
        return self.writer.read(column)

    def sealed(self, by: str | None = None) -> Sealed:
        """Both hashes of the rows so far."""
        digest = digest_by_column(self.writer.columns, self.rows, self.read, by=by)
        found: set[str] = set()
        for piece in self.writer.pieces():
            found |= set(columns_with_values(piece))
        return Sealed(digest, tree(leaves_of(self.writer.pieces(), sorted(found))).root)

    def commit(self) -> Written:
        """Let the rows take the place of those the window had."""
        return self.writer.commit()

    def _salts(self, rows: pl.DataFrame) -> pl.Series:
        fresh = fresh_salts(rows.height)
        if self._known is None or self._key is None or rows.schema[self._key] != self._known.schema[self._key]:
            return fresh
        joined = rows.select(self._key).join(self._known, on=self._key, how="left", maintain_order="left")
        return joined[SALT].fill_null(fresh)
