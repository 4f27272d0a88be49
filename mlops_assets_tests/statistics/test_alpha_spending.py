"""The level of each attempt on the same rows: what all of them add up to, and what is accepted by chance."""

import numpy as np
import pytest
from scipy.special import ndtri

from mlops_assets.statistics.alpha_spending import level_of_attempt

CHALLENGERS = 10


def test_the_levels_of_all_attempts_add_up_to_the_total() -> None:
    levels = [level_of_attempt(attempt, 0.05) for attempt in range(1, 10_001)]
    assert levels[0] == pytest.approx(0.025)
    assert sum(levels) == pytest.approx(0.05 * (1 - 1 / 10_001))
    assert levels == sorted(levels, reverse=True)


@pytest.mark.parametrize(("attempt", "total"), [(0, 0.05), (-1, 0.05), (1, 0.0), (1, 1.0)])
def test_no_level_outside_its_range(attempt: int, total: float) -> None:
    with pytest.raises(ValueError, match="expected 1 or more"):
        level_of_attempt(attempt, total)


@pytest.mark.parametrize("alike", [0.0, 0.5, 0.95])
def test_of_ten_attempts_each_worse_by_the_margin_one_is_accepted_no_more_often_than_stated(alike: float) -> None:
    """At one level for each attempt, one of ten was accepted in 20 % of cases. `alike`: correlation of the differences."""
    rng = np.random.default_rng(14)
    lives = 20_000
    common, own = rng.normal(size=(lives, 1)), rng.normal(size=(lives, CHALLENGERS))
    z = np.sqrt(alike) * common + np.sqrt(1 - alike) * own
    limits = -ndtri([level_of_attempt(attempt, 0.05) for attempt in range(1, CHALLENGERS + 1)])
    share = (z > limits).any(axis=1).mean()
    assert share <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / lives)
    plain = (z > -ndtri(0.025)).any(axis=1).mean()
    assert plain > share
