"""Outcomes are recorded as text and read back as what the model was trained to predict, whatever their type."""

from datetime import date

import polars as pl
import pytest

from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import target_vector
from mlops_assets.pipeline.stages.matured_outcomes import targets
from mlops_assets.pipeline.stages.outcomes import recordings

WINDOW = Window(date(2021, 1, 1), date(2021, 2, 1))


def declared(positive: object, task: str = "binary") -> Declaration:
    target = {"column": "y", "positive": positive} if task == "binary" else "y"
    return Declaration.model_validate(
        {
            "purpose": "A model for tests.",
            "owner": "team:tests",
            "developers": ["developer"],
            "tier": "low",
            "task": task,
            "source": {"path": "x.parquet"},
            "id": "id",
            "target": target,
            "features": {"x": "numeric"},
        }
    )


@pytest.mark.parametrize(
    ("values", "positive", "why"),
    [
        ([True, False, True], True, "truth values"),
        ([1, 0, 1], 1, "integers"),
        ([1.0, 0.0, 1.0], 1, "numbers that were read as floats"),
        (["yes", "no", "yes"], "yes", "text"),
        ([1, 0, 1], 1.0, "a positive value that was declared as a float"),
    ],
)
def test_the_same_rows_are_positive_in_training_and_in_production(values, positive, why):
    declaration = declared(positive)
    rows = pl.DataFrame({"id": ["a", "b", "c"], "x": [1.0, 2.0, 3.0], "y": values})
    recorded = recordings(rows, declaration, WINDOW)
    assert targets(recorded["outcome"], declaration).tolist() == [1, 0, 1], why
    assert target_vector(rows, declaration).tolist() == [1, 0, 1], why


def test_numbers_come_back_to_the_last_bit():
    declaration = declared(None, "regression")
    rows = pl.DataFrame({"id": ["a", "b"], "x": [1.0, 2.0], "y": [0.1 + 0.2, 3e-17]})
    assert targets(recordings(rows, declaration, WINDOW)["outcome"], declaration).tolist() == [0.1 + 0.2, 3e-17]
