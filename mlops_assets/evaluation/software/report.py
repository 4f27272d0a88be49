"""What is known about the software that a version runs on, put together for the artifact gate and the card."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mlops_assets.evaluation.software.advisories import AdvisoryError, read_advisories
from mlops_assets.evaluation.software.installed import Component
from mlops_assets.evaluation.software.lock import LockError, compare, read_lock
from mlops_assets.gates.licences import UNKNOWN


def components_of(bill: Mapping[str, Any]) -> list[Component]:
    """The packages that a bill of materials of `bill_of_materials` names."""
    return [
        Component(
            name=entry["name"],
            version=entry["version"],
            licence=_licence(entry),
            local=any(p["name"] == "mlops-assets:installed-from" for p in entry.get("properties") or ()),
        )
        for entry in bill["components"]
        if entry["type"] == "library"
    ]


def software_report(components: Iterable[Component], lock: Path, advisories: Path | None) -> dict[str, Any]:
    """Licences, lock and advisories of some packages.

    Args:
        components: the packages.
        lock: the lock file, which need not exist.
        advisories: the file that the user supplied; None: none was.

    Returns:
        `licences` (packages by licence), `lock` and `advisories`; None for what is not there, `error` for what cannot be
        read.
    """
    found = list(components)
    return {"licences": _by_licence(found), "lock": _lock(found, lock), "advisories": _advisories(found, advisories)}


def _by_licence(components: Iterable[Component]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for component in components:
        if not component.local:
            grouped.setdefault(component.licence or UNKNOWN, []).append(component.name)
    return {licence: sorted(grouped[licence]) for licence in sorted(grouped)}


def _lock(components: list[Component], path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        return {"source": path.name, **compare(components, read_lock(path)).to_dict()}
    except LockError as error:
        return {"source": path.name, "error": str(error)}


def _advisories(components: list[Component], path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    try:
        return read_advisories(path).about(components)
    except AdvisoryError as error:
        return {"source": path.name, "error": str(error)}


def _licence(entry: Mapping[str, Any]) -> str:
    for licence in entry.get("licenses") or ():
        return str(licence.get("expression") or licence["license"]["name"])
    return UNKNOWN
