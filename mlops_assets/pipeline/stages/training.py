"""Stages from features to a registered challenger: `candidates` and `challenger`."""

import hashlib
from dataclasses import asdict
from typing import Any, cast

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.features.transformer import features_digest
from mlops_assets.gates.gate import GateInputs
from mlops_assets.gates.registry import decide_stage
from mlops_assets.inspection.versions import load_verified, sign_artifact
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Record
from mlops_assets.pipeline.context import StageContext, StageError, StageResult
from mlops_assets.pipeline.stages.data import feature_rows
from mlops_assets.pipeline.stages.decisions import carry_over, current_snapshot, record_decisions
from mlops_assets.pipeline.stages.external import given_candidate, given_threshold
from mlops_assets.pipeline.stages.imported import imported_candidate
from mlops_assets.pipeline.stages.versions import (
    artifact_facts,
    log_bill,
    scored_rows,
)
from mlops_assets.pipeline.training_results import (
    CANDIDATES,
    Candidates,
)
from mlops_assets.platform import Platform
from mlops_assets.scoring.batch import decision_threshold
from mlops_assets.stores.registry import TRAINING_KEY
from mlops_assets.training.artifact import canonical_digest, trusted_types
from mlops_assets.training.candidates import Candidates as TrainedCandidates
from mlops_assets.training.candidates import FittedCandidate, fit_candidates
from mlops_assets.training.reproducibility import (
    code_authors,
    code_version,
    environment,
    environment_digest,
    pinned_requirements,
    repository_state,
    training_key,
)
from mlops_assets.training.selection import best

PARITY_ROWS = 2000
SAMPLE_ROWS = 5000
CHALLENGER = "challenger"


def candidates(context: StageContext) -> StageResult:
    """Fit and compare every declared algorithm, or read the file of a model that others trained; what was made before from the
    same inputs is not made again."""
    platform, declaration = context.platform, context.declaration
    registry = platform.registry
    snapshot = current_snapshot(platform.ledger, declaration, context.request)
    key = key_of(declaration, snapshot.subject)
    known = registry.run_with_key(context.model, key)
    if known is not None:
        shown = _shown(platform.version_results(known).read(CANDIDATES), registry.run_url(known))
        return StageResult(metadata={**shown, "note": "same inputs as before: not trained again"}, data_version=key)
    rows = feature_rows(platform, snapshot, "fit")
    held = feature_rows(platform, snapshot, "holdout")
    probe = probe_rows(held, declaration)
    if declaration.trained_here:
        trained = fit_candidates(declaration, rows, lambda compared: best(compared).chosen)
    elif declaration.imported is not None:
        rows, trained = held, imported_candidate(platform, declaration, held)
    else:
        rows, trained = held, given_candidate(declaration)
    with context.mlflow_run() as run_id:
        for candidate in trained.fitted:
            with registry.candidate_run(context.model, run_id, candidate.label) as nested:
                registry.log_candidate(
                    nested, candidate.parameters, _logged(candidate), {"mlops.candidate": candidate.label}
                )
        found = store_best(platform, declaration, run_id, trained, rows, probe, snapshot.subject)
    return StageResult(metadata=_shown(found, registry.run_url(run_id)), data_version=key)


def store_best(
    platform: Platform,
    declaration: Declaration,
    run_id: str,
    trained: TrainedCandidates,
    rows: pl.DataFrame,
    probe: pl.DataFrame,
    data_digest: str,
) -> Candidates:
    """Choose the best candidate, store it with the active MLflow run, and mark the run as a finished training.

    Args:
        platform: with the registry.
        declaration: of the model.
        run_id: of the active MLflow run.
        trained: the candidates, those that failed too.
        rows: that they were fitted on.
        probe: rows on which training and scoring are compared.
        data_digest: of the snapshot.
    """
    registry, selection = platform.registry, best(trained.fitted)
    pipeline = selection.chosen.pipeline
    example = to_model_frame(rows.head(5), declaration)
    uri = registry.log_model(
        run_id,
        pipeline,
        example,
        trusted_types(declaration),
        pinned_requirements(),
    )
    with registry.stored(uri) as folder:
        artifact_digest = canonical_digest(folder)
    found = Candidates(
        training_key=key_of(declaration, data_digest),
        chosen=selection.chosen.label,
        highest=selection.highest,
        reason=selection.reason,
        table=list(selection.table),
        candidates=[candidate.to_dict() for candidate in trained.fitted],
        failed=[asdict(candidate) for candidate in trained.failed],
        environment=environment(declaration),
        code_version=code_version(declaration),
        data_digest=data_digest,
        probe=probe_digests(pipeline, probe, declaration),
        seed=declaration.training.seed,
        model_uri=uri,
        artifact_digest=artifact_digest,
    )
    platform.version_results(run_id).write(CANDIDATES, found)
    log_bill(platform, run_id)
    # Written last: a training that was cut short is never taken for a finished one.
    registry.tag_run(run_id, {"mlops.model_uri": uri, TRAINING_KEY: found.training_key, "mlops.trained": "yes"})
    return found


def challenger(context: StageContext) -> StageResult:
    """Register the best candidate, sign it, and decide what can be decided about the artifact alone."""
    platform, declaration, policy = context.platform, context.declaration, context.policy
    ledger, registry = platform.ledger, platform.registry
    snapshot = current_snapshot(ledger, declaration, context.request)
    run_id = registry.run_with_key(context.model, key_of(declaration, snapshot.subject))
    if run_id is None:
        raise StageError(
            f"{context.model}: no finished training of snapshot {snapshot.subject[:12]}; materialize candidates first"
        )
    trained = platform.version_results(run_id).read(CANDIDATES)
    version = register(platform, declaration, trained, run_id)
    registered = record_version(platform, declaration, snapshot, trained, run_id, version, context.request)
    carry_over(ledger, policy, context.model, snapshot.subject, version)
    probe = probe_rows(feature_rows(platform, snapshot, "holdout"), declaration)
    measured = {
        "artifact": artifact_facts(platform, declaration, registered),
        "parity": parity_facts(platform, declaration, version, trained, probe),
    }
    results = decide_stage("challenger", GateInputs(declaration, measured, version=version), policy.gates)
    registry.set_alias(context.model, CHALLENGER, version)
    return StageResult(
        metadata={
            "version": version,
            "algorithm": trained.chosen,
            "why this candidate": trained.reason,
            "registered model": f"models:/{context.model}/{version}",
            "MLflow run": registry.run_url(run_id),
            "artifact digest": trained.artifact_digest,
            "training key": trained.training_key,
            "decision threshold": registered.event.threshold,
            "ledger record": registered.seq,
        },
        data_version=trained.artifact_digest,
        decisions=record_decisions(ledger, policy, context.model, version, results),
    )


def register(platform: Platform, declaration: Declaration, trained: Candidates, run_id: str) -> int:
    """Make the trained model a version in MLflow; returns its number.

    Raises:
        StageError: what is stored is not what was trained.
    """
    registry, model = platform.registry, declaration.name
    with registry.stored(trained.model_uri) as folder:
        digest = canonical_digest(folder)
    if digest != trained.artifact_digest:
        raise StageError(
            f"{model}: the model of run {run_id} was changed after it was trained: it has digest {digest[:12]}, "
            f"expected {trained.artifact_digest[:12]}; restore it, or train again from another seed"
        )
    tags = {
        TRAINING_KEY: trained.training_key,
        "mlops.data_digest": trained.data_digest,
        "mlops.declaration_digest": declaration.digest,
        "mlops.algorithm": trained.chosen,
        "mlops.tier": declaration.tier.value,
    }
    version = registry.register(model, trained.model_uri, run_id, tags)
    with registry.folder(model, version) as folder:
        digest = canonical_digest(folder)
    if digest != trained.artifact_digest:
        raise StageError(
            f"{model}: version {version} in MLflow has digest {digest[:12]}, expected "
            f"{trained.artifact_digest[:12]} as trained in run {run_id}; delete the version there and run this again"
        )
    registry.set_tag(model, version, "mlops.artifact_digest", digest)
    return version


def record_version(
    platform: Platform,
    declaration: Declaration,
    snapshot: Record,
    trained: Candidates,
    run_id: str,
    version: int,
    request: str | None,
) -> Record[VersionRegistered]:
    """Sign the version's artifact and record the version; one that is recorded already is left as it is."""
    key = f"version/{declaration.name}/{trained.training_key}"
    known = platform.ledger.find(key)
    if known is not None:
        return cast(Record[VersionRegistered], known)
    repository = repository_state(platform.project.root)
    asked = platform.ledger.state().model(declaration.name).requests.get(request) if request else None
    folder = next((m.path.parent for m in platform.project.models if m.name == declaration.name), None)
    threshold = version_threshold(platform, declaration, snapshot)
    with platform.registry.folder(declaration.name, version) as stored:
        signature = sign_artifact(platform, stored)
    return platform.ledger.append(
        VersionRegistered(
            algorithm=trained.chosen,
            artifact_digest=trained.artifact_digest,
            data_digest=snapshot.subject,
            snapshot_record=snapshot.seq,
            declaration_digest=declaration.digest,
            declaration=declaration.model_dump(mode="json"),
            training_key=trained.training_key,
            run_id=run_id,
            code_version=trained.code_version,
            environment_digest=environment_digest(dict(trained.environment)),
            repository_commit=repository.commit if repository else None,
            repository_clean=repository.clean if repository else None,
            developers=declaration.developers,
            trained_by=asked.record.event.person if asked else "",
            code_authors=code_authors(folder) if folder else (),
            request=request,
            threshold=threshold,
            signature=signature,
        ),
        model=declaration.name,
        subject=str(version),
        key=key,
    )


def key_of(declaration: Declaration, data_digest: str) -> str:
    """What makes two trainings the same."""
    return training_key(
        declaration.digest,
        data_digest,
        code_version(declaration),
        environment_digest(environment(declaration)),
        declaration.training.seed,
    )


def version_threshold(platform: Platform, declaration: Declaration, snapshot: Record) -> float | None:
    """Score from which on the version predicts positive: declared, or as its supplier's decisions show, or the share of
    positives among the rows it was fitted on (of a model that is not trained here: among the reference rows)."""
    rows = feature_rows(platform, snapshot, "fit" if declaration.trained_here else "holdout")
    if declaration.external is not None and declaration.decision_threshold is None:
        seen = given_threshold(declaration, rows)
        if seen is not None:
            return seen
    return threshold_of(declaration, target_vector(rows, declaration))


def threshold_of(declaration: Declaration, target: np.ndarray) -> float | None:
    """Score from which on a row is predicted positive: declared, or the share of positives in training."""
    return decision_threshold(declaration, float(np.mean(target)) if declaration.task is Task.BINARY else 0.0)


def parity_facts(
    platform: Platform, declaration: Declaration, version: int, trained: Candidates, probe: pl.DataFrame
) -> dict[str, Any]:
    """Features of the same rows, once as training had them and once through the stored model as scoring reads it."""
    kept, found = trained.probe, probe_digests(load_verified(platform, declaration, version), probe, declaration)
    return {
        "rows": kept["rows"],
        "available": kept["rows"],
        "training_features": kept["features"],
        "scoring_features": found["features"],
        "training_scores": kept["scores"],
        "scoring_scores": found["scores"],
    }


def probe_rows(holdout: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """A fixed sample of held-out rows on which training and scoring are compared."""
    return holdout.sort(declaration.id).head(PARITY_ROWS)


def probe_digests(pipeline: Any, rows: pl.DataFrame, declaration: Declaration) -> dict[str, Any]:
    """What the pipeline makes of the probe: digests of features and scores."""
    return {
        "rows": rows.height,
        "features": features_digest(pipeline.named_steps["features"], rows, declaration),
        "scores": _scores_digest(pipeline, rows, declaration),
    }


def _scores_digest(pipeline: Any, rows: pl.DataFrame, declaration: Declaration) -> str:
    return hashlib.sha256(
        np.ascontiguousarray(scored_rows(pipeline, rows, declaration), dtype="<f8").tobytes()
    ).hexdigest()


def _logged(candidate: FittedCandidate) -> dict[str, float]:
    means = {f"cv_{name}": value for name, value in candidate.cv_mean.items() if value is not None}
    spreads = {f"cv_{name}_std": value for name, value in candidate.cv_std.items() if value is not None}
    final = {"fit_seconds": candidate.fit_seconds} if candidate.fit_rows else {}
    return {**means, **spreads, **final}


def _shown(found: Candidates, address: str) -> dict[str, Any]:
    """What a reviewer sees on the asset."""
    return {
        "chosen": found.chosen,
        "why": found.reason,
        "candidates": found.table,
        "candidates that failed": found.failed or None,
        "training key": found.training_key,
        "MLflow run": address,
    }
