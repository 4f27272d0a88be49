from datetime import date, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.datasets.windows import (
    after_training_expr,
    declared_windows,
    first_day,
    in_window,
    last_end,
    shift,
    window_of,
    window_of_key,
    windows_between,
)
from mlops_assets.declaration.period import Period
from mlops_assets.declaration.terms import Cadence
from mlops_assets_tests.training.tables import declare


@pytest.mark.parametrize(
    ("cadence", "start", "end"),
    [
        (Cadence.DAY, date(2024, 2, 29), date(2024, 3, 1)),
        (Cadence.WEEK, date(2024, 2, 26), date(2024, 3, 4)),
        (Cadence.MONTH, date(2024, 2, 1), date(2024, 3, 1)),
        (Cadence.QUARTER, date(2024, 1, 1), date(2024, 4, 1)),
        (Cadence.YEAR, date(2024, 1, 1), date(2025, 1, 1)),
    ],
)
def test_window_of_a_leap_day(cadence: Cadence, start: date, end: date) -> None:
    window = window_of(date(2024, 2, 29), cadence)
    assert (window.start, window.end, window.key) == (start, end, start.isoformat())


@given(day=st.dates(date(1900, 1, 1), date(2200, 1, 1)), cadence=st.sampled_from(list(Cadence)))
def test_windows_tile_time(day: date, cadence: Cadence) -> None:
    window = window_of(day, cadence)
    assert window.start <= day < window.end
    assert window_of_key(window.key, cadence) == window
    assert window_of(window.end, cadence).start == window.end
    assert window_of(window.end - timedelta(days=1), cadence) == window


def test_windows_between_and_declared() -> None:
    keys = [w.key for w in windows_between(date(2003, 10, 1), date(2004, 7, 1), Cadence.QUARTER)]
    assert keys == ["2003-10-01", "2004-01-01", "2004-04-01"]
    live = declared_windows(declare(), today=date(2021, 3, 15))
    assert [w.key for w in live] == ["2021-01-01", "2021-02-01"]
    snapshot = declare(event_time=None, training={}, monitoring={})
    assert declared_windows(snapshot, today=date(2021, 3, 15)) == []


@pytest.mark.parametrize("key", ["2003-10-02", "2003", "soon"])
def test_a_key_that_starts_no_window_is_refused(key: str) -> None:
    with pytest.raises(ValueError, match="partition key"):
        window_of_key(key, Cadence.QUARTER)


def test_shift_stays_inside_the_month() -> None:
    assert shift(date(2024, 1, 31), Period(count=1, unit=Cadence.MONTH)) == date(2024, 2, 29)
    assert shift(date(2024, 2, 29), Period(count=1, unit=Cadence.YEAR), sign=-1) == date(2023, 2, 28)
    assert shift(date(2003, 10, 1), Period(count=36, unit=Cadence.MONTH), sign=-1) == date(2000, 10, 1)


def test_a_row_is_in_the_window_that_starts_at_its_moment() -> None:
    window = window_of(date(2020, 5, 1), Cadence.MONTH)
    frame = pl.DataFrame({"opened": [datetime(2020, 5, 1), datetime(2020, 6, 1), None]})  # noqa: DTZ001
    assert frame.select(in_window(window, pl.col("opened"))).to_series().to_list() == [True, False, False]


@pytest.mark.parametrize(
    ("cadence", "kept"),
    [(Cadence.QUARTER, [True, False, True]), (Cadence.WEEK, [True, False, True]), (Cadence.MONTH, [True, True, True])],
)
def test_rows_that_were_trained_on_are_in_no_window(cadence: Cadence, kept: list[bool]) -> None:
    model = declare(training={"until": "2024-05-01"}, monitoring={"cadence": cadence})
    window = window_of(date(2024, 5, 1), cadence)
    assert first_day(model, window) == date(2024, 5, 1)
    following = window_of(window.end, cadence)
    assert first_day(model, following) == following.start
    days = pl.DataFrame({"day": [datetime(2024, 3, 1), datetime(2024, 4, 30), datetime(2024, 5, 1)]})  # noqa: DTZ001
    assert days.select(inside=after_training_expr(pl.col("day"), model)).to_series().to_list() == kept


def test_a_history_that_ends_inside_of_a_window_ends_with_it() -> None:
    model = declare(training={"until": "2024-04-01"}, monitoring={"cadence": "quarter", "end": "2024-08-01"})
    assert last_end(model) == declared_windows(model, date(2026, 1, 1))[-1].end == date(2024, 10, 1)
    whole = declare(training={"until": "2024-04-01"}, monitoring={"cadence": "quarter", "end": "2024-07-01"})
    assert last_end(whole) == date(2024, 7, 1)
