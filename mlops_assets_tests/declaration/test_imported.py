"""What a declaration says of a model that others trained."""

import pytest
from pydantic import ValidationError

from mlops_assets.declaration.changes import retraining_note
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.imported import ModelFormat
from mlops_assets_tests.declaration import test_external

SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
GROUP = {"artifact": "models/cards.skops", "supplier": "Group risk analytics", "sha256": SHA}


def declared(**changes):
    return test_external.declared(**{"origin": "imported", "external": None, "imported": GROUP, **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"imported": None}, "imported is missing"),
        ({"origin": "trained"}, "imported goes with origin: imported"),
        ({"external": test_external.VENDOR}, "external goes with origin: external"),
        ({"features": {}}, "features is empty"),
        ({"task": "multiclass"}, "binary and regression"),
        ({"candidates": ["linear"]}, "candidates are for models that are trained here"),
        ({"imported": {**GROUP, "sha256": "abc"}}, "expected the SHA-256"),
        ({"imported": {**GROUP, "inputs": ["age"]}}, "expected each feature once"),
        ({"imported": {**GROUP, "tracking_uri": "https://mlflow.example.com"}}, "goes with an MLflow address"),
        ({"imported": {**GROUP, "artifact": "https://example.com/model.skops"}}, "copy a file that is elsewhere"),
        ({"imported": {**GROUP, "format": "pickle"}}, "skops"),
        ({"imported": {**GROUP, "trained_until": "2023-12-01"}}, "expected rows between them"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(changes, message):
    with pytest.raises(ValidationError, match=message):
        declared(**changes)


def test_the_name_tells_the_format_where_it_can():
    assert declared().imported.named_format is ModelFormat.SKOPS
    assert declared(imported={**GROUP, "artifact": "cards.bin"}).imported.named_format is None
    assert declared(imported={**GROUP, "artifact": "models:/cards/3"}).imported.in_mlflow


def test_it_is_recorded_and_read_again_as_it_was():
    again = declared()
    assert "external" not in again.model_dump(mode="json")
    assert Declaration.model_validate(again.model_dump(mode="json")).digest == again.digest
    assert "imported" not in test_external.declared().model_dump(mode="json")


def test_another_file_is_a_new_version():
    other = declared(imported={**GROUP, "sha256": SHA[::-1]})
    assert retraining_note(declared(), other) == (
        "The declaration changed (imported file) after this version was made, so a new version is due."
    )
    assert "origin" in (retraining_note(test_external.declared(), other) or "")
    assert retraining_note(declared(), declared(imported={**GROUP, "contract": "MSA 2"})) is None
