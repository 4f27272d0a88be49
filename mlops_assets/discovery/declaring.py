"""From something that was found to the file of its declaration: a starter that says what was found, for a person to complete.

Not here: the text of a starter (`starter.py`).
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from mlops_assets.declaration.imported import SUFFIXES, ModelFormat
from mlops_assets.discovery.registries import Version, is_server, version_of
from mlops_assets.discovery.search import Found
from mlops_assets.discovery.signs import task_of
from mlops_assets.discovery.starter import ExternalModel, ImportedFile, starter
from mlops_assets.ledger.tiering import TIERS
from mlops_assets.plain_text import is_hidden

DEFS = "defs.yaml"
IMPORTABLE = ("skops", "lightgbm", "xgboost", "onnx")
OWNER = re.compile(r"team:[A-Za-z0-9_.-]+|[^@\s]+@[^@\s]+\.[^@\s]+")
METRICS_SHOWN, PARAMS_SHOWN, TAGS_SHOWN = 12, 12, 8
TEXT_SHOWN = 160
FORMATS = {"lightgbm": ModelFormat.LIGHTGBM, "xgboost": ModelFormat.XGBOOST, "onnx": ModelFormat.ONNX}


@dataclass(frozen=True)
class Written:
    """The file of a declaration.

    Attributes:
        name: of the model.
        path: of the file.
        new: whether it was written now; one that was there is left alone.
        unread: what the source did not show, and why; empty where all was read.
    """

    name: str
    path: Path
    new: bool
    unread: str = ""


def declarable(found: Found, root: Path | None) -> bool:
    """Whether a declaration can be begun from what was found: it is registered somewhere, or a file that is imported."""
    return found.registered is not None or bool(importable(found, root))


def importable(found: Found, root: Path | None) -> str:
    """The file of a found model that can be imported, from the project's root if it is below it; empty for anything else."""
    path = Path(found.where)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return ""
    full = path.resolve()
    return str(full.relative_to(root) if root is not None and full.is_relative_to(root) else full)


def write_starter(
    folder: Path,
    found: Found,
    *,
    source: str,
    root: Path | None,
    taken: Collection[str] = (),
    imported: bool = False,
) -> Written:
    """Write a starter to `folder/<name>/defs.yaml`; a file that is there is left alone.

    Args:
        folder: of the declarations.
        found: by a search.
        source: as the search was asked, with whatever the server asks for.
        root: of the project, if there is one.
        taken: names that other models have.
        imported: import the artifact of a registered model, rather than declare a model that others run.
    """
    name = _free(found.name, taken)
    path = folder / name / DEFS
    if path.exists():
        return Written(name, path, new=False)
    version = _version(found, source)
    text = _text(name, found, source, version, root, imported=imported)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return Written(name, path, new=True, unread=version.unread if version else "")


def _version(found: Found, source: str) -> Version | None:
    """What the server shows of the version that counts; of a database only its number is read."""
    if found.registered is None:
        return None
    number = _deciding(found)
    if not number or not is_server(source):
        return Version(number)
    return version_of(source, found.registered.name, number)


def _deciding(found: Found) -> str:
    """The version that scores, as far as the registry tells: that of the alias `champion` or `production`, or the newest."""
    registered = found.registered
    assert registered is not None
    return registered.deciding(_alias(found)) or registered.deciding()


def _alias(found: Found) -> str:
    assert found.registered is not None
    known = {alias.casefold(): alias for alias in found.registered.aliases}
    return next((known[name] for name in ("champion", "production", "prod") if name in known), "")


def _text(name: str, found: Found, source: str, version: Version | None, root: Path | None, *, imported: bool) -> str:
    registered = found.registered
    if registered is None or version is None:
        artifact, facts = importable(found, root), found.signs.facts
        others = [
            f"{what} {_plain(value)}"
            for what, value in facts.items()
            if what not in ("purpose", "owner", "tier", "name")
        ]
        more = f"\nIt says: {', '.join(others)}." if others else ""
        return starter(
            name,
            origin=f"Found at {_plain(found.where)}: {_plain(found.signs.why)}.{more}",
            task=found.signs.task,
            inputs=found.signs.inputs,
            imported=ImportedFile(artifact, sha256=found.digest) if artifact else None,
            purpose=_plain(facts.get("purpose", "")),
            owner=_owner(facts.get("owner", "")),
            tier=next((tier for tier in TIERS if facts.get("tier", "").casefold().startswith(tier)), ""),
        )
    address = found.place.partition("#")[0]
    task = next((task for text in (*version.tags.values(), *version.params.values()) if (task := task_of(text))), "")
    given = {
        "origin": "\n".join([f"Registered in {address} as {_plain(registered.name)!r}.", *_shown(version)]),
        "task": task,
        "inputs": version.inputs,
        "purpose": _plain(registered.description),
        "owner": _owner(registered.owner),
    }
    if imported and version.number:
        file = ImportedFile(
            f"models:/{registered.name}/{version.number}",
            tracking_uri=address,
            version=version.number,
            format=next((FORMATS[flavor] for flavor in version.flavors if flavor in FORMATS), None),
        )
        return starter(name, imported=file, **given)
    return starter(name, external=ExternalModel(address, registered.name, version.number, _alias(found)), **given)


def _shown(version: Version) -> list[str]:
    """What the server shows of a version, a line each, for the head of the file."""
    lines = []
    if version.flavors:
        lines.append(f"Version {version.number}, flavor {', '.join(version.flavors)}.")
    if version.metrics:
        metrics = [f"{_plain(name)} {value:.6g}" for name, value in list(version.metrics.items())[:METRICS_SHOWN]]
        lines.append(f"Metrics of its run: {', '.join(metrics)}.")
    if version.params:
        params = [f"{_plain(name)} = {_plain(value)}" for name, value in list(version.params.items())[:PARAMS_SHOWN]]
        lines.append(f"Parameters of its run: {', '.join(params)}.")
    if version.tags:
        tags = [f"{_plain(name)} = {_plain(value)}" for name, value in list(version.tags.items())[:TAGS_SHOWN]]
        lines.append(f"Tags of the version: {', '.join(tags)}.")
    if version.unread:
        lines.append(f"Not read: {_plain(version.unread)}.")
    return lines


def _owner(owner: str) -> str:
    """An owner that a tag or a table names, as a declaration takes one."""
    if OWNER.fullmatch(owner):
        return owner
    words = "-".join(re.findall(r"[A-Za-z0-9]+", owner)).lower()
    return f"team:{words}" if words else ""


def _plain(text: str) -> str:
    """Text of others in one line, without what would steer a terminal, and not too long."""
    cleaned = " ".join("".join(c for c in text if not is_hidden(c)).split())
    return cleaned if len(cleaned) <= TEXT_SHOWN else f"{cleaned[:TEXT_SHOWN]}…"


def _free(name: str, taken: Collection[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}_{number}"
    return free
