"""Stages of a window's traffic: `predictions` and `outcomes`."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.datasets.sources import digest_of, scan
from mlops_assets.datasets.windows import Window, in_window, shift
from mlops_assets.declaration import Declaration, Task
from mlops_assets.evaluation.contributions import Reference, build_reference
from mlops_assets.evaluation.explanations import reason_codes
from mlops_assets.gates import contract
from mlops_assets.governance import restrictions
from mlops_assets.governance.approvals import state as approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.dossier import registered
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.ledger import Record
from mlops_assets.governance.validations import restrictions_of
from mlops_assets.graph.bench import Bench, Outcome, StageError
from mlops_assets.graph.stages.models import load_version
from mlops_assets.graph.stages.window_reports import keep, window_of
from mlops_assets.monitoring.batches import batch_content
from mlops_assets.release.champion import reign, sound_reign
from mlops_assets.release.ladder import WINDOW_SCORED, climb
from mlops_assets.scoring.batch import score
from mlops_assets.scoring.input_contract import check
from mlops_assets.scoring.outcome_content import NONE_KNOWN, outcome_text, outcomes_by_window
from mlops_assets.scoring.outcomes import different
from mlops_assets.scoring.routing import route

PREDICTIONS = "predictions"
SCORED_ROWS = "scored_rows"
OUTCOMES = "outcomes"
QUARANTINE = "scoring_quarantine"
REASONS = "reasons"


def predictions(bench: Bench) -> Outcome:
    """Score the window's rows with the champion, and with the challenger beside it where one is waiting."""
    platform, declaration, window = bench.platform, bench.declaration, window_of(bench)
    version = deciding(bench)
    source = scan(declaration.source, platform.project.root)
    checked = check(rows_of_window(source, declaration, window), declaration)
    rows, outside, flagged = within_restrictions(bench, version, checked.accepted)
    registration = registered(platform.ledger, bench.model, version)
    pipeline = load_version(bench, version)
    said = with_reasons(bench, registration, pipeline, rows, _scored(bench, registration, pipeline, rows, window))
    shadow = waiting_challenger(bench, version)
    share = canary_share(bench, shadow)
    if shadow is None:
        said = alone(said)
    else:
        said = beside(
            bench, said, _scored(bench, shadow, load_version(bench, int(shadow.subject)), rows, window), share
        )
    lake = platform.lake
    kept = lake.write_window(bench.table(SCORED_ROWS), window.key, rows)
    written = lake.write_window(bench.table(PREDICTIONS), window.key, said)
    refused = pl.concat([checked.quarantined, outside], how="diagonal_relaxed")
    if refused.height:
        lake.write_window(bench.table(QUARANTINE), window.key, refused)
    digest = rows_digest(said.drop(REASONS, strict=False), by="prediction_id")
    content = batch_content(rows, list(declaration.features))
    record = platform.ledger.append(
        WINDOW_SCORED,
        {
            "version": version,
            "challenger": int(shadow.subject) if shadow else None,
            "canary_share": share,
            "rows": rows.height,
            "quarantined": refused.height,
            "outside_restrictions": outside.height,
            "flagged": flagged,
            "reasons": checked.summary,
            # Of inputs alone, so that a batch delivered twice under new identifiers is recognised.
            "content_digest": content.digest,
            "sent_twice": content.sent_twice,
            "predictions_digest": digest,
            "predictions_version": written.version,
            "rows_version": kept.version,
            "source_digest": digest_of(declaration.source, platform.project.root),
        },
        model=bench.model,
        subject=window.key,
        key=f"scored/{bench.model}/{window.key}/{digest}",
    )
    result = replace(contract.decide(checked.to_dict(), bench.policy.gates.contract), gate="input_contract")
    return Outcome(
        metadata={
            "version": version,
            "challenger beside it": record.body["challenger"],
            "share of rows it decided as a canary": share or None,
            "rows scored": rows.height,
            "quarantined": refused.height,
            "outside the approved population": outside.height or None,
            "quarantine reasons": [{"reason": k, "rows": v} for k, v in checked.summary.items()] or None,
            "mean score": float(said["score"].mean() or 0.0) if rows.height else None,  # type: ignore[arg-type]
            "first predictions": said.select("prediction_id", "score", "prediction").head(3).to_dicts() or None,
            "ledger record": record.seq,
        },
        data_version=digest,
        decisions=[result],
    )


def outcomes(bench: Bench) -> Outcome:
    """Take down what is known of the window's outcomes; a value that changes is kept beside the one before."""
    platform, declaration, window = bench.platform, bench.declaration, window_of(bench)
    source = scan(declaration.source, platform.project.root)
    found = source.collect_schema().names()
    if declaration.target.column not in found:
        keep(bench, OUTCOMES, {"content": NONE_KNOWN})
        return Outcome(metadata={"known": 0, "note": f"the source has no column {declaration.target.column!r} yet"})
    assert declaration.event_time is not None
    read = [declaration.id, declaration.event_time.column, declaration.target.column]
    rows = rows_of_window(source.select([c for c in dict.fromkeys(read) if c in found]), declaration, window)
    now = recordings(rows, declaration, window)
    table = bench.table(OUTCOMES)
    before = (
        platform.lake.read(table, window=window.key).drop("window")
        if window.key in platform.lake.windows(table)
        else None
    )
    kept = now if before is None else pl.concat([before, changed(before, now)])
    written = platform.lake.write_window(table, window.key, kept)
    content = outcomes_by_window(rows.lazy(), declaration).get(window.key, NONE_KNOWN)
    keep(bench, OUTCOMES, {"content": content, "delta_version": written.version})
    return Outcome(
        metadata={
            "known": different(kept["id"]),
            "recordings": kept.height,
            "of rows": rows.height,
            "delta version": written.version,
        },
        data_version=rows_digest(kept, by="id"),
    )


def recordings(rows: pl.DataFrame, declaration: Declaration, window: Window) -> pl.DataFrame:
    """Outcomes as the source tells them: id, value, and when it was known: on the day it was due."""
    matures = declaration.target.matures_after
    end = datetime(window.end.year, window.end.month, window.end.day, tzinfo=UTC)
    due = shift(window.end, matures) if matures else window.end
    recorded = min(datetime(due.year, due.month, due.day, tzinfo=UTC), max(end, datetime.now(UTC)))
    return rows.select(
        pl.col(declaration.id).cast(pl.String).alias("id"),
        outcome_text(declaration, rows.schema[declaration.target.column]).alias("outcome"),
        pl.lit(recorded).dt.convert_time_zone("UTC").dt.cast_time_unit("us").alias("recorded_at"),
    ).filter(pl.col("outcome").is_not_null() & pl.col("id").is_not_null())


def changed(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Recordings that say something new: ids not heard of, and values other than the last one; recorded at present."""
    last = before.sort("recorded_at", maintain_order=True).group_by("id", maintain_order=True).last()
    joined = now.join(last.select("id", pl.col("outcome").alias("known")), on="id", how="left")
    new = joined.filter(~pl.col("outcome").eq_missing(pl.col("known"))).drop("known")
    return new.with_columns(pl.lit(datetime.now(UTC)).dt.cast_time_unit("us").alias("recorded_at")).select(
        before.columns
    )


def rows_of_window(source: pl.LazyFrame, declaration: Declaration, window: Window) -> pl.DataFrame:
    """Rows whose event falls into the window."""
    assert declaration.event_time is not None
    dtype = source.collect_schema().get(declaration.event_time.column)
    if dtype is None:
        raise StageError(f"{declaration.name}: the source has no column {declaration.event_time.column!r}")
    return source.filter(in_window(declaration, window, dtype)).collect()


def deciding(bench: Bench) -> int:
    """The version that may score.

    Raises:
        StageError: there is none: never promoted, suspended or retired.
    """
    now = sound_reign(bench.platform.ledger, bench.model)
    if now.deciding is None:
        what = "has no champion yet; approve a version first" if now.status == "none" else f"is {now.status}"
        raise StageError(f"{bench.model} {what}, so nothing may be scored")
    return now.deciding


def waiting_challenger(bench: Bench, champion: int) -> Record | None:
    """The newest version after the champion that was never promoted: it is seen in shadow."""
    promoted = reign(bench.platform.ledger, bench.model).promoted
    found = bench.platform.ledger.records(kind="version_registered", model=bench.model)
    later = [r for r in found if int(r.subject) > champion and int(r.subject) not in promoted]
    # A version of another declaration may ask for columns that this one does not read.
    later = [r for r in later if r.body["declaration_digest"] == bench.declaration.digest]
    return later[-1] if later else None


def within_restrictions(bench: Bench, version: int, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows the version may score, those a restriction of use refuses (with the reason), and how many are flagged."""
    limits = restrictions_of(bench.platform.ledger, bench.model, version)
    if not limits:
        return rows, rows.clear().with_columns(pl.lit("").alias("_reasons")), 0
    found = restrictions.check(rows, limits)
    outside = rows.with_columns(found.reasons.alias("_reasons")).filter(found.refused)
    return rows.filter(~found.refused), outside, int(found.flagged.sum())


def canary_share(bench: Bench, challenger: Record | None) -> float:
    """Share of the window's rows that the challenger decides: none before gates and people have agreed to it."""
    if challenger is None:
        return 0.0
    ledger, policy, version = bench.platform.ledger, bench.policy, challenger.subject
    gates = standing(ledger, bench.model, version, policy, lifts=lifts(ledger, policy, bench.model, version))
    if not gates.ok or approval_state(ledger, policy, bench.model, version).status != "approved":
        return 0.0
    return climb(ledger, policy, bench.model, version).share


def alone(said: pl.DataFrame) -> pl.DataFrame:
    """The same columns where no challenger stands by, so that every window has one schema."""
    return said.with_columns(
        pl.lit(None, dtype=pl.Int64).alias("challenger_version"),
        pl.lit(None, dtype=pl.Float64).alias("challenger_score"),
        pl.lit(None, dtype=said.schema["prediction"]).alias("challenger_prediction"),
    )


def beside(bench: Bench, said: pl.DataFrame, other: pl.DataFrame, share: float) -> pl.DataFrame:
    """The champion's predictions with the challenger's, and for each row which of the two decided it."""
    version = int(other["version"][0]) if other.height else 0
    chosen = route(said[bench.declaration.id], share, f"{bench.model}/{version}")
    return said.with_columns(
        other["version"].alias("challenger_version"),
        other["score"].alias("challenger_score"),
        other["prediction"].alias("challenger_prediction"),
        pl.when(chosen).then(other["version"]).otherwise(pl.col("version")).alias("decided_by"),
    ).select(alone(said).columns)


def scored_record(bench: Bench) -> Record:
    """The record of this window's scoring.

    Raises:
        StageError: it was not scored.
    """
    window = window_of(bench)
    record = bench.platform.ledger.latest(WINDOW_SCORED, model=bench.model, subject=window.key)
    if record is None:
        raise StageError(f"{bench.model}: the window {window.key} was not scored; materialize predictions first")
    return record


def _scored(bench: Bench, registration: Record, pipeline: Any, rows: pl.DataFrame, window: Window) -> pl.DataFrame:
    version, threshold = int(registration.subject), registration.body["threshold"]
    said = score(pipeline, rows, bench.declaration, threshold, version=version, window=window.key)
    return said.with_columns(
        pl.lit(version, dtype=pl.Int64).alias("version"), pl.lit(version, dtype=pl.Int64).alias("decided_by")
    )


def with_reasons(
    bench: Bench, registration: Record, pipeline: Any, rows: pl.DataFrame, said: pl.DataFrame
) -> pl.DataFrame:
    """The predictions with the reason codes of adverse decisions as JSON text, where the policy asks for them."""
    declaration = bench.declaration
    if not bench.policy.gates.reason_codes.required or declaration.task is not Task.BINARY or rows.height == 0:
        return said.with_columns(pl.lit(None, dtype=pl.String).alias(REASONS))
    threshold = registration.body["threshold"]
    typical = _typical(bench, int(registration.subject), pipeline, threshold)
    given = reason_codes(pipeline, rows, declaration, threshold, typical)
    texts = pl.DataFrame(
        {
            declaration.id: given[declaration.id],
            REASONS: [json.dumps([dict(r) for r in reasons], default=float) for reasons in given[REASONS].to_list()],
        },
        schema_overrides={REASONS: pl.String},
    )
    return said.join(texts, on=declaration.id, how="left", maintain_order="left")


def _typical(bench: Bench, version: int, pipeline: Any, threshold: float) -> Reference:
    """What rows are compared with: the sample of training rows that was kept with the version."""
    sample = bench.platform.lake.read(bench.table("reference_sample"), window=f"v{version}").drop("window")
    return build_reference(pipeline, sample, bench.declaration, threshold)
