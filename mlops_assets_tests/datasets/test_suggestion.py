"""A table's own suggestion is one a person would start from."""

from datetime import date, timedelta

import polars as pl
import pytest

from mlops_assets.datasets.sources import SourceError
from mlops_assets.datasets.suggestion import suggest
from mlops_assets.declaration.terms import Cadence, Role, Task
from mlops_assets_tests.integration.small_project import ROOT

ROWS = 6000


def table(**columns: object) -> pl.LazyFrame:
    return pl.LazyFrame({"number": range(ROWS), **columns})


def a_day_each(first: date = date(2020, 1, 1), per_day: int = 4) -> list[date]:
    return [first + timedelta(days=i // per_day) for i in range(ROWS)]


def test_the_example_tables_are_read_as_they_were_declared():
    found = suggest(pl.scan_parquet(ROOT / "data" / "sba_loans.parquet"))
    assert (found.id, found.event_time, found.target) == ("loan_id", "approval_date", "default")
    assert (found.task, found.positive) == (Task.BINARY, 1)
    assert dict(found.features)["state"] is Role.CATEGORICAL
    assert dict(found.features)["employees"] is Role.NUMERIC


@pytest.mark.parametrize(
    ("values", "task", "positive", "why"),
    [
        ([1, 0, 0] * (ROWS // 3), Task.BINARY, 1, "one is what events are called"),
        (["yes", "no", "no"] * (ROWS // 3), Task.BINARY, "yes", "and so is yes"),
        (["yes", "yes", "no"] * (ROWS // 3), Task.BINARY, "yes", "also where it is the more frequent one"),
        (["paid", "paid", "late"] * (ROWS // 3), Task.BINARY, "late", "else events are rare"),
        (["a", "b", "c"] * (ROWS // 3), Task.MULTICLASS, None, "a few words are classes"),
        ([i / 7 for i in range(ROWS)], Task.REGRESSION, None, "fractions are amounts"),
        (list(range(ROWS)), Task.REGRESSION, None, "many whole numbers are amounts, too"),
    ],
)
def test_the_targets_values_say_what_is_predicted(values, task, positive, why):
    found = suggest(table(said=values), target="said")
    assert (found.task, found.positive) == (task, positive), why


def test_what_cannot_be_an_input_is_left_out_with_its_reason():
    found = suggest(
        table(
            same=["x"] * ROWS,
            empty=pl.Series([None] * ROWS, dtype=pl.Float64),
            note=[f"said {i} of {i % 3001}" for i in range(ROWS)],
            parts=[[1, 2]] * (ROWS - 1) + [[3]],
            amount=[i % 977 for i in range(ROWS)],
            known=[i % 2 == 0 for i in range(ROWS)],
        )
    )
    assert found.id == "number"
    assert dict(found.features) == {"amount": Role.NUMERIC, "known": Role.BOOLEAN}
    reasons = dict(found.left_out)
    assert reasons["same"] == "one value only"
    assert reasons["empty"] == "no value in it"
    assert reasons["note"] == "text with 6,000 different values"
    assert reasons["parts"].startswith("type List")


@pytest.mark.parametrize(
    ("per_day", "cadence", "why"),
    [
        (200, Cadence.WEEK, "a day has 200 rows, a week more than a thousand"),
        (40, Cadence.MONTH, "a month is the shortest with a thousand"),
        (4, Cadence.YEAR, "a year has 1,460, a quarter 368"),
    ],
)
def test_windows_are_the_shortest_that_have_enough_rows(per_day, cadence, why):
    assert suggest(table(day=a_day_each(per_day=per_day))).cadence is cadence, why


def test_the_first_training_ends_where_a_window_starts():
    found = suggest(table(booked_on=[str(day) for day in a_day_each(per_day=40)]))
    assert found.event_time == "booked_on"
    assert found.until is not None
    assert found.until.day == 1
    before = sum(day < found.until for day in a_day_each(per_day=40))
    assert 0.3 < before / ROWS <= 0.5


def test_a_table_that_says_nothing_suggests_nothing():
    found = suggest(pl.LazyFrame({"a": [1, 1, 2]}))
    assert (found.id, found.event_time, found.target, found.until, found.cadence) == (None,) * 5


def test_a_target_that_is_not_there_is_named():
    with pytest.raises(SourceError, match=r"missing column 'defualt' \(near: 'default'\)"):
        suggest(pl.LazyFrame({"default": [1]}), target="defualt")
