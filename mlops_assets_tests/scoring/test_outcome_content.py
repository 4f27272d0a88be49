"""The digest by which a verdict is known to rest on outcomes that have changed."""

from datetime import date
from typing import Any

import polars as pl
import pytest

from mlops_assets.datasets.accounting import ids_by_window
from mlops_assets.scoring.outcome_content import Contents, contents_by_window, outcomes_by_window
from mlops_assets_tests.training.tables import declare

ROWS: dict[str, list[Any]] = {
    "row id": ["a", "b", "c", "d"],
    "opened": [date(2021, 1, 3), date(2021, 1, 31), date(2021, 2, 1), date(2021, 4, 1)],
    "y": ["bad", "good", "good", None],
}
FRAME = pl.DataFrame(ROWS)
MODEL = declare()


def test_a_window_each_whatever_the_order_of_the_rows() -> None:
    found = outcomes_by_window(FRAME.lazy(), MODEL)
    assert sorted(found) == ["2021-01-01", "2021-02-01"], "of the last window nothing is known yet"
    assert outcomes_by_window(FRAME.reverse().lazy(), MODEL) == found
    assert outcomes_by_window(FRAME.filter(pl.col("opened") < date(2021, 2, 1)).lazy(), MODEL) == {
        "2021-01-01": found["2021-01-01"]
    }, "a window's digest hangs on its own rows"


@pytest.mark.parametrize(
    ("row", "outcome", "window", "why"),
    [
        (0, "good", "2021-01-01", "corrected"),
        (1, None, "2021-01-01", "withdrawn"),
        (3, "bad", "2021-04-01", "late"),
    ],
)
def test_what_changes_one_outcome_changes_one_window(row, outcome, window, why) -> None:
    y = list(ROWS["y"])
    y[row] = outcome
    before = outcomes_by_window(FRAME.lazy(), MODEL)
    after = outcomes_by_window(FRAME.with_columns(y=pl.Series(y)).lazy(), MODEL)
    assert {w for w in before | after if before.get(w) != after.get(w)} == {window}, why


def test_two_that_change_places_are_seen() -> None:
    swapped = FRAME.with_columns(y=pl.Series(["good", "bad", "good", None]))
    assert outcomes_by_window(swapped.lazy(), MODEL) != outcomes_by_window(FRAME.lazy(), MODEL)


@pytest.mark.parametrize(("cadence", "start"), [("day", "2021-08-18"), ("week", "2021-08-16"), ("month", "2021-08-01"),
                                                ("quarter", "2021-07-01"), ("year", "2021-01-01")])  # fmt: skip
def test_windows_begin_where_the_calendar_begins_them(cadence, start) -> None:
    one = pl.DataFrame({"row id": ["a"], "opened": [date(2021, 8, 18)], "y": ["bad"]})
    assert list(outcomes_by_window(one.lazy(), declare(monitoring={"cadence": cadence}))) == [start]


def test_a_source_without_the_target_knows_nothing() -> None:
    assert outcomes_by_window(FRAME.drop("y").lazy(), MODEL) == {}


@pytest.mark.parametrize(
    "rows",
    [
        FRAME,
        FRAME.drop("y"),
        FRAME.clear(),
        # A row without an identifier counts as a row and as no outcome; one without a time is in no window.
        FRAME.with_columns(
            pl.Series("row id", ["a", None, "c", "d"]), pl.Series("opened", [*ROWS["opened"][:3], None])
        ),
        pl.concat([FRAME, FRAME]),
    ],
)
def test_one_scan_finds_what_two_find(rows: pl.DataFrame) -> None:
    found = contents_by_window(rows.lazy(), MODEL)
    assert found == Contents(ids_by_window(rows.lazy(), MODEL), outcomes_by_window(rows.lazy(), MODEL))
