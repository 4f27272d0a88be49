from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, check


def reasons(**changes) -> dict[str, Any]:
    base = {"applies": True, "adverse": 100, "explained": 100, "most_codes": 4, "codes": 400, "faithful": 400}
    tested = {"shapley_agreement": 1.0, "stable_first": 1.0, "tested": 400, "supported": 400}
    return {**base, **tested, "unscored": [], **changes}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, reasons(), P, "all explained, by exactly four"),
    ({}, reasons(explained=99), F, "one decision without a reason"),
    ({"min_coverage": 0.99}, reasons(explained=99), P, "exactly the coverage"),
    ({}, reasons(most_codes=5), F, "five reasons"),
    ({"min_faithful": 0.95}, reasons(faithful=380), P, "exactly the faithful share"),
    ({"min_faithful": 0.95}, reasons(faithful=379), F, "one unfaithful too many"),
    ({}, reasons(least_share=0.05), P, "a further reason at the least share"),
    ({}, reasons(least_share=0.01), F, "a further reason that hardly counted"),
    ({"min_shapley": 0.9}, reasons(shapley_agreement=0.9), P, "exactly the share that Shapley values agree with"),
    ({"min_shapley": 0.9}, reasons(shapley_agreement=0.89), F, "Shapley values contradict too many reasons"),
    ({}, reasons(shapley_agreement=None), N, "not compared with Shapley values"),
    ({"min_shapley": 0}, reasons(shapley_agreement=None), P, "no comparison is asked for"),
    ({"min_stable": 0.9}, reasons(stable_first=0.9), P, "exactly the stable share"),
    ({"min_stable": 0.9}, reasons(stable_first=0.89), F, "other reference rows, other first reasons"),
    ({}, reasons(stable_first=None), N, "stability not tested"),
    ({"min_supported": 0.5}, reasons(supported=200), P, "exactly the supported share"),
    ({"min_supported": 0.5}, reasons(supported=199), F, "one too many without support"),
    ({}, reasons(supported=0), F, "a model of noise"),
    ({}, reasons(tested=0, supported=0), N, "too few outcomes to test the factors on"),
    ({}, reasons(tested=0, supported=0, faithful=0), F, "what is known to be wrong fails, whatever is unknown"),
    ({}, reasons(unscored=["age"]), F, "a factor that the model does not use"),
    ({}, reasons(applies=False), N, "a regression has no adverse decisions"),
    ({}, reasons(adverse=0, explained=0, codes=0, faithful=0), N, "no adverse decision"),
    ({"min_coverage": 0}, reasons(explained=0, codes=0, faithful=0, most_codes=0), N, "no reason at all"),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("reason_codes", *case)
