import json
from dataclasses import replace

import pytest

from mlops_assets.evidence.card.card import CardInputs
from mlops_assets.evidence.card.cyclonedx import bom, bom_json, schema_errors
from mlops_assets.evidence.card.model_card import build_card


def test_valid_against_the_published_schema(card_inputs: CardInputs):
    assert schema_errors(bom_json(build_card(card_inputs))) == []


def test_a_bare_card_is_valid_too(card_inputs: CardInputs):
    bare = CardInputs(declaration=card_inputs.declaration, version="1", issued_at=card_inputs.issued_at)
    assert schema_errors(bom_json(build_card(bare))) == []


def test_the_validator_finds_what_is_wrong(card_inputs: CardInputs):
    broken = bom(build_card(card_inputs))
    broken["metadata"]["component"]["modelCard"]["invented"] = 1
    assert schema_errors(json.dumps(broken))


def test_holds_metrics_packages_and_gates(card_inputs: CardInputs):
    found = bom(build_card(card_inputs))
    model = found["metadata"]["component"]
    metrics = {m["type"]: m for m in model["modelCard"]["quantitativeAnalysis"]["performanceMetrics"]}
    auc = (card_inputs.performance or {})["metrics"]["roc_auc"]
    assert float(metrics["roc_auc"]["value"]) == auc["value"]
    assert float(metrics["roc_auc"]["confidenceInterval"]["lowerBound"]) == auc["low"]
    assert {"name": "mlops-assets:gate:performance", "value": "passed"} in model["modelCard"]["properties"]
    assert model["hashes"] == [{"alg": "SHA-256", "content": "c" * 64}]
    assert {c["name"] for c in found["components"]} == {"source/data/card_default", "numpy", "scikit-learn"}


@pytest.mark.parametrize(("change", "same"), [({}, True), ({"version": "4"}, False)])
def test_serial_number_follows_the_card(card_inputs: CardInputs, change: dict, same: bool):
    serial = bom(build_card(card_inputs))["serialNumber"]
    assert (bom(build_card(replace(card_inputs, **change)))["serialNumber"] == serial) is same
