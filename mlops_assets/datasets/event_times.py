"""When a row happened: from the delivered column to one UTC time, and finding out how a column writes its times.

Belongs here: the declared formats, the guess where none is declared, and the refusal of a column that is read in the wrong
unit. Not here: windows (`windows.py`).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import polars as pl

from mlops_assets import clock
from mlops_assets.datasets.values import canonical_text, number
from mlops_assets.declaration.columns import EPOCH_FORMATS, EventTime
from mlops_assets.errors import MlopsAssetsError

TIME = pl.Datetime("us")
AHEAD = timedelta(days=1)
"""How far in the future an event may lie: clocks and time zones differ."""
ISO_FORMATS = (
    "%Y-%m-%d",
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y/%m/%d",
    "%Y%m%d",
)
OFFSET_FORMATS = (
    "%Y-%m-%dT%H:%M:%S%.f%#z",
    "%Y-%m-%d %H:%M:%S%.f%#z",
    "%Y-%m-%dT%H:%M:%S%.fZ",
    "%Y-%m-%d %H:%M:%S%.f UTC",
)
GUESSED_PATTERNS = tuple(
    date + time
    for date in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%d.%m.%y", "%d/%m/%y", "%m/%d/%y", "%d-%b-%Y", "%d %b %Y")
    for time in ("", " %H:%M", " %H:%M:%S")
)  # fmt: skip
"""Patterns that are tried on text that is not ISO, where no format is declared."""
LOOKED_AT = 100_000
"""Values that are looked at to see how a column writes its times."""
EARLIEST = datetime(1990, 1, 1)  # noqa: DTZ001 - frames hold UTC without a zone
"""Numbers that count from 1970 and mean an earlier time are taken to be in another unit."""
MOST = 0.5
"""Share of the values that a format has to read."""


class EventTimeError(MlopsAssetsError, ValueError):
    """The declared event time cannot be what the column holds; the text names the column, a value and the remedy."""


@dataclass(frozen=True)
class Resolved:
    """An event time whose format is known.

    Attributes:
        event_time: with the format that is used.
        note: what was guessed; empty where the declaration says it all.
    """

    event_time: EventTime
    note: str = ""


def event_time_expr(event_time: EventTime) -> pl.Expr:
    """The time of rows that were read as declared, as `Datetime("us")` in UTC without a zone.

    The column is a time by then, or, for format `year`, a whole number.
    """
    column = pl.col(event_time.column)
    if event_time.format == "year":
        return pl.datetime(column, 1, 1, time_unit="us")
    return column.cast(TIME)


def delivered_time(event_time: EventTime, dtype: pl.DataType) -> pl.Expr:
    """The time of rows as delivered, as `Datetime("us")` in UTC without a zone; missing where it cannot be read.

    Dates are calendar days whatever the declared zone. A local time that a change to summer time skips cannot be read;
    of one that occurs twice the earlier is taken.
    """
    column, zone = pl.col(event_time.column), event_time.time_zone
    if dtype in (pl.Categorical, pl.Enum):
        dtype, column = pl.String(), column.cast(pl.String)
    if dtype == pl.Date:
        return column.cast(TIME)
    if isinstance(dtype, pl.Datetime):
        return _utc(column) if dtype.time_zone is not None else _from_zone(column.cast(TIME), zone)
    if dtype == pl.String and event_time.format == "timestamp":
        return iso_time(column, zone)
    if not (dtype == pl.String or dtype.is_numeric()):
        return pl.lit(None, dtype=TIME)
    return _by_format(column, dtype, event_time)


def time_expr(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A date, time or ISO text column as `Datetime("us")` in UTC without a zone; missing where it cannot be read."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        return _utc(column)
    if dtype in (pl.Categorical, pl.Enum):
        dtype, column = pl.String(), column.cast(pl.String)
    if dtype == pl.String:
        return iso_time(column, None)
    return column.cast(TIME, strict=False)


def iso_time(column: pl.Expr, zone: str | None) -> pl.Expr:
    """ISO text as a time; values without an offset are in `zone` (default UTC), days are calendar days."""
    text = column.str.strip_chars()
    plain = [text.str.to_datetime(f, time_unit="us", strict=False, exact=True) for f in ISO_FORMATS]
    local = [plain[i] if "%H" not in f else _from_zone(plain[i], zone) for i, f in enumerate(ISO_FORMATS)]
    zoned = [text.str.to_datetime(f, time_unit="us", strict=False).pipe(_utc) for f in OFFSET_FORMATS if "z" in f]
    utc = [text.str.to_datetime(f, time_unit="us", strict=False, exact=True) for f in OFFSET_FORMATS if "z" not in f]
    return pl.coalesce(*local, *utc, *zoned)


def resolve(event_time: EventTime, values: pl.Series, now: datetime | None = None) -> Resolved:
    """Find out how a column writes its times, and refuse a format that cannot be right.

    Args:
        event_time: as declared.
        values: some of the column's values as delivered.
        now: the present.

    Raises:
        EventTimeError: most values cannot be read, or lie before 1990 or after tomorrow where another format reads
            them well, or two patterns read them alike.
    """
    values = values.drop_nulls().rename(event_time.column)
    if values.dtype in (pl.Categorical, pl.Enum):
        values = values.cast(pl.String)
    if values.is_empty() or values.dtype.is_temporal():
        return Resolved(event_time)
    numeric = values.dtype.is_numeric()
    read = _readable(values, event_time)
    good = _plausible(read, now) if numeric or event_time.format in EPOCH_FORMATS else read.is_not_null()
    if good.mean() > MOST:  # pyright: ignore[reportOperatorIssue]
        return Resolved(event_time)
    if likely := likely_format(values, event_time.column, now):
        raise EventTimeError(
            _refusal(
                event_time, values, read, f"declare `event_time: {{column: {event_time.column}, format: {likely}}}`"
            )
        )
    if event_time.format not in EPOCH_FORMATS and read.is_not_null().mean() > MOST:  # pyright: ignore[reportOperatorIssue]
        return Resolved(event_time)  # a history from before 1990, in a format that has no unit to confuse
    if event_time.format == "timestamp" and values.dtype == pl.String:
        return _guessed(event_time, values)
    formats = "a format (epoch_s, epoch_ms, epoch_us, yyyymmdd, yyyymm, year, or a pattern such as '%d/%m/%Y %H:%M')"
    raise EventTimeError(_refusal(event_time, values, read, f"declare {formats} under `event_time`, or another column"))


def likely_format(values: pl.Series, column: str, now: datetime | None = None) -> str:
    """The format of numbers, or of text of digits, that puts most values between 1990 and tomorrow; empty for none."""
    for name in ("yyyymmdd", "yyyymm", "year", *EPOCH_FORMATS):
        if _plausible(_readable(values, EventTime(column=column, format=name)), now).mean() > MOST:  # pyright: ignore[reportOperatorIssue]
            return name
    return ""


def _guessed(event_time: EventTime, values: pl.Series) -> Resolved:
    """The one pattern that reads most values of a text column."""
    read = {p: _readable(values, EventTime(column=event_time.column, format=p)) for p in GUESSED_PATTERNS}
    shares = {p: float(times.is_not_null().mean() or 0.0) for p, times in read.items()}  # pyright: ignore[reportArgumentType]
    best = max(shares.values())
    if best <= MOST:
        remedy = "declare how they are written, such as `format: '%d/%m/%Y %H:%M'`, under `event_time`"
        raise EventTimeError(_refusal(event_time, values, values.clear().cast(TIME, strict=False), remedy))
    found = [p for p in GUESSED_PATTERNS if shares[p] == best]
    first = found[0]
    other = next((p for p in found[1:] if not read[p].equals(read[first])), None)
    if other is not None:
        raise EventTimeError(
            f"{event_time.column}: values such as {values[0]!r} can be read as {first} and as {other}; "
            f"declare `event_time: {{column: {event_time.column}, format: '{first}'}}`, or the other one"
        )
    zone = event_time.time_zone if "%H" in first else None
    return Resolved(
        EventTime(column=event_time.column, format=first, time_zone=zone),
        f"{event_time.column}: read with the pattern {first} (guessed from its values)",
    )


def _refusal(event_time: EventTime, values: pl.Series, read: pl.Series, remedy: str) -> str:
    value = values[0]
    first = read.drop_nulls()
    outcome = f"which would be {first[0]:%Y-%m-%d}" if len(first) else "which cannot be read"
    kind = "whole numbers" if values.dtype.is_integer() else "numbers" if values.dtype.is_numeric() else "text"
    return (
        f"{event_time.column}: found {kind} such as {value!r}, {outcome} with the format {event_time.format}; {remedy}"
    )


def _readable(values: pl.Series, event_time: EventTime) -> pl.Series:
    return values.to_frame(event_time.column).select(delivered_time(event_time, values.dtype).alias("time")).to_series()


def _plausible(times: pl.Series, now: datetime | None) -> pl.Series:
    tomorrow = (now or clock.now()).astimezone(UTC).replace(tzinfo=None) + timedelta(days=1)
    return times.is_between(EARLIEST, tomorrow).fill_null(False)


def _by_format(column: pl.Expr, dtype: pl.DataType, event_time: EventTime) -> pl.Expr:
    name = event_time.format
    if name in EPOCH_FORMATS:
        # Counted in floats, in which no product overflows; a microsecond of this millennium is exact in them.
        since = number(dtype, column) * EPOCH_FORMATS[name]
        latest = datetime(9999, 1, 1, tzinfo=UTC).timestamp() * 1e6
        known = since.is_between(EARLIEST.replace(tzinfo=UTC).timestamp() * 1e6, latest)
        return pl.when(known).then(since).round(0).cast(pl.Int64, strict=False).cast(TIME)
    digits = column.str.strip_chars() if dtype == pl.String else canonical_text(dtype, column)
    if name == "timestamp":
        return pl.lit(None, dtype=TIME)
    if event_time.is_pattern:
        time = digits.str.to_datetime(name, time_unit="us", strict=False, exact=True)
        if "%z" in name or "%:z" in name or "%#z" in name:
            return _utc(time)
        return _from_zone(time, event_time.time_zone) if event_time.has_time_of_day else time
    # Numbers that were floats once are written 20240131.0.
    digits = digits.str.strip_suffix(".0")
    length = {"year": 4, "yyyymm": 6, "yyyymmdd": 8}[name]
    whole = pl.when(digits.str.contains(rf"^\d{{{length}}}$")).then(digits + "0101"[: 8 - length])
    return whole.str.to_datetime("%Y%m%d", time_unit="us", strict=False, exact=True)


def _utc(time: pl.Expr) -> pl.Expr:
    return time.dt.convert_time_zone("UTC").dt.replace_time_zone(None).cast(TIME)


def _from_zone(time: pl.Expr, zone: str | None) -> pl.Expr:
    if zone in (None, "UTC"):
        return time
    return time.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").pipe(_utc)
