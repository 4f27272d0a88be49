from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import polars as pl
import pytest

from mlops_assets.datasets.event_times import EventTimeError, delivered_time, event_time_expr, resolve
from mlops_assets.declaration.columns import EventTime

NOW = datetime(2024, 9, 1, tzinfo=UTC)
PLUS_TWO = timezone(timedelta(hours=2))
DAY, MILLISECONDS = datetime(2024, 5, 1), 1_714_521_600_000  # noqa: DTZ001


def read(values: list[Any] | pl.Series, **declared: Any) -> list[datetime | None]:
    """The values as times, with the format that is found for them."""
    column = values.rename("t") if isinstance(values, pl.Series) else pl.Series("t", values)
    found = resolve(EventTime(column="t", **declared), column, NOW).event_time
    return column.to_frame().select(delivered_time(found, column.dtype)).to_series().to_list()


@pytest.mark.parametrize(
    ("values", "declared"),
    [
        pytest.param([date(2024, 5, 1)], {}, id="date"),
        pytest.param(["2024-05-01"], {}, id="ISO day"),
        pytest.param(["2024-05-01T00:00:00"], {}, id="ISO time"),
        pytest.param(["2024-05-01 00:00:00.000"], {}, id="text with fractions"),
        pytest.param(["2024-05-01T02:00:00+02:00"], {}, id="text with offset"),
        pytest.param(["2024-05-01T00:00:00Z"], {}, id="text in UTC"),
        pytest.param([datetime(2024, 5, 1, 2, tzinfo=PLUS_TWO)], {}, id="time with zone"),
        pytest.param(pl.Series([DAY]).cast(pl.Datetime("ns")), {}, id="ns"),
        pytest.param(pl.Series(["2024-05-01"], dtype=pl.Categorical), {}, id="dictionary"),
        pytest.param([datetime(2024, 5, 1, 2)], {"time_zone": "Europe/Vienna"}, id="local time"),  # noqa: DTZ001
        pytest.param(["2024-05-01 02:00"], {"time_zone": "Europe/Vienna"}, id="local text"),
        pytest.param(["2024-05-01T00:00:00Z"], {"time_zone": "Europe/Vienna"}, id="an offset beats the zone"),
        pytest.param([date(2024, 5, 1)], {"time_zone": "Europe/Vienna"}, id="a day is a calendar day in every zone"),
        pytest.param([MILLISECONDS], {"format": "epoch_ms"}, id="milliseconds"),
        pytest.param([float(MILLISECONDS)], {"format": "epoch_ms"}, id="milliseconds as float"),
        pytest.param([str(MILLISECONDS)], {"format": "epoch_ms"}, id="milliseconds as text"),
        pytest.param([MILLISECONDS // 1000], {"format": "epoch_s"}, id="seconds"),
        pytest.param([MILLISECONDS * 1000], {"format": "epoch_us"}, id="microseconds"),
        pytest.param([20240501], {"format": "yyyymmdd"}, id="digits"),
        pytest.param([20240501.0], {"format": "yyyymmdd"}, id="digits as float"),
        pytest.param(["20240501.0"], {"format": "yyyymmdd"}, id="digits that were floats, as text"),
        pytest.param(["202405"], {"format": "yyyymm"}, id="month"),
        pytest.param(["01/05/2024"], {"format": "%d/%m/%Y"}, id="pattern"),
        pytest.param(
            ["01.05.2024 02:00"], {"format": "%d.%m.%Y %H:%M", "time_zone": "Europe/Vienna"}, id="local pattern"
        ),
        pytest.param(["01.05.2024 02:00 +0200"], {"format": "%d.%m.%Y %H:%M %z"}, id="pattern with offset"),
        pytest.param([202405010000], {"format": "%Y%m%d%H%M"}, id="a pattern of digits"),
    ],
)
def test_every_way_to_write_a_moment_is_the_same_moment(values, declared) -> None:
    assert read(values, **declared) == [DAY]


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        ([2020, None, 0, 99999], {"format": "year"}, [datetime(2020, 1, 1), None, None, None]),  # noqa: DTZ001
        ([datetime(2024, 3, 31, 2, 30)], {"time_zone": "Europe/Vienna"}, [None]),  # noqa: DTZ001
        (["2024-05-01", "someday"], {}, [DAY, None]),
        ([MILLISECONDS, MILLISECONDS // 1000, 10**18], {"format": "epoch_ms"}, [DAY, None, None]),
        ([20240501, 20240532], {"format": "yyyymmdd"}, [DAY, None]),
    ],
    ids=["no year", "skipped by summer time", "a word", "another unit in between", "no such day"],
)
def test_what_is_no_time_is_missing(values, declared, expected) -> None:
    column = pl.Series("t", values)
    assert (
        column.to_frame().select(delivered_time(EventTime(column="t", **declared), column.dtype)).to_series().to_list()
        == expected
    )


@pytest.mark.parametrize(
    ("values", "declared", "message"),
    [
        ([MILLISECONDS] * 3, {}, "such as 1714521600000, .* declare .*format: epoch_ms"),
        ([str(MILLISECONDS)] * 3, {}, "format: epoch_ms"),
        ([20240501] * 3, {}, "format: yyyymmdd"),
        ([202405] * 3, {}, "format: yyyymm}"),
        ([2024] * 3, {}, "format: year"),
        ([MILLISECONDS // 1000] * 3, {"format": "epoch_ms"}, "format: epoch_s"),
        ([MILLISECONDS] * 3, {"format": "epoch_s"}, "format: epoch_ms"),
        ([20240501] * 3, {"format": "year"}, "format: yyyymmdd"),
        ([45292, 45293], {}, "declare a format"),
        (["x1", "x2"], {}, "declare how they are written"),
        (["01/02/2024", "03/04/2024"], {}, r"as %d/%m/%Y and as %m/%d/%Y; declare"),
    ],
)
def test_a_column_in_another_format_is_refused_with_the_likely_one(values, declared, message) -> None:
    with pytest.raises(EventTimeError, match=message):
        resolve(EventTime(column="t", **declared), pl.Series("t", values), NOW)


@pytest.mark.parametrize(
    ("values", "pattern"),
    [
        (["13/02/2024", "01/02/2024", "unknown"], "%d/%m/%Y"),
        (["02/13/2024 10:00", "02/01/2024 11:30"], "%m/%d/%Y %H:%M"),
        (["13.02.2024", "01.02.2024"], "%d.%m.%Y"),
    ],
)
def test_a_pattern_is_guessed_and_shown(values, pattern) -> None:
    found = resolve(EventTime(column="t"), pl.Series("t", values), NOW)
    assert found.event_time.format == pattern
    assert pattern in found.note


def test_old_dates_are_fine_where_no_unit_can_be_confused() -> None:
    assert read([1968, 1969], format="year") == [datetime(1968, 1, 1), datetime(1969, 1, 1)]  # noqa: DTZ001
    assert read([19680501], format="yyyymmdd") == [datetime(1968, 5, 1)]  # noqa: DTZ001


def test_rows_read_as_declared_hold_a_time_or_a_year() -> None:
    times = pl.DataFrame({"t": [DAY]})
    assert times.select(event_time_expr(EventTime(column="t", format="epoch_ms"))).item() == DAY
    years = pl.DataFrame({"t": [2024]})
    assert years.select(event_time_expr(EventTime(column="t", format="year"))).item() == datetime(2024, 1, 1)  # noqa: DTZ001
