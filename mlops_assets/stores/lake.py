"""The lake: Delta tables under one root, a folder a model.

A table is either a *snapshot* (each write is a new version of the whole) or *windowed* (each write replaces one
window). Both are atomic: a reader never sees half a write, and writing the same content again adds no version.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from mlops_assets import clock
from mlops_assets.declaration.terms import RESERVED_PREFIX
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.stores.stored_columns import SAME_IN_PARQUET, as_named, given, types, writable

WINDOW = RESERVED_PREFIX + "window"
"""Column that names a row's window, and partitions the table."""
DIGEST = "mlops_digest"
ROWS = "mlops_rows"
WRITTEN = "mlops_written_at"
SALT = RESERVED_PREFIX + "salt"
"""Column of random bytes that go into the hash of their row; readers see it only where they ask for it."""
# A replay must still find what a record names ten years later (EU AI Act, Article 18), while Delta's own default
# drops its log after thirty days.
RETENTION = {
    "delta.logRetentionDuration": "interval 4000 days",
    "delta.deletedFileRetentionDuration": "interval 4000 days",
    # Least and greatest values of a column are somebody's values, and would stay in the log when the rows are removed.
    "delta.dataSkippingNumIndexedCols": "0",
}
ATTEMPTS = 6
PLAIN_KEY = re.compile(r"[A-Za-z0-9._-]+")
"""Windows whose name is also that of a folder."""
UNFINISHED = "_unfinished"
"""Folder of a table with what is being written; Delta passes over names that begin so."""
ABANDONED = 86_400.0
"""Seconds after which nobody is taken to be still writing."""


class LakeError(MlopsAssetsError):
    """A table, version or window that was asked for is not in the lake."""


@dataclass(frozen=True)
class Written:
    """One write: the table's address and the version that holds it."""

    table: str
    version: int
    rows: int


class Lake:
    """Delta tables under `root`, addressed as `model/table`."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, table: str) -> Path:
        """Folder of `table`."""
        return self.root / table

    def exists(self, table: str) -> bool:
        """Whether anything was ever written to `table`."""
        return (self.path(table) / "_delta_log").is_dir()

    def write_snapshot(self, table: str, frame: pl.DataFrame, digest: str) -> Written:
        """Make `frame` the newest version of `table`, unless a version with this content digest is there already."""
        known = self.version_of(table, digest)
        if known is not None:
            return Written(table, known, frame.height)
        self.replace_snapshot(table, frame, digest)
        version = self.version_of(table, digest)
        if version is None:
            raise LakeError(f"{table}: the version just written is not in the table's history")
        return Written(table, version, frame.height)

    def replace_snapshot(self, table: str, frame: pl.DataFrame, digest: str) -> None:
        """Make `frame` the newest version of `table`, found by this digest from now on (empty: by none)."""
        self._write(table, frame, digest, {"mode": "overwrite", "schema_mode": "overwrite"})

    def write_window(self, table: str, window: str, frame: pl.DataFrame) -> Written:
        """Replace the rows of one window; other windows stay as they are."""
        with self.window_writer(table, window) as writer:
            writer.add(frame)
            return writer.commit()

    def window_writer(self, table: str, window: str) -> "WindowWriter":
        """The same for a window that is written piece by piece."""
        return WindowWriter(self, table, window)

    def read(
        self,
        table: str,
        *,
        version: int | None = None,
        window: str | None = None,
        columns: Sequence[str] | None = None,
        salted: bool = False,
    ) -> pl.DataFrame:
        """Rows of a table, of one version of it, or of one window; of all columns, or of those named, in their order.

        The salts are not among the columns, unless they are asked for.
        """
        found = self.scan(table, version=version, window=window, salted=salted)
        return self.collect(table, found if columns is None else found.select(columns))

    def collect(self, table: str, rows: pl.LazyFrame) -> pl.DataFrame:
        """Rows that `scan` found.

        Raises:
            LakeError: a file of the table is not what Delta wrote.
        """
        with reading(table):
            return rows.collect()

    def scan(
        self, table: str, *, version: int | None = None, window: str | None = None, salted: bool = False
    ) -> pl.LazyFrame:
        """The same as `read`, lazily."""
        if not self.exists(table):
            raise LakeError(f"{table}: no such table under {self.root}; materialize the asset that writes it first")
        frame = as_named(pl.scan_delta(str(self.path(table)), version=version))
        if window is not None:
            frame = frame.filter(pl.col(WINDOW) == window)
        return frame if salted else frame.drop(SALT, strict=False)

    def windows(self, table: str) -> list[str]:
        """Windows that hold rows, in order."""
        if not self.exists(table):
            return []
        found = {str(partition[WINDOW]) for partition in self._open(table).partitions()}
        return sorted(found)

    def digests(self, table: str, rows: int | None = None) -> dict[int, str]:
        """Content digest by version, newest first, of the versions that were written with one.

        Args:
            table: name.
            rows: only of versions with so many rows.
        """
        if not self.exists(table):
            return {}
        history = [commit for commit in self._open(table).history() if commit.get(DIGEST)]
        known = [commit for commit in history if rows is None or str(commit.get(ROWS)) == str(rows)]
        return {int(commit["version"]): str(commit[DIGEST]) for commit in known}

    def version_of(self, table: str, digest: str) -> int | None:
        """Newest version that was written with this content digest."""
        return next((version for version, found in self.digests(table).items() if found == digest), None)

    def written_at(self, table: str) -> dict[str, datetime]:
        """When content was written first, by its digest."""
        if not self.exists(table):
            return {}
        commits = [commit for commit in self._open(table).history() if commit.get(DIGEST)]
        return {str(commit[DIGEST]): datetime.fromisoformat(commit[WRITTEN]) for commit in commits}

    def latest_version(self, table: str) -> int | None:
        """Number of the newest version."""
        return self._open(table).version() if self.exists(table) else None

    def _open(self, table: str) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(str(self.path(table)))

    def _write(self, table: str, frame: pl.DataFrame, digest: str, options: Mapping[str, Any]) -> None:
        arrow = writable(frame).to_arrow()
        self._write_arrow(table, lambda: arrow, _named(digest, frame.height), options)

    def _write_arrow(
        self, table: str, rows: Callable[[], Any], told: Mapping[str, str], options: Mapping[str, Any]
    ) -> None:
        """Write rows by Delta's own writer, with what is told of them in the log of the table."""
        from deltalake import write_deltalake

        properties = _properties(told)
        self.path(table).mkdir(parents=True, exist_ok=True)

        def write() -> None:
            write_deltalake(
                str(self.path(table)),
                rows(),
                configuration=RETENTION if not self.exists(table) else None,
                commit_properties=properties,
                **options,
            )

        _repeated(write)


class WindowWriter:
    """The rows of one window, written piece by piece and seen by nobody before `commit`.

    A context: what was not committed when it ends is removed. What a killed process left is, by a later writer of the table.
    """

    def __init__(self, lake: Lake, table: str, window: str) -> None:
        self.lake, self.table, self.window = lake, table, window
        self.rows = 0
        self._empty: pl.DataFrame | None = None
        self._only: pl.DataFrame | None = None
        self._pieces: list[Path] = []
        self._folder = lake.path(table) / UNFINISHED / uuid4().hex

    def __enter__(self) -> "WindowWriter":
        for left in self._folder.parent.glob("*"):
            with suppress(FileNotFoundError):  # its own writer may be removing it
                # The file system dates by the machine's clock.
                if clock.machine_seconds() - left.stat().st_mtime > ABANDONED:
                    shutil.rmtree(left, ignore_errors=True)
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def add(self, frame: pl.DataFrame) -> None:
        """Write further rows.

        Raises:
            ValueError: they have other columns than the rows before.
        """
        frame = writable(frame.with_columns(pl.lit(self.window).alias(WINDOW)))
        if self._empty is None:
            self._empty = frame.clear()
        elif frame.schema != self._empty.schema:
            raise ValueError(
                f"{self.table}: found a piece with {frame.schema}, expected {self._empty.schema} as before"
            )
        if frame.height:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._pieces.append(self._folder / f"{len(self._pieces):06d}.parquet")
            frame.drop(WINDOW).write_parquet(self._pieces[-1], compression="snappy")
            self._only = frame if self.rows == 0 else None
            self.rows += frame.height

    @property
    def columns(self) -> list[str]:
        """Of the rows, under the names they were given."""
        return [] if self._empty is None else [given(name) for name in self._empty.columns if name != WINDOW]

    def read(self, column: str) -> pl.Series:
        """One column of all rows so far, the only one that is in memory where there are several pieces."""
        assert self._empty is not None
        stored = next(name for name in self._empty.columns if given(name) == column)
        if len(self._pieces) < 2:
            return (self._empty if self._only is None else self._only)[stored].alias(column)
        return (
            pl.scan_parquet(self._pieces, glob=False).select(stored).collect(engine="streaming")[stored].alias(column)
        )

    def pieces(self) -> Iterator[pl.DataFrame]:
        """All rows so far, in the order in which they were added, a piece at a time."""
        if self._empty is not None and len(self._pieces) < 2:
            frames: Iterable[pl.DataFrame] = [self._empty if self._only is None else self._only]
        else:
            frames = (pl.read_parquet(piece) for piece in self._pieces)
        for frame in frames:
            found = frame.drop(WINDOW, strict=False)
            yield found.rename({name: given(name) for name in found.columns if name != given(name)})

    def commit(self, name: str = "") -> Written:
        """Let the rows take the place of those the window had; they are read in the order in which they were added, unless
        Delta's own writer was needed, which keeps none.

        Args:
            name: digest under which this version is found.

        Raises:
            ValueError: nothing was added, not even an empty frame, so that the columns are not known.
        """
        if self._empty is None:
            raise ValueError(
                f"{self.table}: found nothing to write for window {self.window}, expected a frame at least"
            )
        # The table is made first, so that no write is ever without a predicate: two processes that write the first two
        # windows would replace each other's.
        self._create(self._empty)
        told = _named(name, self.rows)
        if not self._add_file(self._empty, told):
            options = {"predicate": f"{WINDOW} = '{self.window}'", "schema_mode": "merge", "partition_by": [WINDOW]}
            self.lake._write_arrow(self.table, self._batches, told, {"mode": "overwrite", **options})
        return Written(self.table, self.lake._open(self.table).version(), self.rows)

    def _create(self, empty: pl.DataFrame) -> None:
        """Make the table with these columns and no rows, unless it is there."""
        if self.lake.exists(self.table):
            return
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError, DeltaError

        self.lake.path(self.table).mkdir(parents=True, exist_ok=True)
        try:
            DeltaTable.create(
                str(self.lake.path(self.table)),
                empty.to_arrow().schema,
                mode="ignore",
                partition_by=[WINDOW],
                configuration=RETENTION,
            )
        except (CommitFailedError, DeltaError):
            # Another process made it at this moment.
            if not self.lake.exists(self.table):
                raise

    def _add_file(self, empty: pl.DataFrame, told: Mapping[str, str]) -> bool:
        """Commit what Polars wrote, which takes a third of the time of Delta's own writer.

        Returns False, with nothing written, where that writer is needed: for other columns or types than the table's, for
        a window without rows, and for names of windows that a path would have to escape.
        """
        from deltalake import Schema
        from deltalake.transaction import AddAction

        plain = all(dtype in SAME_IN_PARQUET for dtype in empty.dtypes) and PLAIN_KEY.fullmatch(self.window)
        if not self._pieces or not plain:
            return False
        schema = Schema.from_arrow(empty.to_arrow().schema)
        if types(self.lake._open(self.table).schema()) != types(schema):
            return False
        name = f"{WINDOW}={self.window}/part-{uuid4()}.parquet"
        path = self.lake.path(self.table) / name
        path.parent.mkdir(exist_ok=True)
        self._one_file().rename(path)
        status = path.stat()
        stats = json.dumps({"numRecords": self.rows})
        add = AddAction(name, status.st_size, {WINDOW: self.window}, int(status.st_mtime * 1000), True, stats)
        _repeated(
            lambda: self.lake._open(self.table).create_write_transaction(
                [add], "overwrite", schema, [WINDOW], [(WINDOW, "=", self.window)], commit_properties=_properties(told)
            )
        )
        return True

    def _one_file(self) -> Path:
        """All pieces in one file: nothing says in which order Delta gives several, and rows of two tables are read side by
        side."""
        if len(self._pieces) == 1:
            return self._pieces[0]
        whole = self._folder / "whole.parquet"
        pl.scan_parquet(self._pieces, glob=False).sink_parquet(whole, compression="snappy", maintain_order=True)
        return whole

    def _batches(self) -> Any:
        """The pieces as Delta's writer takes them."""
        import pyarrow as pa

        assert self._empty is not None
        if not self._pieces:
            return self._empty.to_arrow()
        named = pl.lit(self.window).alias(WINDOW)
        tables = (pl.read_parquet(piece).with_columns(named).to_arrow() for piece in self._pieces)
        return pa.RecordBatchReader.from_batches(
            self._empty.to_arrow().schema, (batch for table in tables for batch in table.to_batches())
        )


@contextmanager
def reading(table: str) -> Iterator[None]:
    """While files of a table are read.

    Raises:
        LakeError: a file is not what Delta wrote.
    """
    try:
        yield
    except BaseException as error:
        # A file that was changed past Delta makes its Rust reader panic, which Python's `except Exception` misses.
        if type(error).__name__ != "PanicException":
            raise
        raise LakeError(
            f"{table}: its files are not those that Delta wrote ({str(error)[:120]}); restore them from a backup"
        ) from error


def _named(digest: str, rows: int) -> dict[str, str]:
    """What the log says of a version that is found by its digest; nothing without one."""
    return {DIGEST: digest, ROWS: str(rows), WRITTEN: clock.now().isoformat()} if digest else {}


def _properties(told: Mapping[str, str]) -> Any:
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata=dict(told)) if told else None


def _repeated(write: Callable[[], None]) -> None:
    """Write, again where another run wrote another window of the same table at this moment."""
    from deltalake.exceptions import CommitFailedError

    for attempt in range(ATTEMPTS):
        try:
            write()
        except CommitFailedError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(0.05 * 2**attempt)
        else:
            return
