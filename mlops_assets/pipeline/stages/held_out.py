"""The rows that a version is measured on, and how it compares on them with the champion.

Belongs here: which rows those are, which of them the champion has not seen either, and how many comparisons were made on
them before. Not here: the statistics of the comparison (`evaluation/comparison.py`), and what follows from it
(`gates/performance.py`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.contract import ContractError
from mlops_assets.datasets.delivered import deliver
from mlops_assets.datasets.internal_columns import ROW
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evaluation.comparison import QUALITY_METRIC, compare
from mlops_assets.features.frame import target_vector
from mlops_assets.gates.gate import GateInputs
from mlops_assets.governance.approval_subject import registered as registration_of
from mlops_assets.inspection.recorded_tables import RowsRemoved
from mlops_assets.inspection.versions import load_verified
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.ledger import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.pipeline.context import StageError
from mlops_assets.pipeline.stages.data import feature_rows
from mlops_assets.pipeline.stages.decisions import current_snapshot, current_version
from mlops_assets.pipeline.stages.versions import classes_of, declared_with, scored_rows
from mlops_assets.platform import Platform
from mlops_assets.release.champion import champion_state
from mlops_assets.scoring.input_contract import check
from mlops_assets.statistics.alpha_spending import level_of_attempt
from mlops_assets.stores.lake import LakeError

HOLDOUT_ALPHA = 0.05
"""Probability with which, over all attempts on the same held-out rows, any version that is worse by the margin is accepted."""


@dataclass(frozen=True)
class HeldOut:
    """Held-out rows with what a version predicts of them.

    Attributes:
        declaration: under which the version was made.
        registered: record of its registration.
        pipeline: the fitted pipeline.
        rows: held out.
        target: outcomes of the rows.
        scores: of the rows; shape (n,), or (n, classes).
        threshold: binary: predicted positive from this score on.
        classes: multiclass: labels in the order of the scores' columns.
    """

    declaration: Declaration
    registered: Record[VersionRegistered]
    pipeline: Any
    rows: pl.DataFrame
    target: np.ndarray
    scores: np.ndarray
    threshold: float | None
    classes: list[str] | None

    @property
    def version(self) -> int:
        """Number of the version."""
        return int(self.registered.subject)

    def only(self, positions: np.ndarray) -> "HeldOut":
        """The same for some of the rows."""
        return replace(self, rows=self.rows[positions], target=self.target[positions], scores=self.scores[positions])

    def score(self, rows: pl.DataFrame) -> np.ndarray:
        """The version's scores of other rows."""
        return scored_rows(self.pipeline, rows, self.declaration)

    def inputs(self, measured: Mapping[str, Any]) -> GateInputs:
        """What gates are given: these rows, and what was measured of the version, by the name of the gate that reads it."""
        return GateInputs(
            declaration=self.declaration,
            measured=measured,
            version=self.version,
            rows=self.rows,
            target=self.target,
            scores=self.scores,
            threshold=self.threshold,
            classes=self.classes,
            score=self.score,
        )


def held_out(platform: Platform, declaration: Declaration, request: str | None) -> HeldOut:
    """Held-out rows of the current snapshot with the scores of the version that was trained on it."""
    registered = current_version(platform.ledger, declaration, request)
    pipeline = load_verified(platform, declaration, int(registered.subject))
    rows = feature_rows(platform, current_snapshot(platform.ledger, declaration, request), "holdout")
    return HeldOut(
        declaration=declaration,
        registered=registered,
        pipeline=pipeline,
        rows=rows,
        target=target_vector(rows, declaration),
        scores=scored_rows(pipeline, rows, declaration),
        threshold=registered.event.threshold,
        classes=classes_of(pipeline, declaration),
    )


def against_champion(platform: Platform, held: HeldOut, margin: float) -> dict[str, Any]:
    """The paired comparison with the champion on the same rows; empty where there is none, or it is this version.

    Rows that the champion was fitted on are left out. The interval has the level that is left for this attempt on these
    held-out rows (`statistics.alpha_spending`).
    """
    declaration = held.declaration
    champion = champion_state(platform.ledger, declaration.name).deciding
    if champion is None or champion == held.version:
        return {}
    model = platform.ledger.state().model(declaration.name)
    registration = registration_of(model, champion)
    made = declared_with(registration, declaration)
    known = fitted_rows(platform, registration, held)
    asked = held if known.positions is None else held.only(known.positions)
    try:
        if not asked.rows.height:
            raise ContractError("it was fitted on all of them; retrain on later rows, so that others are held out")
        same, rows = rows_for(made, asked, platform.project.root)
    except ContractError as error:
        return {
            **not_compared(held, margin, f"version {champion} cannot score these rows: {error}"),
            "champion_version": champion,
        }
    attempt = attempt_on(model, holdout_digest(held), held.version, champion)
    alpha = level_of_attempt(attempt, HOLDOUT_ALPHA)
    found = compare(
        asked.target[same],
        scored_rows(load_verified(platform, made, champion), rows, made),
        asked.scores[same],
        declaration.task,
        margin,
        threshold=held.threshold,
        classes=held.classes,
        confidence=1 - 2 * alpha,
        seed=declaration.training.seed,
    )
    return {
        **found.to_dict(),
        "champion_version": champion,
        "holdout": holdout_digest(held),
        "attempt": attempt,
        "alpha": alpha,
        "fitted_rows": known.count,
    }


def holdout_digest(held: HeldOut) -> str:
    """SHA-256 of which rows are held out and of their outcomes: other inputs of the same rows are no new hold-out."""
    declaration = held.declaration
    return rows_digest(held.rows.select(declaration.id, declaration.target.column), by=declaration.id)


def attempt_on(model: ModelState, holdout: str, version: int, champion: int) -> int:
    """Which comparison on these held-out rows this one is, from 1; one that was made before keeps its number."""
    made = model.holdouts.get(holdout, ())
    pair = (str(version), str(champion))
    return (made.index(pair) if pair in made else len(made)) + 1


@dataclass(frozen=True)
class FittedRows:
    """Which held-out rows a version was fitted on.

    Attributes:
        count: how many; None where its training rows are not known: it was trained elsewhere, or they are no longer kept.
        positions: of the held-out rows that it was not fitted on; None: all of them.
    """

    count: int | None
    positions: np.ndarray | None = None


def fitted_rows(platform: Platform, registration: Record[VersionRegistered], held: HeldOut) -> FittedRows:
    """Which held-out rows a version was fitted on, by their ids.

    A model is better on rows that it was fitted on than on others, so that a comparison on them favours it.
    """
    made = declared_with(registration, held.declaration)
    snapshot = platform.ledger.get(registration.event.snapshot_record)
    elsewhere = not made.trained_here or made.id not in held.rows.columns
    if elsewhere or snapshot is None or not isinstance(snapshot.event, SnapshotTaken):
        return FittedRows(None)
    try:
        fit = feature_rows(platform, snapshot, "fit")[made.id]
    except (StageError, LakeError, RowsRemoved, OSError):
        # Retention has removed them.
        return FittedRows(None)
    seen = held.rows[made.id].cast(pl.String).is_in(fit.cast(pl.String).implode()).fill_null(False).to_numpy()
    return FittedRows(int(seen.sum()), np.flatnonzero(~seen) if seen.any() else None)


def rows_for(made: Declaration, held: HeldOut, root: Path) -> tuple[np.ndarray, pl.DataFrame]:
    """The held-out rows as another declaration reads them, and their positions among the held-out rows.

    Columns that the snapshot does not have are read from the source again.

    Raises:
        ContractError: the source does not have them either.
    """
    rows = held.rows
    if all(name in rows.columns for name in made.features):
        return np.arange(rows.height), rows
    identifiers = rows[made.id]
    source = deliver(made, root).rows
    known = read_expr(made.id, source.collect_schema(), made).is_in(identifiers.implode())
    read = check(source.filter(known), made).accepted
    numbered = rows.select(made.id).with_row_index(ROW).join(read, on=made.id, how="inner", maintain_order="left")
    return numbered[ROW].to_numpy(), numbered.drop(ROW)


def not_compared(held: HeldOut, margin: float, reason: str) -> dict[str, Any]:
    """A comparison that could not be made, as the performance gate reads it."""
    return {
        "metric": QUALITY_METRIC[held.declaration.task],
        "n": 0,
        "difference": None,
        "low": None,
        "high": None,
        "margin": margin,
        "verdict": "undecidable",
        "reason": reason,
    }
