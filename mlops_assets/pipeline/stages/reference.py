"""The stage `reference_profile`: what the windows of a version are compared with."""

from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.windows import window_start_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import target_vector
from mlops_assets.inspection.recorded_tables import REFERENCE_SAMPLE, keep_with_version
from mlops_assets.inspection.versions import load_verified
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.inputs.attribution import Importances, sample_size, score_importance
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.data import feature_rows
from mlops_assets.pipeline.stages.decisions import current_snapshot, current_version
from mlops_assets.pipeline.stages.held_out_losses import keep_losses, row_losses
from mlops_assets.pipeline.stages.tables import profile_table
from mlops_assets.pipeline.stages.training_rows import request_record, since_change
from mlops_assets.pipeline.stages.versions import classes_of, score_frame, score_roles, scored_rows
from mlops_assets.pipeline.training_results import REFERENCE_ATTRIBUTION, REFERENCE_PERFORMANCE, REFERENCE_PROFILE
from mlops_assets.statistics.between_periods import LEAST_PERIODS
from mlops_assets.statistics.profile import Profile, build_profile

SAMPLE_ROWS = 5000


def reference_profile(context: StageContext) -> StageResult:
    """Profile what the version was made with, so that a window can be compared without reading a reference row."""
    platform, declaration = context.platform, context.declaration
    ledger, lake = platform.ledger, platform.lake
    registered = current_version(ledger, declaration, context.request)
    snapshot = current_snapshot(ledger, declaration, context.request)
    version = int(registered.subject)
    rows = feature_rows(lake, snapshot)
    request = request_record(ledger, context.model, context.request)
    holdout = since_change(ledger, declaration, request, feature_rows(lake, snapshot, "holdout"))
    pipeline = load_verified(platform, declaration, version)
    scores = scored_rows(pipeline, holdout, declaration)
    profile = profile_of(rows, holdout, scores, declaration)
    performance = performance_of(registered, pipeline, rows, holdout, scores, declaration)
    results = platform.version_results(registered.event.run_id)
    digest = results.write(REFERENCE_PROFILE, profile)
    results.write(REFERENCE_PERFORMANCE, performance)
    if declaration.external is None:
        results.write(REFERENCE_ATTRIBUTION, drivers_of(pipeline, holdout, declaration))
    sample = rows.drop(PART).sample(min(SAMPLE_ROWS, rows.height), seed=declaration.training.seed % 2**32)
    if declaration.event_time is not None:
        sample = sample.sort(declaration.event_time.column, maintain_order=True)
    keep_with_version(platform, context.model, REFERENCE_SAMPLE, version, sample)
    losses = row_losses(target_vector(holdout, declaration), scores, performance)
    keep_losses(platform, declaration, version, holdout, losses)
    return StageResult(
        metadata={
            "version": version,
            "rows": profile.rows,
            "columns": profile_table(profile),
            "held-out rows it is held to": holdout.height,
            "quality on them": performance.quality,
            "profile digest": digest,
        },
        data_version=profile.digest,
    )


def drivers_of(pipeline: Any, holdout: pl.DataFrame, declaration: Declaration) -> Importances:
    """How far each feature moves the scores of held-out rows."""
    most, repeats = sample_size(len(declaration.features))
    return score_importance(
        lambda frame: scored_rows(pipeline, frame, declaration),
        holdout,
        list(declaration.features),
        rows=most,
        repeats=repeats,
        seed=declaration.training.seed,
    )


def profile_of(rows: pl.DataFrame, holdout: pl.DataFrame, scores: np.ndarray, declaration: Declaration) -> Profile:
    """Inputs over all rows; score and target on held-out rows, because rows that a model was fitted on flatter it."""
    roles = {name: feature.role.value for name, feature in declaration.features.items()}
    inputs = build_profile(rows, roles, times=times_of(rows, declaration))
    outputs = build_profile(
        score_frame(scores, holdout, declaration), score_roles(declaration), times=times_of(holdout, declaration)
    )
    return Profile(inputs.rows, {**inputs.columns, **outputs.columns})


def performance_of(
    registered: Record[VersionRegistered],
    pipeline: Any,
    rows: pl.DataFrame,
    holdout: pl.DataFrame,
    scores: np.ndarray,
    declaration: Declaration,
) -> ReferencePerformance:
    """What the version does on rows it was not fitted on: what its windows are compared with."""
    return build_reference(
        target_vector(holdout, declaration),
        scores,
        declaration.task,
        threshold=registered.event.threshold,
        classes=classes_of(pipeline, declaration),
        frame=holdout,
        declaration=declaration,
        ids=holdout[declaration.id].to_list(),
        fitted_ids=rows.filter(pl.col(PART) == "fit")[declaration.id].to_list(),
        times=times_of(holdout, declaration),
    )


def times_of(rows: pl.DataFrame, declaration: Declaration) -> pl.Series | None:
    """By what the rows' periods are told apart: the window each is in, where there are enough of them; else its time."""
    if declaration.event_time is None:
        return None
    time = event_time_expr(declaration.event_time)
    starts = rows.select(window_start_expr(time, declaration.monitoring.cadence)).to_series()
    if starts.n_unique() >= LEAST_PERIODS:
        return starts
    return rows.select(time).to_series()
