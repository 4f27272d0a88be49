"""The environment against the lock file: is what runs what was pinned?

A lock is read as pip reads it: `name==version ; marker --hash=sha256:…`. Packages that the lock does not name are told
apart from those that have another version: a tool beside the project is no deviation from what was tested.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.evaluation.software.installed import Component, canonical_name

LOCK = "requirements.lock"
INSTALLERS = frozenset({"pip", "setuptools", "wheel"})
_HASH = re.compile(r"--hash=(sha256:[0-9a-f]{64})")


class LockError(MlopsAssetsError, ValueError):
    """A lock file that cannot be read."""


@dataclass(frozen=True)
class Pin:
    """One line of a lock."""

    version: str
    hashes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Deviation:
    """How the environment differs from the lock.

    Attributes:
        different: `numpy 2.4.5 (pinned 2.4.6)`.
        unpinned: installed, and not in the lock; installers and the project itself apart.
        pinned: how many installed packages have the pinned version.
    """

    different: tuple[str, ...]
    unpinned: tuple[str, ...]
    pinned: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form."""
        return {"different": list(self.different), "unpinned": list(self.unpinned), "pinned": self.pinned}


def read_lock(path: Path) -> dict[str, Pin]:
    """Pins by canonical name; lines whose marker does not hold here are left out.

    Raises:
        LockError: a line is no pin; the message names it.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    pins = {}
    for number, line in _lines(path.read_text(encoding="utf-8")):
        hashes = tuple(_HASH.findall(line))
        try:
            requirement = Requirement(line.split(" --hash=")[0].strip())
        except InvalidRequirement as error:
            raise LockError(f"{path}:{number}: found {line[:80]!r}, expected `name==version` ({error})") from error
        exact = [s.version for s in requirement.specifier if s.operator in ("==", "===")]
        if requirement.url is None and len(exact) != 1:
            raise LockError(f"{path}:{number}: {requirement.name} has no exact version, expected `name==version`")
        if exact and (requirement.marker is None or requirement.marker.evaluate()):
            pins[canonical_name(requirement.name)] = Pin(exact[0], hashes)
    return pins


def _lines(text: str) -> Iterable[tuple[int, str]]:
    """Requirements with the numbers of their first lines; a backslash joins the next line, `#` starts a comment."""
    gathered, first = "", 0
    for number, line in enumerate(text.splitlines(), 1):
        kept = re.sub(r"(^|\s)#.*$", "", line).strip()
        first = first or number
        if kept.endswith("\\"):
            gathered += f"{kept[:-1].strip()} "
            continue
        gathered += kept
        # Lines that start with a dash are pip's own options, such as an index.
        if gathered.strip() and not gathered.startswith("-"):
            yield first, gathered.strip()
        gathered, first = "", 0


def compare(components: Iterable[Component], pins: Mapping[str, Pin]) -> Deviation:
    """Every installed package against the lock, by PEP 440 equality of versions."""
    from packaging.version import InvalidVersion, Version

    def same(one: str, other: str) -> bool:
        try:
            return Version(one) == Version(other)
        except InvalidVersion:
            return one == other

    different, unpinned, count = [], [], 0
    for component in components:
        pin = pins.get(component.key)
        if pin is None:
            if component.key not in INSTALLERS and not component.local:
                unpinned.append(f"{component.name} {component.version}")
        elif same(component.version, pin.version):
            count += 1
        else:
            different.append(f"{component.name} {component.version} (pinned {pin.version})")
    return Deviation(tuple(different), tuple(unpinned), count)
