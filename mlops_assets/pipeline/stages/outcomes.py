"""The stage `outcomes`: what turned out to be true of a window's rows, as far as the source has it.

Belongs here: recording outcomes, each change beside what it changes. Joining them with predictions is in
`matured_outcomes.py`.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl

from mlops_assets import clock
from mlops_assets.datasets.internal_columns import EVENT_TIME, RECORDED_AT
from mlops_assets.datasets.kept_rows import SaltedWindow, keep_snapshot
from mlops_assets.datasets.outcome_source import Settled
from mlops_assets.datasets.pieces import pieces
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.windows import Window, shift
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.monitoring.window_results import OUTCOMES, OutcomesResult
from mlops_assets.pipeline.context import StageContext, StageResult, window_of
from mlops_assets.pipeline.stages.delivery import delivery
from mlops_assets.pipeline.stages.scored_window import scored_window
from mlops_assets.scoring.outcome_content import NONE_KNOWN, outcome_text, outcomes_by_window
from mlops_assets.scoring.outcomes import different
from mlops_assets.stores.lake import SALT, WINDOW, Lake, Written

TABLE = "outcomes"
QUARANTINE = "outcome_quarantine"


def outcomes(context: StageContext) -> StageResult:
    """Record what is known of the window's outcomes; a value that changes is kept beside the one before."""
    platform, window, results = context.platform, window_of(context), context.window_results()
    declaration = scored_window(platform.ledger, context.declaration, window).declaration
    now, target = delivery(declaration, platform.project.root), declaration.target.column
    if target not in now.source.columns:
        results.write(OUTCOMES, OutcomesResult(NONE_KNOWN))
        return StageResult(metadata={"known": 0, "note": f"the source has no column {target!r} yet"})
    assert declaration.event_time is not None
    read = [declaration.id, declaration.event_time.column, EVENT_TIME, target]
    read += [RECORDED_AT] if declaration.outcomes is not None else []
    rows = now.rows_of(window).select(
        name for name in read if name in (EVENT_TIME, RECORDED_AT) or name in now.source.columns
    )
    recorded = record_outcomes(platform.lake, rows, declaration, window)
    settled = now.source.reports
    reports = keep_reports(platform.lake, declaration.name, settled) if settled is not None else None
    content = outcomes_by_window(rows, declaration).get(window.key, NONE_KNOWN)
    results.write(
        OUTCOMES, OutcomesResult(content, recorded.written.version, recorded.digest, recorded.root, reports or {})
    )
    return StageResult(
        metadata={
            "known": recorded.known,
            "recordings": recorded.written.rows,
            "of rows": recorded.delivered,
            "delta version": recorded.written.version,
            "reports of outcomes": [{"place": k, "reports": v} for k, v in reports["places"].items()]
            if reports
            else None,
            "reports in quarantine": [{"reason": k, "reports": v} for k, v in reports["reasons"].items()]
            if reports
            else None,
        },
        data_version=recorded.digest,
    )


def keep_reports(lake: Lake, model: str, settled: Settled) -> dict[str, Any]:
    """Count every report of a source of outcomes of its own into its place, and keep those in quarantine with the reason."""
    quarantined = settled.quarantined
    if quarantined.height:
        keep_snapshot(lake, f"{model}/{QUARANTINE}", quarantined)
    return {"places": settled.counts, "reasons": settled.reasons}


@dataclass(frozen=True)
class Recorded:
    """What was written of a window's outcomes.

    Attributes:
        written: table and version.
        delivered: rows that the source has of the window.
        known: identifiers with an outcome.
        digest: of all recordings.
        root: of the tree over them.
    """

    written: Written
    delivered: int
    known: int
    digest: str
    root: str


def record_outcomes(lake: Lake, rows: pl.LazyFrame, declaration: Declaration, window: Window) -> Recorded:
    """Add to the window's recordings what the source now has otherwise, a piece at a time."""
    table, delivered = f"{declaration.name}/{TABLE}", 0
    there = window.key in lake.windows(table)
    before = lake.scan(table, window=window.key, salted=True).drop(WINDOW) if there else None
    with SaltedWindow(lake, table, window.key) as kept:
        if before is not None:
            for piece in pieces(before):
                kept.add(piece)
        for piece in pieces(rows):
            delivered += piece.height
            now = recordings(piece, declaration, window)
            if before is None:
                kept.add(now)
                continue
            ids = piece.select(read_expr(declaration.id, piece.schema, declaration).alias("id"))["id"]
            known = of_ids(before, ids).drop(SALT, strict=False)
            kept.add(changed(known, now))
            kept.add(withdrawn(known, now))
        found = kept.sealed(by="id")
        known = different(standing(kept.read("id"), kept.read("outcome"), kept.read("recorded_at")))
        return Recorded(kept.commit(), delivered, known, found.digest, found.root)


def of_ids(recorded: pl.LazyFrame, ids: pl.Series) -> pl.DataFrame:
    """The recordings of these identifiers, in the order in which they were made."""
    return recorded.filter(pl.col("id").is_in(ids.implode())).collect(engine="streaming")


def recordings(rows: pl.DataFrame, declaration: Declaration, window: Window) -> pl.DataFrame:
    """Outcomes as the source has them: identifier, value, and when it was known: as reported, or else the day on which it was
    due."""
    matures = declaration.target.matures_after
    end = datetime(window.end.year, window.end.month, window.end.day, tzinfo=UTC)
    due = shift(window.end, matures) if matures else window.end
    recorded = min(datetime(due.year, due.month, due.day, tzinfo=UTC), max(end, clock.now()))
    when = pl.lit(recorded)
    if RECORDED_AT in rows.columns:
        when = pl.coalesce(pl.col(RECORDED_AT).dt.replace_time_zone("UTC"), when)
    return rows.select(
        read_expr(declaration.id, rows.schema, declaration).alias("id"),
        outcome_text(declaration, rows.schema).alias("outcome"),
        when.dt.convert_time_zone("UTC").dt.cast_time_unit("us").alias("recorded_at"),
    ).filter(pl.col("outcome").is_not_null() & pl.col("id").is_not_null())


def withdrawn(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Recordings that an outcome which was known does not hold any more: identifier, no value, recorded at present."""
    gone = last_recorded(before).filter(pl.col("outcome").is_not_null()).join(now, on="id", how="anti")
    return gone.with_columns(
        pl.lit(None, dtype=pl.String).alias("outcome"),
        pl.lit(clock.now()).dt.cast_time_unit("us").alias("recorded_at"),
    ).select(before.columns)


def standing(ids: pl.Series, outcomes: pl.Series, times: pl.Series) -> pl.Series:
    """Identifiers whose last recording is an outcome."""
    recorded = pl.DataFrame([ids.alias("id"), outcomes.alias("outcome"), times.alias("recorded_at")])
    if not recorded["outcome"].null_count():
        return ids
    return last_recorded(recorded).filter(pl.col("outcome").is_not_null())["id"]


def last_recorded(recorded: pl.DataFrame) -> pl.DataFrame:
    """The last recording of each identifier."""
    return recorded.sort("recorded_at", maintain_order=True).group_by("id", maintain_order=True).last()


def changed(before: pl.DataFrame, now: pl.DataFrame) -> pl.DataFrame:
    """Recordings that are new: identifiers without one, and values other than the last one; recorded at present."""
    last = last_recorded(before)
    joined = now.join(last.select("id", pl.col("outcome").alias("known")), on="id", how="left")
    new = joined.filter(~pl.col("outcome").eq_missing(pl.col("known"))).drop("known")
    return new.with_columns(pl.lit(clock.now()).dt.cast_time_unit("us").alias("recorded_at")).select(before.columns)
