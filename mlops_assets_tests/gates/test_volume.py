from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def volume(**changes) -> dict[str, Any]:
    base = {"task": "binary", "rows": 500, "class_rows": {"0": 450, "1": 50}, "missing_target": 0, "delivered": 500}
    return {**base, **changes}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, volume(), P, "exactly the fewest rows of the rarest class"),
    ({"min_rows": 500}, volume(), P, "exactly the fewest rows"),
    ({"min_rows": 501}, volume(), F, "one row short"),
    ({"min_class_rows": 51}, volume(), F, "one event short"),
    ({}, volume(class_rows={"0": 500}), N, "one outcome teaches nothing"),
    ({}, volume(missing_target=25), P, "exactly the tolerated share without a target"),
    ({}, volume(missing_target=26), F, "one more without a target"),
    ({}, volume(task="regression", class_rows={}), P, "a regression has no classes"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, volume(class_rows={"0": 500}), 1, 2, ["only one outcome occurs (0)"]),
    ({}, volume(class_rows={}), 0, 2, ["only one outcome occurs (none)"]),
    ({}, {"task": "binary", "rows": 500, "class_rows": {"0": 250, "1": 250}}, 500, 500, ["500 rows in 2 classes"]),
    (
        {"max_missing_target_share": 0.0},
        {"task": "regression", "rows": 500, "class_rows": {}, "delivered": 500},
        500,
        500,
        ["500 rows"],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("volume", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("volume", *shown)


def test_a_refusal_names_the_class_and_the_counts() -> None:
    reason = decided("volume", {}, volume(class_rows={"0": 499, "1": 1})).reason
    assert all(word in reason for word in ("'1'", "1 rows", "50"))
