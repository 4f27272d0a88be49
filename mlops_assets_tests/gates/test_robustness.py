from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown


def robustness(*probes) -> dict[str, Any]:
    found = [dict(zip(("probe", "drop", "flips", "error"), p, strict=True)) for p in probes]
    return {"metric": "roc_auc", "probes": found}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({"max_drop": 0.05}, robustness(("noise", 0.05, None, "")), P, "exactly the drop"),
    ({"max_drop": 0.05}, robustness(("noise", 0.0501, None, "")), F, "just beyond the drop"),
    ({}, robustness(("unseen category", None, None, "ValueError: unknown")), F, "the model raised"),
    ({}, robustness(("noise", 0.01, None, ""), ("missing", None, None, "")), N, "a probe was not measured"),
    ({}, robustness(), N, "no probe"),
    ({"max_flips": 0.1}, robustness(("noise", 0.0, 0.1, "")), P, "exactly the share of flips"),
    ({"max_flips": 0.1}, robustness(("noise", 0.0, 0.1001, "")), F, "just beyond the flips"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, robustness(("x", 0.01, None, ""), ("y", 0.03, None, "")), 0.03, 0.05, ["is y (0.030)"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("robustness", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("robustness", *shown)
