"""Which files a source consists of: those that are finished, in a fixed order.

Belongs here: paths, folders, globs and URLs to lists of files, and which files are left alone. Not here: reading them
(`sources.py`).
"""

import csv
import difflib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

PARQUET_SUFFIXES = (".parquet", ".pq")
TEXT_SUFFIXES = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
READABLE = (*PARQUET_SUFFIXES, *TEXT_SUFFIXES)
UNFINISHED_SUFFIXES = (".crc", ".tmp", ".temp", ".part", ".partial", ".inprogress", ".crdownload", ".swp", "~")
GLOB_CHARACTERS = frozenset("*?[")


class SourceError(MlopsAssetsError, ValueError):
    """A source cannot be read as declared; the message names the file, what was found and what to do."""

    exit_code = WRONG_CALL


@dataclass(frozen=True)
class Files:
    """The local files of a source.

    Attributes:
        base: the folder they are in; the file itself where there is one.
        found: the files to read, in order.
        ignored: files that are not read, relative to `base`, each with the reason.
    """

    base: Path
    found: tuple[Path, ...]
    ignored: tuple[str, ...] = ()

    def name(self, file: Path) -> str:
        """A file's name inside of the source."""
        return file.name if file == self.base else str(file.relative_to(self.base))


def local_path(path: str, root: Path) -> Path:
    """The path on this machine; relative ones start at the project's root."""
    return (root / Path(path.removeprefix("file://")).expanduser()).absolute()


def is_remote(path: str) -> bool:
    """Whether a declared path is a URL of another system."""
    return "://" in path and not path.startswith("file://")


def is_delta(path: Path) -> bool:
    """Whether a folder is a Delta table."""
    return (path / "_delta_log").is_dir()


def suffix_of(name: str) -> str | None:
    """The known suffix of a file's name; None for an unknown one."""
    return next((s for s in sorted(READABLE, key=len, reverse=True) if name.lower().endswith(s)), None)


def is_parquet(name: str) -> bool:
    """Whether a file's name is that of a Parquet file."""
    return suffix_of(name) in PARQUET_SUFFIXES


def local_files(path: Path) -> Files:
    """The files behind a path, a folder or a glob.

    Raises:
        SourceError: there is none, or one has an unknown format.
    """
    if path.is_file():
        if path.stat().st_size == 0:
            raise SourceError(f"{path}: the file is empty (0 bytes). Deliver it again.")
        return Files(path, (_known_format(path),))
    if path.is_dir():
        files = _finished(path, sorted(f for f in path.rglob("*") if f.is_file() and suffix_of(f.name) is not None))
        if not files.found:
            raise SourceError(
                f"{path}: the folder holds no finished Parquet or CSV file and no Delta log (`_delta_log`)."
                + _left_alone(files)
            )
        return files
    if GLOB_CHARACTERS & set(str(path)):
        import glob

        base = Path(*path.parts[: next(i for i, part in enumerate(path.parts) if GLOB_CHARACTERS & set(part))])
        names = sorted(glob.glob(str(path), recursive=True))
        files = _finished(base, [Path(name) for name in names if Path(name).is_file()])
        if not files.found:
            raise SourceError(
                f"{path}: no file matches the pattern. Check the folder and the pattern's spelling."
                + _left_alone(files)
            )
        for file in files.found:
            _known_format(file)
        return files
    raise SourceError(_missing_file(path))


def remote_files(url: str) -> tuple[Any, list[str]]:
    """The file system and the files behind a URL, in order.

    Raises:
        SourceError: it cannot be opened, or holds no file.
    """
    import fsspec

    try:
        file_system, path = fsspec.core.url_to_fs(url)
        if GLOB_CHARACTERS & set(path):
            names, base = sorted(str(name) for name in file_system.glob(path)), path.partition("*")[0]
        elif file_system.isdir(path):
            names = sorted(str(name) for name in file_system.find(path) if suffix_of(str(name)) is not None)
            base = path
        else:
            names, base = [path] if file_system.exists(path) else [], path
        names = [n for n in names if n == base or not unfinished(n.removeprefix(base), int(file_system.size(n) or 0))]
    except Exception as error:
        raise SourceError(
            f"{url}: cannot be opened ({first_line(error)}). Check the address, credentials in the environment, "
            "and that the fsspec package for this protocol is installed."
        ) from error
    if not names:
        raise SourceError(f"{url}: nothing found there. Correct `source.path` in the declaration.")
    return file_system, names


def unfinished(name: str, size: int) -> str:
    """Why a file of a folder is not read: hidden, temporary, or empty; nothing for one that is read.

    Args:
        name: relative to the folder.
        size: in bytes.
    """
    for part in PurePosixPath(name.lstrip("/")).parts:
        # A folder such as `_month=7` holds a partition.
        if part.startswith(".") or (part.startswith("_") and "=" not in part):
            return "hidden" if part.startswith(".") else "temporary"
    if name.lower().endswith(UNFINISHED_SUFFIXES):
        return "temporary"
    return "0 bytes" if size == 0 else ""


def first_line(error: Exception) -> str:
    """The first line of an error's text, cut to a readable length."""
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else ""


def unreadable(name: str, error: Exception) -> str:
    """What is said of something that is there and cannot be read."""
    said = f"{type(error).__name__}: {first_line(error)}"
    if isinstance(error, csv.Error):
        # Its name is Error, and it advises a programmer after the dash.
        said = first_line(error).split(" - ")[0]
    return (
        f"{name}: cannot be read; it is damaged, cut short, or not the format its name says ({said}). Deliver it again."
    )


def _finished(base: Path, files: list[Path]) -> Files:
    reasons = {file: unfinished(str(file.relative_to(base)), file.stat().st_size) for file in files}
    found = tuple(file for file, reason in reasons.items() if not reason)
    return Files(base, found, tuple(f"{f.relative_to(base)} ({reason})" for f, reason in reasons.items() if reason))


def _left_alone(files: Files) -> str:
    return f" Not read: {', '.join(files.ignored[:5])}." if files.ignored else ""


def _known_format(path: Path) -> Path:
    if suffix_of(path.name) is None:
        raise SourceError(f"{path}: the format is unknown; expected a name ending in {', '.join(READABLE)}.")
    return path


def _missing_file(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"{path}: file not found, and its folder {parent} does not exist. Relative paths start at the project."
    near = difflib.get_close_matches(path.name, [p.name for p in parent.iterdir()], n=3, cutoff=0.5)
    hint = f" Near: {', '.join(near)}." if near else ""
    return f"{path}: file not found.{hint} Correct `source.path` in the declaration, or deliver the file."
