"""Broken columns where fitting the reference again is harder to tell: rounded, mostly 0, or restless ones."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.monitoring.streams import RULES


def rows(number: int, seed: int, level: float = 0.0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    places = generator.normal(level, 1, number // 25).repeat(25)
    return pl.DataFrame(
        {
            "height": 2900 + 280 * places + 20 * generator.normal(size=number),
            "price": np.floor(generator.lognormal(2, 0.7, number)) + 0.99,
            "bytes": np.where(generator.random(number) < 0.6, 0, generator.lognormal(6, 2, number)).round(),
        }
    )


@pytest.fixture(scope="module")
def profile():
    reference = rows(10_000, 1)
    return build_profile(reference, dict.fromkeys(reference.columns, "numeric"), times=pl.Series(np.arange(10_000)))


@pytest.mark.parametrize(
    ("column", "sign", "broken", "why"),
    [
        (
            "height",
            "unit_change",
            pl.col("height") * 1000,
            "back in its unit it is as restless as before, and no nearer",
        ),
        ("price", "unit_change", pl.col("price") / 100, "rounded numbers come back a hair beside the edges of bins"),
        (
            "bytes",
            "placeholder",
            pl.when(pl.int_range(pl.len()) % 10 == 0).then(-999).otherwise(pl.col("bytes")),
            "few more",
        ),
    ],
)
def test_a_broken_column_is_named(profile, column, sign, broken, why):
    window = rows(2000, 2, 0.3).with_columns(broken.cast(pl.Float64).alias(column))
    found = compare(profile, count_window(window, profile), RULES, sample=window)
    assert (found.faults, found.column(column).fault) == ((column,), sign), why


def test_a_value_that_goes_a_little_beyond_for_some_is_no_placeholder(profile):
    window = rows(2000, 3)
    top = window["bytes"].max()
    window = window.with_columns(
        bytes=pl.when(pl.int_range(pl.len()) % 40 == 0).then(top * 10).otherwise(pl.col("bytes"))
    )  # type: ignore[operator]
    assert compare(profile, count_window(window, profile), RULES, sample=window).column("bytes").fault != "placeholder"


@pytest.mark.parametrize(
    ("value", "fault", "why"),
    [
        (-1.0, "placeholder", "below 0, where nothing was"),
        (99_999_999.0, "out_of_range", "far out, whatever it is"),
        (None, "", "a little more than the largest: a new limit, say"),
    ],
)
def test_values_beyond_the_range(profile, value, fault, why):
    value = profile.columns["bytes"].maximum * 1.2 if value is None else value
    tenth = pl.int_range(pl.len()) % 10 == 0
    window = rows(2000, 3).with_columns(bytes=pl.when(tenth).then(value).otherwise(pl.col("bytes")))
    found = compare(profile, count_window(window, profile), RULES, sample=window)
    assert found.column("bytes").fault == fault, why
