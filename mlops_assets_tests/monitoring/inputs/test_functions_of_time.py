"""Columns that take new values as time goes on are told from those that only seldom change."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.monitoring.inputs.functions_of_time import functions_of_time
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

ROWS = 6000
RULES = MonitoringThresholds()


def stream(rows: int = ROWS + 1000) -> pl.DataFrame:
    generator = np.random.default_rng(3)
    step = np.arange(rows)
    month = step // 400
    return pl.DataFrame(
        {
            "month": [f"2020-{m // 12}-{m % 12:02}" for m in month],
            "rate": (1 + 0.1 * np.cumsum(generator.normal(size=month.max() + 1))).round(3)[month],
            "weekday": [f"d{d}" for d in step // 100 % 7],
            "sensor": (step // 300 % 3).astype(float),
            "noise": generator.normal(size=rows),
            "trend": step + generator.normal(size=rows) * 50,
        }
    )


@pytest.mark.parametrize(
    ("column", "expected", "why"),
    [
        ("month", True, "each has values of its own"),
        ("rate", True, "it stands still within a month and takes another value in the next"),
        ("weekday", False, "the same seven come back each week"),
        ("sensor", False, "the same three values all along, though they seldom change"),
        ("noise", False, "neighbours differ"),
        ("trend", False, "no two rows are alike"),
    ],
)
def test_which_columns_are(column: str, expected: bool, why: str):
    assert (column in functions_of_time(stream(ROWS), [column])) == expected, why


def test_few_rows_and_one_value_tell_nothing():
    assert functions_of_time(stream(100), ["month"]) == frozenset()
    assert functions_of_time(pl.DataFrame({"a": ["x"] * 1000}), ["a"]) == frozenset()


def judged(window: pl.DataFrame):
    rows = stream()
    roles = {"month": "categorical", "rate": "numeric", "noise": "numeric"}
    reference = rows[:ROWS].select(list(roles))
    profile = build_profile(reference, roles, times=pl.Series(np.arange(ROWS)))
    return compare(
        profile, count_window(window.select(list(roles)), profile), RULES, sample=window, reference_sample=reference
    )


def test_new_months_are_no_fault_and_a_missing_column_still_is():
    window = stream()[ROWS:]
    found = judged(window)
    assert found.severity == "none"
    assert "stands still within each period" in found.column("month").reason
    emptied = judged(window.with_columns(month=pl.when(pl.int_range(pl.len()) % 3 > 0).then("month")))
    assert emptied.faults == ("month",)
    assert "missing" in emptied.column("month").reason
