"""Rows from files: Parquet and text, a Delta table, on this machine or behind an fsspec URL; and a digest of them.

Not here: which files there are (`files.py`), how text is written (`text_tables.py`), and which source a declaration names
(`sources.py`).
"""

import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from pathlib import Path

import polars as pl

from mlops_assets.datasets.files import (
    Files,
    SourceError,
    is_delta,
    is_parquet,
    is_remote,
    local_files,
    local_path,
    remote_files,
    suffix_of,
    unreadable,
)
from mlops_assets.datasets.parts import Part
from mlops_assets.datasets.source import Opened, Source
from mlops_assets.datasets.text_tables import TextFormat, format_of, scan_text, text_format, text_rows, text_rows_of
from mlops_assets.declaration.source import Source as DeclaredSource


def _files_digest(source: DeclaredSource, root: Path) -> str:
    """Local files by their content, a Delta table by its files, remote files by the storage's own keys."""
    path = str(source.path)
    parts: list[tuple[str, str]]
    if is_remote(path):
        file_system, names = remote_files(path)
        parts = [(name, str(file_system.ukey(name))) for name in names]
    else:
        local = local_path(path, root)
        if is_delta(local):
            parts = _delta_parts(local)
        else:
            files = local_files(local)
            parts = [(files.name(file), _file_digest(file)) for file in files.found]
    text = "\n".join(f"{name}\t{digest}" for name, digest in sorted(parts))
    return hashlib.sha256(text.encode()).hexdigest()


def _open_files(source: DeclaredSource, root: Path) -> Opened:
    path = str(source.path)
    if is_remote(path):
        return Opened(list(_remote_parts(source, path)))
    local = local_path(path, root)
    if is_delta(local):
        try:
            return Opened([Part(path, pl.scan_delta(str(local)))])
        except Exception as error:
            raise SourceError(unreadable(path, error)) from error
    files = local_files(local)
    _require_one_format([file.name for file in files.found], str(files.base))
    notes = [f"not read: {', '.join(files.ignored)}"] if files.ignored else []
    read = _parquet_parts if is_parquet(files.found[0].name) else _text_parts
    parts, problems = read(files, source)
    guesses = {part.how.guessed for part in parts if part.how is not None and part.how.guessed}
    return Opened(parts, [*notes, *(f"text read with {guess} (guessed)" for guess in sorted(guesses))], problems)


def _parquet_parts(files: Files, source: DeclaredSource) -> tuple[list[Part], list[str]]:
    schemas: dict[Path, tuple[tuple[str, pl.DataType], ...]] = {}
    problems = []
    for file in files.found:
        try:
            schemas[file] = _parquet_schema(str(file), *_identity(file))
        except Exception as error:
            problems.append(unreadable(files.name(file), error))
    parts = []
    for _, group in groupby(schemas, key=schemas.__getitem__):
        alike = list(group)
        more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
        parts.append(Part(files.name(alike[0]) + more, pl.scan_parquet(alike, glob=False)))
    return parts, problems


def _text_parts(files: Files, source: DeclaredSource) -> tuple[list[Part], list[str]]:
    parts, problems = [], []
    for file in files.found:
        try:
            how = text_format(file, source)
            parts.append(Part(files.name(file), text_rows(file, how), how))
        except Exception as error:
            problems.append(unreadable(files.name(file), error))
    return parts, problems


def _remote_parts(source: DeclaredSource, url: str) -> Iterator[Part]:
    file_system, names = remote_files(url)
    _require_one_format(names, url)
    for name in names:
        try:
            if is_parquet(name):
                import pyarrow.dataset as arrow_dataset

                found = arrow_dataset.dataset([name], filesystem=file_system, format="parquet")
                yield Part(name, pl.scan_pyarrow_dataset(found))
            else:
                raw, how = _remote_text(file_system, name, source)
                yield Part(name, text_rows_of(raw, how), how)
        except Exception as error:
            raise SourceError(unreadable(name, error)) from error


def _remote_text(file_system: object, name: str, source: DeclaredSource) -> tuple[bytes, TextFormat]:
    import gzip

    raw: bytes = file_system.cat_file(name)  # pyright: ignore[reportAttributeAccessIssue]
    raw = gzip.decompress(raw) if name.lower().endswith(".gz") else raw
    usual = "\t" if ".tsv" in name.lower() else ","
    return raw, format_of(io.BytesIO(raw), usual, source.separator, source.decimal, source.encoding)


def _require_one_format(names: Sequence[str], where: str) -> None:
    if len({is_parquet(name) for name in names}) > 1 or any(suffix_of(name) is None for name in names):
        raise SourceError(f"{where}: expected files of one format, Parquet or text, found {', '.join(names[:5])}.")


def scan_table(source: DeclaredSource, root: Path) -> pl.LazyFrame:
    """The files of a source as one table whose text has inferred types, as for a table without a declaration.

    Raises:
        SourceError: they are missing, unreadable, or of several formats.
    """
    path = str(source.path)
    if is_remote(path):
        return _scan_remote(path)
    local = local_path(path, root)
    try:
        return pl.scan_delta(str(local)) if is_delta(local) else _scan_files(local_files(local), source)
    except SourceError:
        raise
    except Exception as error:
        raise SourceError(unreadable(path, error)) from error


def _scan_files(files: Files, source: DeclaredSource) -> pl.LazyFrame:
    _require_one_format([file.name for file in files.found], str(files.base))
    if not is_parquet(files.found[0].name):
        return scan_text(files.found, source)
    for file in files.found:
        try:
            _parquet_schema(str(file), *_identity(file))
        except Exception as error:
            raise SourceError(unreadable(str(file), error)) from error
    return pl.scan_parquet(list(files.found), glob=False)


def _scan_remote(url: str) -> pl.LazyFrame:
    file_system, names = remote_files(url)
    _require_one_format(names, url)
    try:
        import pyarrow.dataset as arrow_dataset

        kind = "parquet" if is_parquet(names[0]) else "csv"
        return pl.scan_pyarrow_dataset(arrow_dataset.dataset(names, filesystem=file_system, format=kind))
    except Exception as error:
        raise SourceError(unreadable(url, error)) from error


def _delta_parts(path: Path) -> list[tuple[str, str]]:
    from deltalake import DeltaTable

    try:
        table = DeltaTable(str(path))
        return [(uri.removeprefix(str(path)), "delta") for uri in table.file_uris()]
    except Exception as error:
        raise SourceError(unreadable(str(path), error)) from error


def _identity(path: Path) -> tuple[int, int, int, int]:
    # The change time, unlike the modification time, cannot be set back by a program.
    status = path.stat()
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _file_digest(path: Path) -> str:
    return _remembered_digest(str(path), *_identity(path))


@lru_cache(maxsize=4096)
def _remembered_digest(path: str, *_identity: int) -> str:
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@lru_cache(maxsize=4096)
def _parquet_schema(path: str, *_identity: int) -> tuple[tuple[str, pl.DataType], ...]:
    return tuple(pl.read_parquet_schema(path).items())


FILES = Source("files", DeclaredSource, _open_files, _files_digest)
