from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown

D1, D2 = "1" * 64, "2" * 64


def card(*statuses, digest_=D1, profile="sr26_2") -> dict[str, Any]:
    asked = [{"profile": profile, "item": f"item {i}", "status": s} for i, s in enumerate(statuses)]
    return {"asked": asked, "card_digest": digest_}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, card("present", "present"), P, "all there"),
    ({}, card("present", "stale"), F, "stale is not present"),
    ({"min_share": 0.5}, card("present", "missing"), P, "exactly the share"),
    ({"min_share": 0.51}, card("present", "missing"), F, "just below the share"),
    ({"min_share": 0, "blocking_profiles": ("sr26_2",)}, card("present", "missing"), F, "must be whole"),
    ({"blocking_profiles": ("other",)}, card("present"), N, "a named profile nobody looked at"),
    ({}, card(), N, "nothing is asked"),
    ({}, card("present", digest_=None), F, "no card"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({"min_share": 0.5}, card("present", "missing", "stale"), 1 / 3, 0.5, ["item 1 (missing), item 2 (stale)"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("completeness", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("completeness", *shown)
