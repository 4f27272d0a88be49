from datetime import timedelta

import pytest

from mlops_assets.evidence.history import fold
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.governance.findings import close_finding, record_finding
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.release.champion import champion_state
from mlops_assets_tests.evidence.conftest import at
from mlops_assets_tests.governance.world import MODEL, World, build, policy
from mlops_assets_tests.ledger.raw import raw


def test_a_life(lived: Ledger):
    state = fold(lived.records())["sba_loan_default"]
    assert state.champion == "3"
    assert [(c.version, c.former) for c in state.changes] == [("2", None), ("3", "2")]
    assert [v.severity for v in state.verdicts] == ["none", "act", "watch"]
    assert state.open_incidents == ()
    assert state.incidents[0].disposition == "true"
    assert state.open_requests == ()
    assert state.champion_at(at("2004-01-01")) == "2"
    assert state.champion_at(at("2003-01-01")) is None


@pytest.mark.parametrize("kind", ["incident_acknowledged", "incident_closed"])
def test_an_incident_that_nobody_signed_away_stays_open(lived: Ledger, kind: str):
    name, body = "sba_loan_default", {"kind": "data_quality", "severity": "act", "window": "2004-04-01"}
    lived.append(raw("incident_opened", body), model=name, subject="inc-2")
    lived.append(raw(kind, {"person": "developer", "disposition": "false", "note": ""}), model=name, subject="inc-2")
    assert [(i.id, i.state) for i in fold(lived.records())[name].open_incidents] == [("inc-2", "open")]


def test_another_root_closes_nothing(lived: Ledger):
    assert len(fold(lived.records(), SigningKey.generate().public.key_id)["sba_loan_default"].open_incidents) == 1


def test_exceptions_end(lived: Ledger):
    state = fold(lived.records())["sba_loan_default"]
    assert len(state.exceptions_in_force(at("2004-09-30"))) == 1
    assert state.exceptions_in_force(at("2004-10-01")) == (), "the day it expires is not covered"
    assert state.exceptions_in_force(at("2004-04-01")) == (), "not yet granted"


def test_a_second_verdict_on_a_window_replaces_the_first(lived: Ledger):
    lived.append(
        raw("health_verdict", {"severity": "critical", "kind": "concept_drift", "version": "2"}),
        model="sba_loan_default",
        subject="2004-01-01",
        happened_at=at("2004-04-01"),
    )
    state = fold(lived.records())["sba_loan_default"]
    assert [v.severity for v in state.verdicts] == ["none", "critical", "watch"]


def test_rollback_suspension_retirement(lived: Ledger):
    name = "sba_loan_default"
    lived.append(raw("suspension", {"rationale": "incident"}), model=name, happened_at=at("2005-01-01"))
    assert fold(lived.records())[name].lifecycle == "suspended"
    lived.append(raw("rollback", {"former": "3"}), model=name, subject="2", happened_at=at("2005-01-02"))
    state = fold(lived.records())[name]
    assert (state.champion, state.lifecycle) == ("2", "in use")
    lived.append(raw("retirement", {}), model=name, subject="2", happened_at=at("2005-01-03"))
    state = fold(lived.records())[name]
    assert (state.champion, state.lifecycle) == (None, "retired")


def test_kinds_that_are_not_known_change_nothing(lived: Ledger):
    before = fold(lived.records())["sba_loan_default"]
    lived.append(raw("of_another_release", {"x": 1}), model="sba_loan_default", subject="9")
    after = fold(lived.records())["sba_loan_default"]
    assert (after.champion, after.versions, after.verdicts) == (before.champion, before.versions, before.verdicts)


def test_decisions_on_data_are_of_no_version(ledger: Ledger):
    ledger.append(raw("gate_decision", {"gate": "volume", "outcome": "failed"}), model="m", subject="data:" + "d" * 64)
    state = fold(ledger.records())["m"]
    assert list(state.data_decisions) == ["volume"]
    assert state.subject_version is None


@pytest.fixture
def held(tmp_path) -> World:
    """A version with an exception and a finding, both signed, and a policy that blocks from a low one."""
    world = build(tmp_path)
    world.register()
    ends = world.clock.now + timedelta(days=9)
    sign_exception(world.ledger, world.keys["risk"], policy(), MODEL, "cost", "x", ends)
    record_finding(world.ledger, world.keys["validator"], MODEL, "high", "weak data", "developer", ends)
    return world


def shown(world: World) -> tuple[int, int]:
    """Open findings and exceptions in force, as pages and as-of show them."""
    state = fold(world.ledger.records())[MODEL]
    return len(state.open_findings), len(state.exceptions_in_force(world.clock.now))


def test_what_people_signed_away_is_gone(held: World):
    assert shown(held) == (1, 1)
    seq = held.ledger.records(kind="exception_granted")[-1].seq
    withdraw_exception(held.ledger, held.keys["risk"], MODEL, seq, "settled")
    close_finding(held.ledger, held.keys["second"], MODEL, f"{MODEL}-F1", "settled")
    held.clock.pass_days(1)
    assert shown(held) == (0, 0)


@pytest.mark.parametrize("by", ["nobody", "an author"])
def test_nothing_disappears_by_a_record_that_anybody_could_append(held: World, by: str):
    granted, found = held.ledger.records(kind="exception_granted")[-1], held.ledger.records(kind="finding_recorded")[-1]
    closing = {"id": found.subject, "note": "settled", "person": "second", "role": "validator"}
    if by == "an author":
        about = {"finding": found.digest}
        closing = sign_act(held.ledger, held.keys["developer"], "finding-closure/v1", MODEL, about, closing)
    held.ledger.append(raw("finding_closed", closing), model=MODEL, subject=found.subject)
    held.ledger.append(raw("exception_withdrawn", {"seq": granted.seq}), model=MODEL, subject="cost")
    held.clock.pass_days(1)
    assert shown(held) == (1, 1)


def test_pages_name_the_champion_that_decides(lived: Ledger):
    """A rollback to a version nobody promoted, and what comes after a retirement, change it nowhere."""
    name = "sba_loan_default"
    for kind, subject in (("rollback", "1"), ("retirement", "3"), ("promotion", "2"), ("rollback", "2")):
        lived.append(raw(kind, {"former": "3"}), model=name, subject=subject)
        assert fold(lived.records())[name].champion == (
            str(c) if (c := champion_state(lived, name).deciding) else None
        ), kind
