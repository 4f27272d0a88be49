"""The lake: Delta tables under one root, a folder a model.

A table is either a *snapshot* (each write is a new version of the whole) or *windowed* (each write replaces one
window). Both are atomic: a reader never sees half a write, and writing the same content again adds no version.
"""

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

from mlops_assets import clock
from mlops_assets.declaration.terms import CASED, RESERVED_PREFIX
from mlops_assets.errors import MlopsAssetsError

WINDOW = RESERVED_PREFIX + "window"
"""Column that names a row's window, and partitions the table."""
DIGEST = "mlops_digest"
# A replay must still find what a record names ten years later (EU AI Act, Article 18), while Delta's own default
# drops its log after thirty days.
RETENTION = {
    "delta.logRetentionDuration": "interval 4000 days",
    "delta.deletedFileRetentionDuration": "interval 4000 days",
}
ATTEMPTS = 6
PLAIN_KEY = re.compile(r"[A-Za-z0-9._-]+")
"""Windows whose name is also that of a folder."""
UNFINISHED = "_unfinished"
"""Folder of a table with what is being written; Delta passes over names that begin so."""
ABANDONED = 86_400.0
"""Seconds after which nobody is taken to be still writing."""
SAME_IN_PARQUET = (
    pl.String, pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Date,
    pl.Datetime("us"), pl.Datetime("us", "UTC"),
)  # fmt: skip
"""Types that Polars writes as Delta keeps them; Delta's own writer converts the others."""


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
        self._write(table, frame, digest, {"mode": "overwrite", "schema_mode": "overwrite"})
        version = self.version_of(table, digest)
        if version is None:
            raise LakeError(f"{table}: the version just written is not in the table's history")
        return Written(table, version, frame.height)

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
    ) -> pl.DataFrame:
        """Rows of a table, of one version of it, or of one window; of all columns, or of those named, in their order."""
        found = self.scan(table, version=version, window=window)
        try:
            return (found if columns is None else found.select(columns)).collect()
        except BaseException as error:
            # A file that was changed past Delta makes its Rust reader panic, which Python's `except Exception` misses.
            if type(error).__name__ != "PanicException":
                raise
            raise LakeError(
                f"{table}: its files are not those that Delta wrote ({str(error)[:120]}); restore them from a backup"
            ) from error

    def scan(self, table: str, *, version: int | None = None, window: str | None = None) -> pl.LazyFrame:
        """The same as `read`, lazily."""
        if not self.exists(table):
            raise LakeError(f"{table}: no such table under {self.root}; materialize the asset that writes it first")
        frame = _as_named(pl.scan_delta(str(self.path(table)), version=version))
        return frame if window is None else frame.filter(pl.col(WINDOW) == window)

    def windows(self, table: str) -> list[str]:
        """Windows that hold rows, in order."""
        if not self.exists(table):
            return []
        found = {str(partition[WINDOW]) for partition in self._open(table).partitions()}
        return sorted(found)

    def digests(self, table: str) -> dict[int, str]:
        """Content digest by version, newest first, of the versions that were written with one."""
        if not self.exists(table):
            return {}
        history = self._open(table).history()
        return {int(commit["version"]): str(commit[DIGEST]) for commit in history if commit.get(DIGEST)}

    def version_of(self, table: str, digest: str) -> int | None:
        """Newest version that was written with this content digest."""
        return next((version for version, found in self.digests(table).items() if found == digest), None)

    def latest_version(self, table: str) -> int | None:
        """Number of the newest version."""
        return self._open(table).version() if self.exists(table) else None

    def _open(self, table: str) -> Any:
        from deltalake import DeltaTable

        return DeltaTable(str(self.path(table)))

    def _write(self, table: str, frame: pl.DataFrame, digest: str, options: Mapping[str, Any]) -> None:
        arrow = _writable(frame).to_arrow()
        self._write_arrow(table, lambda: arrow, digest, options)

    def _write_arrow(self, table: str, rows: Callable[[], Any], digest: str, options: Mapping[str, Any]) -> None:
        from deltalake import CommitProperties, write_deltalake

        properties = CommitProperties(custom_metadata={DIGEST: digest}) if digest else None
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
        frame = _writable(frame.with_columns(pl.lit(self.window).alias(WINDOW)))
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
        return [] if self._empty is None else [_given(name) for name in self._empty.columns if name != WINDOW]

    def read(self, column: str) -> pl.Series:
        """One column of all rows so far, the only one that is in memory where there are several pieces."""
        assert self._empty is not None
        stored = next(name for name in self._empty.columns if _given(name) == column)
        if len(self._pieces) < 2:
            return (self._empty if self._only is None else self._only)[stored].alias(column)
        return (
            pl.scan_parquet(self._pieces, glob=False).select(stored).collect(engine="streaming")[stored].alias(column)
        )

    def commit(self) -> Written:
        """Let the rows take the place of those the window had; they are read in the order in which they were added, unless
        Delta's own writer was needed, which keeps none.

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
        if not self._add_file(self._empty):
            options = {"predicate": f"{WINDOW} = '{self.window}'", "schema_mode": "merge", "partition_by": [WINDOW]}
            self.lake._write_arrow(self.table, self._batches, "", {"mode": "overwrite", **options})
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

    def _add_file(self, empty: pl.DataFrame) -> bool:
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
        if _types(self.lake._open(self.table).schema()) != _types(schema):
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
                [add], "overwrite", schema, [WINDOW], [(WINDOW, "=", self.window)]
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


def _types(schema: Any) -> dict[str, str]:
    """Type of each column as Delta names it, whatever the columns' order."""
    return {field.name: str(field.type) for field in schema.fields}


def _as_stored(names: Sequence[str]) -> dict[str, str]:
    """New names for columns that differ from an earlier one in capitals only, which Delta takes for the same."""
    groups: dict[str, list[str]] = {}
    for name in sorted(names):
        groups.setdefault(name.casefold(), []).append(name)
    return {
        name: f"{CASED}{position}:{name}"
        for group in groups.values()
        for position, name in enumerate(group)
        if position > 0
    }


def _as_named(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The columns under the names they were given."""
    stored = [name for name in frame.collect_schema().names() if name.startswith(CASED)]
    return frame.rename({name: _given(name) for name in stored}) if stored else frame


def _given(stored: str) -> str:
    """The name that a column was given, from the one that it has in the table."""
    return stored.partition(":")[2] if stored.startswith(CASED) else stored


def _writable(frame: pl.DataFrame) -> pl.DataFrame:
    frame = frame.rename(_as_stored(frame.columns))
    # Delta's writer stops on dictionary columns.
    text = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    # A column without a single value has no type that Delta knows.
    empty = [name for name, kind in frame.schema.items() if kind == pl.Null]
    # Delta keeps nanoseconds as a feature that its readers do not have; a microsecond is what an event is known to.
    times = [pl.col(n).dt.cast_time_unit("us") for n, k in frame.schema.items() if isinstance(k, pl.Datetime)]
    return frame.with_columns(pl.col(text + empty).cast(pl.String), *times)
