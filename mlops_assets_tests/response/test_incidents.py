"""One cause opens one incident; what it turned out to be is kept."""

import pytest

from mlops_assets.governance.ledger import Ledger
from mlops_assets.response.incidents import IncidentError, acknowledge, close, find, incidents, open_incident, precision


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def opened(ledger, window="1995-01-01", columns=("mig_reg", "mig_msa"), model="census", kind="feed_fault", **more):
    return open_incident(
        ledger, model, kind=kind, severity="critical", summary="two columns", window=window, columns=columns, **more
    )


def test_opening_keeps_what_is_needed(ledger):
    incident = opened(ledger, rule="null_rate")
    assert incident == find(ledger, incident.id)
    assert incident.columns == ("mig_msa", "mig_reg")
    assert incident.cause == "feed_fault:mig_msa,mig_reg"
    assert (incident.state, incident.is_open, incident.disposition) == ("open", True, None)


def test_the_same_cause_opens_one_while_it_is_open(ledger):
    first = opened(ledger)
    assert opened(ledger).id == first.id
    assert opened(ledger, columns=("mig_msa", "mig_reg"), window="1996-01-01").id == first.id
    assert len(ledger.records(kind="incident_opened")) == 1


@pytest.mark.parametrize(
    "other", [{"columns": ("mig_reg",)}, {"model": "acs"}, {"kind": "relation_change"}, {"cause": "other"}]
)
def test_another_cause_opens_another(ledger, other):
    assert opened(ledger).id != opened(ledger, **other).id
    assert len(incidents(ledger)) == 2


def test_a_closed_one_is_not_opened_by_its_own_window_again_but_by_a_later_one(ledger):
    first = opened(ledger)
    close(ledger, first.id, "true", "validator")
    assert opened(ledger).state == "closed"
    again = opened(ledger, window="1996-01-01")
    assert again.is_open
    assert again.id != first.id


def test_acknowledging_and_closing(ledger):
    first = opened(ledger)
    assert acknowledge(ledger, first.id, "validator").state == "acknowledged"
    assert acknowledge(ledger, first.id, "model-risk").acknowledged_by == "validator"
    done = close(ledger, first.id, "false", "validator", "the supplier changed the code book")
    assert (done.state, done.disposition, done.note) == ("closed", "false", "the supplier changed the code book")
    assert len(done.seqs) == 3
    assert close(ledger, first.id, "false", "validator") == done


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda ledger, i: close(ledger, i, "true", "validator"), "already closed as 'false'"),
        (lambda ledger, i: acknowledge(ledger, i, "validator"), "is closed"),
        (lambda ledger, i: close(ledger, i, "whatever", "validator"), "expected one of true, false, expected"),
        (lambda ledger, i: close(ledger, "nothing", "true", "validator"), "no such incident"),
        (lambda ledger, i: find(ledger, "nothing"), "no such incident"),
    ],
)
def test_what_cannot_be_done_is_refused(ledger, act, words):
    first = opened(ledger)
    close(ledger, first.id, "false", "validator")
    with pytest.raises(IncidentError, match=words):
        act(ledger, first.id)


def test_the_past_is_seen_as_it_was(ledger):
    first = opened(ledger)
    known = ledger.records()[-1].recorded_at
    close(ledger, first.id, "true", "validator")
    assert incidents(ledger, known_at=known)[0].is_open
    assert not incidents(ledger)[0].is_open


def test_precision_by_model_and_rule(ledger):
    for i, disposition in enumerate(["true", "true", "false", "expected", None]):
        incident = opened(ledger, window=f"w{i}", cause=f"c{i}", rule="psi")
        if disposition:
            close(ledger, incident.id, disposition, "validator")
    opened(ledger, model="acs", rule="ks")
    rows = {(r["model"], r["rule"]): r for r in precision(incidents(ledger))}
    assert rows["census", "psi"]["precision"] == pytest.approx(2 / 3)
    assert rows["census", "psi"]["open"] == 1
    assert rows["acs", "ks"]["precision"] is None
