"""Which rows a training learns from, and which rows a new version is held to.

Belongs here: the period, the windows left out, how far back a retraining reaches, and the rows since the change that it
answers. All of it is read from the verdicts that were known when the retraining was requested, so that the result is the same
whenever a stage runs. Not here: what a run of verdicts is (`monitoring.verdict.persistence`), or the comparison of histories
(`training.history`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.windows import in_window, midnight, shift, window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.events.response import RetrainingRequested
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.monitoring.verdict.persistence import CHANGES_THE_ANSWER, CHANGES_THE_WORLD, Seen, onset
from mlops_assets.pipeline.context import StageError
from mlops_assets.response.quarantined_windows import quarantined_windows
from mlops_assets.training.history import HistoryChoice, choose_history

ENOUGH_ROWS = 1_000
"""Held-out rows since a change from which on they alone are what a new version is held to."""


@dataclass(frozen=True)
class TrainingPeriod:
    """Which events train: from `since` (none: from the beginning) to before `until`."""

    since: date | None
    until: date | None


def request_record(ledger: Ledger, model: str, request: str | None) -> Record[RetrainingRequested] | None:
    """The retraining request that a run answers; None for a first training.

    Raises:
        StageError: the run names a request that was never recorded.
    """
    if request is None:
        return None
    known = ledger.state().model(model).requests.get(request)
    if known is None:
        raise StageError(
            f"{model}: found the retraining request {request!r} in the run's tags, expected one that is in the ledger"
        )
    return known.record


def training_period(declaration: Declaration, request: Record[RetrainingRequested] | None) -> TrainingPeriod:
    """The period that the retraining request names, or the declared first one."""
    if not declaration.has_time:
        return TrainingPeriod(None, None)
    until = declaration.training.until if request is None else request.event.until
    assert until is not None
    window = declaration.training.window
    return TrainingPeriod(shift(until, window, sign=-1) if window else None, until)


def history_choice(
    ledger: Ledger, declaration: Declaration, request: Record[RetrainingRequested] | None, rows: pl.DataFrame
) -> HistoryChoice | None:
    """How far back a retraining reaches, measured; None where no change of the answer requires it, or nothing is fitted here."""
    if not declaration.trained_here:
        return None
    began = change_began(ledger, declaration, request, CHANGES_THE_ANSWER)
    return None if began is None else choose_history(rows, declaration, began)


def windows_left_out(ledger: Ledger, model: str, request: Record[RetrainingRequested] | None) -> tuple[str, ...]:
    """Quarantined windows, as they were known when the request was made; none before the first verdict."""
    return quarantined_windows(ledger.state(request.recorded_at if request else None), model)


def change_began(
    ledger: Ledger, declaration: Declaration, request: Record[RetrainingRequested] | None, kinds: frozenset[str]
) -> date | None:
    """Start of the first window of the change that a training answers; None where it answers no such change."""
    if request is None or not declaration.has_time:
        return None
    known = ledger.state(request.recorded_at).model(declaration.name).window_verdicts
    seen = [Seen(window, verdict.version, frozenset(verdict.causes)) for window, verdict in known.items()]
    began = onset(seen, request.event.window.isoformat(), kinds)
    return None if began is None else date.fromisoformat(began)


def since_change(
    ledger: Ledger, declaration: Declaration, request: Record[RetrainingRequested] | None, rows: pl.DataFrame
) -> pl.DataFrame:
    """Rows since the change that a training answers; all of them where there is none, or few rows since.

    A new version decides after the change. Held to rows from before and after it, its quality would be a mean that neither
    has, and the step between them would pass for variation that explains every later loss.
    """
    began = held_to_since(ledger, declaration, request, rows)
    return rows if began is None else since(rows, declaration, began)


def held_to_since(
    ledger: Ledger, declaration: Declaration, request: Record[RetrainingRequested] | None, rows: pl.DataFrame
) -> date | None:
    """From which day on the held-out `rows` count; None where all of them do."""
    began = change_began(ledger, declaration, request, CHANGES_THE_WORLD)
    if began is None or since(rows, declaration, began).height < ENOUGH_ROWS:
        return None
    return began


def since(rows: pl.DataFrame, declaration: Declaration, day: date) -> pl.DataFrame:
    """Rows, read as declared, whose event is on `day` or later."""
    assert declaration.event_time is not None
    return rows.filter(event_time_expr(declaration.event_time) >= midnight(day))


def outside(rows: pl.DataFrame, declaration: Declaration, windows: Sequence[str]) -> pl.DataFrame:
    """Rows, read as declared, whose event is in none of the windows."""
    if not windows or declaration.event_time is None:
        return rows
    time = event_time_expr(declaration.event_time)
    inside = pl.lit(False)
    for key in windows:
        inside = inside | in_window(window_of_key(key, declaration.monitoring.cadence), time)
    return rows.filter(~inside)


def period_text(period: TrainingPeriod) -> str:
    """The period in words."""
    if period.until is None:
        return "all rows (one snapshot without time)"
    return f"{period.since or 'the beginning'} to {period.until} (excluded)"
