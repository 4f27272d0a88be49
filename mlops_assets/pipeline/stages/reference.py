"""The stage `reference_profile`: what the windows of a version are compared with."""

from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.snapshot import held_out_alike, split
from mlops_assets.datasets.windows import window_start_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import target_vector
from mlops_assets.inspection.recorded_tables import REFERENCE_SAMPLE, keep_with_version
from mlops_assets.inspection.versions import load_verified
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.inputs.attribution import Importances, sample_size, score_importance
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.data import feature_rows, rows_without_outcome
from mlops_assets.pipeline.stages.decisions import current_snapshot, current_version
from mlops_assets.pipeline.stages.held_out_losses import keep_losses, row_losses
from mlops_assets.pipeline.stages.tables import profile_table
from mlops_assets.pipeline.stages.training_rows import held_to_since, request_record, since, since_change
from mlops_assets.pipeline.stages.versions import classes_of, score_column, scored_rows, target_role
from mlops_assets.pipeline.training_results import REFERENCE_ATTRIBUTION, REFERENCE_PERFORMANCE, REFERENCE_PROFILE
from mlops_assets.statistics.between_periods import LEAST_PERIODS
from mlops_assets.statistics.profile import Profile, build_profile

SAMPLE_ROWS = 5000


def reference_profile(context: StageContext) -> StageResult:
    """Profile what the version was made with, so that a window can be compared without reading a reference row."""
    platform, declaration = context.platform, context.declaration
    ledger = platform.ledger
    registered = current_version(ledger, declaration, context.request)
    snapshot = current_snapshot(ledger, declaration, context.request)
    version = int(registered.subject)
    rows = feature_rows(platform, snapshot)
    request = request_record(ledger, context.model, context.request)
    held_out = feature_rows(platform, snapshot, "holdout")
    holdout = since_change(ledger, declaration, request, held_out)
    every, scored, without = rows.drop(PART), holdout, rows_without_outcome(platform, snapshot)
    if without is not None:
        # A window holds such rows as well: without them, its inputs and scores would seem to have moved.
        beside = held_out_alike(without.select(every.columns), split(every, declaration), declaration)
        began = held_to_since(ledger, declaration, request, held_out)
        scored = pl.concat([holdout, beside if began is None else since(beside, declaration, began)])
        every = pl.concat([every, without.select(every.columns)])
    pipeline = load_verified(platform, declaration, version)
    all_scores = scored_rows(pipeline, scored, declaration)
    scores = all_scores[: holdout.height]
    profile = profile_of(every, scored, all_scores, holdout, declaration)
    performance = performance_of(registered, pipeline, rows, holdout, scores, declaration)
    results = platform.version_results(registered.event.run_id)
    digest = results.write(REFERENCE_PROFILE, profile)
    results.write(REFERENCE_PERFORMANCE, performance)
    if declaration.external is None:
        results.write(REFERENCE_ATTRIBUTION, drivers_of(pipeline, holdout, declaration))
    sample = every.sample(min(SAMPLE_ROWS, every.height), seed=declaration.training.seed % 2**32)
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
            "of them without an outcome, as declared": without.height if without is not None else None,
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


def profile_of(
    rows: pl.DataFrame, scored: pl.DataFrame, scores: np.ndarray, holdout: pl.DataFrame, declaration: Declaration
) -> Profile:
    """What the columns of a window are compared with.

    Args:
        rows: all rows, for the inputs.
        scored: rows that the model was not fitted on, since rows that it was fitted on flatter its score.
        scores: theirs.
        holdout: those of them that have an outcome, for the target.
        declaration: the model.
    """
    roles = {name: feature.role.value for name, feature in declaration.features.items()}
    inputs = build_profile(rows, roles, times=times_of(rows, declaration))
    score = build_profile(score_column(scores), {SCORE_COLUMN: "score"}, times=times_of(scored, declaration))
    target = build_profile(holdout, target_role(declaration), times=times_of(holdout, declaration))
    return Profile(inputs.rows, {**inputs.columns, **score.columns, **target.columns})


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
