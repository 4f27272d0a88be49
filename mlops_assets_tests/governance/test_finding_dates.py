"""Who owns a finding, until when, and how a due date is moved."""

from datetime import timedelta

import pytest

from mlops_assets.governance.findings import NoSuchFinding, close_finding, extend_finding, record_finding
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.release.oversight import due
from mlops_assets_tests.governance.world import MODEL, World, policy


def found(world: World, days: float = 10, owner: str = "developer") -> str:
    world.register()
    day = world.clock.now + timedelta(days=days)
    return record_finding(world.ledger, world.keys["validator"], MODEL, "critical", "weak data", owner, day).subject


@pytest.mark.parametrize(
    ("days", "owner", "why"),
    [
        (10, "somebody", "found owner 'somebody', expected somebody enrolled for loans: developer"),
        (-1, "developer", "found due date .*, expected one after now"),
    ],
    ids=["an owner who is not enrolled", "a due date that is past"],
)
def test_what_nobody_could_answer_in_time_is_refused(world, days, owner, why):
    with pytest.raises(ValueError, match=why):
        found(world, days, owner)
    assert world.ledger.state().model(MODEL).findings == {}


def extend(world: World, identity: str, days: float, by: str = "second", reason: str = "the data come in May"):
    day = world.clock.now + timedelta(days=days)
    return extend_finding(world.ledger, world.keys[by], MODEL, identity, day, reason)


def test_an_extension_moves_the_due_date_and_says_why(world):
    identity = found(world, 10)
    extend(world, identity, 30)
    finding = world.ledger.state().model(MODEL).findings[identity]
    (extension,) = finding.extensions
    assert (extension.person, extension.reason, extension.due) == ("second", "the data come in May", finding.due)
    world.clock.pass_days(20)
    assert due(world.ledger.state(), policy(), MODEL, world.ledger.clock()) == []
    world.clock.pass_days(20)
    (opening,) = due(world.ledger.state(), policy(), MODEL, world.ledger.clock())
    assert opening.kind == "finding_overdue"


def test_a_date_that_was_extended_and_passed_again_is_another_occasion(world):
    identity = found(world, 10)
    world.clock.pass_days(11)
    (first,) = due(world.ledger.state(), policy(), MODEL, world.ledger.clock())
    extend(world, identity, 5)
    assert due(world.ledger.state(), policy(), MODEL, world.ledger.clock()) == []
    world.clock.pass_days(6)
    (second,) = due(world.ledger.state(), policy(), MODEL, world.ledger.clock())
    assert first.occasion != second.occasion


@pytest.mark.parametrize(
    ("days", "reason", "why"), [(5, "why not", "expected one after"), (30, " ", "needs a reason")],
    ids=["an earlier day", "no reason"],
)  # fmt: skip
def test_an_extension_is_to_a_later_day_and_has_a_reason(world, days, reason, why):
    identity = found(world, 10)
    with pytest.raises(ValueError, match=why):
        extend(world, identity, days, reason=reason)


@pytest.mark.parametrize("by", ["developer", "stranger"])
def test_who_may_not_extend(world, by):
    identity = found(world)
    with pytest.raises(NotAllowed):
        extend(world, identity, 30, by=by)


def test_a_closed_finding_is_not_extended(world):
    identity = found(world)
    close_finding(world.ledger, world.keys["second"], MODEL, identity, "settled")
    with pytest.raises(NoSuchFinding):
        extend(world, identity, 30)


def test_an_extension_played_again_changes_nothing(world):
    identity = found(world, 10)
    first = extend(world, identity, 20)
    extend(world, identity, 30)
    before = world.ledger.state().model(MODEL).findings[identity]
    world.ledger.append(first.event, model=MODEL, subject=identity)
    assert world.ledger.state().model(MODEL).findings[identity] == before
    assert "a replay" in world.ledger.state().refused[-1].reason
