"""Artifact gate: the stored model is what was signed, can be read without running foreign code, and runs on software that
was looked at."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlops_assets.evaluation.software.licences import forbidden
from mlops_assets.gates.ruling import listed, need, plain, ruling
from mlops_assets.governance.decisions import GateResult
from mlops_assets.policy.gate_rules import ArtifactRule

SEVERITIES = ("none", "low", "medium", "high", "critical")
NAMES = ("signature", "pickles", "foreign_types", "bytes", "sbom", "licences", "lock", "advisories")
NO_LOCK = "there is no requirements.lock in the project's root (`pip freeze > requirements.lock` makes one)"
NOTHING = {"sbom": None, "licences": None, "lock": None, "advisories": None}


def decide(evidence: Any, rule: ArtifactRule) -> GateResult:
    """Decide.

    Args:
        evidence: `signature` (`valid`, `invalid` or `missing`), `pickles` (names of files that unpickling would run),
            `foreign_types` (types outside the allow-list), `bytes` (size); and, None where it was not looked at:
            `sbom` (digest of the environment's bill of materials), `licences` (packages by licence), `lock` (`source`,
            `different`, `unpinned`, `pinned`; or `error`), `advisories` (`source`, `as_of`, `vulnerabilities`,
            `unchecked`; or `error`), as `evaluation.software.report` gives them.
        rule: the policy's.
    """
    measured = need("artifact", {**NOTHING, **plain("artifact", evidence)}, *NAMES)
    size = None if measured["bytes"] is None else measured["bytes"] / 1e6
    words = [
        "signature valid, no pickle, allow-listed types only",
        f"at most {rule.max_megabytes:g} MB",
        f"no vulnerability above {rule.max_vulnerability}"
        + (" (a check is required)" if rule.require_advisories else ""),
    ]
    words += ["packages as pinned"] if rule.require_lock else []
    words += [f"no licence {listed(rule.forbidden_licences)}"] if rule.forbidden_licences else []
    faults = _faults_of_files(measured, size, rule) + _faults_of_software(measured, rule)

    def answer(outcome: Any, reason: str) -> GateResult:
        result = ruling(
            "artifact",
            outcome,
            rule=", ".join(words),
            reason=reason,
            measured=measured,
            value=size,
            threshold=rule.max_megabytes,
        )
        # The bill of materials is a file of its own, so its digest stands beside that of the measurements.
        bill = {"sbom": measured["sbom"]} if measured["sbom"] else {}
        return replace(result, evidence={**result.evidence, **bill})

    if faults:
        return answer("failed", "; ".join(faults))
    unknown = [] if size is not None else ["the size of the artifact is unknown: no artifact was looked at"]
    unknown += _unknown_of_software(measured, rule)
    if unknown:
        return answer("not_measurable", "; ".join(unknown))
    return answer("passed", "; ".join([f"signed, no pickle, {size:.1f} MB", *_said_of_software(measured)]))


def _faults_of_files(measured: Mapping[str, Any], size: float | None, rule: ArtifactRule) -> list[str]:
    faults = []
    if measured["signature"] == "invalid":
        faults.append("the signature does not fit the bytes: the artifact was changed, or signed by another key")
    elif measured["signature"] != "valid":
        faults.append("the artifact is not signed")
    if measured["pickles"]:
        faults.append(f"holds pickles: {listed(measured['pickles'])}")
    if measured["foreign_types"]:
        faults.append(f"holds types outside the allow-list: {listed(measured['foreign_types'])}")
    if size is not None and size > rule.max_megabytes:
        faults.append(f"{size:.1f} MB are more than {rule.max_megabytes:g}")
    return faults


def _faults_of_software(measured: Mapping[str, Any], rule: ArtifactRule) -> list[str]:
    faults = []
    different = (measured["lock"] or {}).get("different") or ()
    if rule.require_lock and different:
        faults.append(f"packages are not as pinned: {listed(different)}")
    tolerated = SEVERITIES.index(rule.max_vulnerability)
    known = (measured["advisories"] or {}).get("vulnerabilities") or ()
    bad = [v for v in known if _severity(v) > tolerated]
    if bad:
        faults.append(f"known vulnerabilities: {listed([_named(v) for v in bad])}")
    barred = [
        f"{listed(packages)} ({licence})"
        for licence, packages in (measured["licences"] or {}).items()
        if forbidden(licence, rule.forbidden_licences)
    ]
    if barred:
        faults.append(f"licences that policy forbids: {listed(barred)}")
    return faults


def _unknown_of_software(measured: Mapping[str, Any], rule: ArtifactRule) -> list[str]:
    """What could not be checked, and either policy asks for or somebody tried."""
    unknown = []
    advisories: Any = measured["advisories"]
    lock: Any = measured["lock"]
    if advisories is not None and "error" in advisories:
        # Whoever supplied a file meant it to be read: what it says is not known, whatever policy asks.
        unknown.append(f"vulnerabilities were not checked: {advisories['error']}")
    elif advisories is None:
        if rule.require_advisories:
            unknown.append("vulnerabilities were not checked: no advisory file was supplied (set MLOPS_ADVISORIES)")
    elif rule.require_advisories and advisories["unchecked"]:
        unknown.append(f"{advisories['source']} does not cover {listed(advisories['unchecked'])}")
    if rule.require_lock and (lock is None or "error" in lock):
        why = NO_LOCK if lock is None else lock["error"]
        unknown.append(f"whether packages are as pinned is not known: {why}")
    if rule.forbidden_licences and measured["licences"] is None:
        unknown.append("licences were not looked at")
    return unknown


def _said_of_software(measured: Mapping[str, Any]) -> list[str]:
    """What a reader of a pass should know."""
    advisories: Any = measured["advisories"]
    lock: Any = measured["lock"]
    if advisories is None:
        said = ["vulnerabilities not checked: no advisory file was supplied"]
    else:
        tolerated = [_named(v) for v in advisories["vulnerabilities"]]
        found = f"tolerated: {listed(tolerated)}" if tolerated else "no known vulnerability"
        dated = f", as of {advisories['as_of'][:10]}" if advisories["as_of"] else ""
        gaps = f", {len(advisories['unchecked'])} packages not covered" if advisories["unchecked"] else ""
        said = [f"{found} ({advisories['source']}{dated}{gaps})"]
    if lock is None or "error" in lock:
        said.append("not compared with a lock" if lock is None else f"not compared with the lock: {lock['error']}")
    else:
        said.append(f"{lock['pinned']} packages as pinned")
        if lock["different"]:
            said.append(f"not as pinned: {listed(lock['different'])}")
        if lock["unpinned"]:
            said.append(f"not in the lock: {listed(lock['unpinned'])}")
    return said


def _named(found: Mapping[str, Any]) -> str:
    return f"{found['id']} in {found['package']} ({found['severity']})"


def _severity(found: Mapping[str, Any]) -> int:
    # A severity nobody has heard of is treated as the worst.
    severity = str(found["severity"]).lower()
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
