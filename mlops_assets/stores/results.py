"""The results that stages hand to each other, each stored under its stage's name and read back as the class it was.

Belongs here: where the files of a window are, and that a result is read as it was written. Not here: the classes of the
results (`monitoring/window_results.py`, `pipeline/training_results.py`), or MLflow's calls (`stores/registry.py`).
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.stores.registry import Book, Registry, evidence_bytes

WINDOWS = "windows"
"""Folder of the reports with a folder a model, and in it a folder a window."""
OF = "@"
"""Between model and window in the subject of a digest; the id of an MLflow run has none."""
T = TypeVar("T")


class ResultError(MlopsAssetsError):
    """A result that was asked for was never written, or is not what was written."""


@dataclass(frozen=True)
class Kind(Generic[T]):
    """What one stage hands on.

    Attributes:
        name: of the result, and of its file.
        to_dict: the result as plain JSON values.
        from_dict: the result from what `to_dict` returned.
    """

    name: str
    to_dict: Callable[[T], Mapping[str, Any]]
    from_dict: Callable[[Mapping[str, Any]], T]


@dataclass(frozen=True)
class WindowResults:
    """Results of the stages of one window, one JSON file each under the home's `reports/`.

    Attributes:
        reports: folder of the reports.
        model: name.
        window: start of the window.
        book: where the digest of each result is recorded; None: a result is read unchecked, unless the reader has a digest.
    """

    reports: Path
    model: str
    window: str
    book: Book | None = None

    @property
    def subject(self) -> str:
        """Under which the digests of this window's results are recorded."""
        return f"{self.model}{OF}{self.window}"

    def path(self, name: str, suffix: str = ".json") -> Path:
        """File of a result, or of a page drawn from it."""
        return self.reports / WINDOWS / self.model / self.window / f"{name}{suffix}"

    def has(self, kind: Kind[Any]) -> bool:
        """Whether the result is stored."""
        return self.path(kind.name).is_file()

    def write(self, kind: Kind[T], result: T) -> str:
        """Store a result in the place of an earlier one; returns the SHA-256 of the file."""
        path = self.path(kind.name)
        path.parent.mkdir(parents=True, exist_ok=True)
        content = evidence_bytes(kind.to_dict(result))
        digest = hashlib.sha256(content).hexdigest()
        partial = path.with_suffix(".partial")
        partial.write_bytes(content)
        if self.book is not None:
            self.book.keep(self.model, self.subject, kind.name, digest)
        partial.replace(path)
        return digest

    def read(self, kind: Kind[T], digest: str | None = None) -> T:
        """Read a result back.

        Args:
            kind: of the result.
            digest: SHA-256 that the file must have; default: the one recorded when the result was written.

        Raises:
            ResultError: it is not there, or is another one.
        """
        path = self.path(kind.name)
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ResultError(
                f"{self.model}, window {self.window}: found no result {kind.name!r} ({error.strerror}: {path}); "
                f"materialize {self.model}/{kind.name} for this window first"
            ) from error
        expected = digest or (self.book.digest(self.subject, kind.name) if self.book is not None else None)
        found = hashlib.sha256(content).hexdigest()
        if expected is not None and found != expected:
            raise ResultError(
                f"{self.model}, window {self.window}: {path} was changed: it has digest {found[:12]}, expected "
                f"{expected[:12]} as recorded; restore it from a backup, or materialize {self.model}/{kind.name} again"
            )
        return kind.from_dict(json.loads(content))

    def digest(self, kind: Kind[Any]) -> str:
        """SHA-256 of a stored result.

        Raises:
            OSError: it is not there.
        """
        return hashlib.sha256(self.path(kind.name).read_bytes()).hexdigest()

    def shown(self, kind: Kind[Any]) -> Mapping[str, Any] | None:
        """The stored JSON for a page; None where there is none, or where the file is incomplete."""
        try:
            return json.loads(self.path(kind.name).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None


def is_window(subject: str) -> bool:
    """Whether a digest is recorded for a window, and not for an MLflow run."""
    return OF in subject


def windows_with_results(reports: Path, model: str) -> list[str]:
    """Windows of a model that left a result, in order of time."""
    return sorted(path.name for path in (reports / WINDOWS / model).glob("*") if path.is_dir())


@dataclass(frozen=True)
class VersionResults:
    """Results of the training that made one version, stored as evidence of its MLflow run.

    Attributes:
        registry: MLflow; it records and checks the digests.
        run_id: of the training.
    """

    registry: Registry
    run_id: str

    def write(self, kind: Kind[T], result: T) -> str:
        """Store a result; returns the SHA-256 of the file."""
        return self.registry.log_evidence(self.run_id, kind.name, kind.to_dict(result))

    def read(self, kind: Kind[T]) -> T:
        """Read a result back.

        Raises:
            RegistryError: it is not there, or is not what was stored.
        """
        return kind.from_dict(self.registry.evidence(self.run_id, kind.name))
