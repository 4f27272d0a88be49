"""Known vulnerabilities from a file that the user supplies; nothing is fetched.

Read are OSV records (https://ossf.github.io/osv-schema/): one, a list, a folder or a zip of them (such as the export of a
whole ecosystem), an answer of OSV's API, a report of osv-scanner; and a report of `pip-audit --format json`, which knows
only the packages that it looked at.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.evaluation.software.cvss import base_score, level
from mlops_assets.evaluation.software.installed import Component, canonical_name

UNKNOWN = "unknown"
RANKS = ("none", "low", "medium", "high", "critical", UNKNOWN)
"""Severities from mild to grave; one without a rating counts as the gravest."""

_WORDS = {"moderate": "medium", "important": "high"}
_RANGES = ("ECOSYSTEM", "SEMVER")


class AdvisoryError(MlopsAssetsError, ValueError):
    """A file of advisories that cannot be used."""


@dataclass(frozen=True)
class Vulnerability:
    """One advisory that applies to one installed package.

    Attributes:
        package: name.
        version: installed.
        id: of the advisory; of several for the same flaw, the first.
        aliases: its other names.
        severity: one of `RANKS`.
        fixed: versions that no longer have it, as far as they are known.
        note: why the answer is not certain; empty when it is.
    """

    package: str
    version: str
    id: str
    aliases: tuple[str, ...]
    severity: str
    fixed: tuple[str, ...]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form."""
        return {
            "package": self.package,
            "version": self.version,
            "id": self.id,
            "aliases": list(self.aliases),
            "severity": self.severity,
            "fixed": list(self.fixed),
            "note": self.note,
        }


@dataclass(frozen=True)
class Advisories:
    """What a file says.

    Attributes:
        source: name of the file or folder.
        digest: SHA-256 of its bytes.
        kind: `osv` or `pip-audit`.
        records: OSV records, or pip-audit's entries for a package.
        as_of: latest `modified` of the records, as written; empty where they carry none.
    """

    source: str
    digest: str
    kind: str
    records: tuple[Mapping[str, Any], ...]
    as_of: str = ""

    def about(self, components: Iterable[Component]) -> dict[str, Any]:
        """What applies to these packages.

        Returns:
            `source`, `digest`, `as_of`, `records` (how many), `vulnerabilities` (a list), `unchecked` (packages that the
            file does not cover; a database of OSV records covers all).
        """
        found = list(components)
        if self.kind == "pip-audit":
            hits, unchecked = _audited(self.records, found)
        else:
            hits, unchecked = _affecting(self.records, found), []
        return {
            "source": self.source,
            "digest": self.digest,
            "as_of": self.as_of,
            "records": len(self.records),
            "vulnerabilities": [hit.to_dict() for hit in _merged(hits)],
            "unchecked": unchecked,
        }


def read_advisories(path: Path) -> Advisories:
    """Read a file, a folder of `*.json`, or a zip of them.

    Raises:
        AdvisoryError: it is not there, no JSON, or of a form that is not known; the message names the file.
    """
    digest = hashlib.sha256()
    kinds: set[str] = set()
    records: list[Mapping[str, Any]] = []
    for name, data in _files(path):
        digest.update(f"{name}\0{len(data)}\0".encode() + data)
        kind, found = _read(name, data)
        kinds.add(kind)
        records += found
    if len(kinds) != 1:
        what = "pip-audit reports and OSV records together" if kinds else "no .json file in it"
        raise AdvisoryError(f"{path}: found {what}, expected one kind of advisories")
    as_of = max((str(r.get("modified") or "") for r in records), default="")
    return Advisories(path.name, digest.hexdigest(), kinds.pop(), tuple(records), as_of)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    try:
        if path.is_dir():
            for file in sorted(path.rglob("*.json")):
                yield file.name, file.read_bytes()
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in sorted(n for n in archive.namelist() if n.endswith(".json")):
                    yield name, archive.read(name)
        else:
            yield path.name, path.read_bytes()
    except (OSError, zipfile.BadZipFile) as error:
        raise AdvisoryError(f"{path}: the advisories cannot be read ({error})") from error


def _read(name: str, data: bytes) -> tuple[str, list[Mapping[str, Any]]]:
    try:
        content = json.loads(data)
    except ValueError as error:
        raise AdvisoryError(f"{name}: found no JSON ({error}), expected OSV records or a pip-audit report") from error
    listed = content if isinstance(content, list) else [content]
    if not all(isinstance(part, Mapping) for part in listed):
        raise AdvisoryError(f"{name}: found something other than objects, expected OSV records or a pip-audit report")
    if isinstance(content, Mapping) and "dependencies" in content:
        return "pip-audit", _checked(name, content["dependencies"], "name")
    if listed and all("name" in part and "vulns" in part for part in listed):
        return "pip-audit", _checked(name, listed, "name")
    if isinstance(content, Mapping) and "results" in content:
        packages = [package for result in content["results"] or () for package in result.get("packages") or ()]
        listed = [v for package in packages for v in package.get("vulnerabilities") or ()]
    elif isinstance(content, Mapping) and "vulns" in content:
        listed = content["vulns"]
    return "osv", _checked(name, listed, "id", "modified")


def _checked(name: str, records: Any, *needed: str) -> list[Mapping[str, Any]]:
    """Records that hold at least these fields; OSV asks for `id` and `modified` of every record."""
    if not isinstance(records, list):
        raise AdvisoryError(f"{name}: found {type(records).__name__}, expected a list of records")
    for number, record in enumerate(records, 1):
        missing = [field for field in needed if not isinstance(record, Mapping) or not record.get(field)]
        if missing:
            raise AdvisoryError(
                f"{name}: record {number} has no {', '.join(missing)}: neither OSV records nor a pip-audit report"
            )
        if not isinstance(record.get("affected") or [], list) or not isinstance(record.get("vulns") or [], list):
            raise AdvisoryError(f"{name}: record {number}: found no list where the affected versions are expected")
    return records


def _affecting(records: Iterable[Mapping[str, Any]], components: Sequence[Component]) -> list[Vulnerability]:
    by_name = {component.key: component for component in components}
    hits = []
    for record in records:
        if record.get("withdrawn"):
            continue
        for part in record.get("affected") or ():
            package = part.get("package") or {}
            component = by_name.get(canonical_name(str(package.get("name") or "")))
            if component is None or str(package.get("ecosystem") or "").split(":")[0] != "PyPI":
                continue
            affected, note = _is_affected(component.version, part)
            if affected:
                hits.append(
                    Vulnerability(
                        package=component.name,
                        version=component.version,
                        id=str(record["id"]),
                        aliases=tuple(map(str, record.get("aliases") or ())),
                        severity=_severity(record, part),
                        fixed=tuple(_fixes(part)),
                        note=note,
                    )
                )
    return hits


def _is_affected(version: str, part: Mapping[str, Any]) -> tuple[bool, str]:
    """Whether a version is among those listed, or inside a range; an unreadable version counts as affected."""
    from packaging.version import InvalidVersion, Version

    if version in (part.get("versions") or ()):
        return True, ""
    ranges = [r for r in part.get("ranges") or () if r.get("type") in _RANGES]
    if not ranges and not part.get("versions"):
        return True, "the advisory names no versions"
    try:
        own = Version(version)
        for known in part.get("versions") or ():
            if _same(own, str(known)):
                return True, ""
        return any(_inside(own, r.get("events") or ()) for r in ranges), ""
    except InvalidVersion as error:
        return True, f"versions cannot be compared ({error})"


def _same(own: Any, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return own == Version(other)
    except InvalidVersion:
        # Very old releases are listed as they were called; none of them equals a version that can be read.
        return False


def _inside(own: Any, events: Iterable[Mapping[str, str]]) -> bool:
    """The evaluation that the OSV schema describes: events in the order of versions switch the flaw on and off."""
    from packaging.version import Version

    def at(text: str) -> Any:
        return Version("0.dev0") if text == "0" else Version(text)

    order = {"introduced": 0, "fixed": 1, "last_affected": 2}
    steps = sorted((at(text), order[kind], kind) for event in events for kind, text in event.items() if kind in order)
    inside = False
    for bound, _, kind in steps:
        if kind == "introduced" and own >= bound:
            inside = True
        elif (kind == "fixed" and own >= bound) or (kind == "last_affected" and own > bound):
            inside = False
    return inside


def _fixes(part: Mapping[str, Any]) -> list[str]:
    ranges = [r for r in part.get("ranges") or () if r.get("type") in _RANGES]
    return sorted({str(e["fixed"]) for r in ranges for e in r.get("events") or () if "fixed" in e})


def _severity(record: Mapping[str, Any], part: Mapping[str, Any]) -> str:
    """As the database rates it in words, else from a CVSS 3 vector, else unknown."""
    for holder in (record, part):
        for field in ("database_specific", "ecosystem_specific"):
            word = str((holder.get(field) or {}).get("severity") or "").lower()
            word = _WORDS.get(word, word)
            if word in RANKS[:-1]:
                return word
    for holder in (part, record):
        for rating in holder.get("severity") or ():
            try:
                return level(base_score(str(rating.get("score"))))
            except ValueError:
                continue
    return UNKNOWN


def _audited(
    records: Iterable[Mapping[str, Any]], components: Sequence[Component]
) -> tuple[list[Vulnerability], list[str]]:
    """pip-audit's findings for the versions that are installed here, and the packages it did not look at."""
    entries = {canonical_name(str(r["name"])): r for r in records if not r.get("skip_reason")}
    hits, unchecked = [], []
    for component in components:
        entry = entries.get(component.key)
        if entry is None or str(entry.get("version")) != component.version:
            # What was found out about another version says nothing certain about this one.
            if not component.local:
                unchecked.append(f"{component.name} {component.version}")
            continue
        hits += [
            Vulnerability(
                package=component.name,
                version=component.version,
                id=str(found.get("id") or "without a name"),
                aliases=tuple(map(str, found.get("aliases") or ())),
                severity=UNKNOWN,
                fixed=tuple(map(str, found.get("fix_versions") or ())),
                note="pip-audit gives no severity",
            )
            for found in entry.get("vulns") or ()
        ]
    return hits, unchecked


def _merged(hits: Iterable[Vulnerability]) -> list[Vulnerability]:
    """One entry a flaw: databases write about the same one under several names. The gravest known severity counts."""
    groups: list[list[Vulnerability]] = []
    for hit in hits:
        names = {hit.id, *hit.aliases}
        same = [g for g in groups if g[0].package == hit.package and any(names & {o.id, *o.aliases} for o in g)]
        joined = [other for group in same for other in group]
        groups = [g for g in groups if g not in same] + [[*joined, hit]]
    return sorted((_one(group) for group in groups), key=lambda v: (-RANKS.index(v.severity), v.package, v.id))


def _one(group: Sequence[Vulnerability]) -> Vulnerability:
    first = min(group, key=lambda v: v.id)
    rated = [v.severity for v in group if v.severity != UNKNOWN]
    return Vulnerability(
        package=first.package,
        version=first.version,
        id=first.id,
        aliases=tuple(sorted({n for v in group for n in (v.id, *v.aliases)} - {first.id})),
        severity=max(rated, key=RANKS.index) if rated else UNKNOWN,
        fixed=tuple(sorted({f for v in group for f in v.fixed})),
        note="; ".join(sorted({v.note for v in group if v.note})) if all(v.note for v in group) else "",
    )
