"""Losses of held-out rows, kept with a version so that a window can be compared with them.

Belongs here: keeping a bounded sample of the rows with the loss of each, and reading it beside a window. Finding the part of
the rows that a change is confined to is in `monitoring/outcomes/segments.py`.
"""

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import RESERVED_PREFIX
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.inspection.recorded_tables import HELD_OUT_LOSSES as TABLE
from mlops_assets.inspection.recorded_tables import RowsRemoved, keep_with_version, kept_with_version
from mlops_assets.monitoring.outcomes.grades import quality_losses
from mlops_assets.monitoring.outcomes.performance import split_classes
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.outcomes.segments import Segment, find_segment
from mlops_assets.pipeline.stages.matured_outcomes import Matured
from mlops_assets.pipeline.stages.predictions import SCORED_ROWS
from mlops_assets.pipeline.stages.scored_window import ScoredWindow
from mlops_assets.platform import Platform
from mlops_assets.statistics.profile import Profile
from mlops_assets.stores.lake import LakeError

LOSS = RESERVED_PREFIX + "loss"
MOST_ROWS = 20_000


def keep_losses(
    platform: Platform, declaration: Declaration, version: int, rows: pl.DataFrame, losses: np.ndarray
) -> None:
    """Keep a bounded sample of the held-out rows of a version: features and loss.

    Args:
        platform: to write to.
        declaration: of the version.
        version: its number.
        rows: held out.
        losses: of the same rows.
    """
    chosen = _sample(rows.height, declaration)
    # Nobody computes from the identifier: by it a person's row is found who is to be erased.
    kept = rows.select(list(dict.fromkeys([declaration.id, *declaration.features])))[chosen]
    kept = kept.with_columns(pl.Series(LOSS, losses[chosen], dtype=pl.Float64))
    keep_with_version(platform, declaration.name, TABLE, version, kept)


def changed_segment(
    platform: Platform, scored: ScoredWindow, profile: Profile, known: Matured, reference: ReferencePerformance
) -> Segment | None:
    """The part of the window that most of the additional loss comes from; None where there is none.

    Args:
        platform: with the losses that were kept with the version.
        scored: the window.
        profile: of the version's reference.
        known: predictions and outcomes of the window.
        reference: performance of the version on held-out rows.
    """
    declaration = scored.declaration
    features = list(declaration.features)
    try:
        before = kept_with_version(platform, scored.model, TABLE, scored.version)
    except (LakeError, RowsRemoved):
        return None
    if before.is_empty():
        return None
    measured, _ = split_classes(known.truth, reference)
    chosen = _sample(len(known.ids), declaration)
    chosen = chosen[measured[chosen]]
    id_ = declaration.id
    wanted = known.ids[chosen].alias(id_)
    rows = platform.lake.scan(f"{scored.model}/{SCORED_ROWS}", window=scored.window.key).select(id_, *features)
    named = rows.filter(pl.col(id_).is_in(wanted.implode())).collect(engine="streaming")
    now = wanted.to_frame().join(named, on=id_, how="left", maintain_order="left")
    columns = {name: profile.columns[name] for name in features}
    losses = row_losses(known.truth[chosen], known.given[chosen], reference)
    return find_segment(columns, before, now, before[LOSS].to_numpy(), losses)


def row_losses(y: np.ndarray, score: np.ndarray, reference: ReferencePerformance) -> np.ndarray:
    """Loss of each row: log loss (regression: squared error), finite also where a score was certain and wrong."""
    bounded = score if reference.task == "regression" else np.clip(score, 1e-6, 1 - 1e-6)
    return quality_losses(prepare(y, bounded, reference.task, classes=reference.classes or None))


def _sample(rows: int, declaration: Declaration) -> np.ndarray:
    drawn = np.random.default_rng(declaration.training.seed % 2**32)
    return np.sort(drawn.choice(rows, min(MOST_ROWS, rows), replace=False))
