"""The lake: Delta tables under one root, a folder a model.

A table is either a *snapshot* (each write is a new version of the whole) or *windowed* (each write replaces one
window). Both are atomic: a reader never sees half a write, and writing the same content again adds no version.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import polars as pl

WINDOW = "window"
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
SAME_IN_PARQUET = (
    pl.String, pl.Boolean, pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Date,
    pl.Datetime("us"), pl.Datetime("us", "UTC"),
)  # fmt: skip
"""Types that Polars writes as Delta keeps them; Delta's own writer converts the others."""


class LakeError(Exception):
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
        frame = _writable(frame.with_columns(pl.lit(window).alias(WINDOW)))
        # The table is made first, so that no write is ever without a predicate: two processes that write the first two
        # windows would replace each other's.
        self._create_windowed(table, frame)
        if self._add_file(table, window, frame):
            return Written(table, self._open(table).version(), frame.height)
        options = {"predicate": f"{WINDOW} = '{window}'", "schema_mode": "merge", "partition_by": [WINDOW]}
        self._write(table, frame, "", {"mode": "overwrite", **options})
        return Written(table, self._open(table).version(), frame.height)

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
        frame = pl.scan_delta(str(self.path(table)), version=version)
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

    def _create_windowed(self, table: str, frame: pl.DataFrame) -> None:
        """Make the table with the frame's columns and no rows, unless it is there."""
        if self.exists(table):
            return
        from deltalake import DeltaTable
        from deltalake.exceptions import CommitFailedError, DeltaError

        self.path(table).mkdir(parents=True, exist_ok=True)
        try:
            DeltaTable.create(
                str(self.path(table)),
                _writable(frame).clear().to_arrow().schema,
                mode="ignore",
                partition_by=[WINDOW],
                configuration=RETENTION,
            )
        except (CommitFailedError, DeltaError):
            # Another process made it at this moment.
            if not self.exists(table):
                raise

    def _add_file(self, table: str, window: str, frame: pl.DataFrame) -> bool:
        """Write the window with Polars and commit its file, which takes a third of the time of Delta's own writer.

        Returns False, with nothing written, where that writer is needed: for other columns or types than the table's, for
        a window without rows, and for names of windows that a path would have to escape.
        """
        from deltalake import Schema
        from deltalake.exceptions import CommitFailedError
        from deltalake.transaction import AddAction

        plain = all(dtype in SAME_IN_PARQUET for dtype in frame.dtypes) and PLAIN_KEY.fullmatch(window)
        if frame.height == 0 or not plain:
            return False
        schema = Schema.from_arrow(frame.clear().to_arrow().schema)
        if _types(self._open(table).schema()) != _types(schema):
            return False
        name = f"{WINDOW}={window}/part-{uuid4()}.parquet"
        path = self.path(table) / name
        path.parent.mkdir(exist_ok=True)
        frame.drop(WINDOW).write_parquet(path, compression="snappy")
        status = path.stat()
        stats = json.dumps({"numRecords": frame.height})
        add = AddAction(name, status.st_size, {WINDOW: window}, int(status.st_mtime * 1000), True, stats)
        for attempt in range(ATTEMPTS):
            try:
                self._open(table).create_write_transaction(
                    [add], "overwrite", schema, [WINDOW], [(WINDOW, "=", window)]
                )
            except CommitFailedError:
                # Another run wrote another window of the same table at this moment.
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
            else:
                break
        return True

    def _write(self, table: str, frame: pl.DataFrame, digest: str, options: Mapping[str, Any]) -> None:
        from deltalake import CommitProperties, write_deltalake
        from deltalake.exceptions import CommitFailedError

        arrow = _writable(frame).to_arrow()
        properties = CommitProperties(custom_metadata={DIGEST: digest}) if digest else None
        self.path(table).mkdir(parents=True, exist_ok=True)
        for attempt in range(ATTEMPTS):
            try:
                write_deltalake(
                    str(self.path(table)),
                    arrow,
                    configuration=RETENTION if not self.exists(table) else None,
                    commit_properties=properties,
                    **options,
                )
            except CommitFailedError:
                # Another run wrote another window of the same table at this moment.
                if attempt == ATTEMPTS - 1:
                    raise
                time.sleep(0.05 * 2**attempt)
            else:
                return


def _types(schema: Any) -> dict[str, str]:
    """Type of each column as Delta names it, whatever the columns' order."""
    return {field.name: str(field.type) for field in schema.fields}


def _writable(frame: pl.DataFrame) -> pl.DataFrame:
    # Delta's writer stops on dictionary columns.
    text = [name for name, kind in frame.schema.items() if kind in (pl.Categorical, pl.Enum)]
    # A column without a single value has no type that Delta knows.
    empty = [name for name, kind in frame.schema.items() if kind == pl.Null]
    # Delta keeps nanoseconds as a feature that its readers do not have; a microsecond is what an event is known to.
    times = [pl.col(n).dt.cast_time_unit("us") for n, k in frame.schema.items() if isinstance(k, pl.Datetime)]
    return frame.with_columns(pl.col(text + empty).cast(pl.String), *times)
