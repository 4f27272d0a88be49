from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided

D1 = "1" * 64


def artifact(**changes) -> dict[str, Any]:
    good = {"signature": "valid", "pickles": [], "foreign_types": [], "bytes": 1_000_000}
    return {**good, **changes}


def advisories(*vulnerabilities, unchecked=()) -> dict[str, Any]:
    found = [{"package": "p", "id": i, "severity": severity} for i, severity in vulnerabilities]
    return {
        "source": "osv.json",
        "as_of": "2026-11-01T08:00:00Z",
        "vulnerabilities": found,
        "unchecked": list(unchecked),
    }


def lock(*different, unpinned=()) -> dict[str, Any]:
    return {"source": "requirements.lock", "different": list(different), "unpinned": list(unpinned), "pinned": 9}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    *[
        (
            {"max_vulnerability": "medium"},
            artifact(advisories=advisories(("X-1", severity))),
            outcome,
            f"a vulnerability of severity {severity}",
        )
        for severity, outcome in (("low", P), ("medium", P), ("high", F), ("Critical", F), ("unheard of", F))
    ],
    ({}, artifact(), P, "signed and clean"),
    ({"max_megabytes": 1}, artifact(), P, "exactly the largest size"),
    ({"max_megabytes": 1}, artifact(bytes=1_000_001), F, "one byte too many"),
    ({}, artifact(signature="missing"), F, "unsigned"),
    ({}, artifact(signature="invalid"), F, "changed after signing"),
    ({}, artifact(pickles=["model.pkl"]), F, "a pickle"),
    ({}, artifact(foreign_types=["os.system"]), F, "a type outside the allow-list"),
    ({"require_lock": True}, artifact(lock=lock()), P, "everything as pinned"),
    ({"require_lock": True}, artifact(lock=lock("numpy 1 (pinned 2)")), F, "another version than pinned"),
    ({"require_lock": True}, artifact(lock=lock(unpinned=["tool 1"])), P, "a tool beside the project"),
    ({"require_lock": True}, artifact(), N, "a lock is asked for and there is none"),
    ({"require_lock": True}, artifact(lock={"error": "line 3"}), N, "a lock that cannot be read"),
    ({}, artifact(lock=lock("numpy 1 (pinned 2)")), P, "a deviation that policy only shows"),
    ({}, artifact(lock={"error": "line 3"}), P, "an unreadable lock that policy does not ask for"),
    ({"require_advisories": True}, artifact(), N, "a check is asked for and no file was supplied"),
    ({"require_advisories": True}, artifact(advisories=advisories()), P, "checked, nothing known"),
    (
        {"require_advisories": True},
        artifact(advisories=advisories(unchecked=["q 1"])),
        N,
        "a package that the file does not cover",
    ),
    ({}, artifact(advisories=advisories(unchecked=["q 1"])), P, "a gap that policy only shows"),
    ({}, artifact(advisories={"source": "x", "error": "no JSON"}), N, "a file that cannot be read"),
    (
        {},
        artifact(advisories={"source": "x", "error": "no JSON"}, signature="missing"),
        F,
        "unsigned, whatever else is unknown",
    ),
    ({}, artifact(bytes=None), N, "no artifact was looked at"),
    ({"forbidden_licences": ("AGPL-*",)}, artifact(licences={"AGPL-3.0": ["p"]}), F, "a forbidden licence"),
    ({"forbidden_licences": ("AGPL-*",)}, artifact(licences={"LGPL-3.0": ["p"]}), P, "another licence"),
    ({"forbidden_licences": ("AGPL-*",)}, artifact(licences={"MIT OR AGPL-3.0": ["p"]}), P, "a choice that is allowed"),
    ({"forbidden_licences": ("AGPL-*",)}, artifact(licences=None), N, "licences nobody looked at"),
    ({"forbidden_licences": ("unknown",)}, artifact(licences={"unknown": ["p"]}), F, "no licence stated"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, artifact(), 1.0, 200.0, ["1.0 MB"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("artifact", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("artifact", *shown)


def test_the_rule_shows_what_applies() -> None:
    found = decided("artifact", {"require_lock": True, "require_advisories": True}, artifact())
    assert "packages as pinned" in found.rule
    assert "a check is required" in found.rule


def test_a_refusal_names_the_vulnerability() -> None:
    reason = decided("artifact", {}, artifact(advisories=advisories(("PYSEC-1", "critical")))).reason
    assert all(word in reason for word in ("PYSEC-1", "p", "critical"))


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        (artifact(), ["not checked: no advisory file", "not compared with a lock"]),
        (artifact(own_types=["bank.Scorecard"]), ["types that the declaration trusts: bank.Scorecard"]),
        (
            artifact(advisories=advisories(("X-1", "low"), unchecked=["q 1"]), lock=lock("n 1", unpinned=["t 1"])),
            ["tolerated: X-1", "osv.json, as of 2026-11-01, 1 packages not covered", "not as pinned: n 1", "t 1"],
        ),
    ],
)
def test_a_pass_shows_what_it_rests_on(evidence: dict[str, Any], words: list[str]) -> None:
    found = decided("artifact", {}, evidence)
    assert found.passed
    assert all(word in found.reason for word in words), found.reason


def test_the_bill_of_materials_is_evidence_of_its_own() -> None:
    assert decided("artifact", {}, artifact(sbom=D1)).evidence["sbom"] == D1
