from datetime import timedelta

import pytest

from mlops_assets.evidence.as_of import as_of, as_of_text
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.evidence.conftest import Clock, at
from mlops_assets_tests.ledger.raw import raw


@pytest.mark.parametrize(
    ("when", "champion", "severity", "incidents"),
    [
        ("2003-09-15", None, "not_measurable", []),
        ("2004-01-15", "2", "none", []),
        ("2004-04-15", "2", "act", ["inc-1"]),
        ("2004-06-01", "3", "act", []),
        ("2004-08-01", "3", "watch", []),
    ],
)
def test_each_day_has_its_own_answer(
    lived: Ledger, when: str, champion: str | None, severity: str, incidents: list[str]
):
    (row,) = as_of(lived, at(when), "sba_loan_default")
    assert (row.champion, row.severity, [i["id"] for i in row.open_incidents]) == (champion, severity, incidents)
    assert [a["person"] for a in row.approvers] == (["validator", "model-risk"] if champion else [])


def test_what_was_recorded_later_was_not_known_then(ledger: Ledger, clock: Clock):
    ledger.append(raw("promotion", {"former": None}), model="m", subject="1")
    then = clock.at + timedelta(minutes=1)
    clock.at += timedelta(days=2)
    ledger.append(
        raw("health_verdict", {"severity": "critical", "kind": "data_quality"}),
        model="m",
        subject="2026-11-01",
        happened_at=then,
    )
    (row,) = as_of(ledger, then)
    assert row.severity == "critical"
    assert row.known_then == {"champion": "1", "window": None, "severity": "not_measurable"}
    assert [late["record"] for late in row.learned_later] == [2]
    assert "written only later" in as_of_text([row], then)


def test_a_time_without_zone_is_refused(ledger: Ledger):
    with pytest.raises(ValueError, match="without a zone"):
        as_of(ledger, at("2004-01-01").replace(tzinfo=None))


def test_before_anything(lived: Ledger):
    assert "No model had any record" in as_of_text(as_of(lived, at("1999-01-01")), at("1999-01-01"))


@pytest.mark.parametrize(
    ("required", "said"),
    [
        (True, "label bias not measurable (record 2): no protected attribute"),
        (False, "label bias not measurable, which the policy does not require (record 2): no protected attribute"),
    ],
)
def test_a_gate_that_did_not_pass_is_named_with_its_reason(ledger: Ledger, clock: Clock, required: bool, said: str):
    policy = {"gates": {"label_bias": {"required": required}}}
    ledger.append(raw("policy_effective", {"policy": policy, "policy_digest": "b" * 64}), model="m", subject="low")
    found = {"gate": "label_bias", "outcome": "not_measurable", "reason": "no protected attribute"}
    ledger.append(raw("gate_decision", found), model="m", subject="1")
    ledger.append(raw("promotion", {"former": None, "policy_digest": "b" * 64}), model="m", subject="1")
    (row,) = as_of(ledger, clock.at)
    assert row.decisions[0]["required"] is required
    assert said in as_of_text([row], clock.at)
