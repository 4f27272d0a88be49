"""The stage `predictions`: which rows a window has, and what the deciding version predicts of each.

Belongs here: reading the window's rows, the input contract, restrictions of use, writing the predictions and recording the
run. Which versions score, and which of them decides a row, is in `window_scorers.py`.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from mlops_assets.datasets.accounting import ids_by_window
from mlops_assets.datasets.contract import Tally, extra_columns
from mlops_assets.datasets.delivered import content_digest, deliver
from mlops_assets.datasets.internal_columns import REASONS as QUARANTINE_REASONS
from mlops_assets.datasets.kept_rows import SaltedWindow, Sealed
from mlops_assets.datasets.pieces import regrouped
from mlops_assets.datasets.values import delivered_text
from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.changes import retraining_note
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import given_scores
from mlops_assets.gates import contract
from mlops_assets.gates.registry import decide
from mlops_assets.governance import restrictions
from mlops_assets.governance.restrictions import Restriction
from mlops_assets.governance.validations import restrictions_of
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.monitoring.inputs.batches import content_of, row_hashes
from mlops_assets.pipeline.context import StageContext, StageError, StageResult, window_of
from mlops_assets.pipeline.stages.delivery import QUARANTINE, SCORED_ROWS, account_of, delivery
from mlops_assets.pipeline.stages.external import given_versions, version_incidents
from mlops_assets.pipeline.stages.late_rows import late_incidents
from mlops_assets.pipeline.stages.window_scorers import WindowScorers, load_scorers
from mlops_assets.release.champion import verified_champion_state
from mlops_assets.scoring.input_contract import check_in_pieces, scoring_columns
from mlops_assets.scoring.outcome_content import NONE_KNOWN
from mlops_assets.stores.lake import Lake, WindowWriter

PREDICTIONS = "predictions"


@dataclass
class Scoring:
    """Counts of one run over a window's rows; they grow piece by piece.

    Attributes:
        tally: of the input contract.
        outside: rows that a restriction of use refuses.
        flagged: rows that a restriction of use marks.
        hashes: of the inputs of every scored row.
        versions: of a model that others run, rows by the supplier's version.
        first: a few prediction ids to show. Rows are not shown: Dagster keeps what an asset shows in its event log, where it
            stays when the rows themselves are removed.
    """

    tally: Tally
    outside: int = 0
    flagged: int = 0
    hashes: list[pl.Series] = field(default_factory=list)
    versions: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stored:
    """What the lake holds after a run: hashes and mean score of the predictions, hashes of the rows, and the tables' versions."""

    predictions: Sealed
    scored: Sealed
    mean: Any
    rows: int
    quarantined: int
    predictions_version: int
    rows_version: int


def predictions(context: StageContext) -> StageResult:
    """Score the window's rows with the champion, and with the challenger beside it where one is waiting."""
    platform, window = context.platform, window_of(context)
    ledger, root = platform.ledger, platform.project.root
    version = deciding(ledger, context.model)
    columns = list(deliver(context.declaration, root).columns)
    scorers = load_scorers(platform, context.policy, context.declaration, version, columns)
    made, read = scorers.champion.declaration, scorers.read
    now = delivery(read, root)
    wanted = [*scoring_columns(read, columns), read.target.column]
    scoring = Scoring(Tally(problems=now.source.problems, extra_columns=extra_columns(columns, wanted)))
    limits = restrictions_of(ledger.state().model(context.model), version)
    stored = _score(platform.lake, scorers, now.rows_of(window), window, limits, scoring)
    content = content_of(scoring.hashes)
    record = _record(
        ledger, context.model, window, stored,
        {
            "version": version,
            "challenger": scorers.challenger.version if scorers.challenger else None,
            "canary_share": scorers.share,
            "challenger_rows": scorers.beside.decided if scorers.challenger else None,
            "challenger_failed": scorers.beside.failed,
            "challenger_time": _rounded(scorers.beside.time_ratio),
            "rows": stored.rows,
            "quarantined": stored.quarantined,
            "copies": scoring.tally.copies,
            # By them rows that come later are recognised.
            "ids": ids_by_window(now.source.rows, read).get(window.key, NONE_KNOWN),
            "problems": now.source.problems,
            "reading": now.source.notes,
            "outside_restrictions": scoring.outside,
            "flagged": scoring.flagged,
            "paused": {str(seq): rows for seq, rows in sorted(scorers.paused.items())},
            "reasons": scoring.tally.summary,
            # Of inputs alone, so that a batch delivered twice under new identifiers is recognised.
            "content_digest": content.digest,
            "sent_twice": content.sent_twice,
            "source_digest": content_digest(context.declaration, root),
            "given_versions": dict(sorted(scoring.versions.items())),
        },
    )  # fmt: skip
    changed = version_incidents(ledger, made, window.key, scoring.versions)
    checked = decide("contract", scoring.tally.to_dict(), context.policy.gates)
    accounted = account_of(ledger, platform.lake, context.declaration, now)
    late = late_incidents(
        ledger,
        ledger.state().model(context.model),
        accounted.late_by_window,
        context.policy.gates.of(contract.GATE).max_late_share,
    )
    return StageResult(
        metadata={
            **_shown(scorers, scoring, stored, record, retraining_note(made, context.declaration)),
            "where every row of the source is": accounted.table(),
            "rows that came after their window was scored": accounted.late_by_window or None,
            "incidents about the supplier's version": [incident.id for incident in changed] or None,
            "incidents about late rows": [incident.id for incident in late] or None,
        },
        data_version=stored.predictions.digest,
        decisions=[replace(checked, gate="input_contract")],
    )


def _score(
    lake: Lake,
    scorers: WindowScorers,
    delivered: pl.LazyFrame,
    window: Window,
    limits: Sequence[Restriction],
    scoring: Scoring,
) -> Stored:
    """Check, score and write the rows a piece at a time; nothing is seen in the lake before all of them are there."""
    declaration = scorers.champion.declaration
    with ExitStack() as open_tables:
        rows_kept, predicted = (
            open_tables.enter_context(SaltedWindow(lake, f"{declaration.name}/{table}", window.key, key))
            for table, key in ((SCORED_ROWS, declaration.id), (PREDICTIONS, "prediction_id"))
        )
        quarantine = open_tables.enter_context(lake.window_writer(f"{declaration.name}/{QUARANTINE}", window.key))
        for rows in regrouped(_acceptable(delivered, scorers.read, limits, quarantine, scoring)):
            rows_kept.add(rows)
            scoring.hashes.append(row_hashes(rows, [*declaration.features, *given_scores(declaration)]))
            scoring.versions += given_versions(declaration, rows)
            piece = scorers.score(rows, window)
            predicted.add(piece)
            scoring.first = scoring.first or piece["prediction_id"].head(3).to_list()
            del rows, piece  # what follows needs their memory
        of_predictions, of_rows = predicted.sealed(by="prediction_id"), rows_kept.sealed(by=declaration.id)
        mean = predicted.read("score").mean()
        kept_at, predicted_at = rows_kept.commit(), predicted.commit()
        if quarantine.rows or window.key in lake.windows(quarantine.table):
            quarantine.commit()
    return Stored(of_predictions, of_rows, mean, predicted.rows, quarantine.rows, predicted_at.version, kept_at.version)


def _acceptable(
    delivered: pl.LazyFrame,
    declaration: Declaration,
    limits: Sequence[Restriction],
    quarantine: WindowWriter,
    scoring: Scoring,
) -> Iterator[pl.DataFrame]:
    """The rows that may be scored; the others go into quarantine with their reasons."""
    for checked in check_in_pieces(delivered, declaration):
        scoring.tally.add(checked)
        rows, refused, flagged = within_restrictions(limits, checked.accepted)
        scoring.outside += refused.height
        scoring.flagged += flagged
        quarantine.add(pl.concat([checked.quarantined, refused]))
        yield rows


def within_restrictions(limits: Sequence[Restriction], rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows that may be scored, those a restriction of use refuses (as the quarantine holds rows, with the reason), and how
    many are flagged."""
    as_text = [delivered_text(rows.schema[name], pl.col(name)).alias(name) for name in rows.columns]
    if not limits:
        return rows, rows.clear().select(*as_text, pl.lit("").alias(QUARANTINE_REASONS)), 0
    found = restrictions.check(rows, limits)
    outside = rows.with_columns(found.reasons.alias(QUARANTINE_REASONS)).filter(found.refused)
    return rows.filter(~found.refused), outside.select(*as_text, QUARANTINE_REASONS), int(found.flagged.sum())


def _record(ledger: Ledger, model: str, window: Window, stored: Stored, body: dict[str, Any]) -> Record[WindowScored]:
    """Record the run. One that gives what the run before gave is not recorded again; one that gives something else stands
    beside those before it, which the lake keeps under their own versions."""
    runs = ledger.of(WindowScored, model=model, subject=window.key)
    last = runs[-1].event if runs else None
    if (
        last
        and last.predictions_digest == stored.predictions.digest
        and (last.reasons, last.ids) == (body["reasons"], body["ids"])
    ):
        return runs[-1]
    body |= {
        "predictions_digest": stored.predictions.digest,
        "predictions_root": stored.predictions.root,
        "predictions_version": stored.predictions_version,
        "rows_version": stored.rows_version,
        "rows_digest": stored.scored.digest,
        "rows_root": stored.scored.root,
        "rescoring_of": runs[0].seq if runs else None,
    }
    key = f"scored/{model}/{window.key}/{stored.predictions.digest}/after/{runs[-1].seq if runs else 0}"
    return ledger.append(WindowScored.model_validate(body), model=model, subject=window.key, key=key)


def paused_table(scorers: WindowScorers) -> list[dict[str, Any]]:
    """Paused segments with the rows that nothing was decided about."""
    return [
        {"segment": one.where, "rows": scorers.paused[one.seq], "record": one.seq, "why": one.rationale}
        for one in scorers.pauses
    ]


def _rounded(ratio: float | None) -> float | None:
    """Three digits of a ratio of times, of which the others are chance."""
    return None if ratio is None else float(f"{ratio:.3g}")


def _shown(
    scorers: WindowScorers, scoring: Scoring, stored: Stored, record: Record, changed: str | None
) -> dict[str, Any]:
    """What a reviewer sees on the asset."""
    first = record.event.rescoring_of
    return {
        "version": scorers.champion.version,
        "challenger beside it": scorers.challenger.version if scorers.challenger else None,
        "challenger that cannot score": scorers.note or None,
        "share of rows it decided as a canary": scorers.share or None,
        "rows it could not score": f"{scorers.beside.failed}: {scorers.beside.error or 'no score'}"
        if scorers.beside.failed
        else None,
        "rows scored": stored.rows,
        "rows by the supplier's version": [{"version": k, "rows": v} for k, v in sorted(scoring.versions.items())]
        or None,
        "quarantined": stored.quarantined,
        "copies left out": scoring.tally.copies or None,
        "how the source was read": list(record.event.reading) or None,
        "files that cannot be read": list(record.event.problems) or None,
        "outside the approved population": scoring.outside or None,
        "without a decision, as their segment is paused": paused_table(scorers) or None,
        "quarantine reasons": [{"reason": k, "rows": v} for k, v in scoring.tally.summary.items()] or None,
        "mean score": stored.mean,
        "prediction ids, such as": scoring.first or None,
        "declaration": changed,
        "scored again": f"yes: record {first} keeps what was decided first" if first else None,
        "ledger record": record.seq,
    }


def deciding(ledger: Ledger, model: str) -> int:
    """The version that may score.

    Raises:
        StageError: there is none: never promoted, suspended or retired.
    """
    now = verified_champion_state(ledger, model)
    if now.deciding is None:
        what = "has no champion yet; approve a version first" if now.status == "none" else f"is {now.status}"
        raise StageError(f"{model} {what}, so nothing may be scored")
    return now.deciding


def scored_record(ledger: Ledger, model: str, window: Window) -> Record[WindowScored]:
    """The record of the window's last scoring.

    Raises:
        StageError: it was not scored.
    """
    record = ledger.latest_of(WindowScored, model=model, subject=window.key)
    if record is None:
        raise StageError(f"{model}: the window {window.key} was not scored; materialize {model}/predictions first")
    return record
