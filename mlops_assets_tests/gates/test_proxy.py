from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def proxy(auc=0.7, single=0.6, is_input=False, note="", protected=("sex",)) -> dict[str, Any]:
    found = {"attribute": "sex", "is_input": is_input, "auc": auc, "features": {"height": single}, "note": note}
    return {"protected": list(protected), "proxies": [found] if protected else []}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({"max_auc": 0.7}, proxy(), P, "exactly the limit"),
    ({"max_auc": 0.6999}, proxy(), F, "together just above"),
    ({"max_single_auc": 0.6}, proxy(), P, "alone exactly the limit"),
    ({"max_single_auc": 0.5999}, proxy(), F, "alone just above"),
    ({}, proxy(is_input=True), F, "a protected input"),
    ({"allow_protected_inputs": True}, proxy(is_input=True), P, "a protected input that policy allows"),
    ({}, proxy(auc=None, note="too few rows"), N, "not measured"),
    ({}, proxy(auc=None, single=0.99), F, "a strong single stand-in is one, even if the rest is unknown"),
    ({}, proxy(protected=()), N, "no protected attribute"),
    ({}, {"protected": ["sex"], "proxies": []}, N, "an attribute that nobody screened"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    (
        {},
        {
            "protected": ["sex", "age"],
            "proxies": [
                {"attribute": a, "is_input": False, "auc": v, "features": {}, "note": ""}
                for a, v in (("sex", 0.7), ("age", 0.6))
            ],
        },
        0.7,
        0.95,
        ["sex is predicted with AUC 0.700, age is predicted with AUC 0.600"],
    ),
    ({"allow_protected_inputs": True}, proxy(is_input=True), 0.7, 0.95, ["protected and an input: sex"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("proxy", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("proxy", *shown)


@pytest.mark.parametrize(
    ("rule", "evidence", "word"),
    [
        ({"allow_protected_inputs": True}, proxy(), "no protected attribute an input"),
        ({}, proxy(is_input=True), "protected and an input"),
    ],
)
def test_a_rule_that_does_not_apply_is_not_shown(rule: dict[str, Any], evidence: dict[str, Any], word: str) -> None:
    found = decided("proxy", rule, evidence)
    assert word not in found.rule
    assert word not in found.reason


def test_nothing_to_measure_is_marked() -> None:
    assert decided("proxy", {}, proxy(protected=())).details["absent"] is True
    assert "no protected attribute an input" in decided("proxy", {}, proxy()).rule
