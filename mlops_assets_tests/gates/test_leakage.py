from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def feature(name="x", auc=0.7, r2=None, after_event=None) -> dict[str, Any]:
    return {"feature": name, "auc": auc, "r2": r2, "after_event": after_event}


def leakage(*features, task="binary") -> dict[str, Any]:
    return {"task": task, "features": list(features)}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, leakage(feature(auc=0.9)), P, "exactly the limit is allowed"),
    ({}, leakage(feature("term_months", auc=0.9001), feature()), F, "just above the limit"),
    ({}, leakage(feature(auc=None, r2=0.95), task="regression"), P, "regression: exactly the limit"),
    ({}, leakage(feature(auc=None, r2=0.9501), task="regression"), F, "regression: just above"),
    ({}, leakage(feature(auc=None)), N, "one class only: nothing can be judged"),
    ({}, leakage(feature(), feature("y", auc=None)), N, "one unjudged feature may be the leak"),
    ({}, leakage(feature("y", auc=None), feature(auc=0.99)), F, "a leak found is a leak"),
    ({}, leakage(), N, "nothing was screened"),
    ({}, leakage(feature(after_event=0.0)), P, "no date after the event"),
    ({}, leakage(feature("closed_on", after_event=0.01)), F, "a date after the event"),
    ({"max_share_after_event": 0.01}, leakage(feature(after_event=0.01)), P, "exactly the tolerated share"),
    ({"forbidden_columns": ("recovered_*",)}, leakage(feature("recovered_usd")), F, "named by the policy"),
    ({"forbidden_columns": ("recovered_*",)}, leakage(feature("not_recovered_usd")), P, "patterns are whole"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, leakage(feature("x", 0.6), feature("y", 0.8), feature("z", 0.7)), 0.8, 0.9, ["feature is y (0.800)"]),
    ({}, leakage(feature("x", 0.95), feature("y", 0.99)), 0.99, 0.9, ["y (0.990), x (0.950)"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("leakage", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("leakage", *shown)


def test_a_refusal_names_the_feature_and_the_numbers() -> None:
    found = decided("leakage", {}, leakage(feature("term_months", auc=0.958)))
    assert all(word in found.reason for word in ("term_months", "0.958", "0.9"))
    assert found.details["offending_features"] == ["term_months"]
