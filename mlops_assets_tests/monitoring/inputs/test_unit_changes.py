"""Another unit in a column that is mostly 0: nothing is nothing in every unit, so the amounts have to tell."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets_tests.monitoring.streams import judge


def gains(rows: int, seed: int, zeros: float, *, scale: float = 1.0, spread: float = 1.5) -> pl.DataFrame:
    """Mostly 0, else an amount with a heavy tail."""
    g = np.random.default_rng(seed)
    amounts = g.lognormal(8.5, spread, rows).round() * scale
    return pl.DataFrame({"gains": np.where(g.random(rows) < zeros, 0.0, amounts)})


def verdict(window: pl.DataFrame, zeros: float) -> DriftVerdict:
    return judge(gains(20_000, 1, zeros), window, {"gains": "numeric"})


@pytest.mark.parametrize("factor", [12, 100, 1000, 1 / 100])
@pytest.mark.parametrize("zeros", [0.85, 0.92, 0.97])
def test_it_is_found_by_the_amounts(zeros, factor):
    found = verdict(gains(5000, 2, zeros, scale=factor), zeros)
    assert (found.column("gains").fault, found.severity) == ("unit_change", "act")
    assert f"{factor:.6g} times" in found.column("gains").reason


@pytest.mark.parametrize(
    ("window", "why"),
    [
        (gains(5000, 3, 0.92), "nothing changed"),
        (gains(5000, 3, 0.84), "fewer zeros, the same amounts"),
        (gains(5000, 3, 0.92, scale=1.6), "amounts that grew by a factor that is no unit's"),
        (gains(5000, 3, 0.92, spread=2.5), "amounts that spread"),
        (gains(5000, 3, 0.995, scale=12), "too few amounts to tell"),
    ],
)
def test_an_honest_change_is_no_other_unit(window, why):
    assert verdict(window, 0.92).column("gains").fault == "", why
