"""Where in time each delivered row is counted, rows without a usable time included, so that none is lost.

Belongs here: rows of a period or a window as delivered. Not here: whether a row is good (`contract.py`), and the counts of
all rows of a source (`accounting.py`).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import cached_property

import numpy as np
import polars as pl

from mlops_assets import clock
from mlops_assets.datasets.event_times import AHEAD
from mlops_assets.datasets.internal_columns import EVENT_TIME, ROW
from mlops_assets.datasets.windows import midnight


@dataclass(frozen=True)
class Placement:
    """The time at which each row is counted.

    A row without a usable time (none, one that cannot be read, or one after tomorrow) is counted where the row before it is,
    in the order delivered (the first rows: where the next one is): files and feeds are mostly in the order of time, so that
    a day whose times were lost shows in the window it belongs to. It never trains and is never scored: the contract
    quarantines it.

    Attributes:
        times: a row each, in the order delivered; all missing where no row has a usable time.
        without: positions of the rows without a usable time.
    """

    times: pl.Series
    without: np.ndarray

    def rows(self, source: pl.LazyFrame, start: date | None, end: date | None) -> pl.LazyFrame:
        """Rows of `source` that are counted from `start` (included) to `end` (excluded); None: without that bound."""
        inside = _between(pl.col(EVENT_TIME), start, end)
        if not len(self.without):
            return source.filter(inside)
        taken = self.without[self._inside(start, end)[self.without]]
        # A time after tomorrow is a time, but not one the row is counted at.
        placed = source.with_row_index(ROW).filter(
            (inside & ~pl.col(ROW).is_in(pl.Series(self.without, dtype=pl.UInt32).implode()))
            | pl.col(ROW).is_in(pl.Series(taken, dtype=pl.UInt32).implode())
        )
        return placed.drop(ROW)

    def count(self, start: date | None, end: date | None) -> int:
        """How many rows are counted from `start` (included) to `end` (excluded)."""
        return int(self._days.filter(_between(pl.col("day"), start, end))["count"].sum())

    @cached_property
    def _days(self) -> pl.DataFrame:
        """Rows of each day: periods and windows begin at midnight."""
        days = self.times.drop_nulls().dt.truncate("1d").rename("day")
        return days.value_counts()

    def _inside(self, start: date | None, end: date | None) -> np.ndarray:
        frame = self.times.to_frame("time")
        return frame.select(_between(pl.col("time"), start, end)).to_series().to_numpy()


def place(source: pl.LazyFrame, now: datetime | None = None) -> Placement:
    """Place the rows of a source that has `EVENT_TIME`; one column is read."""
    times = source.select(EVENT_TIME).collect(engine="streaming").to_series()
    latest = (now or clock.now()).astimezone(UTC).replace(tzinfo=None) + AHEAD
    usable = times.is_not_null() & (times <= latest).fill_null(False)
    if usable.all():
        return Placement(times, np.empty(0, np.uint32))
    known = times.to_frame().select(pl.when(usable).then(pl.first())).to_series()
    return Placement(
        known.fill_null(strategy="forward").fill_null(strategy="backward"), (~usable).arg_true().to_numpy()
    )


def _between(time: pl.Expr, start: date | None, end: date | None) -> pl.Expr:
    inside = time.is_not_null()
    if start is not None:
        inside &= time >= midnight(start)
    if end is not None:
        inside &= time < midnight(end)
    return inside.fill_null(False)
