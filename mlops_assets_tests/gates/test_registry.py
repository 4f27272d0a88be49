"""All gates together: the registry, the policy and the tests know the same ones, and none accepts unreadable evidence."""

import importlib

import pytest

from mlops_assets.gates.gate import EvidenceError
from mlops_assets.gates.registry import GATES, decide, gate_rules
from mlops_assets_tests.gates.checks import F, N, P


@pytest.mark.parametrize("gate", list(GATES))
def test_each_gate_has_a_case_of_each_outcome(gate: str) -> None:
    cases = importlib.import_module(f"mlops_assets_tests.gates.test_{gate}").CASES
    assert {case[2] for case in cases} == {P, F, N}


def test_the_registry_and_the_policy_know_the_same_gates() -> None:
    assert list(GATES) == list(GATES)
    for name, gate in GATES.items():
        assert isinstance(gate_rules().rule(name), gate.rule)
        assert gate.question.endswith("?")


@pytest.mark.parametrize("gate", list(GATES))
def test_evidence_that_cannot_be_read_is_refused(gate: str) -> None:
    with pytest.raises(EvidenceError, match=f"gate {gate}: found no "):
        decide(gate, {}, gate_rules())
    with pytest.raises(EvidenceError, match="expected a mapping"):
        decide(gate, 7, gate_rules())  # pyright: ignore[reportArgumentType]


def test_a_value_of_another_kind_is_named() -> None:
    stored = {"rows": "many", "quarantined_share": float("nan"), "reasons": {}, "problems": []}
    with pytest.raises(EvidenceError, match="rows: found 'many', expected") as refused:
        decide("contract", stored, gate_rules())
    assert "quarantined_share: found nan" in str(refused.value)


def test_an_unknown_gate_is_refused_with_those_that_exist() -> None:
    with pytest.raises(KeyError, match="expected one of contract"):
        decide("vibes", {}, gate_rules())
