"""Stored versions, as stages use them: signed, verified, loaded, and applied to rows."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration import Declaration, Task
from mlops_assets.governance.dossier import registered
from mlops_assets.governance.keys import key_path, load_or_new_key, public_path
from mlops_assets.governance.ledger import Record
from mlops_assets.graph.bench import Bench
from mlops_assets.platform import Platform
from mlops_assets.training.artifact import ArtifactError, canonical_digest, inspect, load, sign_folder, verify_folder
from mlops_assets.training.features import to_model_frame
from mlops_assets.training.metrics import scores_of
from mlops_assets.training.reproducibility import pinned_requirements

ARTIFACT_KEY = "artifacts"
"""Name of the key that signs artifacts when they are registered."""
SCORE = "score"


def sign_artifact(platform: Platform, folder: Path) -> dict[str, Any]:
    """Sign a stored model; the bundle is kept in the ledger, out of reach of whoever can write to the registry."""
    load_or_new_key(ARTIFACT_KEY, platform.home.keys)
    with tempfile.TemporaryDirectory() as scratch:
        signed = sign_folder(folder, key_path(ARTIFACT_KEY, platform.home.keys), Path(scratch) / "model.sig")
        return json.loads(signed.read_text())


def verify_signature(platform: Platform, registration: Record) -> Path:
    """Check that a stored version is, byte for byte, what was signed when it was registered; returns its folder.

    Raises:
        ArtifactError: it is not.
        RegistryError: it is gone.
    """
    folder = platform.registry.folder(registration.model, int(registration.subject))
    public = public_path(key_path(ARTIFACT_KEY, platform.home.keys)).read_bytes()
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "model.sig"
        bundle.write_text(json.dumps(registration.body["signature"]))
        verify_folder(folder, public, bundle)
    return folder


def verify_artifact(platform: Platform, model: str, version: int) -> str:
    """Check the signature of a stored version; returns the SHA-256 of its content as it is now.

    Raises:
        ArtifactError: the artifact is not what was signed.
        RegistryError: it is gone.
    """
    return canonical_digest(verify_signature(platform, registered(platform.ledger, model, version)))


def load_version(bench: Bench, version: int) -> Any:
    """The fitted pipeline of a version; signature and content digest are verified before it is read."""
    registration = registered(bench.platform.ledger, bench.model, version)
    folder = verify_signature(bench.platform, registration)
    return load(folder, bench.declaration, registration.body["artifact_digest"])


def artifact_facts(bench: Bench, registration: Record) -> dict[str, Any]:
    """What the artifact gate asks about a stored version."""
    version = int(registration.subject)
    report = inspect(bench.platform.registry.folder(bench.model, version), bench.declaration)
    try:
        verify_signature(bench.platform, registration)
        signature = "valid"
    except ArtifactError:
        signature = "invalid"
    return {
        "signature": signature,
        "pickles": list(report.pickles),
        "foreign_types": list(report.foreign_types),
        "unpinned": [pin for pin in pinned_requirements() if "==" not in pin],
        "bytes": report.size_bytes,
    }


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
