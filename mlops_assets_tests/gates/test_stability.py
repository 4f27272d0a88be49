from typing import Any

import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def fits(values, churn=0.0) -> dict[str, Any]:
    return {"values": list(values), "churn": churn}


def stability(seeds=(0.7, 0.7, 0.7), resamples=(0.70, 0.71, 0.72), seed_churn=0.0, churn=0.0) -> dict[str, Any]:
    return {"metric": "roc_auc", "seeds": fits(seeds, seed_churn), "resamples": fits(resamples, churn)}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({"max_seed_spread": 1.0}, stability(seeds=(0.0, 1.0, 2.0)), P, "seeds: exactly the spread"),
    ({"max_seed_spread": 0.99}, stability(seeds=(0.0, 1.0, 2.0)), F, "seeds: just beyond"),
    ({"max_resample_spread": 1.0}, stability(resamples=(0.0, 1.0, 2.0)), P, "resamples: exactly"),
    ({"max_resample_spread": 0.99}, stability(resamples=(0.0, 1.0, 2.0)), F, "resamples: just beyond"),
    ({"max_churn": 0.1}, stability(seed_churn=0.1, churn=0.1), P, "exactly the churn"),
    ({"max_churn": 0.1}, stability(seed_churn=0.101), F, "seeds: just beyond the churn"),
    ({"max_churn": 0.1}, stability(churn=0.101), F, "resamples: just beyond the churn"),
    ({"max_churn": 0.1}, stability(seed_churn=None, churn=None), P, "a regression decides nothing"),
    ({}, stability(seeds=(0.7, 0.7, None)), N, "two of three seeds"),
    ({}, stability(resamples=(0.7, 0.7, None)), N, "two of three resamples"),
    ({}, stability(resamples=(0.7, 0.7, 0.7)), N, "the same fit on different rows"),
    ({}, stability(resamples=(0.7, 0.7, 0.7), churn=0.1), P, "the same metric from other decisions"),
    ({}, stability(seeds=(0.1, 0.9, 0.5), resamples=(0.7, None, None)), F, "a breach found is a breach"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, stability(seeds=(0.70, 0.705, 0.71), resamples=(0.7, None, None)), 0.005, 0.01, ["1 fits over resamples"]),
    ({"min_repeats": 2}, stability(seeds=(0.70, 0.72), resamples=(0.7, 0.7)), 0.01414, 0.01, ["(2 fits)"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("stability", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("stability", *shown)


def test_a_refusal_names_what_spread_and_the_limit() -> None:
    reason = decided("stability", {}, stability(resamples=(0.6, 0.7, 0.8))).reason
    assert all(word in reason for word in ("resamples", "0.1", "roc_auc", "0.05", "3 fits"))


def test_a_pass_shows_spread_and_churn() -> None:
    found = decided("stability", {}, stability(churn=0.021))
    assert found.passed
    assert all(word in found.reason for word in ("over seeds", "over resamples", "2.1% of decisions"))


def test_equal_fits_over_seeds_are_called_so() -> None:
    found = decided("stability", {}, stability(seeds=(0.7, 0.7 + 1e-16, 0.7)))
    assert found.passed
    assert "over seeds 3 fits are the same" in found.reason


def test_the_spread_that_is_shown_is_the_one_nearest_its_limit() -> None:
    both = stability(seeds=(0.70, 0.71, 0.72), resamples=(0.70, 0.71, 0.72))
    found = decided("stability", {"max_seed_spread": 0.02, "max_resample_spread": 0.5}, both)
    assert (found.value, found.threshold) == (pytest.approx(0.01), 0.02)
    other = decided("stability", {"max_seed_spread": 0.5, "max_resample_spread": 0.02}, both)
    assert (other.threshold, other.details["spreads"]["resamples"]) == (0.02, pytest.approx(0.01))
