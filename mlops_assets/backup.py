"""Backup and restore of everything under the home: consistent, and verified before anything is replaced.

SQLite databases are copied with SQLite's own backup, which takes in what is still in the write-ahead log. The ledger is
copied first: what its records name was stored before they were written, so files copied later hold all of it. Delta
tables are copied with their log before their data files, because data files are written first and never changed.

Not here: a ledger, MLflow or Dagster database on PostgreSQL, which the database's own tools back up.
"""

import hashlib
import json
import os
import sqlite3
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from mlops_assets import clock
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.governance.verification import verify_all
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.platform import Platform
from mlops_assets.stores.home import Home

MANIFEST = "manifest.json"
FORMAT = 1
LEFT_OUT = ("ledger_state.json",)
"""Files that are computed again."""
LEFT_OUT_SUFFIXES = ("-wal", "-shm", "-journal", ".lock")
"""Parts of a database that its own backup takes in, and locks."""
CHUNK = 1 << 20


class BackupError(MlopsAssetsError, RuntimeError):
    """A backup cannot be written, or is not what it was when it was written; the message says why and what to do."""


@dataclass(frozen=True)
class Backup:
    """What a backup holds.

    Attributes:
        path: of the file.
        files: number of files.
        size: bytes of their content.
        last_record: number of the ledger's last record; 0 for an empty ledger.
        elsewhere: stores that are not under the home and are not in the backup.
    """

    path: Path
    files: int
    size: int
    last_record: int
    elsewhere: tuple[str, ...]


def write_backup(platform: Platform, path: Path, *, keys: bool = True) -> Backup:
    """Write everything under the home to one file, and check the copy of the ledger in it.

    Args:
        platform: of the project.
        path: of the file, outside the home; an existing file is replaced only when the new one is complete.
        keys: whether the private keys under `keys/` are in it.

    Raises:
        BackupError: the file would lie in the home, the ledger in the copy does not hold, or a file cannot be read.
    """
    home = platform.home
    if path.resolve().is_relative_to(home.root):
        raise BackupError(f"found the backup file {path} inside the home {home.root}, expected a place outside it")
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, partial = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file, tempfile.TemporaryDirectory(prefix="mlops-backup-") as folder:
            found = _write(home, file, Path(folder), keys)
            _require_whole(platform, Path(folder))
        os.replace(partial, path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    return Backup(path, found["count"], found["bytes"], found["last_record"], tuple(found["elsewhere"]))


def restore_backup(path: Path, home: Home) -> Backup:
    """Unpack a backup into an empty home; nothing is written there before every file was checked.

    Args:
        path: of the file.
        home: to restore into; it must not exist, or be empty.

    Raises:
        BackupError: the file is no backup, was changed, or the home is not empty.
    """
    if home.root.exists() and any(home.root.iterdir()):
        raise BackupError(
            f"found files in {home.root}, expected an empty folder or none: move it away, or set MLOPS_HOME to another place"
        )
    home.root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.root.parent, prefix=f".{home.root.name}.restore-") as folder:
        target = Path(folder) / "home"
        target.mkdir(mode=0o700)
        manifest = _unpack(path, target)
        if home.root.exists():
            home.root.rmdir()
        os.replace(target, home.root)
    files: Mapping[str, Any] = manifest["files"]
    size = sum(entry["size"] for entry in files.values())
    return Backup(path, len(files), size, int(manifest["last_record"]), tuple(manifest["elsewhere"]))


def elsewhere(home: Home) -> list[str]:
    """Stores that are not under the home: their databases have backups of their own."""
    named = {"ledger": home.ledger_url, "MLflow": home.tracking_uri}
    return [f"{name} ({_without_password(url)})" for name, url in named.items() if not url.startswith("sqlite:")]


def _write(home: Home, file: IO[bytes], folder: Path, keys: bool) -> dict[str, Any]:
    files: dict[str, dict[str, Any]] = {}
    last = 0
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, source in _in_order(home, keys):
            kept = source
            if _is_sqlite(source):
                kept = folder / name.replace("/", "__")
                _copy_database(source, kept)
                if source == _ledger_file(home):
                    last = _last_record(kept)
            files[name] = _add(archive, name, kept)
        found = {
            "format": FORMAT,
            "made_at": clock.now().isoformat(timespec="seconds"),
            "last_record": last,
            "elsewhere": elsewhere(home),
            "keys": keys,
            "files": files,
        }
        text = json.dumps(found, indent=1, sort_keys=True).encode()
        described = folder / MANIFEST
        described.write_bytes(text)
        archive.add(described, MANIFEST)
    return {**found, "count": len(files), "bytes": sum(f["size"] for f in files.values())}


def _in_order(home: Home, keys: bool) -> Iterator[tuple[str, Path]]:
    """Files of the home by their names in the archive, in the order in which they must be copied."""
    ledger = _ledger_file(home)
    if ledger is not None and ledger.exists():
        yield _name(home, ledger), ledger
    others = [p for p in sorted(home.root.rglob("*")) if p.is_file() and not p.is_symlink() and p != ledger]
    # The log of a Delta table names data files that were written before it.
    for path in sorted(others, key=lambda p: "_delta_log" not in p.parts):
        if path.name in LEFT_OUT or path.name.endswith(LEFT_OUT_SUFFIXES):
            continue
        if not keys and path.is_relative_to(home.keys):
            continue
        yield _name(home, path), path


def _name(home: Home, path: Path) -> str:
    return path.relative_to(home.root).as_posix()


def _ledger_file(home: Home) -> Path | None:
    prefix = "sqlite:///"
    return Path(home.ledger_url.removeprefix(prefix)) if home.ledger_url.startswith(prefix) else None


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\x00"


def _copy_database(source: Path, target: Path) -> None:
    before, after = sqlite3.connect(f"file:{source}?mode=ro", uri=True), sqlite3.connect(target)
    try:
        before.backup(after)
    except sqlite3.Error as error:
        raise BackupError(f"{source} cannot be copied: {error}") from error
    finally:
        before.close()
        after.close()


def _last_record(ledger: Path) -> int:
    connection = sqlite3.connect(ledger)
    try:
        return int(connection.execute("SELECT coalesce(max(seq), 0) FROM ledger_records").fetchone()[0])
    finally:
        connection.close()


def _add(archive: tarfile.TarFile, name: str, path: Path) -> dict[str, Any]:
    """Add a file and return its size and digest; a file that grows meanwhile is taken as long as it was."""
    with path.open("rb") as file:
        entry = archive.gettarinfo(arcname=name, fileobj=file)
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        reader = _Digesting(file, entry.size)
        archive.addfile(entry, reader)  # pyright: ignore[reportArgumentType]
    if reader.left:
        raise BackupError(f"{path} became shorter while it was copied; run the backup again")
    return {"size": entry.size, "sha256": reader.digest.hexdigest()}


class _Digesting:
    """Reads at most `size` bytes of a file and digests them on the way."""

    def __init__(self, file: IO[bytes], size: int):
        self.file, self.left, self.digest = file, size, hashlib.sha256()

    def read(self, size: int = -1) -> bytes:
        data = self.file.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        self.digest.update(data)
        return data


def _require_whole(platform: Platform, folder: Path) -> None:
    """Check the copied ledger as `mlops verify` checks the live one."""
    source = _ledger_file(platform.home)
    copy = folder / _name(platform.home, source).replace("/", "__") if source else None
    if copy is None or not copy.exists():
        return
    ledger = Ledger(f"sqlite:///{copy}", trusted=platform.ledger.trusted, root=platform.ledger.root)
    try:
        problems = verify_all(ledger)
    finally:
        ledger.close()
    if problems:
        raise BackupError(f"the copy of the ledger does not hold: {problems[0]}; see `mlops verify`")


def _unpack(path: Path, target: Path) -> dict[str, Any]:
    """Unpack into an empty folder and hold every file against the manifest."""
    digests: dict[str, dict[str, Any]] = {}
    text = b""
    try:
        with tarfile.open(path, "r") as archive:
            for entry in archive:
                name = PurePosixPath(entry.name)
                if not entry.isfile() or name.is_absolute() or ".." in name.parts:
                    raise BackupError(f"{path}: found the entry {entry.name!r}, expected files of a backup alone")
                content = archive.extractfile(entry)
                assert content is not None
                if entry.name == MANIFEST:
                    text = content.read()
                    continue
                digests[entry.name] = _unpack_one(content, target / entry.name, entry.mode & 0o700)
    except (OSError, tarfile.TarError) as error:
        raise BackupError(f"{path} is no backup that can be read: {error}") from error
    try:
        manifest = json.loads(text)
        expected, version = dict(manifest["files"]), int(manifest["format"])
    except (ValueError, KeyError, TypeError) as error:
        raise BackupError(f"{path} holds no manifest that can be read: it is no backup, or it was cut") from error
    if version > FORMAT:
        raise BackupError(
            f"{path}: found format {version}, and this release reads up to {FORMAT}: upgrade to restore it"
        )
    changed = sorted(name for name in expected.keys() | digests.keys() if expected.get(name) != digests.get(name))
    if changed:
        raise BackupError(f"{path}: changed since it was written, or cut: {', '.join(changed[:3])}; use another copy")
    return manifest


def _unpack_one(content: IO[bytes], target: Path, mode: int) -> dict[str, Any]:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    digest, size = hashlib.sha256(), 0
    with target.open("wb") as file:
        while data := content.read(CHUNK):
            file.write(data)
            digest.update(data)
            size += len(data)
    target.chmod(mode or 0o600)
    return {"size": size, "sha256": digest.hexdigest()}


def _without_password(url: str) -> str:
    from sqlalchemy.engine import make_url

    try:
        return make_url(url).render_as_string(hide_password=True)
    except Exception:  # an address that is none of a database's has no password to hide
        return url.split("@")[-1]
