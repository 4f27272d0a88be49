"""Calendar windows and the time of a row.

Belongs here: where a window starts and ends for each cadence, the partition key of a window, and the one expression
that turns a declared event time into a UTC time. Does not belong here: what is measured in a window.
"""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import polars as pl

from mlops_assets.declaration.columns import EventTime
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.period import Period
from mlops_assets.declaration.terms import Cadence

EVENT_TIME = pl.Datetime("us")
TEXT_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d",
    "%Y%m%d",
)
OFFSET_FORMATS = ("%Y-%m-%dT%H:%M:%S%.f%z", "%Y-%m-%d %H:%M:%S%.f%z")
CRON = {
    Cadence.DAY: "0 0 * * *",
    Cadence.WEEK: "0 0 * * 1",
    Cadence.MONTH: "0 0 1 * *",
    Cadence.QUARTER: "0 0 1 1,4,7,10 *",
    Cadence.YEAR: "0 0 1 1 *",
}
LENGTH = {Cadence.DAY: "1d", Cadence.WEEK: "1w", Cadence.MONTH: "1mo", Cadence.QUARTER: "1q", Cadence.YEAR: "1y"}
MONTHS = {Cadence.MONTH: 1, Cadence.QUARTER: 3, Cadence.YEAR: 12}


@dataclass(frozen=True)
class Window:
    """A stretch of calendar time, `start` included, `end` excluded."""

    start: date
    end: date

    @property
    def key(self) -> str:
        """Partition key: the start, as `YYYY-MM-DD`."""
        return self.start.isoformat()


def window_start(day: date, cadence: Cadence) -> date:
    """First day of the calendar window that holds `day`; weeks start on Monday."""
    match cadence:
        case Cadence.DAY:
            return _plain(day)
        case Cadence.WEEK:
            return _plain(day) - timedelta(days=day.weekday())
        case _:
            length = MONTHS[cadence]
            return date(day.year, (day.month - 1) // length * length + 1, 1)


def window_of(day: date, cadence: Cadence) -> Window:
    """The calendar window that holds `day`."""
    start = window_start(day, cadence)
    return Window(start, shift(start, Period(count=1, unit=cadence)))


def window_of_key(key: str, cadence: Cadence) -> Window:
    """The window of a partition key.

    Raises:
        ValueError: when the key is no date, or no window of this cadence starts on it.
    """
    try:
        day = date.fromisoformat(key)
    except ValueError as error:
        raise ValueError(f"found partition key {key!r}, expected the window's start as YYYY-MM-DD") from error
    window = window_of(day, cadence)
    if window.start != day:
        raise ValueError(f"found partition key {key!r}, but the {cadence.value} of that day starts on {window.key}")
    return window


def windows_between(start: date, end: date, cadence: Cadence) -> list[Window]:
    """Every window that overlaps `start` (included) to `end` (excluded), oldest first."""
    windows = []
    current = window_of(start, cadence)
    while current.start < end:
        windows.append(current)
        current = window_of(current.end, cadence)
    return windows


def declared_windows(declaration: Declaration, today: date) -> list[Window]:
    """The model's windows: from `monitoring.start` (default `training.until`) to `monitoring.end` (default: today).

    A window that has not ended by `today` is left out; so is all of it where the model has no time.
    """
    if not declaration.has_time:
        return []
    start = declaration.monitoring.start or declaration.training.until
    assert start is not None  # the declaration refuses a timed model without `until`
    end = declaration.monitoring.end or today
    return [w for w in windows_between(start, end, declaration.monitoring.cadence) if w.end <= max(today, end)]


def cron_of(cadence: Cadence) -> str:
    """Cron schedule whose ticks (UTC) are the starts of the windows."""
    return CRON[cadence]


def shift(day: date, period: Period, sign: int = 1) -> date:
    """`day` moved by a calendar period; a day that the target month lacks becomes that month's last day."""
    count = sign * period.count
    if period.unit is Cadence.DAY:
        return day + timedelta(days=count)
    if period.unit is Cadence.WEEK:
        return day + timedelta(weeks=count)
    index = day.year * 12 + day.month - 1 + count * MONTHS[period.unit]
    year, month = divmod(index, 12)
    following = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return date(year, month + 1, min(day.day, (following - timedelta(days=1)).day))


def event_time_expr(event_time: EventTime, dtype: pl.DataType | None = None) -> pl.Expr:
    """The declared event time as `Datetime("us")`, in UTC without a zone; what cannot be read becomes null.

    Args:
        event_time: the declaration of the column.
        dtype: the column's type as delivered; without it the column is taken to be as the contract leaves it
            (a time for format `timestamp`, a whole number for format `year`).
    """
    column = pl.col(event_time.column)
    if event_time.format == "year":
        number = column.str.strip_chars() if dtype == pl.String else column
        year = number.cast(pl.Int32, strict=False)
        return pl.datetime(pl.when(year.is_between(1, 9999)).then(year), 1, 1, time_unit="us")
    return time_expr(column, dtype)


def time_expr(column: pl.Expr, dtype: pl.DataType | None) -> pl.Expr:
    """A date, time or ISO text column as `Datetime("us")` in UTC without a zone; null where it cannot be read."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(EVENT_TIME)
    if dtype == pl.String:
        text = column.str.strip_chars()
        plain = [text.str.to_datetime(f, time_unit="us", strict=False, exact=True) for f in TEXT_FORMATS]
        zoned = [
            text.str.to_datetime(f, time_unit="us", strict=False).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
            for f in OFFSET_FORMATS
        ]
        return pl.coalesce(*plain, *zoned)
    return column.cast(EVENT_TIME, strict=False)


def in_window(declaration: Declaration, window: Window, dtype: pl.DataType | None = None) -> pl.Expr:
    """Whether a row's event time falls into `window`; false where the time is missing.

    Raises:
        ValueError: when the model has no event time.
    """
    if declaration.event_time is None:
        raise ValueError(f"{declaration.name or 'the model'} has no event_time, so no row is in a window")
    time = event_time_expr(declaration.event_time, dtype)
    start, end = _midnight(window.start), _midnight(window.end)
    return ((time >= start) & (time < end)).fill_null(False)


def window_start_expr(event_time: EventTime, cadence: Cadence, dtype: pl.DataType | None = None) -> pl.Expr:
    """Start of the calendar window that holds the row's event time, as a date; null where the time is missing."""
    return event_time_expr(event_time, dtype).dt.truncate(LENGTH[cadence]).dt.date()


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001 - frames hold UTC without a zone


def _plain(day: date) -> date:
    return date(day.year, day.month, day.day)
