"""Models that exist and are not governed: in a folder, or in an MLflow registry.

An inventory is only as good as what it leaves out (SR 26-2 VI.2, SS1/23 1.2(c) ask for all models). What is found is
named with the reason why it is thought a model; nothing is unpickled, run or changed.
"""

import os
import re
from collections.abc import Collection, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlops_assets.discovery.model_files import Signs, signs_of
from mlops_assets.discovery.notebooks import signs_of_notebook
from mlops_assets.discovery.registries import is_registry, registered_models
from mlops_assets.errors import WRONG_CALL, MlopsAssetsError

SKIPPED = {"__pycache__", "node_modules", "site-packages", "dist-packages"}
"""Folders that hold other people's software; hidden folders are left out as well."""

MACHINE_NAME = re.compile(r"artifacts?|models?|\d+|(m-)?[0-9a-f]{32}", re.IGNORECASE)
"""Names that MLflow gives its folders."""


@dataclass(frozen=True)
class Found:
    """One thing that is thought a model, and is not governed.

    Attributes:
        name: suggested name of a declaration.
        kind: `registered model`, `MLflow model`, `model file` or `notebook`.
        where: path or address.
        modified: when it was last changed (UTC), None where that is not known.
        size: bytes, None where that is not known.
        signs: why it is thought a model.
    """

    name: str
    kind: str
    where: str
    modified: datetime | None
    size: int | None
    signs: Signs

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "name": self.name,
            "kind": self.kind,
            "where": self.where,
            "modified": self.modified.isoformat() if self.modified else None,
            "size": self.size,
            **{k: v for k, v in asdict(self.signs).items() if k in ("why", "confidence")},
        }


@dataclass(frozen=True)
class Discovery:
    """What a look found.

    Attributes:
        found: likely ones first, then by place.
        governed: models of the registry that are declared and hence not listed.
        unreadable: places that could not be looked at, with the reason.
    """

    found: tuple[Found, ...]
    governed: tuple[str, ...] = ()
    unreadable: tuple[str, ...] = ()


class SourceNotFound(MlopsAssetsError, ValueError):
    """There is no such folder."""

    exit_code = WRONG_CALL


def discover(
    source: str, *, governed: Collection[str] = (), own_registry: str = "", leave_out: Collection[Path] = ()
) -> Discovery:
    """Look for models.

    Args:
        source: a folder, a file, or the address of an MLflow registry (`sqlite:///…`, `postgresql://…`, `http://…`).
        governed: names of the declared models.
        own_registry: address of the project's own registry: only there a declared name is a governed model.
        leave_out: folders not to look into, such as the project's own stores.

    Raises:
        SourceNotFound: no such folder or file.
        RegistryUnreadable: no such registry, or it does not answer.
    """
    if is_registry(source):
        return _in_registry(source, governed if _same(source, own_registry) else ())
    root = Path(source)
    if not root.exists():
        raise SourceNotFound(f"{source}: no such folder, and no address of an MLflow registry")
    unreadable: list[str] = []
    found = list(_in_folder(root, {p.resolve() for p in leave_out}, unreadable))
    return Discovery(tuple(_distinct(_sorted(found))), unreadable=tuple(unreadable))


def _in_registry(source: str, governed: Collection[str]) -> Discovery:
    found = []
    known = []
    for model in registered_models(source):
        if model.name in governed:
            known.append(model.name)
            continue
        why = f"registered in MLflow with {model.versions} version{'' if model.versions == 1 else 's'}"
        why += f", alias {', '.join(model.aliases)}" if model.aliases else ""
        found.append(Found(slug(model.name), "registered model", model.name, model.modified, None, Signs(why)))
    return Discovery(tuple(_distinct(_sorted(found))), tuple(known))


def _in_folder(root: Path, leave_out: Collection[Path], unreadable: list[str]) -> Iterator[Found]:
    if root.is_file():
        found = _look(root, unreadable)
        if found is not None:
            yield found
        return
    for folder, folders, files in os.walk(root, onerror=lambda e: unreadable.append(_reason(e))):
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
            and (here / f).resolve() not in leave_out
            and not (here / f / "pyvenv.cfg").is_file()
        )
        for name in sorted(files):
            found = _look(here / name, unreadable)
            if found is not None:
                yield found


def _look(path: Path, unreadable: list[str]) -> Found | None:
    notebook = path.suffix == ".ipynb"
    try:
        signs = signs_of_notebook(path) if notebook else signs_of(path)
        if signs is None:
            return None
        subject = path.parent if path.name == "MLmodel" else path
        size = _size(subject)
        modified = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(microsecond=0)
    except OSError as error:
        unreadable.append(_reason(error))
        return None
    kind = "notebook" if notebook else "MLflow model" if path.name == "MLmodel" else "model file"
    name = subject.stem if subject.is_file() else _telling(subject.resolve())
    return Found(slug(name), kind, str(subject), modified, size, signs)


def _telling(folder: Path) -> str:
    """The nearest name above that people gave: MLflow's own folders are called `artifacts` or by an id."""
    parts = (folder, *folder.parents)
    return next((p.name for p in parts if p.name and not MACHINE_NAME.fullmatch(p.name)), folder.name)


def slug(name: str) -> str:
    """A name that a declaration may have: small letters, digits and underscores, a letter first."""
    words = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.lower()).strip("_") or "model"
    while "__" in words:
        words = words.replace("__", "_")
    return words if words[0].isalpha() else f"model_{words}"


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


def _reason(error: OSError) -> str:
    return f"{error.filename}: {error.strerror}"


def _same(source: str, own: str) -> bool:
    return bool(own) and source.rstrip("/") == own.rstrip("/")
