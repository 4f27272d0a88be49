"""A prediction scored again is equal where only rounding differs."""

import pytest

from mlops_assets.inspection.replay import same_number


@pytest.mark.parametrize(
    ("found", "recorded", "same"),
    [
        (0.1294863040763604, 0.12948630407636041, True),
        (123456.78900000001, 123456.789, True),
        (0.0, 1e-13, True),
        (0.1294863, 0.1294864, False),
        (1, 0, False),
        ("yes", "yes", False),
    ],
    ids=["last digit", "a large value", "next to nothing", "another score", "another decision", "a label is no number"],
)
def test_numbers_that_differ_by_rounding_alone(found, recorded, same):
    assert same_number(found, recorded) is same
