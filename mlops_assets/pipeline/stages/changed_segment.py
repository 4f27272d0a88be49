"""Where a changed relation is confined to: what the stages `reference_profile` and `performance` do for it.

Belongs here: keeping held-out rows with the loss of each, and reading them beside a window. Finding the part is in
`monitoring/outcomes/segments.py`.
"""

import numpy as np
import polars as pl

from mlops_assets.evaluation.estimators import prepare
from mlops_assets.monitoring.outcomes.grades import quality_losses
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.outcomes.segments import Segment, find_segment
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.production import SCORED_ROWS
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.lake import LakeError

HELD_OUT = "held_out_losses"
LOSS = "_loss"
MOST_ROWS = 20_000


def keep_losses(
    context: StageContext,
    version: int,
    rows: pl.DataFrame,
    y: np.ndarray,
    score: np.ndarray,
    reference_performance: ReferencePerformance,
) -> None:
    """Keep a bounded sample of the held-out rows of a version, features and loss."""
    chosen = _some(rows.height, context)
    kept = rows.select(list(context.declaration.features))[chosen]
    losses = row_losses(y[chosen], score[chosen], reference_performance)
    context.platform.lake.write_window(
        context.table(HELD_OUT), f"v{version}", kept.with_columns(pl.Series(LOSS, losses, dtype=pl.Float64))
    )


def confined_to(
    context: StageContext,
    version: str,
    run_id: str,
    window: str,
    ids: pl.Series,
    y: np.ndarray,
    score: np.ndarray,
    reference_performance: ReferencePerformance,
) -> Segment | None:
    """The part of the window that most of the additional loss comes from.

    None where there is none, and for a version that was made before its losses were kept.

    Args:
        context: of the window.
        version, run_id: of the model that scored it.
        window: its key.
        ids: of the rows whose outcome is known.
        y, score: outcomes and scores of the same rows.
        reference_performance: of the version.
    """
    lake, features = context.platform.lake, list(context.declaration.features)
    try:
        before = lake.read(context.table(HELD_OUT), window=f"v{version}")
    except LakeError:
        return None
    if before.is_empty():
        return None
    chosen = _some(len(ids), context)
    asked = ids[chosen].cast(pl.String).alias("_id")
    rows = lake.scan(context.table(SCORED_ROWS), window=window)
    named = rows.select(pl.col(context.declaration.id).cast(pl.String).alias("_id"), *features)
    named = named.filter(pl.col("_id").is_in(asked.implode())).collect(engine="streaming")
    now = asked.to_frame().join(named, on="_id", how="left", maintain_order="left")
    profile = Profile.from_dict(context.platform.registry.evidence(run_id, "reference_profile"))
    columns = {name: profile.columns[name] for name in features}
    losses = row_losses(y[chosen], score[chosen], reference_performance)
    return find_segment(columns, before, now, before[LOSS].to_numpy(), losses)


def row_losses(y: np.ndarray, score: np.ndarray, reference_performance: ReferencePerformance) -> np.ndarray:
    """Loss of each row (log loss; regression: squared error), finite also where a score was sure and wrong."""
    sure = score if reference_performance.task == "regression" else np.clip(score, 1e-6, 1 - 1e-6)
    return quality_losses(prepare(y, sure, reference_performance.task, classes=reference_performance.classes or None))


def _some(rows: int, context: StageContext) -> np.ndarray:
    drawn = np.random.default_rng(context.declaration.training.seed % 2**32)
    return np.sort(drawn.choice(rows, min(MOST_ROWS, rows), replace=False))
