"""What stages do with a stored version: load it, judge its artifact, and apply it to rows."""

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
from mlops_assets.inspection.versions import load_verified, verify_signature
from mlops_assets.ledger.ledger import Record
from mlops_assets.pipeline.context import StageContext
from mlops_assets.stores.registry import evidence_bytes
from mlops_assets.training.artifact import ArtifactError, inspect
from mlops_assets.training.metrics import scores_of

SCORE = "score"
BILL = "sbom"


def load_version(context: StageContext, version: int) -> Any:
    """The fitted pipeline of a version of the context's model, verified before it is read."""
    return load_verified(context.platform, context.declaration, version)


def artifact_facts(context: StageContext, registration: Record) -> dict[str, Any]:
    """What the artifact gate asks about a stored version."""
    version = int(registration.subject)
    report = inspect(context.platform.registry.folder(context.model, version), context.declaration)
    try:
        verify_signature(context.platform, registration)
        signature = "valid"
    except ArtifactError:
        signature = "invalid"
    return {
        "signature": signature,
        "pickles": list(report.pickles),
        "foreign_types": list(report.foreign_types),
        "bytes": report.size_bytes,
        **software_facts(context, registration.body["run_id"]),
    }


def log_bill(context: StageContext, run_id: str) -> str:
    """Store the bill of materials of this environment with the run that trains in it; returns its digest."""
    lock = context.platform.project.root / LOCK
    try:
        pins = read_lock(lock) if lock.is_file() else None
    except LockError:
        # The gate says what is wrong with the lock; the bill only lacks the digests that the lock knows.
        pins = None
    return context.platform.registry.log_evidence(run_id, BILL, bill_of_materials(installed(), pins))


def software_facts(context: StageContext, run_id: str) -> dict[str, Any]:
    """What the artifact gate asks about the environment that the version was trained in."""
    registry, project = context.platform.registry, context.platform.project
    bill = registry.evidence(run_id, BILL)
    advisories = context.platform.home.advisories
    report = software_report(components_of(bill), project.root / LOCK, advisories)
    return {"sbom": hashlib.sha256(evidence_bytes(bill)).hexdigest(), **report}


def scored_rows(pipeline: Any, rows: pl.DataFrame, declaration: Declaration) -> np.ndarray:
    """Scores of rows: P(positive), one probability a class, or the predicted value."""
    return scores_of(pipeline, to_model_frame(rows, declaration), declaration)


def classes_of(pipeline: Any, declaration: Declaration) -> list[str] | None:
    """Multiclass: labels in the order of the scores' columns."""
    if declaration.task is not Task.MULTICLASS:
        return None
    return [str(label) for label in pipeline.named_steps["model"].classes_]


def score_frame(scores: np.ndarray, rows: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Score and target as columns to profile; of several classes, the probability of the likeliest."""
    one = scores.max(axis=1) if scores.ndim == 2 else scores
    return pl.DataFrame({SCORE: one, declaration.target.column: rows[declaration.target.column]})


def score_roles(declaration: Declaration) -> dict[str, str]:
    """How score and target are compared."""
    target = "numeric" if declaration.task is Task.REGRESSION else "categorical"
    return {SCORE: "score", declaration.target.column: target}
