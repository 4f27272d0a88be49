"""Where rows come from: one lazy frame from Parquet, CSV, Delta, a glob, an fsspec URL or a SQL query.

Belongs here: opening a declared source, telling clearly why it cannot be opened, and a digest by which an arrival of
new content is recognised. Does not belong here: what the rows must look like (`datasets/contract.py`) and where the
project keeps its own tables (`stores/`).
"""

import difflib
import hashlib
import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.datasets.text_tables import scan_text
from mlops_assets.declaration.source import Source

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SEPARATORS = {".csv": ",", ".tsv": "\t", ".csv.gz": ",", ".tsv.gz": "\t"}
READABLE = (*PARQUET_SUFFIXES, *TEXT_SEPARATORS)
GLOB_CHARACTERS = frozenset("*?[")


class SourceError(ValueError):
    """A source cannot be read as declared; the message names the file, what was found and what to do."""


def scan(source: Source, root: Path, columns: Sequence[str] = ()) -> pl.LazyFrame:
    """Open `source` lazily.

    Args:
        source: what the declaration says about the origin of the rows.
        root: the project's root; relative paths start here.
        columns: columns that must be there; nothing is required when empty.

    Raises:
        SourceError: when the source is missing, unreadable, cut short, empty, or lacks one of `columns`.
    """
    frame, name = _open(source, root)
    try:
        found = frame.collect_schema().names()
    except Exception as error:
        raise SourceError(_unreadable(name, error)) from error
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


def digest_of(source: Source, root: Path) -> str:
    """Digest of a source's content, by which new content is told from a file that was merely touched.

    Local files are hashed whole (and remembered for as long as inode, size, modification and change time stay);
    a Delta table by the files its current version consists of (they are never rewritten); a remote file by the
    storage's own content key; a query by its rows.

    Raises:
        SourceError: when the source is missing or cannot be read.
    """
    if source.sql is not None:
        return rows_digest(_query(source).collect())
    path = str(source.path)
    parts: list[tuple[str, str]]
    if "://" in path and not path.startswith("file://"):
        file_system, names = _remote_files(path)
        parts = [(name, str(file_system.ukey(name))) for name in names]
    else:
        local = _local_path(path, root)
        if _is_delta(local):
            parts = _delta_parts(local)
        else:
            files = _local_files(local)
            parts = [(file.name, _file_digest(file)) for file in files]
    text = "\n".join(f"{name}\t{digest}" for name, digest in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()


def _open(source: Source, root: Path) -> tuple[pl.LazyFrame, str]:
    if source.sql is not None:
        return _query(source), f"query on {source.connection}"
    path = str(source.path)
    if "://" in path and not path.startswith("file://"):
        return _scan_remote(path), path
    local = _local_path(path, root)
    try:
        if _is_delta(local):
            return pl.scan_delta(str(local)), path
        return _scan_files(_local_files(local)), path
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(_unreadable(path, error)) from error


def _local_path(path: str, root: Path) -> Path:
    return (root / Path(path.removeprefix("file://")).expanduser()).absolute()


def _is_delta(path: Path) -> bool:
    return (path / "_delta_log").is_dir()


def _local_files(path: Path) -> list[Path]:
    """The files behind a path, a folder or a glob, in a fixed order."""
    if path.is_file():
        return [_known_format(path)]
    if path.is_dir():
        files = sorted(f for f in path.rglob("*") if f.is_file() and _suffix(f.name) is not None)
        if not files:
            raise SourceError(f"{path}: the folder holds no Parquet or CSV file and no Delta log (`_delta_log`).")
        return files
    if GLOB_CHARACTERS & set(path.name) or GLOB_CHARACTERS & set(str(path)):
        import glob

        files = [Path(name) for name in sorted(glob.glob(str(path), recursive=True)) if Path(name).is_file()]
        if not files:
            raise SourceError(f"{path}: no file matches the pattern. Check the folder and the pattern's spelling.")
        return [_known_format(file) for file in files]
    raise SourceError(_missing_file(path))


def _missing_file(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"{path}: file not found, and its folder {parent} does not exist. Relative paths start at the project."
    near = difflib.get_close_matches(path.name, [p.name for p in parent.iterdir()], n=3, cutoff=0.5)
    hint = f" Near: {', '.join(near)}." if near else ""
    return f"{path}: file not found.{hint} Correct `source.path` in the declaration, or deliver the file."


def _suffix(name: str) -> str | None:
    return next((s for s in sorted(READABLE, key=len, reverse=True) if name.lower().endswith(s)), None)


def _known_format(path: Path) -> Path:
    if _suffix(path.name) is None:
        raise SourceError(f"{path}: the format is unknown; expected a name ending in {', '.join(READABLE)}.")
    return path


def _scan_files(files: list[Path]) -> pl.LazyFrame:
    kinds = {"parquet" if _suffix(f.name) in PARQUET_SUFFIXES else "text" for f in files}
    if len(kinds) > 1:
        raise SourceError(f"{files[0].parent}: found Parquet and text files together; declare one format per source.")
    for file in files:
        if file.stat().st_size == 0:
            raise SourceError(f"{file}: the file is empty (0 bytes). Deliver it again.")
    if kinds == {"parquet"}:
        for file in files:
            try:
                pl.read_parquet_schema(file)
            except Exception as error:
                raise SourceError(_unreadable(str(file), error)) from error
        return pl.scan_parquet(files, glob=False)
    return scan_text(files, TEXT_SEPARATORS[str(_suffix(files[0].name))])


def _scan_remote(url: str) -> pl.LazyFrame:
    file_system, names = _remote_files(url)
    suffixes = {_suffix(name) for name in names}
    if None in suffixes or len({s in PARQUET_SUFFIXES for s in suffixes}) > 1:
        raise SourceError(f"{url}: expected files of one format, ending in {', '.join(READABLE)}; found {names[:5]}.")
    try:
        import pyarrow.dataset as arrow_dataset

        kind = "parquet" if suffixes & set(PARQUET_SUFFIXES) else "csv"
        return pl.scan_pyarrow_dataset(arrow_dataset.dataset(names, filesystem=file_system, format=kind))
    except Exception as error:
        raise SourceError(_unreadable(url, error)) from error


def _remote_files(url: str) -> tuple[Any, list[str]]:
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(url)
        if GLOB_CHARACTERS & set(path):
            names = sorted(str(name) for name in file_system.glob(path))
        elif file_system.isdir(path):
            names = sorted(str(name) for name in file_system.find(path) if _suffix(str(name)) is not None)
        else:
            names = [path] if file_system.exists(path) else []
    except Exception as error:
        raise SourceError(
            f"{url}: cannot be opened ({_first_line(error)}). Check the address, credentials in the environment, "
            "and that the fsspec package for this protocol is installed."
        ) from error
    if not names:
        raise SourceError(f"{url}: nothing found there. Correct `source.path` in the declaration.")
    return file_system, names


def _query(source: Source) -> pl.LazyFrame:
    import sqlalchemy

    variable = str(source.connection)
    url = os.environ.get(variable)
    if not url:
        raise SourceError(
            f"source.connection: the environment variable {variable} is not set; "
            "it must hold the database's SQLAlchemy URL."
        )
    try:
        engine = sqlalchemy.create_engine(url)
    except Exception as error:
        # The URL may hold a password: it is never repeated in a message.
        raise SourceError(f"{variable}: not a usable SQLAlchemy URL ({type(error).__name__}).") from error
    try:
        with engine.connect() as connection:
            frame = pl.read_database(sqlalchemy.text(str(source.sql)), connection, infer_schema_length=None)
    except Exception as error:
        raise SourceError(
            f"query on {variable} failed ({type(error).__name__}: {_first_line(error)}). Query: {source.sql}"
        ) from error
    finally:
        engine.dispose()
    return frame.lazy()


def _require_rows(frame: pl.LazyFrame, name: str) -> None:
    try:
        empty = frame.head(1).collect().height == 0
    except Exception as error:
        raise SourceError(_unreadable(name, error)) from error
    if empty:
        raise SourceError(f"{name}: the table has columns and no rows. Deliver it again.")


def _unreadable(name: str, error: Exception) -> str:
    return (
        f"{name}: cannot be read; it is damaged, cut short, or not the format its name says "
        f"({type(error).__name__}: {_first_line(error)}). Deliver it again."
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else ""


def _delta_parts(path: Path) -> list[tuple[str, str]]:
    from deltalake import DeltaTable

    try:
        table = DeltaTable(str(path))
        return [(uri.removeprefix(str(path)), "delta") for uri in table.file_uris()]
    except Exception as error:
        raise SourceError(_unreadable(str(path), error)) from error


def _file_digest(path: Path) -> str:
    status = path.stat()
    return _remembered_digest(str(path), status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@lru_cache(maxsize=4096)
def _remembered_digest(path: str, *_identity: int) -> str:
    # The identity holds the change time, which, unlike the modification time, a program cannot set back.
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
