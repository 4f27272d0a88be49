from datetime import timedelta

import pytest

from mlops_assets.governance.findings import NoSuchFinding, blocking, close_finding, record_finding, respond
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.people import NotAllowed
from mlops_assets_tests.governance.world import MODEL, policy, registration
from mlops_assets_tests.ledger.raw import raw

POLICY = policy(findings={"blocks_from": "medium"})


@pytest.fixture
def ready(world):
    world.register()
    return world


def find(world, severity="high", by="validator", version=None, days=30):
    due = world.clock.now + timedelta(days=days)
    return record_finding(
        world.ledger, world.keys[by], MODEL, severity, "weak data", "developer", due, version=version, condition="cap"
    ).subject


def findings(world):
    return list(world.ledger.state().model(MODEL).findings.values())


def test_its_life(ready):
    identity = find(ready)
    assert identity == "loans-F1"
    respond(ready.ledger, ready.keys["developer"], MODEL, identity, "we added two years")
    (found,) = findings(ready)
    assert (found.response, found.open, found.condition) == ("we added two years", True, "cap")
    close_finding(ready.ledger, ready.keys["second"], MODEL, identity, "two years are enough")
    (found,) = findings(ready)
    assert (found.open, found.closed_by) == (False, "second")
    with pytest.raises(NoSuchFinding, match="no open finding"):
        close_finding(ready.ledger, ready.keys["second"], MODEL, identity, "again")


def test_who_closed_it_and_builds_a_later_version_does_not_open_it_again(ready):
    identity = find(ready)
    close_finding(ready.ledger, ready.keys["second"], MODEL, identity, "two years are enough")
    later = registration(2).model_copy(update={"developers": ("second",)})
    ready.ledger.append(later, model=MODEL, subject="2")
    assert [f.open for f in findings(ready)] == [False]


@pytest.mark.parametrize(
    ("severity", "version", "blocks"),
    [("low", None, False), ("medium", None, True), ("critical", 1, True), ("critical", 2, False)],
)
def test_what_blocks_which_version(ready, severity, version, blocks):
    ready.register(2)
    find(ready, severity, version=version)
    assert bool(blocking(ready.ledger.state().model(MODEL), POLICY, 1)) == blocks
    assert blocking(ready.ledger.state().model(MODEL), policy(findings={"blocks_from": "never"}), 1) == []


def test_one_past_its_due_date_is_overdue_until_closed_and_afterwards_was(ready):
    identity = find(ready, days=5)
    (found,) = findings(ready)
    assert not found.overdue(ready.clock.now)
    ready.clock.pass_days(6)
    assert found.overdue(ready.clock.now)
    close_finding(ready.ledger, ready.keys["second"], MODEL, identity, "late, but done")
    (found,) = findings(ready)
    assert found.overdue(ready.clock.now)


def test_only_validators_find_and_close_and_never_their_own_work(ready):
    with pytest.raises(NotAllowed, match="needs validator"):
        find(ready, by="root")
    enrol(ready.ledger, ready.keys["root"], "developer", ready.keys["developer"].public, ["validator"])
    with pytest.raises(NotAllowed, match="built this version"):
        find(ready, by="developer")
    identity = find(ready)
    with pytest.raises(NotAllowed, match="built this version"):
        close_finding(ready.ledger, ready.keys["developer"], MODEL, identity, "fine")


def test_a_closure_of_another_finding_closes_nothing(ready):
    first, second = find(ready), find(ready)
    body = close_finding(ready.ledger, ready.keys["second"], MODEL, first, "fine").body
    ready.ledger.append(raw("finding_closed", body), model=MODEL, subject=second)
    ready.ledger.append(raw("finding_closed", {"person": "second"}), model=MODEL, subject=second)
    assert [finding.open for finding in findings(ready)] == [False, True]
