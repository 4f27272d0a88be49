"""Stages from the source to the features: `training_data` and `features`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from mlops_assets.datasets.accounting import Account, Disposition, account_of_snapshot
from mlops_assets.datasets.contract import Checked, check, declared_columns
from mlops_assets.datasets.delivered import deliver
from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.kept_rows import keep_snapshot
from mlops_assets.datasets.screening import Screening, screen
from mlops_assets.datasets.snapshot import select_training, split
from mlops_assets.datasets.sources import Delivered
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.gates.gate import GateInputs, GateResult
from mlops_assets.gates.registry import GateRules, decide_stage
from mlops_assets.inspection.recorded_tables import recorded_rows
from mlops_assets.inspection.tables_on_record import FEATURES, features_on_record, recorded_snapshots
from mlops_assets.ledger.events.versions import RowsWithoutOutcome, SnapshotTaken
from mlops_assets.ledger.ledger import Record
from mlops_assets.pipeline.context import StageContext, StageError, StageResult
from mlops_assets.pipeline.stages.decisions import current_snapshot, data_subject, record_decisions
from mlops_assets.pipeline.stages.delivery import account_of, delivery
from mlops_assets.pipeline.stages.tables import screening_table
from mlops_assets.pipeline.stages.training_rows import (
    TrainingPeriod,
    history_choice,
    outside,
    period_text,
    request_record,
    since,
    training_period,
    windows_left_out,
)
from mlops_assets.platform import Platform
from mlops_assets.stores.results import OF
from mlops_assets.training.history import HistoryChoice

SNAPSHOT = "training_data"
QUARANTINE = "quarantine"
WITHOUT_OUTCOME = "without_outcome"
"""Rows of the training period of which no outcome can be known, as declared."""
HELD_OUT_BY = {
    "time": "time: the latest days",
    "hash": "seeded draw within each class",
    "none": "all rows: nothing is fitted here",
}


def training_data(context: StageContext) -> StageResult:
    """Check the rows of the training period, keep the good ones as a snapshot, and the bad ones with their reasons."""
    declaration, model = context.declaration, context.model
    ledger, lake = context.platform.ledger, context.platform.lake
    read = read_training_rows(context)
    rows, checked = read.rows, read.checked
    kept = keep_snapshot(lake, context.table(SNAPSHOT), rows, declaration.id)
    digest, quarantine = kept.digest, ""
    if checked.quarantined.height:
        quarantine = keep_snapshot(lake, context.table(QUARANTINE), checked.quarantined).digest
    without = keep_without_outcome(context, read.without_outcome)
    screening = screen(rows, declaration)
    evidence = checked.to_dict()
    evidence["problems"] = [*evidence["problems"], *read.source.problems]
    record = ledger.append(
        SnapshotTaken(
            rows=rows.height,
            quarantined=checked.quarantined.height,
            reasons=checked.summary,
            table=kept.written.table,
            ordered_by=declaration.id,
            delta_version=kept.written.version,
            root=kept.root,
            since=read.period.since,
            until=read.period.until,
            history=read.choice.to_dict() if read.choice else None,
            windows_left_out=read.left_out,
            declaration_digest=declaration.digest,
            request=context.request,
            screening=screening.to_dict(),
            contract=evidence,
            account=read.account.to_dict(),
            reading=read.source.notes,
            without_outcome=without,
        ),
        model=model,
        subject=digest,
        key="/".join(
            [
                "snapshot",
                model,
                digest,
                quarantine,
                *([without.digest] if without else []),
                declaration.digest,
                context.request or "",
            ]
        ),
    )
    results = decide_data(rows, evidence, screening, declaration, context.policy.gates)
    return StageResult(
        metadata={
            "rows": rows.height,
            "quarantined": checked.quarantined.height,
            "without an outcome, as declared": without.rows if without else None,
            "quarantine reasons": [{"reason": k, "rows": v} for k, v in checked.summary.items()] or None,
            "where every row of the source is": read.account.table(),
            "how the source was read": list(read.source.notes) or None,
            "period": period_text(read.period),
            "how far back": read.choice.reason if read.choice else None,
            "windows left out (broken feed)": list(read.left_out) or None,
            "table": str(lake.path(kept.written.table)),
            "delta version": kept.written.version,
            "snapshot digest": digest,
            "ledger record": record.seq,
            "strongest single features": screening_table(screening),
        },
        data_version=digest,
        decisions=record_decisions(ledger, context.policy, model, data_subject(digest), results),
    )


@dataclass(frozen=True)
class TrainingRows:
    """What a training reads of the source.

    Attributes:
        source: as it is now.
        checked: rows of the training period against the contract.
        rows: the rows that train.
        without_outcome: rows of the same period of which no outcome can be known, as declared.
        period: the events that train.
        choice: how far back a retraining reaches, where that was measured.
        left_out: windows that are left out.
        account: in which place each row of the source is.
    """

    source: Delivered
    checked: Checked
    rows: pl.DataFrame
    without_outcome: pl.DataFrame
    period: TrainingPeriod
    choice: HistoryChoice | None
    left_out: tuple[str, ...]
    account: Account


def read_training_rows(context: StageContext) -> TrainingRows:
    """Read the rows that train, and count every row of the source into its place.

    Raises:
        SourceError: the source cannot be read as declared.
    """
    declaration, ledger, root = context.declaration, context.platform.ledger, context.platform.project.root
    request = request_record(ledger, context.model, context.request)
    period, required = training_period(declaration, request), declared_columns(declaration)
    if period.until is None:
        source = deliver(declaration, root, required)
        checked = check(source.rows, declaration)
        accounted = account_of_snapshot(disposition(checked, checked.accepted, checked.without_outcome))
        return TrainingRows(source, checked, checked.accepted, checked.without_outcome, period, None, (), accounted)
    now = delivery(declaration, root, required)
    checked = check(now.placement.rows(now.source.rows, period.since, period.until), declaration)
    left_out = windows_left_out(ledger, context.model, request)
    rows, without = (
        outside(select_training(found, declaration, period.until), declaration, left_out)
        for found in (checked.accepted, checked.without_outcome)
    )
    choice = history_choice(ledger, declaration, request, rows)
    trained = period
    if choice is not None and choice.since is not None:
        trained = replace(period, since=choice.since)
        rows, without = (since(found, declaration, choice.since) for found in (rows, without))
    training = (period.since, period.until, disposition(checked, rows, without))
    accounted = account_of(ledger, context.platform.lake, declaration, now, training)
    return TrainingRows(now.source, checked, rows, without, trained, choice, left_out, accounted)


def disposition(checked: Checked, rows: pl.DataFrame, without_outcome: pl.DataFrame) -> Disposition:
    """What became of the rows of the training period."""
    return Disposition(rows.height, checked.quarantined.height, checked.copies, without_outcome.height)


def keep_without_outcome(context: StageContext, rows: pl.DataFrame) -> RowsWithoutOutcome | None:
    """Write the rows that have no outcome beside the snapshot; None where there are none."""
    if not rows.height:
        return None
    kept = keep_snapshot(context.platform.lake, context.table(WITHOUT_OUTCOME), rows, context.declaration.id)
    table, version = kept.written.table, kept.written.version
    return RowsWithoutOutcome(rows=rows.height, table=table, delta_version=version, digest=kept.digest, root=kept.root)


def snapshot_rows(platform: Platform, snapshot: Record[SnapshotTaken]) -> pl.DataFrame:
    """The rows of a snapshot.

    Raises:
        ChangedRows: they are not those that were recorded.
        RowsRemoved: they were removed.
    """
    recorded, *_ = recorded_snapshots(snapshot)
    return recorded_rows(platform.lake, recorded, platform.ledger.state().model(snapshot.model).removals)


def rows_without_outcome(platform: Platform, snapshot: Record[SnapshotTaken]) -> pl.DataFrame | None:
    """The rows that `keep_without_outcome` wrote beside a snapshot; None where it has none.

    Raises:
        ChangedRows: they are not those that were recorded.
    """
    _, *kept = recorded_snapshots(snapshot)
    if not kept:
        return None
    return recorded_rows(platform.lake, kept[0], platform.ledger.state().model(snapshot.model).removals)


def decide_data(
    rows: pl.DataFrame, evidence: dict[str, Any], screening: Screening, declaration: Declaration, rules: GateRules
) -> Sequence[GateResult]:
    """The gates on a snapshot.

    Args:
        rows: that train.
        evidence: what the contract check found.
        screening: of the rows before any model.
        declaration: the model.
        rules: the policy's.
    """
    screened = screening.to_dict()
    measured = {
        "contract": evidence,
        "volume": volume_evidence(rows, evidence, declaration),
        **dict.fromkeys(("leakage", "label_bias", "proxy"), screened),
    }
    return decide_stage("training_data", GateInputs(declaration, measured, rows=rows), rules)


def features(context: StageContext) -> StageResult:
    """Part the snapshot into rows to fit on and rows held out, and keep the declared inputs of both."""
    declaration, lake = context.declaration, context.platform.lake
    snapshot = current_snapshot(context.platform.ledger, declaration, context.request)
    parts = split(snapshot_rows(context.platform, snapshot), declaration)
    table = pl.concat(
        [parts.fit.with_columns(pl.lit("fit").alias(PART)), parts.holdout.with_columns(pl.lit("holdout").alias(PART))]
    )
    kept = keep_snapshot(lake, context.table(FEATURES), table, declaration.id, tag=f":{snapshot.subject}")
    subject = f"{context.model}{OF}{snapshot.subject}"
    context.platform.evidence_book.keep(context.model, subject, FEATURES, kept.digest, kept.root)
    return StageResult(
        metadata={
            "rows to fit on": parts.fit.height,
            "rows held out": parts.holdout.height,
            "held out by": HELD_OUT_BY[parts.method],
            "holdout starts": parts.cut.isoformat() if parts.cut else None,
            "inputs": [
                {"feature": name, "role": f.role.value, "description": f.description}
                for name, f in declaration.features.items()
            ],
            "delta version": kept.written.version,
        },
        data_version=kept.digest,
    )


def feature_rows(platform: Platform, snapshot: Record, part: str | None = None) -> pl.DataFrame:
    """Rows of the features table that belong to a snapshot: all, `fit` or `holdout`.

    Raises:
        StageError: the snapshot has no features yet.
        ChangedRows: they are not those that were recorded.
        RowsRemoved: they were removed.
    """
    recorded = features_on_record(platform, snapshot.model, snapshot.subject, snapshot.event.ordered_by)
    if recorded is None:
        raise StageError(
            f"{snapshot.model}: no features of snapshot {snapshot.subject[:12]}; materialize {snapshot.model}/{FEATURES} first"
        )
    rows = recorded_rows(platform.lake, recorded, platform.ledger.state().model(snapshot.model).removals)
    return rows if part is None else rows.filter(pl.col(PART) == part).drop(PART)


def volume_evidence(rows: pl.DataFrame, checked: dict[str, Any], declaration: Declaration) -> dict[str, Any]:
    """Counts that the volume gate needs."""
    target = declaration.target.column
    counts = {} if declaration.task is Task.REGRESSION else dict(rows[target].value_counts().iter_rows())
    return {
        "task": declaration.task.value,
        "rows": rows.height,
        "class_rows": {str(k): int(v) for k, v in counts.items()},
        "missing_target": sum(v for k, v in checked["reasons"].items() if k.startswith(f"{target}: missing")),
        "delivered": checked["rows"] - checked["without_outcome"],
    }
