import json
import math
from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile, ProfileError, build_profile, category_text

ROLES = {"x": "numeric", "k": "categorical", "d": "date"}


def table(rows=1000, seed=1):
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "x": [None, math.nan, math.inf, -math.inf, *generator.normal(size=rows - 4)],
            "k": generator.choice(["a", "b", None], rows, p=[0.6, 0.3, 0.1]).tolist(),
            "d": [date(2020, 1, 1 + i % 28) for i in range(rows)],
        }
    )


def test_profile_is_json_and_reads_back():
    profile = build_profile(table(), ROLES)
    again = Profile.from_dict(json.loads(json.dumps(profile.to_dict(), allow_nan=False)))
    assert again == profile
    assert again.digest == profile.digest
    assert build_profile(table(seed=2), ROLES).digest != profile.digest


def test_what_a_profile_counts():
    x = build_profile(table(), ROLES).columns["x"]
    assert (x.rows, x.nulls, x.infinite, x.present, sum(x.counts)) == (1000, 2, 2, 996, 996)
    assert len(x.counts) == len(x.edges) + 1 == 20
    assert x.resolution == pytest.approx(0.05, abs=0.002)
    k = build_profile(table(), ROLES).columns["k"]
    assert list(k.categories) == ["a", "b"]
    assert sum(k.categories.values()) + k.nulls == 1000


@pytest.mark.parametrize(
    ("frame", "roles", "why"),
    [
        (table(), {"y": "numeric"}, "lacks the column y"),
        (table().clear(), ROLES, "no rows"),
    ],
)
def test_profile_refuses(frame, roles, why):
    with pytest.raises(ProfileError, match=why):
        build_profile(frame, roles)


def test_profile_of_another_version_is_refused():
    with pytest.raises(ProfileError, match="version 99, expected 1: build it again"):
        Profile.from_dict({"version": 99})


def edges_of(values):
    return build_profile(pl.DataFrame({"x": values}), {"x": "numeric"}, bins=20).columns["x"].edges


def test_a_frequent_value_has_its_bin_to_itself():
    values = np.sort(np.concatenate([np.zeros(8000), np.random.default_rng(1).exponential(100, 2000)]))
    edges = edges_of(values)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    assert 8000 in counts


def test_what_lies_beside_a_frequent_value_has_bins_of_its_own():
    values = np.concatenate([np.zeros(19_000), np.random.default_rng(1).lognormal(7, 1, 1000)])
    edges = edges_of(values)
    counts = np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)
    assert sorted(counts.tolist()) == [199, 200, 200, 200, 201, 19_000]
    # Too few rows to part: one bin for them all.
    assert len(edges_of(np.concatenate([np.zeros(995), np.arange(1.0, 26.0)]))) <= 3


def test_few_values_get_a_bin_each():
    assert list(edges_of(np.array([3, 1, 2, 2, 3.0]))) == [2, 3]
    assert len(edges_of(np.array([np.nan]))) == 0
    assert list(np.searchsorted(edges_of(np.array([7.0, 7.0])), [6.9, 7.0, 7.1], side="right")) == [0, 1, 2]


@given(st.lists(st.one_of(st.none(), st.floats(width=32)), min_size=1, max_size=200))
def test_the_reference_counted_as_a_window_gives_its_own_counts(values):
    frame = pl.DataFrame({"x": values}, schema={"x": pl.Float64})
    profile = build_profile(frame, {"x": "numeric"}, bins=5)
    column, counts = profile.columns["x"], count_window(frame, profile).columns["x"]
    assert counts.counts == column.counts
    assert (counts.nulls, counts.infinite) == (column.nulls, column.infinite)
    assert (counts.minimum, counts.maximum) == (column.minimum, column.maximum)


def test_times_are_days():
    frame = pl.DataFrame({"d": [datetime(1970, 1, 2, 12, tzinfo=UTC), datetime(1970, 1, 3, tzinfo=UTC)]})
    column = build_profile(frame, {"d": "date"}).columns["d"]
    assert (column.minimum, column.maximum) == (1.5, 2.0)


@pytest.mark.parametrize(
    ("series", "why"),
    [
        (pl.Series("code", ["1", "2", "10", None]), "text"),
        (pl.Series("code", [1, 2, 10, None]), "whole numbers"),
        (pl.Series("code", [1.0, 2.0, 10.0, None]), "floats"),
        (pl.Series("code", [1.0, 2.0, 10.0, float("nan")]), "missing as NaN"),
        (pl.Series("code", [1, 2, 10, None], dtype=pl.Decimal(10, 2)), "decimals"),
    ],
)
@pytest.mark.parametrize("listed", [(), ("1", "2", "10")])
def test_a_code_is_the_same_whatever_its_type(series, why, listed):
    assert category_text(series, listed).to_list() == ["1", "2", "10", None], why


def test_text_codes_are_kept_as_delivered():
    assert category_text(pl.Series(["01", "1", "1.0", "1.10"])).to_list() == ["01", "1", "1.0", "1.10"]
