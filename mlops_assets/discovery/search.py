"""Models that exist: in a folder, in an MLflow registry, or in the inventory that a bank already keeps.

An inventory is only as good as what it leaves out (SR 26-2 VI.2, SS1/23 1.2(c) ask for all models). What is found is
named with the reason why it is thought a model; nothing is unpickled, run or changed. Which of them are governed is in
`governed.py`, and what of it is recorded in `recording.py`.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_assets.discovery import other_code
from mlops_assets.discovery.inventory_file import entries
from mlops_assets.discovery.model_files import signs_of
from mlops_assets.discovery.python_code import notebook_digest, signs_in_notebook, signs_in_script
from mlops_assets.discovery.registries import Registered, is_registry, registered_models, shown_address
from mlops_assets.discovery.signs import Signs
from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

SKIPPED = {"__pycache__", "node_modules", "site-packages", "dist-packages", "renv", "packrat"}
"""Folders that hold other people's software; hidden folders are left out as well."""
TEST = re.compile(r"(test_.*|.*_test|conftest)\.py|test[-_].*\.r", re.IGNORECASE)
"""Names of tests: they call what others train."""
MACHINE_NAME = re.compile(r"artifacts?|models?|\d+|(m-)?[0-9a-f]{32}", re.IGNORECASE)
"""Names that MLflow gives its folders."""
INVENTORY = ".csv"
CODE = {".ipynb": signs_in_notebook, ".py": signs_in_script, **other_code.READERS}
REASONS_KEPT = 20
LLM = "#llm"
"""At the end of the place of code that calls a language model: the same file may hold a model of its own."""
ROWS = ("registered model", "inventory entry")
"""Forms whose place is that of their source with a name after it."""
DIGITS = 10


@dataclass(frozen=True)
class Found:
    """One thing that is thought a model.

    Attributes:
        name: suggested name of a declaration.
        form: `registered model`, `MLflow model`, `model file`, `notebook`, `script`, `LLM use` or `inventory entry`.
        where: path or address, as whoever asked wrote it.
        place: path from the project's root (absolute where it is outside) or address: what it is identified by.
        modified: when it was last changed (UTC), None where that is not known.
        size: bytes, None where that is not known.
        signs: why it is thought a model.
        digest: of its content.
        registered: what the registry says, of a registered model.
    """

    name: str
    form: str
    where: str
    place: str
    modified: datetime | None
    size: int | None
    signs: Signs
    digest: str
    registered: Registered | None = None

    @property
    def id(self) -> str:
        """Short name, the same at every search: derived from the place."""
        return identity(self.place)

    @property
    def basis(self) -> str:
        """Digest of what makes it this model: of code, what it calls; of anything else, its content."""
        return _digest(f"{self.form} {self.signs.basis}") if self.signs.basis else self.digest

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "id": self.id,
            "name": self.name,
            "form": self.form,
            "where": self.where,
            "modified": self.modified.isoformat() if self.modified else None,
            "size": self.size,
            "why": self.signs.why,
            "confidence": self.signs.confidence,
        }


@dataclass(frozen=True)
class Discovery:
    """What a search found.

    Attributes:
        source: that was searched, as it is stored.
        found: likely ones first, then by place.
        unreadable: places that could not be looked at, with the reason.
        left_out: folders that were not looked into.
    """

    source: str
    found: tuple[Found, ...]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()

    def covers(self, form: str, place: str) -> bool:
        """Whether the search would have seen something of this form at this place, if it were there.

        It would not, where the place is of another source, was left out, or could not be read.
        """
        if form in ROWS:
            # Of a table or a server: a search of the folder around it does not read it.
            return place.startswith(f"{self.source}#")
        path = place.removesuffix(LLM)
        if "://" in self.source or any(_within(path, bad) for bad in (*self.unreadable, *self.left_out)):
            return False
        return _within(path, self.source) or (self.source == "." and not path.startswith("/"))


class SourceNotFound(MlopsAssetsError, ValueError):
    """There is no such folder."""

    exit_code = WRONG_CALL


def discover(
    source: str,
    *,
    root: Path | None = None,
    leave_out: Collection[Path] = (),
    columns: Mapping[str, str] | None = None,
) -> Discovery:
    """Look for models.

    Args:
        source: a folder, a file, a CSV inventory, or the address of an MLflow registry (`sqlite:///…`, `postgresql://…`,
            `http://…`).
        root: of the project: places below it are named from there.
        leave_out: folders not to look into, such as the project's own stores.
        columns: of a CSV inventory: what a column holds to its name.

    Raises:
        SourceNotFound: no such folder or file.
        RegistryUnreadable: no such registry, or it does not answer.
        InventoryUnreadable: the CSV file is no inventory.
    """
    if is_registry(source):
        return _in_registry(source)
    path = Path(source)
    if not path.exists():
        raise SourceNotFound(f"{source}: no such folder, and no address of an MLflow registry")
    if path.suffix.lower() == INVENTORY and path.is_file():
        return _in_inventory(path, root, columns)
    unreadable: dict[str, str] = {}
    look = _Look(root.resolve() if root else None, frozenset(p.resolve() for p in leave_out), unreadable)
    found = list(_in_folder(path, look))
    skipped = tuple(look.place(p) for p in leave_out)
    return Discovery(look.place(path), tuple(_distinct(_sorted(found))), unreadable, skipped)


def stored_source(source: str, root: Path | None) -> str:
    """A source as it is stored: an address without its password, a path from the project's root."""
    return shown_address(source) if is_registry(source) else _Look(root, frozenset(), {}).place(Path(source))


def writable(text: str) -> str:
    """A text with what no encoding has (names of files may be any bytes) as its code, so that it can be stored and printed."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def identity(place: str) -> str:
    """Short name of what is at a place."""
    return f"D-{_digest(place)[:DIGITS]}"


def _in_registry(source: str) -> Discovery:
    address = shown_address(source)
    found = []
    for model in registered_models(source):
        why = f"registered in MLflow with {len(model.versions)} version{'' if len(model.versions) == 1 else 's'}"
        aliases = ", ".join(f"{alias}{f' on {number}' if number else ''}" for alias, number in model.aliases.items())
        why += f", alias {aliases}" if aliases else ""
        facts = {"version": model.deciding(), "aliases": aliases, "owner": model.owner}
        content = _digest(json.dumps([dict(sorted(model.contents.items())), dict(model.aliases)]))
        signs = Signs(why, facts={name: value for name, value in facts.items() if value})
        found.append(
            Found(
                slug(model.name), "registered model", writable(model.name), f"{address}#{writable(model.name)}", model.modified, None, signs,
                content, model,
            )
        )  # fmt: skip
    return Discovery(address, tuple(_distinct(_sorted(found))))


def _in_inventory(path: Path, root: Path | None, columns: Mapping[str, str] | None) -> Discovery:
    place = _Look(root.resolve() if root else None, frozenset(), {}).place(path)
    modified = _modified(path.stat())
    found = []
    for entry in entries(path, columns):
        said = ", ".join(
            f"{what} {value}" for what, value in entry.facts.items() if what in ("status", "tier", "owner")
        )
        facts = {"name": entry.name, **entry.facts}
        signs = Signs(f"listed as {entry.name!r}" + (f", {said}" if said else ""), facts=facts)
        found.append(
            Found(
                slug(entry.name), "inventory entry", f"{path}#{entry.key}", f"{place}#{entry.key}", modified, None, signs,
                entry.digest,
            )
        )  # fmt: skip
    return Discovery(place, tuple(_distinct(found)))


@dataclass(frozen=True)
class _Look:
    """What a look into folders needs: the project's root, folders left out, and where what cannot be read is noted."""

    root: Path | None
    leave_out: frozenset[Path]
    unreadable: dict[str, str]

    def place(self, path: Path) -> str:
        """The path from the project's root where it is below it, else from the root of the file system."""
        # Not resolved as a whole: a link is at the place where it is.
        full = Path(os.path.abspath(path))
        inside = self.root is not None and full.is_relative_to(self.root)
        return writable(str(full.relative_to(self.root) if self.root is not None and inside else full))

    def note(self, path: str, reason: str | None) -> None:
        self.unreadable[self.place(Path(path))] = reason or "cannot be read"


def _in_folder(root: Path, look: _Look) -> Iterator[Found]:
    if not root.is_dir():
        yield from _found_in(root, look)
        return
    for folder, folders, files in os.walk(root, onerror=lambda e: look.note(str(e.filename), e.strerror)):
        here = Path(folder)
        if "MLmodel" in files:
            # One model, however many files it is made of.
            folders.clear()
            files = ["MLmodel"]
        folders[:] = sorted(
            f
            for f in folders
            if f not in SKIPPED
            and not f.startswith(".")
            and (here / f).resolve() not in look.leave_out
            and not (here / f / "pyvenv.cfg").is_file()
        )
        for name in sorted(files):
            if not TEST.fullmatch(name):
                yield from _found_in(here / name, look)


def _found_in(path: Path, look: _Look) -> Iterator[Found]:
    """What is thought a model in a file."""
    code = CODE.get(path.suffix.lower())
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            # Reading a pipe or a device would never end.
            return
        model = signs_of(path) if code is None else None
        signs = code(path) if code else [model] if model else []
        if not signs:
            return
        whole = path.parent if path.name == "MLmodel" else path
        size = _size(whole)
        digest = (notebook_digest(path) if path.suffix == ".ipynb" else None) or _content_digest(whole)
    except OSError as error:
        look.note(str(error.filename or path), error.strerror)
        return
    name = slug(whole.stem if whole.is_file() else _telling(whole.resolve()))
    for one in signs:
        form = one.form or ("MLflow model" if path.name == "MLmodel" else "model file")
        place = look.place(whole) + (LLM if form == "LLM use" else "")
        yield Found(name, form, writable(str(whole)), place, _modified(status), size, one, digest)


def _telling(folder: Path) -> str:
    """The nearest name above that people gave: MLflow's own folders are called `artifacts` or by an id."""
    parts = (folder, *folder.parents)
    return next((p.name for p in parts if p.name and not MACHINE_NAME.fullmatch(p.name)), folder.name)


def slug(name: str) -> str:
    """A name that a declaration may have: small letters, digits and underscores, a letter first."""
    words = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()).strip("_") or "model"
    while "__" in words:
        words = words.replace("__", "_")
    return (words if words[0].isalpha() else f"model_{words}")[:60].rstrip("_")


def _sorted(found: list[Found]) -> list[Found]:
    return sorted(found, key=lambda f: (f.signs.confidence != "likely", f.where))


def _distinct(found: list[Found]) -> Iterator[Found]:
    """The same with names of their own: the second `model` is `model_2`."""
    taken: dict[str, int] = {}
    for one in found:
        taken[one.name] = taken.get(one.name, 0) + 1
        number = taken[one.name]
        yield one if number == 1 else replace(one, name=f"{one.name}_{number}")


def _size(subject: Path) -> int:
    if subject.is_file():
        return subject.stat().st_size
    return sum(p.stat().st_size for p in subject.rglob("*") if p.is_file())


def _content_digest(subject: Path) -> str:
    """SHA-256 of a file; of a folder, over the names and digests of its files."""
    if subject.is_file():
        with subject.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    files = sorted(p for p in subject.rglob("*") if p.is_file())
    return _digest("\n".join(f"{p.relative_to(subject)} {_content_digest(p)}" for p in files))


def _modified(status: os.stat_result) -> datetime:
    return datetime.fromtimestamp(status.st_mtime, UTC).replace(microsecond=0)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(f"{folder}/")


def _digest(text: str) -> str:
    return hashlib.sha256(writable(text).encode("utf-8")).hexdigest()
