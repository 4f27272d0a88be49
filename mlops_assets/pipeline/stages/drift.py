"""The stage `drift`: inputs and score of a window against the reference of the version that scored it."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets import pieces
from mlops_assets.datasets.pieces import StoredRows
from mlops_assets.datasets.windows import declared_windows
from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.inputs.attribution import (
    FEWEST_ROWS,
    Importances,
    compare_importance,
    sample_size,
    score_importance,
)
from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import DriftVerdict, compare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.models import SCORE, load_version, scored_rows
from mlops_assets.pipeline.stages.production import PREDICTIONS, SCORED_ROWS, scored_record
from mlops_assets.pipeline.stages.window_reports import keep, report, severity_check, window_of
from mlops_assets.statistics.counting import WindowCounts, count_window
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.registry import RegistryError

SAMPLE_ROWS = 5000
PAGE_ROWS = 1000


def drift(context: StageContext) -> StageResult:
    """Compare inputs and score of the window with the reference of the version that scored it."""
    platform, window = context.platform, window_of(context)
    scored = scored_record(context)
    run_id = registered(platform.ledger, context.model, scored.body["version"]).body["run_id"]
    profile = Profile.from_dict(platform.registry.evidence(run_id, "reference_profile"))
    # What turned out to be true is judged by `performance`, not as an input.
    profile = Profile(
        profile.rows, {n: c for n, c in profile.columns.items() if n != context.declaration.target.column}
    )
    rows = rows_of(context, scored)
    id_ = context.declaration.id
    said = platform.lake.read(context.table(PREDICTIONS), window=window.key, columns=[id_, SCORE])
    counts = counts_of(rows, said[SCORE], id_, profile)
    shares = importance_of(context, run_id)
    drawn = np.random.default_rng(context.declaration.training.seed % 2**32)
    # In the rows' own order: neighbours in time are alike, and are kept together where they are compared.
    chosen = np.sort(drawn.choice(said.height, min(SAMPLE_ROWS, said.height), replace=False))
    sample = sample_of(rows, said, id_, chosen)
    known = platform.lake.read(context.table("reference_sample"), window=f"v{scored.body['version']}")
    verdict = compare(
        profile, counts, context.policy.monitoring, importance=shares, sample=sample, reference_sample=known
    )
    drivers = drivers_of_scores(context, int(scored.body["version"]), run_id, rows)
    content = {**verdict.to_dict(), "version": scored.body["version"], "attribution": drivers}
    evidence = keep(context, "drift", content)
    page = draw_page(context, rows, scored) if at_least(verdict.severity, "watch") or is_last(context) else None
    return StageResult(
        metadata={
            "severity": verdict.severity,
            "verdict": verdict.reason,
            "rows": verdict.rows,
            "version": scored.body["version"],
            "columns": drift_table(verdict),
            "what drives the scores": driver_table(drivers) or drivers["reason"],
            "Evidently": page,
            "evidence digest": evidence,
        },
        data_version=evidence,
        decisions=[severity_check(verdict.severity, verdict.reason, evidence)],
    )


def rows_of(context: StageContext, scored: Record) -> pl.DataFrame | StoredRows:
    """Id and features of the window's rows; those of a window that may not fit into memory stay in the lake."""
    declaration = context.declaration
    stored = context.platform.lake.scan(context.table(SCORED_ROWS), window=window_of(context).key)
    stored = stored.select(declaration.id, *declaration.features)
    height = int(scored.body["rows"])
    return stored.collect() if height <= pieces.ROWS_AT_ONCE else StoredRows(stored, height)


def counts_of(rows: pl.DataFrame | StoredRows, scores: pl.Series, id_: str, profile: Profile) -> WindowCounts:
    """Features and scores of the same rows, counted in the bins of the reference."""
    if isinstance(rows, pl.DataFrame):
        return count_window(rows.drop(id_).with_columns(scores), profile)
    inputs = Profile(profile.rows, {name: c for name, c in profile.columns.items() if name != SCORE})
    found = count_window(rows.table.drop(id_), inputs)
    if SCORE not in profile.columns:
        return replace(found, extra=(*found.extra, SCORE))
    score = count_window(scores.to_frame(), Profile(profile.rows, {SCORE: profile.columns[SCORE]})).columns[SCORE]
    # A mean of parts depends in its last digits on which part is ready first.
    score = replace(score, mean=float(np.mean(scores.to_numpy()))) if score.mean is not None else score
    columns = found.columns | {SCORE: score}
    return WindowCounts(found.rows, {name: columns[name] for name in profile.columns}, found.extra)


def sample_of(rows: pl.DataFrame | StoredRows, said: pl.DataFrame, id_: str, chosen: np.ndarray) -> pl.DataFrame:
    """Features and scores of some rows, by position; paired by id where the two tables have not kept the same order."""
    sample, told = rows[chosen], said[chosen]
    if not sample[id_].equals(told[id_]):
        told = sample.select(id_).join(said, on=id_, how="left", maintain_order="left")
    return sample.drop(id_).with_columns(told[SCORE])


def importance_of(context: StageContext, run_id: str) -> dict[str, float]:
    """Share of all importance by feature; the score stands for the whole model and weighs as much as all of them."""
    found = context.platform.registry.evidence(run_id, "explanations")["importance"]["features"]
    return {f["feature"]: f["share"] for f in found}


def draw_page(context: StageContext, rows: pl.DataFrame | StoredRows, scored: Record) -> Path | None:
    """Evidently's page for the window, from bounded samples; it draws, the verdict is ours."""
    from mlops_assets.monitoring.evidently_page import draw

    if rows.height == 0:
        return None
    table = context.table("reference_sample")
    reference = context.platform.lake.read(table, window=f"v{scored.body['version']}").select(
        list(context.declaration.features)
    )
    roles = {name: f.role.value for name, f in context.declaration.features.items()}
    seed = context.declaration.training.seed % 2**32
    path = report(context, "evidently").with_suffix(".html")
    return draw(
        reference.sample(min(PAGE_ROWS, reference.height), seed=seed),
        rows[np.sort(np.random.default_rng(seed).choice(rows.height, min(PAGE_ROWS, rows.height), replace=False))],
        roles,
        path,
    )


def is_last(context: StageContext) -> bool:
    """Whether the window is the latest that has ended: people look at that one whatever it says."""
    today = datetime.now(UTC).date()
    ended = [w for w in declared_windows(context.declaration, today) if w.end <= today]
    return not ended or window_of(context).key >= ended[-1].key


def drift_table(verdict: DriftVerdict) -> list[dict[str, Any]]:
    """Columns of the verdict, worst first."""

    def row(c: ColumnDrift) -> dict[str, Any]:
        return {
            "column": c.name,
            "severity": c.severity,
            "PSI": c.value,
            "net of noise": c.effect,
            "between periods": c.variation,
            "p adjusted": c.p_value,
            "missing": c.null_share,
            "importance": c.importance,
            "why": c.reason,
        }

    return [row(c) for c in verdict.columns]


def drivers_of_scores(
    context: StageContext, version: int, run_id: str, rows: pl.DataFrame | StoredRows
) -> dict[str, Any]:
    """How far each feature moves the scores in the window, against the rows held out when the version was made.

    On a bounded sample, so that it costs the same for a thousand rows as for millions. A version made before this was
    measured, or a window it cannot be measured on, says so in `reason` and has no `features`.
    """
    if rows.height < FEWEST_ROWS:
        return {"features": [], "reason": f"{rows.height} rows, fewer than {FEWEST_ROWS}: not compared"}
    try:
        before = Importances.from_dict(context.platform.registry.evidence(run_id, "reference_attribution"))
    except RegistryError:
        return {"features": [], "reason": f"version {version} was made without a reference for this: not compared"}
    pipeline = load_version(context, version)
    most, repeats = sample_size(len(before.features))
    try:
        now = score_importance(
            lambda frame: scored_rows(pipeline, frame, context.declaration),
            rows,
            before.features,
            rows=most,
            repeats=repeats,
            seed=context.declaration.training.seed,
        )
    except ValueError as why:
        return {"features": [], "reason": f"not compared: {why}"}
    changed = compare_importance(before, now)
    surely = [f.feature for f in changed.features if f.p_adjusted < context.policy.monitoring.alpha]
    return {**changed.to_dict(), "n": now.n, "changed": surely}


def driver_table(drivers: dict[str, Any]) -> list[dict[str, Any]]:
    """Features with their share of what drives the scores, then and now; largest change first."""
    return [
        {
            "feature": f["feature"],
            "share then": f["reference_share"],
            "share now": f["window_share"],
            "rank then": f["reference_rank"],
            "rank now": f["window_rank"],
            "p adjusted": f["p_adjusted"],
        }
        for f in drivers["features"][:20]
    ]
