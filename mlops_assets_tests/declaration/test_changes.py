"""Which changes of a declaration ask for a retraining, and which do not."""

import pytest

from mlops_assets.declaration.changes import retraining_note
from mlops_assets.declaration.declaration import Declaration
from mlops_assets_tests.training.tables import declare

MADE = declare()


def changed(**changes) -> Declaration:
    return Declaration.model_validate({**MADE.model_dump(mode="json"), **changes})


def inputs(**changes) -> dict:
    return {"features": {**MADE.model_dump(mode="json")["features"], **changes}}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        (inputs(more="numeric"), "input more was added"),
        ({"features": {"code": "categorical"}}, "input grade was removed"),
        (inputs(code={"role": "categorical", "allowed": ["a"]}), "input code"),
        ({"target": {"column": "y", "positive": "good"}}, "target"),
        ({"candidates": ["linear"]}, "candidates"),
        ({"training": {"until": "2021-02-01"}}, "training"),
        (inputs(code={"role": "categorical", "description": "A code."}), None),
        ({"owner": "team:others"}, None),
        ({"source": {"path": "moved.parquet"}}, None),
        ({"requirements": ["ecoa_reg_b"]}, None),
        ({}, None),
    ],
    ids=lambda v: str(v)[:40],
)
def test_a_retraining_is_due_where_another_model_would_come_of_it(now, said):
    note = retraining_note(MADE, changed(**now))
    if said is None:
        assert note is None
    else:
        assert said in (note or "")
        assert (note or "").endswith("so a retraining is due.")
