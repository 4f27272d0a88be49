from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown

D1, D2 = "1" * 64, "2" * 64
D = "0123456789abcdef" * 4
E = "fedcba9876543210" * 4


def parity(**changes) -> dict[str, Any]:
    return {"rows": 100, "available": 1000, "training_features": D1, "scoring_features": D1, **changes}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, parity(), P, "equal digests on exactly enough rows"),
    ({}, parity(scoring_features=D2), F, "other features"),
    ({}, parity(training_scores=D1, scoring_scores=D2), F, "other scores"),
    ({}, parity(training_scores=D1), F, "scores on one side only"),
    ({}, parity(rows=99), N, "one row too few"),
    ({}, parity(rows=20, available=20), P, "all rows there are"),
    ({}, parity(rows=0, available=0), N, "no rows"),
    ({}, parity(training_features=None, scoring_features=None), N, "nothing equals nothing"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, parity(training_features=D, scoring_features=E), 100, 100, ["training 0123456789ab, scoring fedcba987654"]),
    ({}, parity(rows=0, available=0), 0, 100, ["fewer than 1"]),
    ({}, parity(rows=50), 50, 100, ["50 rows were compared, fewer than 100"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("parity", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("parity", *shown)
