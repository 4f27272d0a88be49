"""Artifact gate: the stored model is what was signed, and can be read without running foreign code."""

from fnmatch import fnmatchcase
from typing import Any

from mlops_assets.gates.ruling import listed, need, plain, ruling
from mlops_assets.governance.decisions import GateResult
from mlops_assets.governance.gate_rules import ArtifactRule

SEVERITIES = ("none", "low", "medium", "high", "critical")


def decide(evidence: Any, rule: ArtifactRule) -> GateResult:
    """Decide.

    Args:
        evidence: `signature` (`valid`, `invalid` or `missing`), `pickles` (names of files that unpickling would run),
            `foreign_types` (types outside the allow-list), `unpinned` (dependencies without an exact version), `bytes`
            (size); and, where known, `vulnerabilities` (list of `package`, `id`, `severity`) and `licences` (licence by
            package); None or absent: no advisory file was supplied.
        rule: the policy's.
    """
    found = {"vulnerabilities": None, "licences": None, **plain("artifact", evidence)}
    names = ("signature", "pickles", "foreign_types", "unpinned", "bytes", "vulnerabilities", "licences")
    measured = need("artifact", found, *names)
    size = None if measured["bytes"] is None else measured["bytes"] / 1e6
    words = (
        f"signature valid, no pickle, allow-listed types only, dependencies pinned, at most {rule.max_megabytes:g} MB, "
        f"no vulnerability above {rule.max_vulnerability}"
    )
    faults = []
    if measured["signature"] == "invalid":
        faults.append("the signature does not fit the bytes: the artifact was changed, or signed by another key")
    elif measured["signature"] != "valid":
        faults.append("the artifact is not signed")
    if measured["pickles"]:
        faults.append(f"holds pickles: {listed(measured['pickles'])}")
    if measured["foreign_types"]:
        faults.append(f"holds types outside the allow-list: {listed(measured['foreign_types'])}")
    if measured["unpinned"]:
        faults.append(f"dependencies without an exact version: {listed(measured['unpinned'])}")
    if size is not None and size > rule.max_megabytes:
        faults.append(f"{size:.1f} MB are more than {rule.max_megabytes:g}")
    tolerated = SEVERITIES.index(rule.max_vulnerability)
    bad = [v for v in measured["vulnerabilities"] or () if _severity(v) > tolerated]
    if bad:
        texts = [f"{v['id']} in {v['package']} ({v['severity']})" for v in bad]
        faults.append(f"known vulnerabilities: {listed(texts)}")
    barred = [
        f"{package} ({licence})"
        for package, licence in (measured["licences"] or {}).items()
        if any(fnmatchcase(licence, pattern) for pattern in rule.forbidden_licences)
    ]
    if barred:
        faults.append(f"licences that policy forbids: {listed(barred)}")

    def answer(outcome: Any, reason: str) -> GateResult:
        return ruling(
            "artifact", outcome, rule=words, reason=reason, measured=measured, value=size, threshold=rule.max_megabytes
        )

    if faults:
        return answer("failed", "; ".join(faults))
    if size is None:
        return answer("not_measurable", "the size of the artifact is unknown: no artifact was looked at")
    advice = "" if measured["vulnerabilities"] is not None else "; no advisory file was supplied"
    return answer("passed", f"signed, no pickle, {size:.1f} MB{advice}")


def _severity(found: dict[str, Any]) -> int:
    # A severity nobody has heard of is treated as the worst.
    severity = str(found["severity"]).lower()
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
