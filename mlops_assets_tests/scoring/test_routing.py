import math

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.scoring.routing import route

IDS = pl.Series("id", [f"row-{number}" for number in range(20_000)])


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.9])
def test_the_share_is_kept(share):
    # Five standard deviations of a binomial share: the hash has no favourites.
    error = 5 * math.sqrt(share * (1 - share) / len(IDS))
    assert route(IDS, share, "loans/2").mean() == pytest.approx(share, abs=error)


def test_nobody_and_everybody():
    assert not route(IDS, 0, 1).any()
    assert route(IDS, 1, 1).all()
    assert route(pl.Series("id", [], dtype=pl.String), 0.5, 1).to_list() == []


def test_a_row_goes_the_same_way_whatever_stands_beside_it():
    every = dict(zip(IDS.to_list(), route(IDS, 0.3, 7).to_list(), strict=True))
    some = IDS.reverse().gather_every(3)
    assert route(some, 0.3, 7).to_list() == [every[row] for row in some]


def test_numbers_and_their_texts_are_the_same_ids():
    numbers = pl.Series("id", range(500))
    assert route(numbers, 0.4, 1).to_list() == route(numbers.cast(pl.String), 0.4, 1).to_list()


def test_another_seed_picks_other_rows():
    both = (route(IDS, 0.1, "loans/2") & route(IDS, 0.1, "loans/3")).mean()
    assert both == pytest.approx(0.01, abs=0.005)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_larger_share_keeps_every_row_of_a_smaller_one(one, other):
    smaller, larger = (route(IDS.head(200), share, 3) for share in sorted((one, other)))
    assert (~smaller | larger).all()


def test_known_rows_stay_where_they_were():
    """The rule is on record with every canary window: another hash would be another rule."""
    assert route(IDS.head(12), 0.5, "loans/2").to_list() == [bool(int(bit)) for bit in "001101111111"]


@pytest.mark.parametrize("share", [-0.1, 1.1])
def test_a_share_outside_its_range_is_refused(share):
    with pytest.raises(ValueError, match="expected 0 to 1"):
        route(IDS, share, 1)


def test_a_row_without_an_id_is_refused():
    with pytest.raises(ValueError, match="found 1 rows without an id"):
        route(pl.Series("id", ["a", None]), 0.5, 1)
