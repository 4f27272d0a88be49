"""Stages from features to a registered challenger: `candidates`, `challenger` and `reference_profile`."""

import hashlib
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.datasets.windows import event_time_expr, window_start_expr
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.features.transformer import features_digest
from mlops_assets.gates import artifact, parity
from mlops_assets.inspection.versions import sign_artifact
from mlops_assets.monitoring.inputs.attribution import sample_size, score_importance
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.pipeline.context import StageContext, StageError, StageResult
from mlops_assets.pipeline.stages.answered_change import since_change
from mlops_assets.pipeline.stages.changed_segment import keep_losses
from mlops_assets.pipeline.stages.data import PART, current_snapshot, feature_rows
from mlops_assets.pipeline.stages.decisions import carry_over, current_version, decided
from mlops_assets.pipeline.stages.models import (
    artifact_facts,
    classes_of,
    load_version,
    log_bill,
    score_frame,
    score_roles,
    scored_rows,
)
from mlops_assets.scoring.batch import decision_threshold
from mlops_assets.statistics.between_periods import LEAST_PERIODS, as_long_as
from mlops_assets.statistics.profile import Profile, build_profile
from mlops_assets.statistics.psi import between_psi
from mlops_assets.stores.registry import TRAINING_KEY
from mlops_assets.training.artifact import canonical_digest, trusted_types
from mlops_assets.training.candidates import FittedCandidate, fit_candidates
from mlops_assets.training.metrics import scores_of
from mlops_assets.training.reproducibility import (
    code_version,
    environment,
    environment_digest,
    pinned_requirements,
    training_key,
)
from mlops_assets.training.selection import best

PARITY_ROWS = 2000
SAMPLE_ROWS = 5000
CHALLENGER = "challenger"


def candidates(context: StageContext) -> StageResult:
    """Fit and compare every declared algorithm; what was trained before from the same inputs is not trained again."""
    registry, declaration = context.platform.registry, context.declaration
    snapshot = current_snapshot(context)
    key = key_of(declaration, snapshot.subject)
    known = registry.run_with_key(context.model, key)
    if known is not None:
        kept = registry.evidence(known, "candidates")
        return StageResult(
            metadata={
                **_shown(kept),
                "MLflow run": registry.run_url(known),
                "note": "same inputs as before: not trained again",
            },
            data_version=key,
        )
    rows = feature_rows(context, "fit")
    fitted = fit_candidates(declaration, rows, lambda compared: best(compared).chosen)
    selection = best(fitted)
    with context.mlflow_run() as run_id:
        for candidate in fitted:
            with registry.candidate_run(context.model, run_id, candidate.label) as nested:
                registry.log_candidate(
                    nested, candidate.parameters, _logged(candidate), {"mlops.candidate": candidate.label}
                )
        example = to_model_frame(rows.head(5), declaration)
        said = scores_of(selection.chosen.pipeline, example, declaration)
        uri = registry.log_model(
            run_id, selection.chosen.pipeline, example, said, trusted_types(declaration), pinned_requirements()
        )
        found = {
            "training_key": key,
            "chosen": selection.chosen.label,
            "highest": selection.highest,
            "reason": selection.reason,
            "table": selection.table,
            "candidates": [candidate.to_dict() for candidate in fitted],
            "environment": environment(),
            "code_version": code_version(declaration),
            "data_digest": snapshot.subject,
            # Taken from the object that training holds, before it is stored: the gate compares it with what is loaded.
            "probe": probe_digests(selection.chosen.pipeline, probe_rows(context), declaration),
            "seed": declaration.training.seed,
            # What is registered must be what was trained here, not what a tag of the run says.
            "model_uri": uri,
            "artifact_digest": canonical_digest(registry.stored(uri)),
        }
        registry.log_evidence(run_id, "candidates", found)
        log_bill(context, run_id)
        # Written last: a training that was cut short is never taken for a finished one.
        registry.tag_run(run_id, {"mlops.model_uri": uri, TRAINING_KEY: key, "mlops.trained": "yes"})
    return StageResult(metadata={**_shown(found), "MLflow run": registry.run_url(run_id)}, data_version=key)


def challenger(context: StageContext) -> StageResult:
    """Register the best candidate, sign it, and decide what can be decided about the artifact alone."""
    platform, registry, declaration = context.platform, context.platform.registry, context.declaration
    snapshot = current_snapshot(context)
    key = key_of(declaration, snapshot.subject)
    run_id = registry.run_with_key(context.model, key)
    if run_id is None:
        raise StageError(
            f"{context.model}: no finished training of snapshot {snapshot.subject[:12]}; materialize candidates first"
        )
    trained = registry.evidence(run_id, "candidates")
    fit = feature_rows(context, "fit")
    tags = {
        TRAINING_KEY: key,
        "mlops.data_digest": snapshot.subject,
        "mlops.declaration_digest": declaration.digest,
        "mlops.algorithm": trained["chosen"],
        "mlops.tier": declaration.tier.value,
    }
    digest = canonical_digest(registry.stored(trained["model_uri"]))
    if digest != trained["artifact_digest"]:
        raise StageError(
            f"{context.model}: the model of run {run_id} was changed after it was trained: it has digest {digest[:12]}, "
            f"expected {trained['artifact_digest'][:12]}; restore it, or train again from another seed"
        )
    version = registry.register(context.model, trained["model_uri"], run_id, tags)
    folder = registry.folder(context.model, version)
    if (digest := canonical_digest(folder)) != trained["artifact_digest"]:
        raise StageError(
            f"{context.model}: version {version} in MLflow has digest {digest[:12]}, expected "
            f"{trained['artifact_digest'][:12]} as trained in run {run_id}; delete the version there and run this again"
        )
    registry.set_tag(context.model, version, "mlops.artifact_digest", digest)
    registered = platform.ledger.find(f"version/{context.model}/{key}")
    if registered is None:
        registered = platform.ledger.append(
            "version_registered",
            {
                "algorithm": trained["chosen"],
                "artifact_digest": digest,
                "data_digest": snapshot.subject,
                "snapshot_record": snapshot.seq,
                "declaration_digest": declaration.digest,
                "declaration": declaration.model_dump(mode="json"),
                "training_key": key,
                "run_id": run_id,
                "code_version": trained["code_version"],
                "environment_digest": environment_digest(trained["environment"]),
                "developers": list(declaration.developers),
                "request": context.request,
                "threshold": threshold_of(declaration, target_vector(fit, declaration)),
                "signature": sign_artifact(platform, folder),
            },
            model=context.model,
            subject=str(version),
            key=f"version/{context.model}/{key}",
        )
    carry_over(context, snapshot.subject, version)
    results = [
        artifact.decide(artifact_facts(context, registered), context.policy.gates.artifact),
        parity.decide(parity_facts(context, version), context.policy.gates.parity),
    ]
    registry.set_alias(context.model, CHALLENGER, version)
    return StageResult(
        metadata={
            "version": version,
            "algorithm": trained["chosen"],
            "why this candidate": trained["reason"],
            "registered model": f"models:/{context.model}/{version}",
            "MLflow run": registry.run_url(run_id),
            "artifact digest": digest,
            "training key": key,
            "decision threshold": registered.body["threshold"],
            "ledger record": registered.seq,
        },
        data_version=digest,
        decisions=decided(context, version, results),
    )


def key_of(declaration: Declaration, data_digest: str) -> str:
    """What makes two trainings the same."""
    return training_key(
        declaration.digest,
        data_digest,
        code_version(declaration),
        environment_digest(environment()),
        declaration.training.seed,
    )


def threshold_of(declaration: Declaration, target: np.ndarray) -> float | None:
    """Score from which on a row is predicted positive: declared, or the share of positives in training."""
    return decision_threshold(declaration, float(np.mean(target)) if declaration.task is Task.BINARY else 0.0)


def parity_facts(context: StageContext, version: int) -> dict[str, Any]:
    """Features of the same rows, once as training had them and once through the stored model as scoring reads it."""
    registered = current_version(context)
    kept = context.platform.registry.evidence(registered.body["run_id"], "candidates")["probe"]
    rows = probe_rows(context)
    found = probe_digests(load_version(context, version), rows, context.declaration)
    return {
        "rows": kept["rows"],
        "available": kept["rows"],
        "training_features": kept["features"],
        "scoring_features": found["features"],
        "training_scores": kept["scores"],
        "scoring_scores": found["scores"],
    }


def probe_rows(context: StageContext) -> pl.DataFrame:
    """A fixed sample of held-out rows on which training and scoring are compared."""
    return feature_rows(context, "holdout").sort(context.declaration.id).head(PARITY_ROWS)


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


def _shown(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "chosen": found["chosen"],
        "why": found["reason"],
        "candidates": found["table"],
        "training key": found["training_key"],
    }


def reference_profile(context: StageContext) -> StageResult:
    """Profile what the version was made with, so that a window can be compared without reading a reference row."""
    registered = current_version(context)
    version = int(registered.subject)
    declaration = context.declaration
    rows, holdout = feature_rows(context), since_change(context, feature_rows(context, "holdout"))
    pipeline = load_version(context, version)
    scores = scored_rows(pipeline, holdout, declaration)
    roles = {name: feature.role.value for name, feature in declaration.features.items()}
    inputs = build_profile(rows, roles, times=times_of(rows, declaration))
    # Rows the model was fitted on flatter its scores: score and target are profiled on held-out rows.
    outputs = build_profile(
        score_frame(scores, holdout, declaration), score_roles(declaration), times=times_of(holdout, declaration)
    )
    profile = Profile(inputs.rows, {**inputs.columns, **outputs.columns})
    truth = target_vector(holdout, declaration)
    reference_performance = build_reference(
        truth,
        scores,
        declaration.task,
        threshold=registered.body["threshold"],
        classes=classes_of(pipeline, declaration),
        frame=holdout,
        declaration=declaration,
        ids=holdout[declaration.id].to_list(),
        fitted_ids=rows.filter(pl.col(PART) == "fit")[declaration.id].to_list(),
        times=times_of(holdout, declaration),
    )
    most, repeats = sample_size(len(declaration.features))
    drivers = score_importance(
        lambda frame: scored_rows(pipeline, frame, declaration),
        holdout,
        list(declaration.features),
        rows=most,
        repeats=repeats,
        seed=declaration.training.seed,
    )
    run_id = registered.body["run_id"]
    platform = context.platform
    digest = platform.registry.log_evidence(run_id, "reference_profile", profile.to_dict())
    platform.registry.log_evidence(run_id, "reference_performance", reference_performance.to_dict())
    platform.registry.log_evidence(run_id, "reference_attribution", drivers.to_dict())
    sample = rows.drop(PART).sample(min(SAMPLE_ROWS, rows.height), seed=declaration.training.seed % 2**32)
    if declaration.event_time is not None:
        sample = sample.sort(declaration.event_time.column, maintain_order=True)
    platform.lake.write_window(context.table("reference_sample"), f"v{version}", sample)
    keep_losses(context, version, holdout, truth, scores, reference_performance)
    return StageResult(
        metadata={
            "version": version,
            "rows": profile.rows,
            "columns": [
                {
                    "column": c.name,
                    "compared": "in bins" if c.kind == "numeric" else "by value",
                    "cells": len(c.counts) or len(c.categories),
                    "missing": c.nulls / c.rows,
                    "KS resolution": c.resolution if c.kind == "numeric" else None,
                    "PSI between periods": between_psi(as_long_as(c.periods, c.rows, c.rows)) if c.periods else None,
                }
                for c in profile.columns.values()
            ],
            "held-out rows it is held to": holdout.height,
            "quality on them": reference_performance.quality,
            "profile digest": digest,
        },
        data_version=profile.digest,
    )


def times_of(rows: pl.DataFrame, declaration: Declaration) -> pl.Series | None:
    """By what the rows' periods are told apart: the window each is in, where there are enough of them; else its time."""
    if declaration.event_time is None:
        return None
    dtype = rows.schema[declaration.event_time.column]
    starts = rows.select(window_start_expr(declaration.event_time, declaration.monitoring.cadence, dtype)).to_series()
    if starts.n_unique() >= LEAST_PERIODS:
        return starts
    return rows.select(event_time_expr(declaration.event_time, dtype)).to_series()
