"""Stages from the source to the features: `training_data` and `features`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

import polars as pl

from mlops_assets.datasets.contract import check, declared_columns
from mlops_assets.datasets.screening import screen
from mlops_assets.datasets.snapshot import rows_digest, select_training, split
from mlops_assets.datasets.sources import scan
from mlops_assets.datasets.windows import event_time_expr, shift, window_of_key
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.gates import contract, label_bias, leakage, proxy, volume
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.verdict.onset import CHANGES_THE_ANSWER
from mlops_assets.pipeline.context import StageContext, StageError, StageResult
from mlops_assets.pipeline.stages.answered_change import change_began
from mlops_assets.pipeline.stages.decisions import data_subject, decided, newest
from mlops_assets.response.incidents import incidents
from mlops_assets.response.quarantined_windows import quarantined_windows
from mlops_assets.training.history import HistoryChoice, choose_history

SNAPSHOT = "training_data"
QUARANTINE = "quarantine"
FEATURES = "features"
PART = "_part"


@dataclass(frozen=True)
class TrainingPeriod:
    """Which events train: from `since` (none: from the beginning) to before `until`."""

    since: date | None
    until: date | None


def training_data(context: StageContext) -> StageResult:
    """Check the rows of the training period, keep the good ones as a snapshot, and the bad ones with their reasons."""
    declaration = context.declaration
    period = training_period(context)
    source = scan(declaration.source, context.platform.project.root, declared_columns(declaration))
    checked = check(within(source, declaration, period).collect(), declaration)
    rows = select_training(checked.accepted, declaration, period.until)
    left_out = windows_left_out(context)
    rows = outside(rows, declaration, left_out)
    choice = history_choice(context, rows)
    if choice is not None and choice.since is not None:
        period = replace(period, since=choice.since)
        rows = within(rows.lazy(), declaration, period).collect()
    digest = rows_digest(rows, by=declaration.id)
    kept = context.platform.lake.write_snapshot(context.table(SNAPSHOT), rows, digest)
    if checked.quarantined.height:
        context.platform.lake.write_snapshot(context.table(QUARANTINE), checked.quarantined, f"quarantine:{digest}")
    screening = screen(rows, declaration)
    record = context.platform.ledger.append(
        "snapshot_taken",
        {
            "rows": rows.height,
            "quarantined": checked.quarantined.height,
            "reasons": checked.summary,
            "table": kept.table,
            "ordered_by": declaration.id,
            "delta_version": kept.version,
            "since": period.since.isoformat() if period.since else None,
            "until": period.until.isoformat() if period.until else None,
            "history": choice.to_dict() if choice else None,
            "windows_left_out": list(left_out),
            "declaration_digest": declaration.digest,
            "request": context.request,
            "screening": screening.to_dict(),
            "contract": checked.to_dict(),
        },
        model=context.model,
        subject=digest,
        key=f"snapshot/{context.model}/{digest}/{declaration.digest}/{context.request or ''}",
    )
    rules = context.policy.gates
    results = [
        contract.decide(checked.to_dict(), rules.contract),
        volume.decide(volume_evidence(rows, checked.to_dict(), declaration), rules.volume),
        leakage.decide(screening, rules.leakage),
        label_bias.decide(screening, rules.label_bias),
        proxy.decide(screening, rules.proxy),
    ]
    return StageResult(
        metadata={
            "rows": rows.height,
            "quarantined": checked.quarantined.height,
            "quarantine reasons": [{"reason": k, "rows": v} for k, v in checked.summary.items()] or None,
            "period": period_text(period),
            "how far back": choice.reason if choice else None,
            "windows left out (broken feed)": list(left_out) or None,
            "table": str(context.platform.lake.path(kept.table)),
            "delta version": kept.version,
            "snapshot digest": digest,
            "ledger record": record.seq,
            "strongest single features": screening_table(screening),
            # More columns than this are cut off at the edge of the page, and everything beside them with it.
            "first rows": rows.select(rows.columns[:6]).head(5).to_dicts(),
        },
        data_version=digest,
        decisions=decided(context, data_subject(digest), results),
    )


def features(context: StageContext) -> StageResult:
    """Part the snapshot into rows to fit on and rows held out, and keep the declared inputs of both."""
    snapshot = current_snapshot(context)
    declaration = context.declaration
    rows = context.platform.lake.read(snapshot.body["table"], version=snapshot.body["delta_version"])
    parts = split(rows, declaration)
    table = pl.concat(
        [parts.fit.with_columns(pl.lit("fit").alias(PART)), parts.holdout.with_columns(pl.lit("holdout").alias(PART))]
    )
    digest = rows_digest(table, by=declaration.id)
    kept = context.platform.lake.write_snapshot(context.table(FEATURES), table, f"{digest}:{snapshot.subject}")
    return StageResult(
        metadata={
            "rows to fit on": parts.fit.height,
            "rows held out": parts.holdout.height,
            "held out by": "time: the latest days" if parts.method == "time" else "seeded draw within each class",
            "holdout starts": parts.cut.isoformat() if parts.cut else None,
            "inputs": [
                {"feature": name, "role": f.role.value, "description": f.description}
                for name, f in declaration.features.items()
            ],
            "delta version": kept.version,
        },
        data_version=digest,
    )


def training_period(context: StageContext) -> TrainingPeriod:
    """The period that the retraining request of this run names, or the declared first one."""
    declaration = context.declaration
    if not declaration.has_time:
        return TrainingPeriod(None, None)
    until = declaration.training.until
    request = context.request
    if request is not None:
        record = context.platform.ledger.latest("retraining_request", model=context.model, subject=request)
        if record is None:
            raise StageError(
                f"{context.model}: this run names the retraining request {request!r}, which the ledger lacks"
            )
        until = date.fromisoformat(record.body["until"])
    assert until is not None
    window = declaration.training.window
    return TrainingPeriod(shift(until, window, sign=-1) if window else None, until)


def history_choice(context: StageContext, rows: pl.DataFrame) -> HistoryChoice | None:
    """How far back a retraining reaches, measured; None where no change of the answer asks for it.

    Read from the verdicts that were known when the request was made, so that it comes out the same whenever it runs.
    """
    began = change_began(context, CHANGES_THE_ANSWER)
    return None if began is None else choose_history(rows, context.declaration, began)


def windows_left_out(context: StageContext) -> tuple[str, ...]:
    """Quarantined windows, as they were known when the request was made; none before the first verdict."""
    ledger, model = context.platform.ledger, context.model
    request = ledger.latest("retraining_request", model=model, subject=context.request) if context.request else None
    verdicts = [r for r in ledger.records(kind="health_verdict", model=model) if request is None or r.seq < request.seq]
    if not verdicts:
        return ()
    return quarantined_windows(verdicts, incidents(ledger, model=model, known_at=request and request.recorded_at))


def outside(rows: pl.DataFrame, declaration: Declaration, windows: Sequence[str]) -> pl.DataFrame:
    """Rows whose event lies in none of the windows."""
    if not windows or declaration.event_time is None:
        return rows
    time = event_time_expr(declaration.event_time, rows.schema[declaration.event_time.column])
    inside = pl.lit(False)
    for key in windows:
        window = window_of_key(key, declaration.monitoring.cadence)
        inside = inside | ((time.dt.date() >= window.start) & (time.dt.date() < window.end))
    return rows.filter(~inside.fill_null(False))


def within(frame: pl.LazyFrame, declaration: Declaration, period: TrainingPeriod) -> pl.LazyFrame:
    """Rows of the period; a row without a readable time stays in, for the contract to quarantine it."""
    if declaration.event_time is None:
        return frame
    time = event_time_expr(declaration.event_time, frame.collect_schema()[declaration.event_time.column])
    keep = pl.lit(True)
    if period.until is not None:
        keep = keep & (time < datetime(period.until.year, period.until.month, period.until.day))  # noqa: DTZ001
    if period.since is not None:
        keep = keep & (time >= datetime(period.since.year, period.since.month, period.since.day))  # noqa: DTZ001
    return frame.filter(keep | time.is_null())


def current_snapshot(context: StageContext) -> Record:
    """The ledger's record of the snapshot that this training works on.

    Raises:
        StageError: none was taken under the present declaration.
    """
    record = newest(context, "snapshot_taken")
    if record is not None:
        return record
    raise StageError(
        f"{context.model}: no snapshot was taken under the present declaration "
        f"({context.declaration.digest[:12]}); materialize {context.model}/training_data first"
    )


def feature_rows(context: StageContext, part: str | None = None) -> pl.DataFrame:
    """Rows of the features table that belong to the current snapshot: all, `fit` or `holdout`."""
    snapshot = current_snapshot(context)
    lake, table = context.platform.lake, context.table(FEATURES)
    version = next((v for v, digest in lake.digests(table).items() if digest.endswith(f":{snapshot.subject}")), None)
    if version is None:
        raise StageError(
            f"{context.model}: no features of snapshot {snapshot.subject[:12]}; materialize features first"
        )
    rows = lake.read(table, version=version)
    return rows if part is None else rows.filter(pl.col(PART) == part).drop(PART)


def period_text(period: TrainingPeriod) -> str:
    """The period in words."""
    if period.until is None:
        return "all rows (one snapshot without time)"
    return f"{period.since or 'the beginning'} to {period.until} (excluded)"


def volume_evidence(rows: pl.DataFrame, checked: dict[str, Any], declaration: Declaration) -> dict[str, Any]:
    """Counts that the volume gate asks for."""
    target = declaration.target.column
    counts = {} if declaration.task is Task.REGRESSION else dict(rows[target].value_counts().iter_rows())
    return {
        "task": declaration.task.value,
        "rows": rows.height,
        "class_rows": {str(k): int(v) for k, v in counts.items()},
        "missing_target": sum(v for k, v in checked["reasons"].items() if k.startswith(f"{target}: missing")),
        "delivered": checked["rows"],
    }


def screening_table(screening: Any) -> list[dict[str, Any]] | None:
    """The features that predict best alone, strongest first."""
    found = screening.to_dict().get("features") or []
    return found[:8] or None
