from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, check


def reasons(**changes) -> dict[str, Any]:
    base = {"applies": True, "adverse": 100, "explained": 100, "most_codes": 4, "codes": 400, "faithful": 400}
    return {**base, "unscored": [], **changes}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, reasons(), P, "all explained, by exactly four"),
    ({}, reasons(explained=99), F, "one decision without a reason"),
    ({"min_coverage": 0.99}, reasons(explained=99), P, "exactly the coverage"),
    ({}, reasons(most_codes=5), F, "five reasons"),
    ({"min_faithful": 0.95}, reasons(faithful=380), P, "exactly the faithful share"),
    ({"min_faithful": 0.95}, reasons(faithful=379), F, "one unfaithful too many"),
    ({}, reasons(least_contribution=0.005), P, "a further reason at the least contribution"),
    ({}, reasons(least_contribution=0.001), F, "a further reason that hardly counted"),
    ({}, reasons(unscored=["age"]), F, "a factor that the model does not use"),
    ({}, reasons(applies=False), N, "a regression has no adverse decisions"),
    ({}, reasons(adverse=0, explained=0, codes=0, faithful=0), N, "no adverse decision"),
    ({"min_coverage": 0}, reasons(explained=0, codes=0, faithful=0, most_codes=0), N, "no reason at all"),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("reason_codes", *case)
