"""Where rows come from: a lazy frame from Parquet, CSV, Delta, a glob, an fsspec URL or a SQL query.

Belongs here: opening a source, as it is (`scan`) or as a declaration reads it (`deliver`), and a digest by which an arrival
of new content is recognised. Not here: reading files (`file_source.py`), how a query is run (`queries.py`), and
what the rows must look like (`contract.py`).
"""

import difflib
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.datasets.event_times import LOOKED_AT, EventTimeError, delivered_time, resolve
from mlops_assets.datasets.file_source import scan_table
from mlops_assets.datasets.files import SourceError, first_line, unreadable
from mlops_assets.datasets.internal_columns import EVENT_TIME
from mlops_assets.datasets.outcome_source import Settled
from mlops_assets.datasets.parts import Part, one_table
from mlops_assets.datasets.queries import read_query
from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.datasets.source import SOURCES, Opened, Source
from mlops_assets.declaration.columns import EventTime
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.source import Source as DeclaredSource


@dataclass(frozen=True)
class Delivered:
    """A source as a declaration reads it.

    Attributes:
        rows: the declared columns that were found, as delivered (text of text files is never interpreted); for a model
            with time also `EVENT_TIME`, and `FAULT` where a line of text does not fit its header.
        columns: all columns found, in order.
        event_time: as declared, with the format that is used.
        notes: how the source was read, a line each: what was guessed, files that were left out, and how files differ.
        problems: files that cannot be read; their rows are missing.
        reports: of outcomes, each in its place, where the outcomes have a source of their own.
    """

    rows: pl.LazyFrame
    columns: tuple[str, ...]
    event_time: EventTime | None = None
    notes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    reports: Settled | None = None


def deliver(
    declaration: Declaration, root: Path, required: Sequence[str] = (), *, may_be_empty: bool = False
) -> Delivered:
    """Open the declared source as the declaration reads it.

    Args:
        declaration: the model.
        root: the project's root; relative paths start here.
        required: columns that must be there.
        may_be_empty: whether a table without rows is no mistake.

    Raises:
        SourceError: the source is missing, unreadable or empty, lacks one of `required`, or writes its event time in
            another way than declared.
    """
    name, opened = declaration.source.described, _opened(declaration.source, root)
    parts, notes, problems = opened.parts, opened.notes, opened.problems
    if not parts:
        raise SourceError(problems[0] if problems else f"{name}: no file can be read. Deliver it again.")
    table = one_table(parts, declaration)
    require_columns(table.columns, required, name)
    notes += table.differences
    event_time = declaration.event_time
    if event_time is None or event_time.column not in table.columns:
        if not may_be_empty:
            _require_rows(table.rows, name)
        return Delivered(table.rows, table.columns, event_time, tuple(notes), tuple(problems))
    dtype = table.rows.collect_schema()[event_time.column]
    values = _first_values(table.rows, event_time.column, dtype, name)
    if values.is_empty() and not may_be_empty:
        _require_rows(table.rows, name)
    try:
        found = resolve(event_time, values)
    except EventTimeError as error:
        raise SourceError(f"{name}: {error}") from error
    notes += [found.note] if found.note else []
    rows = table.rows.with_columns(delivered_time(found.event_time, dtype).alias(EVENT_TIME))
    return Delivered(rows, table.columns, found.event_time, tuple(notes), tuple(problems))


def scan(source: DeclaredSource, root: Path, columns: Sequence[str] = ()) -> pl.LazyFrame:
    """Open `source` lazily, for a table without a declaration: the types of text are inferred.

    Args:
        source: where the rows are.
        root: the project's root; relative paths start here.
        columns: columns that must be there; nothing is required when empty.

    Raises:
        SourceError: the source is missing, unreadable, cut short or empty, or lacks one of `columns`.
    """
    frame, name = _open(source, root)
    try:
        found = frame.collect_schema().names()
    except Exception as error:
        raise SourceError(unreadable(name, error)) from error
    require_columns(found, columns, name)
    _require_rows(frame, name)
    return frame


def require_columns(found: Iterable[str], required: Iterable[str], where: str) -> None:
    """Refuse a table that lacks a column, naming the nearest names it does have.

    Raises:
        SourceError: with every missing column in one message.
    """
    names = list(found)
    missing = [column for column in required if column not in names]
    if not missing:
        return
    parts = []
    for column in missing:
        near = difflib.get_close_matches(column, names, n=3, cutoff=0.6)
        near += [n for n in names if n.strip().casefold() == column.strip().casefold() and n not in near]
        parts.append(f"{column!r}" + (f" (near: {', '.join(map(repr, near))})" if near else ""))
    shown = ", ".join(map(repr, names[:12])) + (f" and {len(names) - 12} more" if len(names) > 12 else "")
    raise SourceError(
        f"{where}: missing column{'s' if len(missing) > 1 else ''} {', '.join(parts)}; found {shown}. "
        "Correct the name in the declaration, or deliver the column."
    )


def digest_of(source: DeclaredSource, root: Path) -> str:
    """Digest of a source's content, by which new content is told from a file that was merely touched.

    Local files are hashed whole (and remembered for as long as inode, size, modification and change time stay);
    a Delta table by the files its current version consists of (they are never rewritten); a remote file by the
    storage's own content key; a query by its rows.

    Raises:
        SourceError: when the source is missing or cannot be read.
    """
    kind, settings = _kind_of(source)
    code = SOURCES.code(kind.name)
    try:
        if kind.digest is None:
            digest = rows_digest(pl.concat([p.rows for p in _opened(source, root).parts]).collect())
        else:
            digest = kind.digest(settings, root)
    except SourceError:
        raise
    except Exception as error:  # a source of the bank's own may raise whatever it likes
        raise SourceError(_failed(source, error)) from error
    if not isinstance(digest, str) or not digest:
        raise SourceError(f"{source.described}: digest gave {digest!r:.80}, expected a text. Correct the source.")
    # Other code may read other rows from the same place.
    return digest if code is None else hashlib.sha256(f"{code}\n{digest}".encode()).hexdigest()


def _kind_of(source: DeclaredSource) -> tuple[Source, Any]:
    """The registered source that reads a declared one, and its settings: for those of this package, the declaration itself."""
    kind = SOURCES[source.read_by]
    if source.reader is None:
        return kind, source
    return kind, kind.settings.model_validate(source.settings) if kind.settings is not None else source.settings


def _opened(source: DeclaredSource, root: Path) -> Opened:
    """The parts of a source, each of one schema, notes on how they are read, and files that cannot be.

    Raises:
        SourceError: it cannot be read, or is no table.
    """
    kind, settings = _kind_of(source)
    try:
        found = kind.read(settings, root)
        if isinstance(found, Opened):
            return found
        if not isinstance(found, pl.LazyFrame | pl.DataFrame):
            raise TypeError(f"read gave {type(found).__name__}, expected a polars LazyFrame or DataFrame")
        rows = found.lazy()
        rows.collect_schema()
    except SourceError:
        raise
    except Exception as error:  # a source of the bank's own may raise whatever it likes
        raise SourceError(_failed(source, error)) from error
    code = SOURCES.code(kind.name)
    return Opened([Part(source.described, rows)], [f"read by {source.described}, code {code}"] if code else [])


def _failed(source: DeclaredSource, error: Exception) -> str:
    return f"{source.described}: cannot be read ({type(error).__name__}: {first_line(error)})."


def _open(source: DeclaredSource, root: Path) -> tuple[pl.LazyFrame, str]:
    if source.sql is not None:
        return read_query(source), f"query on {source.connection}"
    return scan_table(source, root), str(source.path)


def _first_values(frame: pl.LazyFrame, column: str, dtype: pl.DataType, name: str) -> pl.Series:
    """Some values of a column, by which it is told how it is written; of a column of times one, which may be missing: its type
    tells."""
    try:
        if dtype.is_temporal():
            return frame.select(column).head(1).collect().to_series()
        return frame.select(pl.col(column).drop_nulls().head(LOOKED_AT)).collect(engine="streaming").to_series()
    except Exception as error:
        raise SourceError(unreadable(name, error)) from error


def _require_rows(frame: pl.LazyFrame, name: str) -> None:
    try:
        empty = frame.head(1).collect().height == 0
    except Exception as error:
        raise SourceError(unreadable(name, error)) from error
    if empty:
        raise SourceError(f"{name}: the table has columns and no rows. Deliver it again.")


def _open_query(source: DeclaredSource, root: Path) -> Opened:
    return Opened([Part(source.described, read_query(source))])


QUERY = Source("query", DeclaredSource, _open_query)
