"""Outcomes of some decisions only."""

import polars as pl
import pytest

from mlops_assets.datasets.contract import check
from mlops_assets.pipeline.stages.data import volume_evidence
from mlops_assets.pipeline.stages.selective_outcomes import MEASURED, as_declared, unlike
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
    ("selective", "without", "quarantined", "missing"),
    [("Only approved applicants have outcomes.", 3, 2, 0), ("", 0, 5, 4)],
    ids=["declared", "not declared"],
)
def test_rows_that_can_have_no_outcome_are_no_fault_of_the_data(selective, without, quarantined, missing):
    declaration = declared(
        origin="trained", external=None, features={"income": {"role": "numeric", "nullable": False}},
        outcomes={"source": {"path": "outcomes.csv"}, "selective": selective},
    )  # fmt: skip
    rows = pl.DataFrame(
        {
            "application": [f"a{n}" for n in range(8)],
            "decided_on": ["2023-11-01"] * 8,
            "income": [None, *range(6), None],
            "defaulted": ["0", "1", "1", "0", None, None, None, None],
        }
    )
    if selective:
        assert as_declared(declaration, measured=False).endswith("have outcomes.")
        assert as_declared(declaration, measured=True).endswith(MEASURED)
    found = check(rows, declaration)
    assert (found.without_outcome.height, found.quarantined.height, found.accepted.height) == (without, quarantined, 3)
    assert found.to_dict()["quarantined_share"] == quarantined / 8
    assert volume_evidence(found.accepted, found.to_dict(), declaration)["missing_target"] == missing
    if selective:
        assert found.without_outcome["application"].to_list() == ["a4", "a5", "a6"]
        assert found.without_outcome.schema == found.accepted.schema
        assert sum(found.summary.values()) == 3, "a row with a fault is in quarantine, with every reason"
