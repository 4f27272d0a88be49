"""Decisions stand as records, and only those under the present policy count; on a real ledger."""

from datetime import UTC, datetime, timedelta

import pytest

from mlops_assets.gates.gate import GateResult
from mlops_assets.governance.decisions import Lift, Standing, record, result_of
from mlops_assets.governance.decisions import standing as standing_of
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.policy import Policy, effective
from mlops_assets_tests.governance.world import registration

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def policy(**gates) -> Policy:
    """A policy that requires fairness and slices only, and whatever else is said."""
    names = Policy.model_validate({"tier": "high", "approvals": []}).gates.required
    off = {name: {"required": False} for name in names if name not in ("fairness", "slices")}
    return Policy.model_validate({"tier": "high", "approvals": [], "gates": {**off, **gates}})


def result(gate="fairness", outcome="passed", seen="1", **details) -> GateResult:
    return GateResult(gate, outcome, 0.9, 0.8, "ratio at least 0.8", "because", details, {"measured": seen * 64})


def standing(ledger, p, known_at=None, **kwargs) -> Standing:
    return standing_of(ledger.state(known_at).model("m"), 1, p, **kwargs)


def states(ledger, p, **kwargs):
    found = standing(ledger, p, **kwargs)
    return {g.gate: g.state for g in found.gates if g.required}, found


def test_a_version_without_decisions_stands_nowhere(ledger):
    found, whole = states(ledger, policy())
    assert found == {"fairness": "missing", "slices": "missing"}
    assert not whole.ok
    assert {g.gate for g in whole.blocking} == {"fairness", "slices"}
    assert whole.decisions == ()


def test_all_required_gates_passed(ledger):
    p = policy()
    kept = [record(ledger, "m", 1, result(g), p) for g in ("slices", "fairness")]
    _, whole = states(ledger, p)
    assert whole.ok
    assert whole.decisions == tuple(r.seq for r in kept)


@pytest.mark.parametrize(
    ("outcome", "rule", "details", "blocks"),
    [
        ("failed", {}, {}, True),
        ("not_measurable", {}, {}, True),
        ("not_measurable", {"not_measurable_blocks": False}, {}, False),
        ("not_measurable", {}, {"absent": True}, False),
        ("not_measurable", {"absence_blocks": True}, {"absent": True}, True),
        ("not_measurable", {"not_measurable_blocks": False, "absence_blocks": True}, {"absent": True}, True),
        ("failed", {"not_measurable_blocks": False}, {"absent": True}, True),
        ("failed", {"required": False}, {}, False),
    ],
)
def test_what_blocks(ledger, outcome, rule, details, blocks):
    p = policy(fairness=rule)
    record(ledger, "m", 1, result("slices"), p)
    record(ledger, "m", 1, result(outcome=outcome, **details), p)
    assert standing(ledger, p).ok is not blocks


def test_the_same_decision_is_written_once(ledger):
    p = policy()
    assert record(ledger, "m", 1, result(), p) == record(ledger, "m", "1", result(), p)
    assert len(ledger.records(kind="gate_decision")) == 1


def test_other_evidence_is_another_decision_and_the_latest_counts(ledger):
    p = policy()
    record(ledger, "m", 1, result("slices"), p)
    record(ledger, "m", 1, result(outcome="failed", seen="1"), p)
    record(ledger, "m", 1, result(outcome="passed", seen="2"), p)
    assert standing(ledger, p).ok
    record(ledger, "m", 1, result(outcome="failed", seen="1"), p)
    assert not standing(ledger, p).ok
    assert len(ledger.records(kind="gate_decision")) == 4


def test_decisions_under_another_policy_do_not_count(ledger):
    p = policy()
    for gate in ("slices", "fairness"):
        record(ledger, "m", 1, result(gate), p)
    tightened = effective(p, {"validity_days": 10})
    found, whole = states(ledger, tightened)
    assert set(found.values()) == {"missing"}
    assert tightened.digest[:12] in whole.blocking[0].reason


def test_decisions_of_other_versions_and_models_do_not_count(ledger):
    p = policy()
    for model, version in (("m", 2), ("other", 1)):
        for gate in ("slices", "fairness"):
            record(ledger, model, version, result(gate), p)
    assert not standing(ledger, p).ok


def test_decisions_before_the_registration_do_not_count(ledger):
    p = policy()
    for gate in ("slices", "fairness"):
        record(ledger, "m", 1, result(gate), p)
    ledger.append(registration(1, "m"), model="m", subject="1")
    assert not standing(ledger, p).ok
    for gate in ("slices", "fairness"):
        record(ledger, "m", 1, result(gate), p)
    assert standing(ledger, p).ok


def test_an_exception_lifts_a_failed_gate_until_it_expires(ledger):
    p = policy()
    record(ledger, "m", 1, result("slices"), p)
    record(ledger, "m", 1, result(outcome="failed"), p)
    lift = {"fairness": Lift("fairness", 7, NOW, "model-risk")}
    found, whole = states(ledger, p, lifts=lift, at=NOW - timedelta(seconds=1))
    assert found["fairness"] == "excepted"
    assert whole.ok
    assert whole.excepted[0].lift == lift["fairness"]
    assert whole.excepted[0].decision is not None
    found, whole = states(ledger, p, lifts=lift, at=NOW)
    assert found["fairness"] == "failed"
    assert not whole.ok


def test_an_exception_lifts_no_gate_that_never_decided(ledger):
    found, whole = states(ledger, policy(), lifts={"fairness": Lift("fairness", 7, NOW)}, at=NOW - timedelta(days=1))
    assert found["fairness"] == "missing"
    assert not whole.ok


def test_an_exception_that_is_not_needed_is_not_used(ledger):
    p = policy()
    record(ledger, "m", 1, result(), p)
    found, _ = states(ledger, p, lifts={"fairness": Lift("fairness", 7, NOW)}, at=NOW - timedelta(days=1))
    assert found["fairness"] == "passed"


def test_the_past_is_seen_as_it_was(ledger):
    p = policy()
    for gate in ("slices", "fairness"):
        last = record(ledger, "m", 1, result(gate), p)
    record(ledger, "m", 1, result(outcome="failed", seen="3"), p)
    assert standing(ledger, p, known_at=last.recorded_at).ok
    assert not standing(ledger, p).ok


def test_a_record_gives_its_result_back(ledger):
    kept = record(ledger, "m", 1, result(measured={"n": 3}), policy())
    assert result_of(kept) == result(measured={"n": 3})
    assert kept.event.tier == "high"
    assert kept.subject == "1"


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        (GateResult("vibes", "passed", None, None, "", "", {}, {"x": "1"}), "expected one of contract"),
        (GateResult("fairness", "passed", None, None, "", "", {}, {}), "without evidence"),
    ],
)
def test_a_decision_that_cannot_stand_is_refused(ledger, bad, words):
    with pytest.raises(ValueError, match=words):
        record(ledger, "m", 1, bad, policy())
    assert ledger.records() == []
