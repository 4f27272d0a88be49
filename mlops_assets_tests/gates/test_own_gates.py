"""A gate of a bank's own has the guarantees of any other: its code is on record, and its failure is never a pass."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from mlops_assets.extensions import Evidence, Finding, Gate, GateInputs, GateRule, LowerInt
from mlops_assets.gates.gate import GateResult
from mlops_assets.gates.registry import GATES, decide, decide_stage, gate_rules
from mlops_assets.governance.decisions import record, result_of, standing
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.policy import Policy, PolicyError, effective, load_policies, read_policy
from mlops_assets.policy.recorded import recorded_policy
from mlops_assets.registration import code_digest, registered
from mlops_assets_tests.declaration.test_external import declared

CONFIG = Path(__file__).parents[2] / "mlops_assets" / "config" / "policy"
POLICY = {"tier": "low", "approvals": []}


class FewRule(GateRule):
    """Few of them."""

    most: LowerInt = 3
    """Most of them."""


@dataclass(frozen=True)
class Few(Evidence):
    number: float


def decide_few(evidence: Few, rule: FewRule) -> Finding:
    outcome = "passed" if evidence.number <= rule.most else "failed"
    return Finding(outcome, f"at most {rule.most}", f"{evidence.number:g} were found", evidence.number, rule.most)


def few(**changed) -> Gate:
    gate = Gate("few", "Are they few?", Few, FewRule, decide_few, stage="evaluation", measure=lambda given: Few(2.0))
    return replace(gate, **changed)


def results(gate: Gate, rules: dict | None = None) -> GateResult:
    """What the stage of the gate records of it."""
    with registered(gate):
        found = {
            r.gate: r
            for r in decide_stage(gate.stage, GateInputs(declared(origin="trained", external=None)), gate_rules(rules))
        }
        assert found["cost"].outcome == "not_measurable", "nothing was measured for it, and the stage goes on"
        return found["few"]


def test_it_decides_by_its_rule_and_its_code_is_on_record():
    result = results(few(), {"few": {"most": 1}})
    assert (result.outcome, result.value, result.threshold) == ("failed", 2.0, 1)
    assert result.evidence["code"] == code_digest(__name__)
    assert results(few()).passed
    with registered(few()):
        assert decide("few", {"number": 5}, gate_rules()).outcome == "failed"


def raising(*_):
    raise ZeroDivisionError("by nothing")


@pytest.mark.parametrize(
    ("gate", "reason"),
    [
        (few(measure=raising), "ZeroDivisionError: by nothing"),
        (few(decide=raising), "ZeroDivisionError: by nothing"),
        (few(measure=None), "measures nothing for it"),
        (few(measure=lambda given: {"number": 1}), "measure returned dict, expected Few"),
        (few(measure=lambda given: Few("many")), "number: found 'many'"),
        (few(measure=lambda given: Few(float("nan"))), "number: found nan"),
        (few(decide=lambda e, r: True), "decide returned bool, expected Finding"),
        (few(decide=lambda e, r: Finding("fine", "r", "w")), "the outcome 'fine'"),
        (few(decide=lambda e, r: Finding("passed", "r", "w", value=float("nan"))), "the value nan"),
        (few(decide=lambda e, r: Finding("passed", "", "")), "no rule or no reason"),
        (few(decide=lambda e, r: Finding("passed", "r", "w", details={"x": float("inf")})), "details that cannot be"),
    ],
)
def test_its_failure_is_not_measurable_with_the_reason(gate, reason):
    result = results(gate)
    assert result.outcome == "not_measurable"
    assert reason in result.reason
    assert set(result.evidence) == {"error", "code"}


def test_a_policy_states_its_rule_and_mistakes_in_it_are_named(tmp_path):
    path = tmp_path / "low.yaml"
    path.write_text("tier: low\napprovals: []\ngates:\n  few:\n    most: 2\n    mots: 1\n")
    with pytest.raises(PolicyError, match=f"{path}:4: gates.few: unknown field; expected one of contract"):
        read_policy(path)
    with registered(few()):
        with pytest.raises(PolicyError, match=f"{path}:6: gates.few.mots: unknown field; did you mean 'most'"):
            read_policy(path)
        path.write_text("tier: low\napprovals: []\ngates:\n  few: {most: 2}\n")
        policy = read_policy(path)
        assert policy.gates.rule("few") == FewRule(most=2)
        assert effective(policy, {"gates": {"few": {"most": 1}}}).gates.rule("few") == FewRule(most=1)
        with pytest.raises(PolicyError, match=r"gates\.few\.most: found 3, laxer than 2"):
            effective(policy, {"gates": {"few": {"most": 3}}})


def test_registering_it_changes_every_policy_and_recorded_ones_stay_as_they_were():
    before = load_policies(CONFIG)["high"]
    kept = before.model_dump(mode="json")
    with registered(few()):
        assert load_policies(CONFIG)["high"].digest != before.digest
        then = recorded_policy(kept, before.digest)
        assert then.digest == before.digest
        assert not then.gates.rule("few").required, "nobody asked for it then"
    assert load_policies(CONFIG)["high"].digest == before.digest


def test_a_decision_by_other_code_no_longer_counts_and_stays_on_record(tmp_path, monkeypatch):
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    gate, now = few(), datetime.now(UTC)

    def state_of(policy, **options):
        known = ledger.state().model("m")
        return next(g for g in standing(known, 1, policy, at=now, **options).gates if g.gate == "few")

    with registered(gate):
        policy = Policy.model_validate(POLICY)
        first = record(ledger, "m", 1, decide("few", {"number": 1}, policy.gates), policy)
        assert state_of(policy).state == "passed"
        assert record(ledger, "m", 1, decide("few", {"number": 1}, policy.gates), policy).seq == first.seq
    monkeypatch.setattr("mlops_assets.registration.code_digest", lambda module: "f" * 64)
    with registered(gate):
        stale = state_of(policy)
        assert (stale.state, stale.blocks) == ("missing", True)
        assert "the gate's present code" in stale.reason
        assert state_of(policy, codes={}).state == "passed", "an audit of the past"
        again = record(ledger, "m", 1, decide("few", {"number": 1}, policy.gates), policy)
        assert again.seq > first.seq
        assert state_of(policy).state == "passed"
        assert result_of(again).evidence["code"] == "f" * 64
    assert "few" not in GATES
