"""Doing it again from the record: a training, or a prediction, and whether the same comes out."""

import math
import tempfile
from pathlib import Path
from typing import Any

import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.approval_subject import registered
from mlops_assets.inspection.lookup import NotFound, prediction_row, scored_row
from mlops_assets.inspection.recorded_tables import RowsRemoved, recorded_rows
from mlops_assets.inspection.tables_on_record import recorded_snapshots
from mlops_assets.inspection.versions import load_verified
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.records import Record
from mlops_assets.platform import Platform
from mlops_assets.scoring.batch import score
from mlops_assets.scoring.prediction_id import parse
from mlops_assets.stores.model_files import read_declared
from mlops_assets.training.artifact import canonical_digest, save
from mlops_assets.training.candidates import refit
from mlops_assets.training.given_scores import given_pipeline
from mlops_assets.training.imported.estimator import ImportedModel
from mlops_assets.training.importing import imported_pipeline
from mlops_assets.training.reproducibility import code_version, environment, environment_digest

ROUNDING = 1e-12
"""Largest difference of two scores, relative or absolute, that the order of additions explains."""


SINGLE = 1e-6
"""The same for a model that computes in single precision."""


def same_number(found: Any, recorded: Any, rounding: float = ROUNDING) -> bool:
    """Whether two values are numbers that are equal but for rounding."""
    numbers = isinstance(found, int | float) and isinstance(recorded, int | float)
    return numbers and math.isclose(found, recorded, rel_tol=rounding, abs_tol=rounding)


def replay_version(platform: Platform, model: str, version: int) -> dict[str, Any]:
    """Train a version again from its snapshot, declaration and seed, or read its file again where others trained it, and compare
    the content of the two models.

    Returns:
        `equal`, both digests, and whether code and environment are those of the first training: where they are not,
        another result is to be expected.

    Raises:
        NotFound: the ledger has no snapshot of its training rows.
        ModelFileError: the file of a model that others trained is gone, or is another one.
    """
    from mlops_assets.datasets.snapshot import split

    registration = registered(platform.ledger.state().model(model), version)
    event = registration.event
    declaration = Declaration.model_validate(event.declaration)
    snapshot = platform.ledger.get(event.snapshot_record)
    if snapshot is None or not isinstance(snapshot.event, SnapshotTaken):
        raise NotFound(
            f"{model} version {version}: found no snapshot of its training rows in record {event.snapshot_record}"
        )
    rows = _training_rows(platform, snapshot)
    with tempfile.TemporaryDirectory() as folder:
        if declaration.imported is not None:
            file = read_declared(declaration.imported, platform.project.root, platform.home)
            made = imported_pipeline(declaration, file)
        elif declaration.trained_here:
            candidate = next(c for c in declaration.candidates if c.label == event.algorithm)
            made = refit(declaration, candidate, split(rows, declaration).fit)
        else:
            made = given_pipeline(declaration)
        save(made, Path(folder), declaration)
        digest = canonical_digest(Path(folder))
    return {
        "equal": digest == event.artifact_digest,
        "model": model,
        "version": version,
        "recorded": event.artifact_digest,
        "replayed": digest,
        "same code": code_version(declaration) == event.code_version,
        "same environment": environment_digest(environment(declaration)) == event.environment_digest,
    }


def _training_rows(platform: Platform, snapshot: Record[SnapshotTaken]) -> pl.DataFrame:
    """The rows of a snapshot, all of them.

    Raises:
        RowsRemoved: some of them left the lake, so that no training can be done again as it was.
    """
    recorded, *_ = recorded_snapshots(snapshot)
    removals = platform.ledger.state().model(snapshot.model).removals
    removal = recorded.removal(removals)
    if removal is not None:
        raise RowsRemoved(f"{recorded.name}: {removal.words}, so the training cannot be replayed any more")
    return recorded_rows(platform.lake, recorded, removals)


def replay_prediction(platform: Platform, text: str) -> dict[str, Any]:
    """Score the recorded row with the recorded version again.

    Returns:
        `equal`: whether the decision is the same and the score within `ROUNDING` of the recorded one. A linear model adds up a
        row alone in another order than the same row in its batch, which changes the last digits.
    """
    name = parse(text)
    recorded = prediction_row(platform, text)
    registration = registered(platform.ledger.state().model(name.model), name.version)
    declaration = Declaration.model_validate(registration.event.declaration)
    pipeline = load_verified(platform, declaration, int(name.version))
    row = scored_row(platform, name)
    again = score(
        pipeline, row, declaration, registration.event.threshold, version=name.version, window=name.window
    ).to_dicts()[0]
    model = pipeline.named_steps["model"]
    rounding = SINGLE if isinstance(model, ImportedModel) and model.opened().single else ROUNDING
    # About a row of a paused segment nothing was decided; what the champion made of it is beside it.
    prefix = "beside_" if recorded["paused"] else ""
    pairs = [(again[name], recorded[f"{prefix}{name}"]) for name in ("score", "prediction")]
    return {
        "equal": all(found == before or same_number(found, before, rounding) for found, before in pairs),
        "prediction": text,
        "recorded": recorded[f"{prefix}score"],
        "replayed": again["score"],
        "paused": recorded["paused"],
    }
