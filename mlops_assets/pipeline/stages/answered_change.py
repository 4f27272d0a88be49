"""The change that a retraining answers: when it began, and the rows since.

Belongs here: reading it from the verdicts that were known when the retraining was asked for, so that it comes out the same
whenever a stage runs. Not here: what a run of verdicts is (`monitoring.verdict.onset`), or how far back to train (`training.history`).
"""

from datetime import date, datetime

import polars as pl

from mlops_assets.datasets.windows import event_time_expr
from mlops_assets.monitoring.verdict.onset import CHANGES_THE_WORLD, Seen, onset
from mlops_assets.pipeline.context import StageContext

ENOUGH_ROWS = 1_000
"""Held-out rows since a change from which on they alone are what a new version is held to."""


def change_began(context: StageContext, kinds: frozenset[str]) -> date | None:
    """Start of the first window of the change that this training answers; None where no such change asked for it."""
    if context.request is None:
        return None
    ledger, model = context.platform.ledger, context.model
    request = ledger.latest("retraining_request", model=model, subject=context.request)
    if request is None or not context.declaration.has_time:
        return None
    last = {r.subject: r for r in ledger.records(kind="health_verdict", model=model) if r.seq < request.seq}
    seen = [
        Seen(window, str(r.body["version"]), frozenset(c["kind"] for c in r.body["causes"]))
        for window, r in last.items()
    ]
    began = onset(seen, request.body["window"], kinds)
    return None if began is None else date.fromisoformat(began)


def since_change(context: StageContext, rows: pl.DataFrame) -> pl.DataFrame:
    """Rows since the change that this training answers; all of them where there is none, or few rows since.

    A new version decides in the world after the change. Held to rows of both worlds, its quality would be a mean that neither
    has, and the step between them would pass for variation that explains every later loss.
    """
    began = change_began(context, CHANGES_THE_WORLD)
    if began is None or context.declaration.event_time is None:
        return rows
    time = event_time_expr(context.declaration.event_time, rows.schema[context.declaration.event_time.column])
    since = rows.filter(time >= datetime(began.year, began.month, began.day))  # noqa: DTZ001
    return since if since.height >= ENOUGH_ROWS else rows
