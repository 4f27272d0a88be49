"""What people sign about an incident, and what is refused."""

import pytest

from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incident_acts import acknowledge, add_ticket, close, merge, mitigate, sign_report
from mlops_assets.response.incidents import IncidentError, alarms, find, open_incident
from mlops_assets_tests.governance.world import MODEL

RULE = IncidentRule(close_roles=("validator",))


@pytest.fixture
def two(world):
    """Two open incidents of a model and of the fleet."""
    made = [
        open_incident(world.ledger, model, kind="data_quality", severity="act", summary="text", window="2021-01-01", cause=cause)
        for model, cause in ((MODEL, "one"), ("", "two"))
    ]  # fmt: skip
    return made[0].id, made[1].id


def test_mitigation_and_tickets_are_kept(world, two):
    one, _ = two
    mitigated = mitigate(world.ledger, world.keys["developer"], one, "limits lowered")
    assert (mitigated.state, mitigated.mitigated_by, mitigated.mitigation) == (
        "mitigated",
        "developer",
        "limits lowered",
    )
    assert acknowledge(world.ledger, world.keys["validator"], one).state == "mitigated"
    assert mitigate(world.ledger, world.keys["validator"], one, "again").mitigated_by == "developer"
    assert add_ticket(world.ledger, one, " RISK-7 ").tickets == ("RISK-7",)
    assert add_ticket(world.ledger, one, "RISK-7", "tracker").tickets == ("RISK-7",)
    assert not_counted(world.ledger.state()) == []


@pytest.mark.parametrize("reference", ["", "  ", "two\nlines", "x" * 201])
def test_a_reference_is_one_line(world, two, reference):
    with pytest.raises(ValueError, match="expected one line"):
        add_ticket(world.ledger, two[0], reference)


def test_a_merged_incident_goes_on_in_the_other(world, two):
    one, other = two
    done = merge(world.ledger, world.keys["validator"], RULE, one, other, "one feed")
    assert (done.state, done.merged_into, done.merged_by, done.is_open) == ("merged", other, "validator", False)
    assert merge(world.ledger, world.keys["validator"], RULE, one, other, "one feed") == done
    assert alarms(world.ledger.state(), MODEL)[0].disposition is None
    close(world.ledger, world.keys["validator"], RULE, other, "false", "nothing")
    assert alarms(world.ledger.state(), MODEL)[0].disposition == "false"
    with pytest.raises(IncidentError, match=f"was merged into {other}, so it cannot be closed: name {other}"):
        close(world.ledger, world.keys["validator"], RULE, one, "true", "text")


def test_what_cannot_be_merged(world, two):
    one, other = two
    with pytest.raises(NotAllowed, match="needs validator"):
        merge(world.ledger, world.keys["risk"], RULE, one, other, "one feed")
    with pytest.raises(IncidentError, match="into itself"):
        merge(world.ledger, world.keys["validator"], RULE, one, one, "one feed")
    with pytest.raises(ValueError, match="why are they one"):
        merge(world.ledger, world.keys["validator"], RULE, one, other, " ")
    close(world.ledger, world.keys["validator"], RULE, other, "true", "mended")
    with pytest.raises(IncidentError, match="is closed"):
        merge(world.ledger, world.keys["validator"], RULE, one, other, "one feed")


def test_the_cause_of_a_merged_incident_opens_no_other_while_it_goes_on(world, two):
    one, other = two
    merge(world.ledger, world.keys["validator"], RULE, one, other, "one feed")

    def again(window):
        return open_incident(
            world.ledger, MODEL, kind="data_quality", severity="act", summary="text", window=window, cause="one"
        )

    assert again("2021-02-01").id == one
    close(world.ledger, world.keys["validator"], RULE, other, "true", "mended")
    later = again("2021-03-01")
    assert (later.is_open, later.former) == (True, one)


def test_reports_are_signed_by_each_person_once_and_after_closure(world, two):
    one, _ = two
    close(world.ledger, world.keys["validator"], RULE, one, "true", "mended")
    for person in ("validator", "developer", "validator"):
        sign_report(world.ledger, world.keys[person], one, "a" * 64)
    found = find(world.ledger.state(), one)
    assert [(r.person, r.digest) for r in found.reports] == [("validator", "a" * 64), ("developer", "a" * 64)]
    assert not_counted(world.ledger.state()) == []
