"""The stage `drift`: inputs and score of a window against the reference of the version that scored it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.pieces import StoredRows
from mlops_assets.inspection.recorded_tables import REFERENCE_SAMPLE, kept_with_version
from mlops_assets.inspection.versions import load_verified
from mlops_assets.monitoring.inputs.attribution import (
    FEWEST_ROWS,
    Importances,
    compare_importance,
    sample_size,
    score_importance,
)
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict, compare
from mlops_assets.monitoring.window_results import DRAWING, DRIFT, DriftResult
from mlops_assets.pipeline.context import StageContext, StageResult, window_of
from mlops_assets.pipeline.stages.decisions import severity_check
from mlops_assets.pipeline.stages.predictions import PREDICTIONS
from mlops_assets.pipeline.stages.scored_window import ScoredWindow, scored_window
from mlops_assets.pipeline.stages.tables import drift_table, driver_table
from mlops_assets.pipeline.stages.versions import SCORE, scored_rows
from mlops_assets.pipeline.stages.window_scorers import scores_of_version
from mlops_assets.pipeline.training_results import EXPLANATIONS, REFERENCE_ATTRIBUTION, REFERENCE_PROFILE
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import WindowCounts, count_window
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.lake import Lake
from mlops_assets.stores.registry import RegistryError
from mlops_assets.stores.results import VersionResults

Rows = pl.DataFrame | StoredRows
SAMPLE_ROWS = 5000


def drift(context: StageContext) -> StageResult:
    """Compare inputs and score of the window with the reference of the version that scored it."""
    platform, thresholds = context.platform, context.policy.monitoring
    scored = scored_window(platform.ledger, context.declaration, window_of(context))
    made = platform.version_results(scored.run_id)
    scored.require_recorded(platform.lake)
    rows = scored.rows(platform.lake)
    known = kept_with_version(platform, scored.model, REFERENCE_SAMPLE, scored.version)
    verdict = judge_inputs(platform.lake, scored, made, rows, thresholds, known)
    pipeline = load_verified(platform, scored.declaration, scored.version)
    drivers = drivers_of_scores(pipeline, scored, made, rows, thresholds.alpha)
    results = context.window_results()
    digest = results.write(DRIFT, DriftResult(verdict, scored.version, drivers))
    # One that was drawn shows the rows of an earlier scoring.
    results.path(*DRAWING).unlink(missing_ok=True)
    return StageResult(
        metadata={
            "severity": verdict.severity,
            "verdict": verdict.reason,
            "rows": verdict.rows,
            "version": scored.version,
            "columns": drift_table(verdict),
            "what drives the scores": driver_table(drivers["features"]) or drivers["reason"],
            "distributions": f"`mlops draw {context.model} {scored.window.key}` draws them with Evidently",
            "evidence digest": digest,
        },
        data_version=digest,
        decisions=[severity_check(verdict.severity, verdict.reason, digest)],
    )


def judge_inputs(
    lake: Lake,
    scored: ScoredWindow,
    made: VersionResults,
    rows: Rows,
    thresholds: MonitoringThresholds,
    known: pl.DataFrame,
) -> DriftVerdict:
    """The verdict on inputs and score of the window.

    Args:
        lake: with the predictions.
        scored: the window.
        made: results of the training of the version that scored it.
        rows: identifier and features of the window.
        thresholds: of the policy.
        known: reference rows that were kept with the version.
    """
    declaration = scored.declaration
    profile = made.read(REFERENCE_PROFILE)
    # What turned out to be true is judged by `performance`, not as an input.
    profile = Profile(profile.rows, {n: c for n, c in profile.columns.items() if n != declaration.target.column})
    scores = champion_scores(lake, scored)
    drawn = np.random.default_rng(declaration.training.seed % 2**32)
    # In the rows' own order: neighbours in time are alike, and are kept together where they are compared.
    chosen = np.sort(drawn.choice(scores.height, min(SAMPLE_ROWS, scores.height), replace=False))
    return compare(
        profile,
        counts_of(rows, scores[SCORE], declaration.id, profile),
        thresholds,
        importance=made.read(EXPLANATIONS).shares,
        sample=sample_of(rows, scores, declaration.id, chosen),
        reference_sample=known,
    )


def champion_scores(lake: Lake, scored: ScoredWindow) -> pl.DataFrame:
    """Identifier and champion's score of every row of the window, also of rows that a canary decided or nobody."""
    table, window = f"{scored.model}/{PREDICTIONS}", scored.window.key
    if scored.canary is None and not scored.record.event.paused:
        return lake.read(table, window=window, columns=["id", SCORE])
    found = lake.read(table, window=window, columns=["id", SCORE, "version", "beside_score"])
    return found.select("id").with_columns(scores_of_version(found, scored.version).alias(SCORE))


def counts_of(rows: Rows, scores: pl.Series, id_: str, profile: Profile) -> WindowCounts:
    """Features and scores of the same rows, counted in the bins of the reference."""
    if isinstance(rows, pl.DataFrame):
        return count_window(rows.drop(id_).with_columns(scores.alias(SCORE_COLUMN)), profile)
    known = profile.columns.get(SCORE_COLUMN)
    inputs = Profile(profile.rows, {name: c for name, c in profile.columns.items() if name != SCORE_COLUMN})
    found = count_window(rows.table.drop(id_), inputs)
    if known is None:
        return replace(found, extra=(*found.extra, SCORE_COLUMN))
    alone = Profile(profile.rows, {SCORE_COLUMN: known})
    score = count_window(scores.to_frame(SCORE_COLUMN), alone).columns[SCORE_COLUMN]
    # A mean of parts depends in its last digits on which part is ready first.
    score = replace(score, mean=float(np.mean(scores.to_numpy()))) if score.mean is not None else score
    columns = found.columns | {SCORE_COLUMN: score}
    return WindowCounts(found.rows, {name: columns[name] for name in profile.columns}, found.extra)


def sample_of(rows: Rows, scores: pl.DataFrame, id_: str, chosen: np.ndarray) -> pl.DataFrame:
    """Features and scores of some rows, by position; paired by identifier where the two tables have not the same order."""
    sample, given = rows[chosen], scores[chosen]
    if not sample[id_].equals(given["id"]):
        given = sample.select(pl.col(id_).alias("id")).join(scores, on="id", how="left", maintain_order="left")
    return sample.drop(id_).with_columns(given[SCORE].alias(SCORE_COLUMN))


def drivers_of_scores(
    pipeline: Any, scored: ScoredWindow, made: VersionResults, rows: Rows, alpha: float
) -> Mapping[str, Any]:
    """How far each feature moves the scores in the window, against the rows held out when the version was made.

    On a bounded sample, so that it costs the same for a thousand rows as for millions. Where it cannot be measured, `reason`
    says why and `features` is empty.
    """
    if scored.declaration.external is not None:
        return {"features": [], "reason": "not measured: the model cannot be called with other inputs"}
    if rows.height < FEWEST_ROWS:
        return {"features": [], "reason": f"{rows.height} rows, fewer than {FEWEST_ROWS}: not compared"}
    declaration = scored.declaration
    try:
        before: Importances = made.read(REFERENCE_ATTRIBUTION)
    except RegistryError as error:
        return {"features": [], "reason": f"not compared: {error}"}
    most, repeats = sample_size(len(before.features))
    try:
        now = score_importance(
            lambda frame: scored_rows(pipeline, frame, declaration),
            rows,
            before.features,
            rows=most,
            repeats=repeats,
            seed=declaration.training.seed,
        )
    except ValueError as why:
        return {"features": [], "reason": f"not compared: {why}"}
    found = compare_importance(before, now)
    changed = [f.feature for f in found.features if f.p_adjusted < alpha]
    return {**found.to_dict(), "n": now.n, "changed": changed}
