"""The packages of the running environment, from their own metadata."""

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata

from mlops_assets.evaluation.software.licences import licence_of


@dataclass(frozen=True)
class Component:
    """One installed package.

    Attributes:
        name: as it writes itself.
        version: installed.
        licence: as its metadata says; `unknown` where it says nothing.
        record: SHA-256 of its RECORD, which lists the digest of every installed file; empty where it has none.
        local: installed from a folder, such as the project itself: no index knows it.
        requires: canonical names of what it needs here (markers evaluated, extras left out).
    """

    name: str
    version: str
    licence: str = ""
    record: str = ""
    local: bool = False
    requires: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Canonical name."""
        return canonical_name(self.name)

    @property
    def purl(self) -> str:
        """Package URL (https://github.com/package-url/purl-spec, type pypi)."""
        return f"pkg:pypi/{self.key}@{self.version.replace('+', '%2B').replace('!', '%21')}"


def canonical_name(name: str) -> str:
    """Name as indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


@cache
def installed() -> tuple[Component, ...]:
    """Every package that this process could import, by name; of one that is there twice, the one that is found first."""
    found: dict[str, Component] = {}
    for distribution in metadata.distributions():
        # A folder without readable metadata has no name.
        name = distribution.metadata["Name"] if distribution.metadata else None
        if name and canonical_name(name) not in found:
            found[canonical_name(name)] = _component(name, distribution)
    return tuple(found[key] for key in sorted(found))


def _component(name: str, distribution: metadata.Distribution) -> Component:
    record = distribution.read_text("RECORD")
    return Component(
        name=name,
        version=distribution.version,
        licence=licence_of(distribution.metadata),
        record=hashlib.sha256(record.encode()).hexdigest() if record else "",
        local=_is_local(distribution.read_text("direct_url.json")),
        requires=_needed(distribution.requires or ()),
    )


def _is_local(direct_url: str | None) -> bool:
    try:
        return "dir_info" in json.loads(direct_url or "{}")
    except ValueError:
        return False


def _needed(requirements: Sequence[str]) -> tuple[str, ...]:
    from packaging.requirements import InvalidRequirement, Requirement

    names = set()
    for text in requirements:
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            names.add(canonical_name(requirement.name))
    return tuple(sorted(names))
