"""Calendar windows.

Belongs here: where a window starts and ends for each cadence, the partition key of a window, and which window a time is in.
Not here: reading times (`event_times.py`), and what is measured in a window.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.period import Period
from mlops_assets.declaration.terms import Cadence

CRON = {
    Cadence.DAY: "0 0 * * *",
    Cadence.WEEK: "0 0 * * 1",
    Cadence.MONTH: "0 0 1 * *",
    Cadence.QUARTER: "0 0 1 1,4,7,10 *",
    Cadence.YEAR: "0 0 1 1 *",
}
LENGTH = {Cadence.DAY: "1d", Cadence.WEEK: "1w", Cadence.MONTH: "1mo", Cadence.QUARTER: "1q", Cadence.YEAR: "1y"}
DAYS_OF_GRACE = {Cadence.DAY: 0, Cadence.WEEK: 1, Cadence.MONTH: 2, Cadence.QUARTER: 5, Cadence.YEAR: 10}
"""Days after the end of a window until its data is overdue."""
DAY_HOUR = 6
"""Hour of the day after a day's window at which its data is overdue."""
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


def grace(window: Window, cadence: Cadence) -> datetime:
    """When the data of a window is overdue, in UTC."""
    hour = DAY_HOUR if cadence is Cadence.DAY else 0
    day = window.end + timedelta(days=DAYS_OF_GRACE[cadence])
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC)


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
    return list(_windows_between(start, end, cadence))


# A tick asks for those of every model of the fleet, most of which have the same.
@lru_cache(maxsize=1024)
def _windows_between(start: date, end: date, cadence: Cadence) -> tuple[Window, ...]:
    windows = []
    current = window_of(start, cadence)
    while current.start < end:
        windows.append(current)
        current = window_of(current.end, cadence)
    return tuple(windows)


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


def first_day(declaration: Declaration, window: Window) -> date:
    """The first day whose rows the window takes: its start, or where the first training ends inside of it."""
    until = declaration.training.until
    return until if until is not None and window.start < until < window.end else window.start


def after_training_expr(time: pl.Expr, declaration: Declaration) -> pl.Expr:
    """Whether a time is in no window that the first training ends in, or after that end; the other rows were trained on."""
    until = declaration.training.until
    if until is None:
        return pl.lit(True)
    window = window_of(until, declaration.monitoring.cadence)
    return ~in_window(Window(window.start, until), time)


def last_end(declaration: Declaration) -> date | None:
    """End of the last declared window, which may be after `monitoring.end`; None for a live model."""
    end = declaration.monitoring.end
    return None if end is None else window_of(end - timedelta(days=1), declaration.monitoring.cadence).end


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


def in_window(window: Window, time: pl.Expr) -> pl.Expr:
    """Whether a time, in UTC without a zone, is in `window`; false where it is missing."""
    return ((time >= midnight(window.start)) & (time < midnight(window.end))).fill_null(False)


def window_start_expr(time: pl.Expr, cadence: Cadence) -> pl.Expr:
    """Start of the calendar window that holds a time, as a date; null where the time is missing."""
    return time.dt.truncate(LENGTH[cadence]).dt.date()


def midnight(day: date) -> datetime:
    """The first moment of a day, as frames hold it: UTC without a zone."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


def _plain(day: date) -> date:
    return date(day.year, day.month, day.day)
