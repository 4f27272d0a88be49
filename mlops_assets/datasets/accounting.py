"""Every row of a source in exactly one place, so that a row that is lost shows as a sum that is wrong.

Belongs here: the places, and counting rows into them. Not here: which rows are accepted (`contract.py`), and at what time a
row is counted (`placement.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import polars as pl

from mlops_assets.datasets.placement import Placement
from mlops_assets.datasets.reading import read_expr, time_of_row
from mlops_assets.datasets.windows import Window, after_training_expr, window_start_expr
from mlops_assets.declaration.declaration import Declaration

PLACES = (
    "training", "without_outcome", "before_training", "in_windows", "late", "copies", "quarantined", "not_due", "not_monitored",
)  # fmt: skip


@dataclass(frozen=True)
class Disposition:
    """What became of the rows of a period when they were read.

    Attributes:
        accepted: rows that trained or were scored.
        quarantined: rows set apart with a reason.
        copies: rows that repeat another one in every column.
        without_outcome: rows of which no outcome can be known, as declared, so that they do not train.
    """

    accepted: int
    quarantined: int = 0
    copies: int = 0
    without_outcome: int = 0

    @property
    def rows(self) -> int:
        """All of them."""
        return self.accepted + self.quarantined + self.copies + self.without_outcome


@dataclass(frozen=True)
class Account:
    """All rows of a source, each in one place.

    Attributes:
        rows: of the source.
        training: rows of the training period that train.
        without_outcome: rows of the training period of which no outcome can be known, as declared (`outcomes.selective`).
        before_training: rows from before the training period.
        in_windows: rows of windows that have ended, scored or due to be scored.
        late: rows of a window that came after it was scored.
        copies: rows that repeat another one in every column, left out.
        quarantined: rows set apart with a reason.
        not_due: rows of a window that has not ended.
        not_monitored: rows after the training period that are in no declared window.
        late_by_window: late rows by the start of their window.
    """

    rows: int
    training: int = 0
    without_outcome: int = 0
    before_training: int = 0
    in_windows: int = 0
    late: int = 0
    copies: int = 0
    quarantined: int = 0
    not_due: int = 0
    not_monitored: int = 0
    late_by_window: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        total = sum(getattr(self, place) for place in PLACES)
        if total != self.rows:
            raise ValueError(f"found {self.rows} rows and {total} places for them; expected one place for each row")

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form."""
        return asdict(self)

    def table(self) -> list[dict[str, Any]]:
        """Places that hold rows, for people to read; the last line is the sum."""
        held = [{"rows are": place.replace("_", " "), "rows": getattr(self, place)} for place in PLACES]
        return [*(line for line in held if line["rows"]), {"rows are": "in the source", "rows": self.rows}]


@dataclass(frozen=True)
class Periods:
    """How the calendar is divided.

    Attributes:
        since: first day of the training period; None: from the beginning.
        until: first day after it.
        ended: windows that have ended, oldest first.
        monitored_until: first day after the last declared window; None for a live model.
    """

    since: date | None
    until: date
    ended: Sequence[Window]
    monitored_until: date | None


def account(
    placement: Placement,
    periods: Periods,
    training: Disposition,
    scored: Mapping[str, Disposition],
    late: Mapping[str, int],
) -> Account:
    """Count every row of a source into its place.

    Args:
        placement: at what time each row is counted.
        periods: training period and windows.
        training: what became of the rows of the training period; rows of it that are in none of its places are of windows
            that the training leaves out.
        scored: what became of the rows of each scored window, by its start.
        late: rows of scored windows that came after the scoring, by the window's start.
    """
    counts: dict[str, int] = dict.fromkeys(PLACES, 0)
    counts["before_training"] = placement.count(None, periods.since) if periods.since else 0
    inside = placement.count(periods.since, periods.until)
    _distribute(inside, training, counts, "training", "in_windows")
    after = placement.count(periods.until, None)
    seen, late_by_window = 0, {}
    for window in periods.ended:
        if window.end <= periods.until:
            continue
        rows = placement.count(max(window.start, periods.until), window.end)
        seen += rows
        found = scored.get(window.key)
        if found is None:
            counts["in_windows"] += rows
            continue
        came_late = min(late.get(window.key, 0), rows)
        if came_late:
            late_by_window[window.key] = came_late
        counts["late"] += came_late
        _distribute(rows - came_late, found, counts, "in_windows", "in_windows")
    last = max([periods.until, *(window.end for window in periods.ended)])
    counts["not_due"] = placement.count(last, periods.monitored_until) if _later(periods.monitored_until, last) else 0
    counts["not_monitored"] = after - seen - counts["not_due"]
    timeless = len(placement.times) - counts["before_training"] - inside - after
    counts["quarantined"] += timeless  # no row has a usable time
    return Account(len(placement.times), **counts, late_by_window=late_by_window)


def account_of_snapshot(outcome: Disposition) -> Account:
    """The account of a model without time: its rows train, have no outcome, are copies, or are quarantined."""
    return Account(
        outcome.rows,
        training=outcome.accepted,
        without_outcome=outcome.without_outcome,
        copies=outcome.copies,
        quarantined=outcome.quarantined,
    )


def ids_by_window(source: pl.LazyFrame, declaration: Declaration) -> dict[str, str]:
    """Fingerprint of the identifiers in each window, by its start: it changes when rows are added or taken away.

    Args:
        source: rows as `sources.deliver` gives them.
        declaration: of a model with time.
    """
    schema = source.collect_schema()
    time = time_of_row(schema, declaration)
    found = source.select(
        window=window_start_expr(time, declaration.monitoring.cadence),
        id=read_expr(declaration.id, schema, declaration),
        inside=after_training_expr(time, declaration),
    ).filter(pl.col("window").is_not_null() & pl.col("inside"))
    # Sixty-two bits, so that the sum of a billion rows fits into 128.
    hashed = (pl.col("id").hash(0) // 4).cast(pl.Int128).sum().alias("sum")
    counted = found.group_by("window").agg(pl.len().alias("rows"), hashed)
    return {
        window.isoformat(): f"{rows}-{total % 2**64:016x}"
        for window, rows, total in counted.collect(engine="streaming").iter_rows()
    }


def _distribute(rows: int, outcome: Disposition, counts: dict[str, int], accepted: str, rest: str) -> None:
    """Count rows of one period; the source may hold fewer than were read then, or rows that were left out."""
    quarantined = min(outcome.quarantined, rows)
    copies = min(outcome.copies, rows - quarantined)
    without = min(outcome.without_outcome, rows - quarantined - copies)
    left = rows - quarantined - copies - without
    taken = min(outcome.accepted, left)
    counts["quarantined"] += quarantined
    counts["copies"] += copies
    counts["without_outcome"] += without
    counts[accepted] += taken
    counts[rest] += left - taken


def _later(day: date | None, other: date) -> bool:
    return day is None or day > other
