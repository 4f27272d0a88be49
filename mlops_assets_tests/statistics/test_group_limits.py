"""Claims about the largest disparity between groups keep their stated error rates, however many groups there are."""

import numpy as np
import pytest

from mlops_assets.statistics.group_limits import Disparity, Groups, compare_groups, extremes


def rates(successes: list[int], trials: int = 1000) -> Groups:
    return Groups.of_rates([f"g{i}" for i in range(len(successes))], successes, [trials] * len(successes))


def ratio(groups: Groups, limit: float = 0.8) -> Disparity:
    return compare_groups(groups, "ratio", limit, alpha=0.05, alpha_within=0.05)


def test_the_pair_farthest_apart_is_named_with_its_value_as_measured() -> None:
    found = extremes(rates([500, 400, 450]), "ratio")
    assert (found.value, found.lowest, found.highest) == (0.8, "g1", "g0")
    assert found.low < 0.8 < found.high
    gap = extremes(rates([500, 400, 450]), "difference")
    assert gap.value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("successes", "beyond", "within"),
    [([500, 490], False, True), ([500, 300], True, False), ([500, 400], False, False), ([500, 0], True, False)],
)
def test_what_the_data_support(successes: list[int], beyond: bool, within: bool) -> None:
    found = ratio(rates(successes))
    assert (found.p_beyond < 0.05, found.p_within < 0.05) == (beyond, within)


def test_without_any_success_there_is_no_ratio_and_nothing_is_claimed() -> None:
    found = ratio(rates([0, 0]))
    assert found.extremes.value is None
    assert min(found.p_beyond, found.p_within) > 0.05


def test_means_without_spread_are_told_apart_for_certain() -> None:
    groups = Groups.of_means(["a", "b"], [1.0, 0.0], [0.0, 0.0])
    far = compare_groups(groups, "difference", 0.5, alpha=0.05, alpha_within=0.05)
    near = compare_groups(groups, "difference", 2.0, alpha=0.05, alpha_within=0.05)
    assert (far.p_beyond, near.p_within) == (0.0, 0.0)


def test_one_group_is_refused() -> None:
    with pytest.raises(ValueError, match="found 1 groups"):
        extremes(rates([500]), "ratio")


@pytest.mark.parametrize("groups", [2, 6, 20])
def test_error_rates_hold_where_half_the_groups_are_at_the_limit(groups: int) -> None:
    generator = np.random.default_rng(groups)
    true = [0.5, 0.4] * (groups // 2)
    beyond = within = covered = 0
    for _ in range(400):
        found = ratio(rates(generator.binomial(300, true).tolist(), 300))
        beyond += found.p_beyond < 0.05
        within += found.p_within < 0.05
        covered += found.extremes.low <= 0.8 <= found.extremes.high
    noise = 3 * 0.011  # three standard errors of a rate of .05 over 400 tables
    assert beyond / 400 <= 0.05 + noise
    assert within / 400 <= 0.05 + noise
    assert covered / 400 >= 0.95 - noise
