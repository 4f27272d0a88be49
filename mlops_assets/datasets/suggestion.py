"""What a table itself suggests a declaration of a model on it to say: identifier, time, target, roles, windows.

A start for a person, who knows better: names and values are looked at, meaning is not. Not here: the text of a
declaration (`discovery.starter`), or reading a source (`datasets.sources`).
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from mlops_assets.datasets.sources import require_columns
from mlops_assets.datasets.windows import window_start
from mlops_assets.declaration.terms import Cadence, Role, Task

LOOKED_AT = 100_000
"""Rows that are looked at; what holds of all rows (identifiers, time span) is asked of all of them."""
MOST_CATEGORIES = 1_000
MOST_CLASSES = 20
WINDOW_ROWS = 1_000
"""Fewest rows a monitoring window should have, so that its verdicts can see something."""
TRAINED_SHARE = 0.5
IDENTIFIER_NAME = re.compile(r"(^|_)(id|key|uuid|nr|number|index)$", re.IGNORECASE)
TIME_NAME = re.compile(r"date|time|timestamp|created|approv|opened|when", re.IGNORECASE)
TARGET_NAME = re.compile(
    r"^(target|label|class|y|y_true|outcome|default|churn|fraud|event|response)(ed)?$", re.IGNORECASE
)
POSITIVE_WORDS = frozenset({"1", "true", "t", "y", "yes", "default", "bad", "fraud", "churn", "positive"})
DAYS = {Cadence.DAY: 1, Cadence.WEEK: 7, Cadence.MONTH: 31, Cadence.QUARTER: 92, Cadence.YEAR: 366}


@dataclass(frozen=True)
class Suggestion:
    """What a table suggests; a field is None where nothing in the table speaks for any column.

    Attributes:
        rows: of the table.
        id: column with a different value in every row.
        event_time: column with the time of the row.
        target: column to predict.
        task: that the target's values suggest.
        positive: of a binary target, the value that counts as the event: what such values are called, else the rarer one.
        features: name and role of every other column that can be an input, in the table's order.
        left_out: name and reason of every column that cannot.
        until: end of the first training: about half of the rows lie before it.
        months: from the first row to `until`, rounded up.
        cadence: the shortest one whose windows have enough rows.
    """

    rows: int
    id: str | None
    event_time: str | None
    target: str | None
    task: Task
    positive: str | int | float | bool | None
    features: tuple[tuple[str, Role], ...]
    left_out: tuple[tuple[str, str], ...]
    until: date | None
    months: int | None
    cadence: Cadence | None


def suggest(frame: pl.LazyFrame, *, target: str | None = None) -> Suggestion:
    """Look at a table and suggest how to declare a model on it.

    Args:
        frame: the table.
        target: column to predict; without it one with a telling name is taken, if there is one.

    Raises:
        SourceError: the table has no column `target`.
    """
    if target is not None:
        require_columns(frame.collect_schema().names(), [target], "the table")
    sample = frame.head(LOOKED_AT).collect()
    rows = int(frame.select(pl.len()).collect().item())
    target = target or next((name for name in reversed(sample.columns) if TARGET_NAME.match(name)), None)
    inputs = [name for name in sample.columns if name != target]
    identifier = _identifier(frame, sample, inputs, rows)
    event_time = _event_time(sample, [name for name in inputs if name != identifier])
    task, positive = (Task.BINARY, None) if target is None else _task(sample[target])
    features: list[tuple[str, Role]] = []
    left_out: list[tuple[str, str]] = []
    for name in inputs:
        if name in (identifier, event_time):
            continue
        role, reason = _role(sample[name])
        if role is None:
            left_out.append((name, reason))
        else:
            features.append((name, role))
    until, months, cadence = _calendar(frame, event_time) if event_time else (None, None, None)
    return Suggestion(
        rows=rows,
        id=identifier,
        event_time=event_time,
        target=target,
        task=task,
        positive=positive,
        features=tuple(features),
        left_out=tuple(left_out),
        until=until,
        months=months,
        cadence=cadence,
    )


def _identifier(frame: pl.LazyFrame, sample: pl.DataFrame, names: Sequence[str], rows: int) -> str | None:
    """The column with a different value in every row; one that is called so before others."""
    different = [
        name
        for name in names
        if (sample[name].dtype.is_integer() or sample[name].dtype == pl.String)
        and sample[name].null_count() == 0
        and sample[name].n_unique() == sample.height
    ]
    for name in sorted(different, key=lambda n: (IDENTIFIER_NAME.search(n) is None, names.index(n))):
        if rows == sample.height or int(frame.select(pl.col(name).n_unique()).collect().item()) == rows:
            return name
    return None


def _event_time(sample: pl.DataFrame, names: Sequence[str]) -> str | None:
    """The first column of dates or times, or of ISO text; one that is called so before others."""
    dated = [name for name in names if sample[name].dtype.is_temporal() or _is_iso_text(sample[name])]
    dated = [name for name in dated if sample[name].dtype not in (pl.Time, pl.Duration)]
    return min(dated, key=lambda n: (TIME_NAME.search(n) is None, names.index(n)), default=None)


def _is_iso_text(values: pl.Series) -> bool:
    if values.dtype != pl.String:
        return False
    said = values.drop_nulls().head(1000)
    return said.len() > 0 and said.str.contains(r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}|$)").all()


def _task(values: pl.Series) -> tuple[Task, str | int | float | bool | None]:
    counts = values.drop_nulls().value_counts(sort=True)
    said = counts[values.name]
    if said.len() == 2:
        named = [v for v in said.to_list() if str(v).casefold() in POSITIVE_WORDS]
        return Task.BINARY, named[0] if len(named) == 1 else said[1]
    few_classes = said.len() <= MOST_CLASSES and not values.dtype.is_float()
    if few_classes or not values.dtype.is_numeric():
        return Task.MULTICLASS, None
    return Task.REGRESSION, None


def _role(values: pl.Series) -> tuple[Role | None, str]:
    """Role of an input, or why it cannot be one."""
    kind = values.dtype
    different = values.drop_nulls().n_unique()
    if different == 0:
        return None, "no value in it"
    if different == 1:
        return None, "one value only"
    if kind == pl.Boolean:
        return Role.BOOLEAN, ""
    if kind.is_numeric():
        return Role.NUMERIC, ""
    if kind in (pl.Date, pl.Datetime) or _is_iso_text(values):
        return Role.DATE, ""
    if kind in (pl.String, pl.Categorical, pl.Enum):
        if different > min(MOST_CATEGORIES, 0.5 * values.len()):
            return None, f"text with {different:,} different values"
        return Role.CATEGORICAL, ""
    return None, f"type {kind}"


def _calendar(frame: pl.LazyFrame, column: str) -> tuple[date | None, int | None, Cadence | None]:
    """Where a first training may end, how far back it then reaches, and how long a window should be."""
    times = pl.col(column)
    if frame.collect_schema()[column] == pl.String:
        times = times.str.slice(0, 10).str.to_date(strict=False)
    days = frame.select(times.cast(pl.Date).drop_nulls().alias("day")).collect()["day"].sort()
    if days.n_unique() < 2:
        return None, None, None
    first, last = days[0], days[-1]
    span = (last - first).days + 1
    wanted = (c for c in DAYS if days.len() * DAYS[c] / span >= WINDOW_ROWS and span / DAYS[c] >= 4)
    cadence = next(wanted, Cadence.YEAR if span >= 4 * DAYS[Cadence.YEAR] else Cadence.MONTH)
    middle = days[int(TRAINED_SHARE * (days.len() - 1))]
    until = window_start(middle, cadence)
    if until <= first:
        until = middle
    return until, max(1, -(-(until - first).days // 30)), cadence
