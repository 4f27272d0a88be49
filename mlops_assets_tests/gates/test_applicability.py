"""Gates that cannot apply to a model are recorded as such, and only for such a model."""

from types import SimpleNamespace

from mlops_assets.evidence.packet.verifier_version import gates_without
from mlops_assets.gates.applicability import not_applicable
from mlops_assets.gates.gate import GateInputs
from mlops_assets.gates.registry import decide_stage, gate_rules
from mlops_assets.governance.decisions import GateStanding, _if_applicable, _without
from mlops_assets_tests.declaration import test_imported
from mlops_assets_tests.declaration.test_external import declared

TRAINED = {"origin": "trained", "external": None}


def test_it_is_recorded_with_its_reason_and_is_no_pass():
    results = {r.gate: r for r in decide_stage("challenger", GateInputs(declared()), gate_rules())}
    assert results["parity"].outcome == "not_applicable"
    assert not results["parity"].passed
    assert "nothing of ours to compare" in results["parity"].reason
    assert results["parity"].evidence


def test_a_model_that_is_trained_here_has_every_gate():
    assert not not_applicable(declared(**TRAINED))
    outcomes = {r.outcome for r in decide_stage("challenger", GateInputs(declared(**TRAINED)), gate_rules())}
    assert outcomes == {"not_measurable"}


def test_a_model_that_others_trained_lacks_its_training_alone():
    assert set(not_applicable(test_imported.declared())) == {"stability"}


def test_gates_on_inputs_apply_where_there_are_inputs():
    assert "leakage" in not_applicable(declared(features={}))
    assert "leakage" not in not_applicable(declared())


def model_with(declaration):
    event = SimpleNamespace(declaration=declaration.model_dump(mode="json"))
    version = SimpleNamespace(registration=SimpleNamespace(event=event))
    return SimpleNamespace(version=lambda number: version)


def test_such_a_decision_blocks_a_model_that_it_is_not_true_of():
    decided = GateStanding("robustness", "not_applicable", required=True, blocks=True, reason="")
    assert not _if_applicable(decided, _without(model_with(declared()), "1")).blocks
    assert _if_applicable(decided, _without(model_with(declared(**TRAINED)), "1")).blocks
    performance = GateStanding("performance", "not_applicable", required=True, blocks=True, reason="")
    assert _if_applicable(performance, _without(model_with(declared()), "1")).blocks


def test_the_verifier_of_packets_knows_the_same_gates():
    for declaration in (declared(), declared(features={}), declared(**TRAINED), test_imported.declared()):
        assert set(gates_without(declaration.model_dump(mode="json"))) == set(not_applicable(declaration))
