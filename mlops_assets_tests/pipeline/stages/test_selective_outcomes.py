"""Outcomes of some decisions only."""

import pytest

from mlops_assets.pipeline.stages.selective_outcomes import unlike


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
