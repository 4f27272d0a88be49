"""What stages do with a stored version: read its declaration, judge its artifact, and apply it to rows."""

import hashlib
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.software.bill import bill_of_materials
from mlops_assets.evaluation.software.installed import installed
from mlops_assets.evaluation.software.lock import LOCK, LockError, read_lock
from mlops_assets.evaluation.software.report import components_of, software_report
from mlops_assets.features.frame import to_model_frame
from mlops_assets.inspection.versions import verify_signature
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.platform import Platform
from mlops_assets.stores.registry import evidence_bytes
from mlops_assets.training.artifact import ArtifactError, inspect
from mlops_assets.training.metrics import scores_of

SCORE = "score"
"""Column of the predictions."""
BILL = "sbom"


def declared_with(registration: Record[VersionRegistered], declaration: Declaration) -> Declaration:
    """The declaration that a version was made under.

    Where its rows are and which windows it has are not what it was made of: these are as the model declares them now.

    Args:
        registration: of the version.
        declaration: the model as its YAML declares it now.
    """
    if registration.event.declaration_digest == declaration.digest:
        return declaration
    made = Declaration.model_validate(registration.event.declaration)
    return made.model_copy(
        update={"source": declaration.source, "outcomes": declaration.outcomes, "monitoring": declaration.monitoring}
    )


def artifact_facts(
    platform: Platform, declaration: Declaration, registration: Record[VersionRegistered]
) -> dict[str, Any]:
    """What the artifact gate needs to know about a stored version."""
    with platform.registry.folder(registration.model, int(registration.subject)) as folder:
        report = inspect(folder, declaration)
    try:
        verify_signature(platform, registration)
        signature = "valid"
    except ArtifactError:
        signature = "invalid"
    return {
        "signature": signature,
        "pickles": list(report.pickles),
        "foreign_types": list(report.foreign_types),
        "own_types": list(report.own_types),
        "bytes": report.size_bytes,
        **software_facts(platform, registration.event.run_id),
    }


def log_bill(platform: Platform, run_id: str) -> str:
    """Store the bill of materials of this environment with the run that trains in it; returns its digest."""
    lock = platform.project.root / LOCK
    try:
        pins = read_lock(lock) if lock.is_file() else None
    except LockError:
        # The gate says what is wrong with the lock; the bill only goes without the digests that the lock knows.
        pins = None
    return platform.registry.log_evidence(run_id, BILL, bill_of_materials(installed(), pins))


def software_facts(platform: Platform, run_id: str) -> dict[str, Any]:
    """What the artifact gate needs to know about the environment that the version was trained in."""
    bill = platform.registry.evidence(run_id, BILL)
    report = software_report(components_of(bill), platform.project.root / LOCK, platform.home.advisories)
    return {"sbom": hashlib.sha256(evidence_bytes(bill)).hexdigest(), **report}


def scored_rows(pipeline: Any, rows: pl.DataFrame, declaration: Declaration) -> np.ndarray:
    """Scores of rows: P(positive), one probability a class, or the predicted value."""
    return scores_of(pipeline, to_model_frame(rows, declaration), declaration)


def classes_of(pipeline: Any, declaration: Declaration) -> list[str] | None:
    """Multiclass: labels in the order of the scores' columns."""
    if declaration.task is not Task.MULTICLASS:
        return None
    return [str(label) for label in pipeline.named_steps["model"].classes_]


def score_column(scores: np.ndarray) -> pl.DataFrame:
    """The score as a column to profile; of several classes, the probability of the likeliest."""
    return pl.DataFrame({SCORE_COLUMN: scores.max(axis=1) if scores.ndim == 2 else scores})


def target_role(declaration: Declaration) -> dict[str, str]:
    """How the target is compared."""
    return {declaration.target.column: "numeric" if declaration.task is Task.REGRESSION else "categorical"}
