"""What a declaration says of a model that others run."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.declaration import Declaration

VENDOR = {"score": "vendor_score", "version": "4.2", "supplier": "Example Scores plc"}


def declared(**changes):
    return Declaration.model_validate(
        {
            "name": "card_default",
            "purpose": "Probability that a card account defaults.",
            "owner": "team:cards",
            "developers": ["developer"],
            "tier": "medium",
            "task": "binary",
            "origin": "external",
            "external": VENDOR,
            "source": {"path": "data/vendor.csv"},
            "id": "application",
            "event_time": "decided_on",
            "target": "defaulted",
            "features": {"income": "numeric"},
            "training": {"until": "2023-12-01"},
            **changes,
        }
    )


def test_the_columns_of_the_prediction_are_read():
    full = {**VENDOR, "decision": "said", "version_column": "by", "prediction_id": "request"}
    assert declared(external=full).columns[-4:] == ("vendor_score", "said", "by", "request")


def test_a_black_box_needs_no_inputs():
    assert declared(features={}).features == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"external": None}, "external is missing"),
        ({"origin": "trained"}, "external goes with origin: external"),
        ({"origin": "trained", "external": None, "features": {}}, "features is empty"),
        ({"task": "multiclass"}, "binary and regression"),
        ({"candidates": ["linear"]}, "candidates are for models that are trained here"),
        ({"external": {**VENDOR, "score": "income"}}, "cannot be an input as well"),
        ({"external": {**VENDOR, "score": "defaulted"}}, "cannot be a prediction"),
        ({"external": {**VENDOR, "decision": "vendor_score"}}, "named twice"),
        ({"external": {**VENDOR, "documents": [{"title": "Report", "sha256": "abc"}]}}, "expected the SHA-256"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(changes, message):
    with pytest.raises(ValidationError, match=message):
        declared(**changes)


def test_facts_that_requirements_ask_for_are_named_where_they_lack():
    assert declared().external.missing_facts == ("contract", "right_to_audit", "version_notices", "documents")
    known = {**VENDOR, "contract": "MSA 1", "right_to_audit": False, "version_notices": "by mail"}
    assert declared(external=known).external.missing_facts == ("documents",)


def test_models_that_are_trained_here_are_recorded_as_before():
    content = declared(origin="trained", external=None).model_dump(mode="json")
    assert not {"origin", "external"} & set(content)
    again = declared()
    assert Declaration.model_validate(again.model_dump(mode="json")).digest == again.digest
