import json

import numpy as np
import polars as pl
import pytest

from mlops_assets.statistics.between_periods import (
    MOST_ROWS,
    BetweenPeriods,
    as_long_as,
    between_periods,
    measure_periods,
    number_periods,
)
from mlops_assets.statistics.homogeneity import chi_square_two_sample
from mlops_assets.statistics.profile import Profile, build_profile
from mlops_assets.statistics.psi import net_psi


def shares(generator: np.random.Generator, periods: int, spread: float) -> np.ndarray:
    """Four cells whose shares vary from period to period: logits with a normal disturbance of the first cell."""
    logits = np.zeros((periods, 4))
    logits[:, 0] = generator.normal(0, spread, periods)
    odds = np.exp(logits)
    return odds / odds.sum(1, keepdims=True)


def drawn(generator: np.random.Generator, rows: int, spread: float, periods: int = 1) -> np.ndarray:
    return np.array([generator.multinomial(rows, p) for p in shares(generator, periods, spread)])


def test_periods_that_do_not_differ_have_no_extra_variance() -> None:
    generator = np.random.default_rng(1)
    found = [between_periods(drawn(generator, 500, 0.0, 24)) for _ in range(400)]
    p_values = np.array([one.p_value for one in found if one is not None])
    assert len(p_values) == 400
    assert np.mean(p_values < 0.01) <= 0.025
    assert np.mean(p_values < 0.5) == pytest.approx(0.5, abs=0.08)


def test_the_extra_variance_is_the_one_that_was_put_in() -> None:
    generator = np.random.default_rng(2)
    many = shares(generator, 200_000, 0.3)
    middle = many.mean(0)
    true = float((((many - middle) ** 2) / middle).sum(1).mean())
    covariance = np.cov(((many - middle) / np.sqrt(middle)).T)
    found = [between_periods(drawn(generator, 500, 0.3, 48)) for _ in range(100)]
    assert np.mean([one.variance for one in found if one]) == pytest.approx(true, rel=0.08)
    assert np.mean([one.squares for one in found if one]) == pytest.approx(float((covariance**2).sum()), rel=0.2)


@pytest.mark.parametrize(
    ("counts", "why"),
    [
        (np.full((7, 3), 50), "seven periods are too few to know how they vary"),
        (np.full((12, 1), 50), "one cell cannot vary"),
        (np.zeros((12, 3)), "no rows"),
    ],
)
def test_what_cannot_be_measured_is_none(counts: np.ndarray, why: str) -> None:
    assert between_periods(counts) is None, why


@pytest.mark.parametrize("spread", [0.2, 0.4])
def test_a_window_that_differs_as_periods_do_is_no_alarm(spread: float) -> None:
    """A window in a hundred or two has p < .01, where a test of independent rows has it far more often."""
    generator = np.random.default_rng(3)
    honest, naive = [], []
    for _ in range(400):
        reference = drawn(generator, 500, spread, 24)
        measured = between_periods(reference)
        assert measured is not None
        window = drawn(generator, 500, spread)[0]
        honest.append(chi_square_two_sample(reference.sum(0), window, measured).p_value)
        naive.append(chi_square_two_sample(reference.sum(0), window).p_value)
    assert np.mean(np.array(honest) < 0.01) <= 0.03
    assert np.mean(np.array(naive) < 0.01) > 0.1


def test_a_window_beyond_what_periods_differ_by_is_found() -> None:
    generator = np.random.default_rng(4)
    reference = drawn(generator, 500, 0.1, 24)
    window = generator.multinomial(500, [0.45, 0.2, 0.2, 0.15])
    measured = between_periods(reference)
    assert chi_square_two_sample(reference.sum(0), window, measured).p_value < 1e-4
    assert 0 < net_psi(reference.sum(0), window, measured) < net_psi(reference.sum(0), window)


def test_periods_are_cut_where_the_time_changes() -> None:
    """A year of months stays a year of months, however many periods there might be."""
    months = np.repeat(np.arange(12), np.arange(500, 1700, 100))
    part = number_periods(pl.Series(months))
    assert part is not None
    assert len(np.unique(part.part)) == 12
    assert [len(np.unique(months[part.part == number])) for number in np.unique(part.part)] == [1] * 12


@pytest.mark.parametrize(
    ("times", "why"),
    [
        ([2015] * 5000, "one time for all rows is no order"),
        (sorted([2015, 2016, 2017] * 2000), "three years are three periods"),
        (list(range(500)), "periods of fewer than 100 rows tell nothing"),
        ([None] * 5000, "no row has a time"),
        ([], "no rows"),
    ],
)
def test_without_order_there_are_no_periods(times: list[int | None], why: str) -> None:
    assert number_periods(pl.Series("t", times, dtype=pl.Int64)) is None, why


def test_of_many_rows_a_bounded_number_is_looked_at_all_over_the_time() -> None:
    found = number_periods(pl.Series(np.arange(3 * MOST_ROWS)))
    assert found is not None
    looked_at = np.flatnonzero(found.part >= 0)
    assert len(looked_at) == MOST_ROWS
    assert set(np.unique(found.part[looked_at])) == set(range(192))


def test_rows_without_a_time_belong_to_no_period() -> None:
    times = [None, *range(3000), None]
    found = number_periods(pl.Series(times))
    assert found is not None
    assert list(found.part[[0, -1]]) == [-1, -1]
    measured = measure_periods(np.zeros(3000, dtype=int), found, 2)
    assert measured == (), "one value in all rows: nothing can vary"


@pytest.mark.parametrize(
    ("window_rows", "periods", "why"),
    [
        (1000, 16, "as many periods as windows fit into the reference"),
        (900, 24, "periods no larger than the window: larger ones would differ less"),
        (10, 32, "the finest there is"),
        (16_000, 8, "the coarsest there is"),
    ],
)
def test_a_window_is_held_against_periods_of_its_size(window_rows: int, periods: int, why: str) -> None:
    measured = tuple(BetweenPeriods(k, 0.1, 0.01, 1e-6) for k in (32, 24, 16, 8))
    found = as_long_as(measured, 16_000, window_rows)
    assert found is not None
    assert found.periods == periods, why


def test_variation_that_shorter_periods_show_counts_for_longer_ones() -> None:
    """Of long periods there are few: that they differ is seen less well than by how much."""
    measured = (BetweenPeriods(32, 0.3, 0.05, 1e-9), BetweenPeriods(8, 0.1, 0.01, 0.2))
    assert as_long_as(measured, 8000, 1000) == measured[1]


def test_periods_that_chance_explains_are_left_out() -> None:
    assert as_long_as((BetweenPeriods(8, 0.1, 0.01, 0.2),), 1000, 100) is None
    assert as_long_as((), 1000, 100) is None


def test_a_profile_keeps_them_through_its_file() -> None:
    generator = np.random.default_rng(5)
    level = np.repeat(generator.normal(0, 0.5, 20), 500)
    kind = np.where(generator.random(10_000) < 0.3 + 0.2 * np.sign(level), "b", "a")
    frame = pl.DataFrame({"x": generator.normal(level), "k": kind, "calm": generator.normal(size=10_000)})
    roles = {"x": "numeric", "k": "categorical", "calm": "numeric"}
    profile = build_profile(frame, roles, times=pl.Series(np.repeat(np.arange(20), 500)))
    for name, moves in (("x", True), ("k", True), ("calm", False)):
        found = as_long_as(profile.columns[name].periods, 10_000, 500)
        assert (found is not None) is moves, name
    stored = json.loads(json.dumps(profile.to_dict(), sort_keys=True))
    assert Profile.from_dict(stored) == profile
    assert list(Profile.from_dict(stored).columns["k"].categories) == list(profile.columns["k"].categories)
    assert all(column.periods == () for column in build_profile(frame, roles).columns.values())
