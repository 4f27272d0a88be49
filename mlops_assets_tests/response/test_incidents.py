"""One cause opens one incident; people sign what it turned out to be."""

from datetime import timedelta

import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.events.judgements import REOPEN_DAYS
from mlops_assets.ledger.events.response import IncidentAcknowledged, IncidentClosed
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incident_acts import acknowledge, close
from mlops_assets.response.incidents import IncidentError, alarms, find, incidents, open_incident
from mlops_assets_tests.governance.world import MODEL, World, policy

RULE = IncidentRule()


@pytest.fixture
def ledger(world):
    return world.ledger


def opened(ledger, window="1995-01-01", columns=("mig_reg", "mig_msa"), model=MODEL, kind="data_quality", **more):
    return open_incident(
        ledger, model, kind=kind, severity="critical", summary="two columns", window=window, columns=columns, **more
    )


def shut(world: World, identity: str, disposition: str = "true", by: str = "validator", rule: IncidentRule = RULE):
    return close(world.ledger, world.keys[by], rule, identity, disposition, "looked at the feed")


def test_opening_keeps_what_is_needed(ledger):
    incident = opened(ledger, rule="null_rate")
    assert incident == find(ledger.state(), incident.id)
    assert incident.columns == ("mig_msa", "mig_reg")
    assert incident.cause == "data_quality:mig_msa,mig_reg"
    assert (incident.state, incident.is_open, incident.disposition) == ("open", True, None)


def test_the_same_cause_opens_one_while_it_is_open(ledger):
    first = opened(ledger)
    assert opened(ledger).id == first.id
    assert opened(ledger, columns=("mig_msa", "mig_reg"), window="1996-01-01").id == first.id
    assert len(ledger.records(kind="incident_opened")) == 1


@pytest.mark.parametrize(
    "other", [{"columns": ("mig_reg",)}, {"model": "other"}, {"kind": "concept_drift"}, {"cause": "other"}]
)
def test_another_cause_opens_another(ledger, other):
    assert opened(ledger).id != opened(ledger, **other).id
    assert len(incidents(ledger.state())) == 2


def test_a_closed_one_is_opened_again_by_a_later_window_and_not_by_its_own(world):
    first = opened(world.ledger)
    shut(world, first.id, "false")
    assert opened(world.ledger).state == "closed"
    world.clock.now += timedelta(days=REOPEN_DAYS - 1)
    again = opened(world.ledger, window="1996-01-01")
    assert (again.id, again.state, again.window, again.former) == (first.id, "open", "1996-01-01", "")
    assert (again.first.window, again.disposition, again.acknowledged_by) == ("1995-01-01", None, "")
    assert [spell.disposition for spell in again.spells] == ["false", None]
    shut(world, again.id)
    assert [alarm.disposition for alarm in alarms(world.ledger.state(), MODEL)] == ["false", "true"]


def test_after_the_policys_time_another_is_opened_that_names_the_former(world):
    adopt(world.ledger, MODEL, policy(incidents={"reopen_days": 5}))
    first = opened(world.ledger)
    shut(world, first.id)
    world.clock.now += timedelta(days=6)
    later = opened(world.ledger, window="1996-01-01")
    assert (later.is_open, later.former) == (True, first.id)
    assert later.id != first.id


def test_acknowledging_and_closing(world):
    ledger, first = world.ledger, opened(world.ledger)
    assert acknowledge(ledger, world.keys["validator"], first.id, "looking").state == "acknowledged"
    assert acknowledge(ledger, world.keys["risk"], first.id).acknowledged_by == "validator"
    done = shut(world, first.id, "false", by="risk")
    assert (done.state, done.disposition, done.note) == ("closed", "false", "looked at the feed")
    assert (done.acknowledged_by, done.closed_by) == ("validator", "risk")
    assert len(done.seqs) == 3
    assert shut(world, first.id, "false") == done
    assert not_counted(ledger.state()) == []


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda w, i: shut(w, i, "true"), "already closed as 'false'"),
        (lambda w, i: acknowledge(w.ledger, w.keys["validator"], i), "is closed"),
        (lambda w, i: shut(w, i, "whatever"), "expected one of true, false, expected, data_fault"),
        (lambda w, i: shut(w, "nothing"), "no such incident"),
        (lambda w, i: find(w.ledger.state(), "nothing"), "no such incident"),
    ],
)
def test_what_cannot_be_done_is_refused(world, act, words):
    first = opened(world.ledger)
    shut(world, first.id, "false")
    with pytest.raises(IncidentError, match=words):
        act(world, first.id)


def test_a_closure_needs_a_note(world):
    first = opened(world.ledger)
    with pytest.raises(ValueError, match="needs a note"):
        close(world.ledger, world.keys["validator"], RULE, first.id, "true", "  ")


@pytest.mark.parametrize(
    ("by", "rule", "why"),
    [
        ("stranger", RULE, "is not enrolled"),
        ("root", RULE, "needs validator or model-risk or developer"),
        ("validator", IncidentRule(close_roles=("model-risk",)), "needs model-risk"),
        ("developer", IncidentRule(authors_may_close=False), "built this version"),
    ],
    ids=["a stranger", "no role for it", "a role the policy leaves out", "an author, where policy says no"],
)
def test_who_may_not_close(world, by, rule, why):
    world.register()
    first = opened(world.ledger)
    with pytest.raises(NotAllowed, match=why):
        shut(world, first.id, by=by, rule=rule)
    assert find(world.ledger.state(), first.id).is_open


def test_an_author_may_close_where_the_policy_lets_them(world):
    world.register()
    assert shut(world, opened(world.ledger).id, by="developer").closed_by == "developer"


@pytest.mark.parametrize(
    ("by", "incidents_rule"),
    [("developer", {"close_roles": ["model-risk"]}), ("developer", {"authors_may_close": False}), ("root", {})],
    ids=["a role the policy leaves out", "an author, where policy says no", "the root"],
)
def test_a_closure_past_the_function_is_held_to_the_policy_when_it_is_read(world, by, incidents_rule):
    world.register()
    adopt(world.ledger, MODEL, policy(incidents=incidents_rule))
    first = opened(world.ledger)
    statement = {"id": first.id, "disposition": "false", "note": "nothing"}
    about = {"incident": world.ledger.get(first.seqs[0]).digest}
    forged = sign_act(world.ledger, world.keys[by], IncidentClosed.PURPOSE, MODEL, about, statement)
    world.ledger.append(IncidentClosed.model_validate(forged), model=MODEL, subject=first.id)
    assert find(world.ledger.state(), first.id).is_open
    assert [i.is_open for i in incidents(world.ledger.state())] == [True]
    (problem,) = not_counted(world.ledger.state())
    assert (problem.seq, "counts for nothing" in problem.message) == (len(world.ledger.records()), True)
    assert shut(world, first.id, by="risk").closed_by == "risk"
    assert not_counted(world.ledger.state()) == [problem], "what was closed by the right person is not named"


def test_what_was_closed_under_a_former_policy_stays_closed(world):
    world.register()
    adopt(world.ledger, MODEL, policy())
    first = opened(world.ledger)
    shut(world, first.id, by="developer")
    adopt(world.ledger, MODEL, policy(incidents={"close_roles": ["model-risk"], "authors_may_close": False}))
    assert not_counted(world.ledger.state()) == []
    assert [i.closed_by for i in incidents(world.ledger.state())] == ["developer"]
    second = opened(world.ledger, cause="other")
    with pytest.raises(NotAllowed, match="built this version"):
        shut(world, second.id, by="developer")


def test_a_revoked_key_closes_nothing_and_what_it_closed_stays_closed(world):
    first, second = opened(world.ledger), opened(world.ledger, cause="other")
    shut(world, first.id)
    revoke(world.ledger, world.keys["root"], "validator", "left the bank")
    with pytest.raises(NotAllowed, match="revoked"):
        shut(world, second.id)
    assert not find(world.ledger.state(), first.id).is_open


@pytest.mark.parametrize("kind", [IncidentAcknowledged, IncidentClosed])
def test_a_record_that_nobody_signed_changes_nothing_and_is_named(world, kind):
    first = opened(world.ledger)
    body = {
        "model": MODEL, "person": "validator", "role": "validator", "signed_at": world.clock(), "envelope": {},
        "id": first.id, "note": "",
    }  # fmt: skip
    event = kind.model_validate(body | ({"disposition": "false"} if kind is IncidentClosed else {}))
    forged = world.ledger.append(event, model=MODEL, subject=first.id)
    assert find(world.ledger.state(), first.id).state == "open"
    assert [problem.seq for problem in not_counted(world.ledger.state())] == [forged.seq]
    assert shut(world, first.id).disposition == "true", "a forged closure keeps nobody from the real one"


def test_a_closure_of_another_incident_played_again_changes_nothing(world):
    first, second = opened(world.ledger), opened(world.ledger, cause="other")
    shut(world, first.id, "false")
    signed = world.ledger.latest_of(IncidentClosed)
    world.ledger.append(signed.event, model=MODEL, subject=second.id)
    assert find(world.ledger.state(), second.id).is_open
    assert "a replay" in not_counted(world.ledger.state())[0].message


@pytest.mark.parametrize("where", ["the one it closed", "one nobody opened"])
def test_a_closure_that_has_nothing_to_close_is_named(world, where):
    first = opened(world.ledger)
    shut(world, first.id, "false")
    signed = world.ledger.latest_of(IncidentClosed)
    subject = first.id if where == "the one it closed" else "loans-12345678"
    world.ledger.append(signed.event, model=MODEL, subject=subject)
    (problem,) = not_counted(world.ledger.state())
    assert "a replay" in problem.message


def closure(world: World, by: str, identity: str, digest: str) -> IncidentClosed:
    """A new statement that closes an incident, whatever is recorded about it."""
    statement = {"id": identity, "disposition": "true", "note": "once more"}
    about = {"incident": digest}
    return IncidentClosed.model_validate(
        sign_act(world.ledger, world.keys[by], IncidentClosed.PURPOSE, MODEL, about, statement)
    )


@pytest.mark.parametrize(
    ("recorded_about", "signed_about", "why"),
    [
        ("first", "first", "was closed before by validator"),
        ("loans-12345678", "loans-12345678", "no incident loans-12345678 had been opened"),
        ("second", "first", "signed about incident"),
    ],
    ids=["closed before", "one nobody opened", "signed about another"],
)
def test_a_new_closure_that_closes_nothing_is_named(world, recorded_about, signed_about, why):
    first, second = opened(world.ledger), opened(world.ledger, cause="other")
    shut(world, first.id, "false")
    ids = {"first": first.id, "second": second.id}
    event = closure(world, "risk", ids.get(signed_about, signed_about), first.digest)
    world.ledger.append(event, model=MODEL, subject=ids.get(recorded_about, recorded_about))
    (problem,) = not_counted(world.ledger.state())
    assert why in problem.message
    assert find(world.ledger.state(), first.id).disposition == "false"
    assert find(world.ledger.state(), second.id).is_open


def test_a_machine_closes_nothing(world):
    key = SigningKey.generate()
    enrol(world.ledger, world.keys["root"], "service", key.public, ["automation"])
    first = opened(world.ledger)
    with pytest.raises(NotAllowed):
        acknowledge(world.ledger, key, first.id)


def test_the_past_is_seen_as_it_was(world):
    first = opened(world.ledger)
    known = world.ledger.records()[-1].recorded_at
    shut(world, first.id)
    assert incidents(world.ledger.state(known))[0].is_open
    assert not incidents(world.ledger.state())[0].is_open
