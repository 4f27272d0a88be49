from datetime import UTC, date, datetime

import polars as pl
import pytest

from mlops_assets.datasets.accounting import Account, Disposition, Periods, account
from mlops_assets.datasets.internal_columns import EVENT_TIME
from mlops_assets.datasets.placement import place
from mlops_assets.datasets.windows import Window

NOW = datetime(2024, 3, 10, tzinfo=UTC)
JANUARY, FEBRUARY = Window(date(2024, 1, 1), date(2024, 2, 1)), Window(date(2024, 2, 1), date(2024, 3, 1))


def source(*days: str | None) -> pl.LazyFrame:
    times = pl.Series(EVENT_TIME, days, dtype=pl.String).str.to_datetime("%Y-%m-%d", time_unit="us")
    return pl.LazyFrame({EVENT_TIME: times, "row": range(len(days))})


def rows(frame: pl.LazyFrame, window: Window) -> list[int]:
    return place(frame, NOW).rows(frame, window.start, window.end).collect()["row"].to_list()


def test_a_row_without_a_usable_time_is_counted_where_its_neighbours_are() -> None:
    frame = source(None, "2024-01-05", None, "2024-02-05", "2999-01-01", "2024-02-06")
    assert rows(frame, JANUARY) == [0, 1, 2]
    assert rows(frame, FEBRUARY) == [3, 4, 5]


def test_every_row_is_in_one_place() -> None:
    frame = source(
        "2023-05-01", "2023-07-01", "2023-08-01", "2023-08-01", None,
        "2024-01-02", "2024-01-03", "2024-01-04", "2024-02-01", "2024-03-05",
    )  # fmt: skip
    found = account(
        place(frame, NOW),
        Periods(date(2023, 6, 1), date(2024, 1, 1), [JANUARY, FEBRUARY], None),
        Disposition(2, 1, 1),
        {"2024-01-01": Disposition(2)},
        {"2024-01-01": 1},
    )
    expected = Account(
        10,
        2,
        before_training=1,
        in_windows=3,
        late=1,
        copies=1,
        quarantined=1,
        not_due=1,
        late_by_window={"2024-01-01": 1},
    )
    assert found == expected
    assert found.table()[-1] == {"rows are": "in the source", "rows": 10}


def test_rows_after_a_closed_history_are_not_monitored() -> None:
    periods = Periods(None, date(2024, 1, 1), [JANUARY], date(2024, 2, 1))
    found = account(place(source("2023-01-01", "2024-01-05", "2024-02-05"), NOW), periods, Disposition(1), {}, {})
    assert (found.training, found.in_windows, found.not_monitored) == (1, 1, 1)


def test_a_sum_that_is_wrong_is_refused() -> None:
    with pytest.raises(ValueError, match="found 3 rows and 2 places"):
        Account(3, training=2)
