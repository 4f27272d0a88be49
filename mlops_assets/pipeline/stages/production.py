"""Stages of a window's traffic: `predictions` and `outcomes`."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets.datasets.contract import Tally
from mlops_assets.datasets.pieces import pieces, regrouped
from mlops_assets.datasets.snapshot import digest_by_column
from mlops_assets.datasets.sources import digest_of, scan
from mlops_assets.datasets.windows import Window, in_window, shift
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.gates import contract
from mlops_assets.governance import restrictions
from mlops_assets.governance.validations import restrictions_of
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.inputs.batches import content_of, row_hashes
from mlops_assets.pipeline.context import StageContext, StageError, StageResult
from mlops_assets.pipeline.stages.scorers import REASONS, Scorers
from mlops_assets.pipeline.stages.window_reports import keep, window_of
from mlops_assets.release.champion import verified_champion_state
from mlops_assets.release.ladder import WINDOW_SCORED
from mlops_assets.scoring.input_contract import check_in_pieces, scoring_columns
from mlops_assets.scoring.outcome_content import NONE_KNOWN, outcome_text, outcomes_by_window
from mlops_assets.scoring.outcomes import different

PREDICTIONS = "predictions"
SCORED_ROWS = "scored_rows"
OUTCOMES = "outcomes"
QUARANTINE = "scoring_quarantine"


def predictions(context: StageContext) -> StageResult:
    """Score the window's rows with the champion, and with the challenger beside it where one is waiting."""
    platform, declaration, window = context.platform, context.declaration, window_of(context)
    version = deciding(context)
    source = scan(declaration.source, platform.project.root)
    delivered = rows_of_window(source, declaration, window)
    wanted = scoring_columns(declaration, delivered.collect_schema().names())
    tally = Tally(extra_columns=tuple(n for n in delivered.collect_schema().names() if n not in wanted))
    scorers = Scorers(context, version)
    hashes: list[pl.Series] = []
    outside = flagged = 0
    with ExitStack() as open_tables:
        kept, said, quarantine = (
            open_tables.enter_context(platform.lake.window_writer(context.table(table), window.key))
            for table in (SCORED_ROWS, PREDICTIONS, QUARANTINE)
        )

        def acceptable() -> Iterator[pl.DataFrame]:
            nonlocal outside, flagged
            for checked in check_in_pieces(delivered, declaration):
                tally.add(checked)
                rows, refused, marked = within_restrictions(context, version, checked.accepted)
                outside += refused.height
                flagged += marked
                quarantine.add(pl.concat([checked.quarantined, refused], how="diagonal_relaxed"))
                yield rows

        first: list[dict[str, Any]] = []
        for rows in regrouped(acceptable()):
            kept.add(rows)
            hashes.append(row_hashes(rows, list(declaration.features)))
            predicted = scorers.said(rows, window)
            said.add(predicted)
            first = first or predicted.select("prediction_id", "score", "prediction").head(3).to_dicts()
            del rows, predicted  # what follows needs their place
        digest = digest_by_column(
            [name for name in said.columns if name != REASONS], said.rows, said.read, by="prediction_id"
        )
        mean = said.read("score").mean()
        kept_at, said_at = kept.commit(), said.commit()
        if quarantine.rows or window.key in platform.lake.windows(quarantine.table):
            quarantine.commit()
    content = content_of(hashes)
    record = platform.ledger.append(
        WINDOW_SCORED,
        {
            "version": version,
            "challenger": scorers.challenger,
            "canary_share": scorers.share,
            "rows": said.rows,
            "quarantined": quarantine.rows,
            "outside_restrictions": outside,
            "flagged": flagged,
            "reasons": tally.summary,
            # Of inputs alone, so that a batch delivered twice under new identifiers is recognised.
            "content_digest": content.digest,
            "sent_twice": content.sent_twice,
            "predictions_digest": digest,
            "predictions_version": said_at.version,
            "rows_version": kept_at.version,
            "source_digest": digest_of(declaration.source, platform.project.root),
        },
        model=context.model,
        subject=window.key,
        key=f"scored/{context.model}/{window.key}/{digest}",
    )
    result = replace(contract.decide(tally.to_dict(), context.policy.gates.contract), gate="input_contract")
    return StageResult(
        metadata={
            "version": version,
            "challenger beside it": record.body["challenger"],
            "share of rows it decided as a canary": scorers.share or None,
            "rows scored": said.rows,
            "quarantined": quarantine.rows,
            "outside the approved population": outside or None,
            "quarantine reasons": [{"reason": k, "rows": v} for k, v in tally.summary.items()] or None,
            "mean score": mean,
            "first predictions": first or None,
            "ledger record": record.seq,
        },
        data_version=digest,
        decisions=[result],
    )


def outcomes(context: StageContext) -> StageResult:
    """Take down what is known of the window's outcomes; a value that changes is kept beside the one before."""
    platform, declaration, window = context.platform, context.declaration, window_of(context)
    source = scan(declaration.source, platform.project.root)
    found = source.collect_schema().names()
    if declaration.target.column not in found:
        keep(context, OUTCOMES, {"content": NONE_KNOWN})
        return StageResult(metadata={"known": 0, "note": f"the source has no column {declaration.target.column!r} yet"})
    assert declaration.event_time is not None
    read = [declaration.id, declaration.event_time.column, declaration.target.column]
    rows = rows_of_window(source.select([c for c in dict.fromkeys(read) if c in found]), declaration, window)
    lake, table, delivered = platform.lake, context.table(OUTCOMES), 0
    before = lake.scan(table, window=window.key).drop("window") if window.key in lake.windows(table) else None
    with lake.window_writer(table, window.key) as kept:
        if before is not None:
            for piece in pieces(before):
                kept.add(piece)
        for piece in pieces(rows):
            delivered += piece.height
            now = recordings(piece, declaration, window)
            kept.add(now if before is None else changed(of_ids(before, now["id"]), now))
        data_version = digest_by_column(kept.columns, kept.rows, kept.read, by="id")
        known = different(kept.read("id"))
        written = kept.commit()
    content = outcomes_by_window(rows, declaration).get(window.key, NONE_KNOWN)
    keep(context, OUTCOMES, {"content": content, "delta_version": written.version})
    return StageResult(
        metadata={
            "known": known,
            "recordings": written.rows,
            "of rows": delivered,
            "delta version": written.version,
        },
        data_version=data_version,
    )


def of_ids(recorded: pl.LazyFrame, ids: pl.Series) -> pl.DataFrame:
    """The recordings of these ids, in the order in which they were made."""
    return recorded.filter(pl.col("id").is_in(ids.implode())).collect(engine="streaming")


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


def rows_of_window(source: pl.LazyFrame, declaration: Declaration, window: Window) -> pl.LazyFrame:
    """Rows whose event falls into the window."""
    assert declaration.event_time is not None
    dtype = source.collect_schema().get(declaration.event_time.column)
    if dtype is None:
        raise StageError(f"{declaration.name}: the source has no column {declaration.event_time.column!r}")
    return source.filter(in_window(declaration, window, dtype))


def deciding(context: StageContext) -> int:
    """The version that may score.

    Raises:
        StageError: there is none: never promoted, suspended or retired.
    """
    now = verified_champion_state(context.platform.ledger, context.model)
    if now.deciding is None:
        what = "has no champion yet; approve a version first" if now.status == "none" else f"is {now.status}"
        raise StageError(f"{context.model} {what}, so nothing may be scored")
    return now.deciding


def within_restrictions(
    context: StageContext, version: int, rows: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame, int]:
    """Rows the version may score, those a restriction of use refuses (with the reason), and how many are flagged."""
    limits = restrictions_of(context.platform.ledger, context.model, version)
    if not limits:
        return rows, rows.clear().with_columns(pl.lit("").alias("_reasons")), 0
    found = restrictions.check(rows, limits)
    outside = rows.with_columns(found.reasons.alias("_reasons")).filter(found.refused)
    return rows.filter(~found.refused), outside, int(found.flagged.sum())


def scored_record(context: StageContext) -> Record:
    """The record of this window's scoring.

    Raises:
        StageError: it was not scored.
    """
    window = window_of(context)
    record = context.platform.ledger.latest(WINDOW_SCORED, model=context.model, subject=window.key)
    if record is None:
        raise StageError(f"{context.model}: the window {window.key} was not scored; materialize predictions first")
    return record
