from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def contract(**changes) -> dict[str, Any]:
    return {"rows": 1000, "quarantined_share": 0.01, "reasons": {"age: above 120": 10}, "problems": [], **changes}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, contract(), P, "few rows are bad"),
    ({"max_quarantined_share": 0.01}, contract(), P, "exactly the limit is allowed"),
    ({"max_quarantined_share": 0.0099}, contract(), F, "just above the limit"),
    ({}, contract(problems=["no column age"]), F, "a fault of the whole table counts whatever the share"),
    ({}, contract(rows=0, quarantined_share=0.0), N, "no rows at all"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    (
        {},
        contract(quarantined_share=0.2, reasons={"few": 1, "most": 9, "c": 2, "b": 2}),
        0.2,
        0.05,
        ["most frequent: most (9 rows), b (2 rows), c (2 rows) and 1 more"],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("contract", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("contract", *shown)


def test_a_refusal_names_the_commonest_reason_and_the_share() -> None:
    reason = decided("contract", {}, contract(quarantined_share=0.2)).reason
    assert "20.00%" in reason
    assert "age: above 120" in reason
