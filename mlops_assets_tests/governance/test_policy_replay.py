"""A policy tried on recorded history says what it would have changed, and writes nothing."""

import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.gates.gate import GateResult
from mlops_assets.gates.registry import decide
from mlops_assets.governance.decisions import record
from mlops_assets.governance.policy_replay import diff, tightened
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.policy import Policy, effective


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    return Ledger(f"sqlite:///{tmp_path}/ledger.db")


def policy(max_auc=0.9, **more) -> Policy:
    gates = {"leakage": {"max_auc": max_auc, **more}}
    return Policy.model_validate({"tier": "high", "approvals": [], "gates": gates})


def model(name="loans", **overrides) -> Declaration:
    return Declaration.model_validate(
        {
            "name": name,
            "purpose": "Probability that a loan fails.",
            "owner": "team:credit",
            "developers": ["developer"],
            "tier": "high",
            "task": "binary",
            "source": {"path": "loans.parquet"},
            "id": "id",
            "target": "y",
            "features": {"x": "numeric"},
            "policy": overrides,
        }
    )


def decided(ledger, current, auc, version=1, name="loans"):
    evidence = {"task": "binary", "features": [{"feature": "x", "auc": auc, "r2": None, "after_event": None}]}
    return record(ledger, name, version, decide("leakage", evidence, current.gates), current)


def run(ledger, current, proposed, *models):
    found = diff(ledger, {"high": current}, {"high": proposed}, {m.name: m for m in models or [model()]})
    return [(c.model, c.version, c.before, c.after, c.effect) for c in found]


def test_the_same_policy_changes_nothing(ledger):
    decided(ledger, policy(), 0.85)
    assert run(ledger, policy(), policy()) == []


def test_a_stricter_policy_blocks_and_a_laxer_one_unblocks(ledger):
    decided(ledger, policy(), 0.85, version=1)
    decided(ledger, policy(), 0.95, version=2)
    decided(ledger, policy(), 0.70, version=3)
    before = len(ledger.records())
    assert run(ledger, policy(), policy(0.8)) == [("loans", "1", "passed", "failed", "blocks")]
    assert run(ledger, policy(), policy(0.96)) == [("loans", "2", "failed", "passed", "unblocks")]
    assert len(ledger.records()) == before


def test_a_gate_no_longer_required_unblocks_with_the_same_outcome(ledger):
    decided(ledger, policy(), 0.95)
    assert run(ledger, policy(), policy(required=False)) == [("loans", "1", "failed", "failed", "unblocks")]


def test_a_model_that_is_stricter_itself_is_not_touched_by_what_it_exceeds(ledger):
    strict = model(gates={"leakage": {"max_auc": 0.8}})
    decided(ledger, effective(policy(), strict.policy), 0.79)
    assert run(ledger, policy(), policy(0.85), strict) == []


def test_a_model_that_would_be_laxer_than_the_proposal_takes_the_proposals_value(ledger):
    strict = model(gates={"leakage": {"max_auc": 0.8}})
    decided(ledger, effective(policy(), strict.policy), 0.79)
    assert run(ledger, policy(), policy(0.7), strict) == [("loans", "1", "passed", "failed", "blocks")]


def test_only_values_that_are_too_lax_are_dropped():
    kept = tightened(policy(0.7), {"gates": {"leakage": {"max_auc": 0.8}}, "validity_days": 10})
    assert (kept.gates.leakage.max_auc, kept.validity_days) == (0.7, 10)


def test_only_the_latest_decision_of_a_version_is_replayed(ledger):
    decided(ledger, policy(), 0.95)
    decided(ledger, policy(), 0.85)
    assert run(ledger, policy(), policy(0.8)) == [("loans", "1", "passed", "failed", "blocks")]


def test_a_record_without_evidence_is_said_to_be_beyond_replay(ledger):
    record(ledger, "loans", 1, GateResult("leakage", "passed", None, None, "", "", {}, {"x": "1" * 64}), policy())
    assert run(ledger, policy(), policy(0.8)) == [("loans", "1", "passed", None, "cannot_replay")]


def test_evidence_of_another_form_is_said_to_be_beyond_replay(ledger):
    bad = GateResult("leakage", "passed", None, None, "", "", {"measured": {"n": 1}}, {"x": "1" * 64})
    record(ledger, "loans", 1, bad, policy())
    assert run(ledger, policy(), policy(0.8)) == [("loans", "1", "passed", None, "cannot_replay")]


def test_models_are_replayed_one_by_one(ledger):
    for name in ("b", "a"):
        decided(ledger, policy(), 0.85, name=name)
    decided(ledger, policy(), 0.85, name="undeclared")
    assert [c[0] for c in run(ledger, policy(), policy(0.8), model("a"), model("b"))] == ["a", "b"]
