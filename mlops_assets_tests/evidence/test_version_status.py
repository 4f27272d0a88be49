"""The status of a version, and the one obstacle that is named, in the order in which promotion meets them."""

from collections.abc import Callable

import pytest

from mlops_assets.evidence.version_status import VersionStatus, version_statuses
from mlops_assets.ledger.events import champion
from mlops_assets_tests.evidence.life import MODEL, POLICY, Life


def statuses(life: Life) -> dict[str, VersionStatus]:
    return version_statuses(life.ledger, POLICY, life.ledger.state().model(MODEL))


def measured(life: Life, version: str, failed: str = "") -> None:
    """A registered version on which every required gate has decided, and its card."""
    life.register(version)
    for gate in POLICY.gates.required:
        life.decide(version, gate, "failed" if gate == failed else "passed")
    life.card(version)


def undecided(life: Life) -> None:
    life.register("1")


def refused(life: Life) -> None:
    measured(life, "1", failed=POLICY.gates.required[0])


def waiting(life: Life) -> None:
    measured(life, "1")


def rejected(life: Life) -> None:
    measured(life, "1")
    life.approve("validator", "1", "reject", rationale="Too few rows")


def released(life: Life) -> None:
    life.release("1", "2003-10-01")


def suspended(life: Life) -> None:
    released(life)
    life.intervene("developer", champion.Suspension, "1", "wrong prices")


def retired(life: Life) -> None:
    released(life)
    life.intervene("model-risk", champion.Retirement, "1", "no longer needed")


@pytest.mark.parametrize(
    ("story", "status", "reason"),
    [
        (undecided, "blocked", "no passing decision of gates"),
        (refused, "refused", "Refused by gate"),
        (waiting, "waiting for approval", "Signatures missing: validator, model-risk."),
        (rejected, "rejected", "Rejected by validator (validator)."),
        (released, "champion", "This version decides."),
        (suspended, "suspended", "no version decides"),
        (retired, "retired", "The model is retired."),
    ],
    ids=lambda v: v.__name__ if callable(v) else "",
)
def test_a_version_has_one_status_and_says_why(
    life: Life, story: Callable[[Life], None], status: str, reason: str
) -> None:
    life.adopt(when="2003-09-01")
    story(life)
    found = statuses(life)["1"]
    assert found.status == status
    assert reason in found.reason
    assert bool(found.commands) is (status == "waiting for approval")


def test_versions_before_the_newest_are_former_refused_or_superseded(life: Life) -> None:
    life.adopt(when="2003-09-01")
    life.release("1", "2003-10-01")
    measured(life, "2", failed=POLICY.gates.required[0])
    measured(life, "3")
    life.release("4", "2004-01-01", former=1)
    assert {name: s.status for name, s in statuses(life).items()} == {
        "1": "former champion",
        "2": "refused",
        "3": "superseded",
        "4": "champion",
    }
    assert statuses(life)["3"].reason == "Version 4 was registered before this one was released."
