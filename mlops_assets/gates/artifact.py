"""Artifact gate: the stored model is what was signed, can be read without running foreign code, and runs on software that
was checked."""

from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.gates.gate import Evidence, Finding, Gate, GateOutcome, GateRule, listed
from mlops_assets.gates.licences import forbidden
from mlops_assets.strictness import LowerFloat, Stricter, TrueStricter

SEVERITIES = ("none", "low", "medium", "high", "critical")
NO_LOCK = "there is no requirements.lock in the project's root (`pip freeze > requirements.lock` makes one)"
NO_ADVISORIES = "no advisory file was supplied"


class ArtifactRule(GateRule):
    """The stored model is what was signed, and safe to read."""

    max_megabytes: LowerFloat = Field(default=200.0, gt=0)
    """Largest artifact."""
    max_vulnerability: Annotated[
        Literal["critical", "high", "medium", "low", "none"],
        Stricter("ordered", ("critical", "high", "medium", "low", "none")),
    ] = "high"
    """Worst severity of a known vulnerability that is tolerated, where an advisory file is supplied; one without a rating
    counts as the worst."""
    require_advisories: TrueStricter = False
    """Whether the packages must have been checked against an advisory file (`MLOPS_ADVISORIES`); without one the gate is
    then not measurable."""
    require_lock: TrueStricter = False
    """Whether every installed package that `requirements.lock` names must have the version named there; without that file
    the gate is then not measurable."""
    forbidden_licences: Annotated[tuple[str, ...], Stricter("more")] = ()
    """SPDX ids or patterns that no installed package may be bound to, such as `AGPL-*`; `unknown`: none is stated."""


@dataclass(frozen=True)
class Vulnerability(Evidence):
    """One known vulnerability of an installed package.

    Attributes:
        package: name.
        id: of the advisory.
        severity: as rated; unrated counts as the gravest.
        version: that is installed.
        aliases: other ids of the same advisory.
        fixed: versions that no longer have it.
        note: what else the advisory says.
    """

    package: str
    id: str
    severity: str
    version: str = ""
    aliases: tuple[str, ...] = ()
    fixed: tuple[str, ...] = ()
    note: str = ""

    @property
    def rank(self) -> int:
        """Position in `SEVERITIES`; an unknown severity ranks above the worst."""
        severity = self.severity.lower()
        return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)

    def __str__(self) -> str:
        return f"{self.id} in {self.package} ({self.severity})"


@dataclass(frozen=True)
class Advisories(Evidence):
    """What an advisory file says of the installed packages; `error` says why it could not be read.

    Attributes:
        source: the advisory file; empty where none was supplied.
        as_of: its date, or None where it has none.
        vulnerabilities: known ones of installed packages.
        unchecked: installed packages that the file says nothing about.
        error: why the file could not be read; empty where it was.
    """

    source: str = ""
    as_of: str | None = None
    vulnerabilities: tuple[Vulnerability, ...] = ()
    unchecked: tuple[str, ...] = ()
    error: str = ""


@dataclass(frozen=True)
class LockComparison(Evidence):
    """Installed packages against the lock; `error` says why the lock could not be read.

    Attributes:
        source: the lock file.
        different: packages whose installed version is another than the lock's.
        unpinned: installed packages that the lock does not name.
        pinned: number of packages that agree.
        error: why the lock could not be read; empty where it was.
    """

    source: str = ""
    different: tuple[str, ...] = ()
    unpinned: tuple[str, ...] = ()
    pinned: int = 0
    error: str = ""


@dataclass(frozen=True)
class ArtifactEvidence(Evidence):
    """The stored model and its software; None where something was not checked.

    Attributes:
        signature: `valid`, `invalid` or `missing`.
        pickles: names of files that unpickling would run.
        foreign_types: types outside the allow-list.
        own_types: types that only the declaration trusts: approving the version approves them.
        bytes: size of all files.
        sbom: SHA-256 of the environment's bill of materials.
        licences: packages by licence.
        lock, advisories: as `evaluation.software.report` gives them.
    """

    signature: str
    pickles: tuple[str, ...]
    foreign_types: tuple[str, ...]
    bytes: int | None
    own_types: tuple[str, ...] = ()
    sbom: str | None = None
    licences: dict[str, tuple[str, ...]] | None = None
    lock: LockComparison | None = None
    advisories: Advisories | None = None

    @property
    def megabytes(self) -> float | None:
        """Size in millions of bytes."""
        return None if self.bytes is None else self.bytes / 1e6

    @property
    def files(self) -> dict[str, str]:
        """The bill of materials is a file of its own."""
        return {"sbom": self.sbom} if self.sbom else {}


def decide(evidence: ArtifactEvidence, rule: ArtifactRule) -> Finding:
    """Fail on an unsigned, changed, unsafe or too large artifact, or on software that the policy forbids."""

    def finding(outcome: GateOutcome, reason: str) -> Finding:
        return Finding(outcome, _rule_text(rule), reason, evidence.megabytes, rule.max_megabytes)

    faults = _file_faults(evidence, rule) + _software_faults(evidence, rule)
    if faults:
        return finding("failed", "; ".join(faults))
    unknown = [] if evidence.bytes is not None else ["the size of the artifact is unknown: no artifact was found"]
    unknown += _unchecked_software(evidence, rule)
    if unknown:
        return finding("not_measurable", "; ".join(unknown))
    size = f"signed, no pickle, {evidence.megabytes:.1f} MB"
    size += f", types that the declaration trusts: {', '.join(evidence.own_types)}" if evidence.own_types else ""
    return finding("passed", "; ".join([size, _advisories_text(evidence.advisories), *_lock_texts(evidence.lock)]))


def _rule_text(rule: ArtifactRule) -> str:
    checked = " (a check is required)" if rule.require_advisories else ""
    parts = [
        "signature valid, no pickle, allow-listed types only",
        f"at most {rule.max_megabytes:g} MB",
        f"no vulnerability above {rule.max_vulnerability}{checked}",
    ]
    parts += ["packages as pinned"] if rule.require_lock else []
    parts += [f"no licence {listed(rule.forbidden_licences)}"] if rule.forbidden_licences else []
    return ", ".join(parts)


def _file_faults(evidence: ArtifactEvidence, rule: ArtifactRule) -> list[str]:
    faults: list[str] = []
    if evidence.signature == "invalid":
        faults.append("the signature does not match: the artifact was changed, or signed by another key")
    elif evidence.signature != "valid":
        faults.append("the artifact is not signed")
    if evidence.pickles:
        faults.append(f"holds pickles: {listed(evidence.pickles)}")
    if evidence.foreign_types:
        faults.append(f"holds types outside the allow-list: {listed(evidence.foreign_types)}")
    if evidence.megabytes is not None and evidence.megabytes > rule.max_megabytes:
        faults.append(f"{evidence.megabytes:.1f} MB are more than {rule.max_megabytes:g}")
    return faults


def _software_faults(evidence: ArtifactEvidence, rule: ArtifactRule) -> list[str]:
    faults: list[str] = []
    if rule.require_lock and evidence.lock and evidence.lock.different:
        faults.append(f"packages are not as pinned: {listed(evidence.lock.different)}")
    tolerated = SEVERITIES.index(rule.max_vulnerability)
    known = evidence.advisories.vulnerabilities if evidence.advisories else ()
    if above := [v for v in known if v.rank > tolerated]:
        faults.append(f"known vulnerabilities: {listed(above)}")
    barred = [
        f"{listed(packages)} ({licence})"
        for licence, packages in (evidence.licences or {}).items()
        if forbidden(licence, rule.forbidden_licences)
    ]
    if barred:
        faults.append(f"licences that the policy forbids: {listed(barred)}")
    return faults


def _unchecked_software(evidence: ArtifactEvidence, rule: ArtifactRule) -> list[str]:
    """What could not be checked although the policy requires it, or a file for it was supplied."""
    unchecked: list[str] = []
    advisories, lock = evidence.advisories, evidence.lock
    if advisories is not None and advisories.error:
        # A file was supplied to be read: what it would have shown is unknown, whatever the policy requires.
        unchecked.append(f"vulnerabilities were not checked: {advisories.error}")
    elif advisories is None:
        if rule.require_advisories:
            unchecked.append(f"vulnerabilities were not checked: {NO_ADVISORIES} (set MLOPS_ADVISORIES)")
    elif rule.require_advisories and advisories.unchecked:
        unchecked.append(f"{advisories.source} does not cover {listed(advisories.unchecked)}")
    if rule.require_lock and (lock is None or lock.error):
        why = NO_LOCK if lock is None else lock.error
        unchecked.append(f"packages could not be compared with the lock: {why}")
    if rule.forbidden_licences and evidence.licences is None:
        unchecked.append("licences were not checked")
    return unchecked


def _advisories_text(advisories: Advisories | None) -> str:
    """What a reader of a pass should know of vulnerabilities."""
    if advisories is None:
        return f"vulnerabilities not checked: {NO_ADVISORIES}"
    known = advisories.vulnerabilities
    tolerated = f"tolerated: {listed(known)}" if known else "no known vulnerability"
    dated = f", as of {advisories.as_of[:10]}" if advisories.as_of else ""
    gaps = f", {len(advisories.unchecked)} packages not covered" if advisories.unchecked else ""
    return f"{tolerated} ({advisories.source}{dated}{gaps})"


def _lock_texts(lock: LockComparison | None) -> list[str]:
    """What a reader of a pass should know of the lock."""
    if lock is None or lock.error:
        return ["not compared with a lock" if lock is None else f"not compared with the lock: {lock.error}"]
    texts = [f"{lock.pinned} packages as pinned"]
    texts += [f"not as pinned: {listed(lock.different)}"] if lock.different else []
    return texts + ([f"not in the lock: {listed(lock.unpinned)}"] if lock.unpinned else [])


GATE = Gate(
    "artifact",
    "Is the model what was signed, and safe to read?",
    ArtifactEvidence,
    ArtifactRule,
    decide,
    stage="challenger",
    stops=True,
)
