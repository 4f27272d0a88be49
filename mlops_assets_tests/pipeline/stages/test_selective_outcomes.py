"""Outcomes of some decisions only."""

import polars as pl
import pytest

from mlops_assets.datasets.contract import check
from mlops_assets.pipeline.stages.data import of_rows_with_outcomes, volume_evidence
from mlops_assets.pipeline.stages.selective_outcomes import INPUTS, MEASURED, as_declared, unlike
from mlops_assets_tests.declaration.test_external import declared


@pytest.mark.parametrize(
    ("refused", "accepted", "said"),
    [
        ((500, 0), (500, 490), "98% of the rows with decision 1 and of 0% of those with decision 0"),
        ((500, 450), (500, 490), ""),
        ((20, 0), (500, 490), ""),
        ((40, 3), (40, 8), ""),
        ((500, 0), (500, 0), ""),
    ],
    ids=["only accepted", "nearly alike", "too few rows", "may be chance", "none known"],
)
def test_shares_that_differ_are_said(refused, accepted, said):
    assert said in unlike(*refused, *accepted)
    assert bool(unlike(*refused, *accepted)) is bool(said)


@pytest.mark.parametrize(
    ("selective", "share", "missing"),
    [("Only approved applicants have outcomes.", 0.25, 0), ("", 0.625, 4)],
    ids=["declared", "not declared"],
)
def test_rows_that_can_have_no_outcome_are_no_fault_of_the_data(selective, share, missing):
    declaration = declared(
        origin="trained", external=None, features={"income": {"role": "numeric", "nullable": False}},
        outcomes={"source": {"path": "outcomes.csv"}, "selective": selective},
    )  # fmt: skip
    rows = pl.DataFrame(
        {
            "application": [f"a{n}" for n in range(8)],
            "decided_on": ["2023-11-01"] * 8,
            "income": [None, *range(7)],
            "defaulted": ["0", "1", "1", "0", None, None, None, None],
        }
    )
    if selective:
        assert as_declared(declaration, measured=False).endswith(f"have outcomes. {INPUTS}")
        assert as_declared(declaration, measured=True).endswith(MEASURED)
    found = check(rows, declaration)
    judged = of_rows_with_outcomes(found.to_dict(), declaration)
    assert judged["quarantined_share"] == share
    assert volume_evidence(found.accepted, judged, declaration)["missing_target"] == missing
    assert found.quarantined.height == 5, "what can have no outcome is kept with the reason"
