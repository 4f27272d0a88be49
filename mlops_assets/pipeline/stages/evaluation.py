"""Stages that look at a registered version on rows it was not fitted on: `evaluation`, `fairness`, `explanations`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.evaluation.calibration import calibrate
from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.contributions import build_reference
from mlops_assets.evaluation.cost import measure_cost
from mlops_assets.evaluation.explanations import examine_reason_codes
from mlops_assets.evaluation.fairness import measure_fairness
from mlops_assets.evaluation.importance import permutation_importance
from mlops_assets.evaluation.performance import evaluate
from mlops_assets.evaluation.robustness import probe
from mlops_assets.evaluation.slices import measure_slices
from mlops_assets.evaluation.stability import measure_stability
from mlops_assets.features.frame import target_vector
from mlops_assets.gates import calibration, performance, reason_codes, robustness, slices, stability
from mlops_assets.gates import cost as cost_gate
from mlops_assets.gates import fairness as fairness_gate
from mlops_assets.governance.decisions import GateResult
from mlops_assets.ledger.ledger import Record
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.data import feature_rows
from mlops_assets.pipeline.stages.decisions import current_version, decided
from mlops_assets.pipeline.stages.models import classes_of, load_version, scored_rows
from mlops_assets.release.champion import champion_state
from mlops_assets.stores.registry import RegistryError

COST = "cost"
SEARCHED = 12
"""Features whose values the search for worse slices combines."""


@dataclass(frozen=True)
class Held:
    """Held-out rows with what a version says of them."""

    registered: Record
    version: int
    pipeline: Any
    rows: pl.DataFrame
    target: np.ndarray
    scores: np.ndarray
    threshold: float | None
    classes: list[str] | None


def evaluation(context: StageContext) -> StageResult:
    """Measure the version, alone and against the champion on the same rows."""
    held, declaration, rules = _hold(context), context.declaration, context.policy.gates
    task, seed = declaration.task, declaration.training.seed
    measured = evaluate(held.target, held.scores, task, threshold=held.threshold, classes=held.classes, seed=seed)
    against = _against_champion(context, held)
    found = {
        "performance": measured.to_dict(),
        "comparison": against,
        "slices": measure_slices(
            held.target,
            held.scores,
            task,
            held.rows,
            declaration.slices,
            search=list(declaration.features)[:SEARCHED],
            classes=held.classes,
            minimum_rows=rules.slices.min_rows,
            seed=seed,
        ).to_dict(),
        "calibration": calibrate(held.target, held.scores, task, classes=held.classes).to_dict(),
        "robustness": probe(
            lambda frame: scored_rows(held.pipeline, frame, declaration),
            held.rows,
            declaration,
            held.target,
            threshold=held.threshold,
            classes=held.classes,
            seed=seed,
        ).to_dict(),
        "stability": measure_stability(
            declaration,
            next(c for c in declaration.candidates if c.label == held.registered.body["algorithm"]),
            feature_rows(context, "fit"),
            held.rows,
            threshold=held.threshold,
            classes=held.classes,
            repeats=rules.stability.repeats,
            rows=rules.stability.rows,
        ).to_dict(),
        "cost": _cost(context, held),
    }
    results = [
        performance.decide(found["performance"], rules.performance, against or None),
        slices.decide(found["slices"], rules.slices),
        calibration.decide(found["calibration"], rules.calibration),
        robustness.decide(found["robustness"], rules.robustness),
        stability.decide(found["stability"], rules.stability),
        cost_gate.decide(found["cost"], rules.cost),
    ]
    metrics = found["performance"]["metrics"]
    return _recorded(
        context,
        held,
        "evaluation",
        found,
        results,
        {
            "rows held out": held.rows.height,
            "metrics": [
                {"metric": name, "value": m["value"], "from": m["low"], "to": m["high"]} for name, m in metrics.items()
            ],
            "against the champion": against.get("reason") if against else "there is no champion yet",
            "worst slices": [
                {k: s[k] for k in ("slice", "n", "value", "difference", "p_adjusted")}
                for s in sorted([*found["slices"]["declared"], *found["slices"]["found"]], key=_how_sure)[:10]
            ]
            or None,
            "fits again": [
                {"over": kind, **{k: found["stability"][kind][k] for k in ("spread", "churn")}}
                for kind in ("seeds", "resamples")
            ],
            "cost": [{k: v for k, v in found["cost"].items() if k not in ("rows", "repeats")}],
            "picture": _pictures(found["performance"], found["calibration"]),
        },
    )


def _how_sure(found: Mapping[str, Any]) -> float:
    """Order of slices: the surest differences first, those too small to measure last."""
    return 2.0 if found["value"] is None else 1.0 if found["p_adjusted"] is None else found["p_adjusted"]


def fairness(context: StageContext) -> StageResult:
    """Measure decisions over the groups of every protected attribute."""
    held, declaration, rule = _hold(context), context.declaration, context.policy.gates.fairness
    found = measure_fairness(
        held.target,
        held.scores,
        declaration.task,
        held.rows,
        declaration.protected,
        threshold=held.threshold,
        favourable=declaration.target.favourable,
        classes=held.classes,
        minimum_group=rule.min_group_size,
        minimum_outcomes=rule.min_group_positives,
        ratio_limit=rule.min_ratio or 0.8,
        seed=declaration.training.seed,
    ).to_dict()
    groups = [
        {
            "attribute": a["attribute"],
            **{k: g[k] for k in ("group", "n", "selection_rate", "low", "high", "tpr", "fpr")},
        }
        for a in found["attributes"]
        if not a["intersection"]
        for g in a["groups"]
    ]
    return _recorded(
        context,
        held,
        "fairness",
        found,
        [fairness_gate.decide(found, rule)],
        {
            "groups": groups or None,
            "disparities": [
                {
                    "attribute": a["attribute"],
                    "disparity": name,
                    **{k: d[k] for k in ("value", "low", "high", "p_value")},
                }
                for a in found["attributes"]
                if not a["intersection"]
                for name, d in a["disparities"].items()
            ]
            or None,
            "note": found["reason"] or None,
        },
    )


def explanations(context: StageContext) -> StageResult:
    """Measure what drives the scores, give reasons for adverse decisions, and test whether they are true."""
    held, declaration = _hold(context), context.declaration
    importance = permutation_importance(held.pipeline, held.rows, declaration).to_dict()
    reference = build_reference(held.pipeline, held.rows, declaration, held.threshold)
    reasons = examine_reason_codes(held.pipeline, held.rows, declaration, held.threshold, reference).to_dict()
    found = {"importance": importance, "reason_codes": reasons}
    return _recorded(
        context,
        held,
        "explanations",
        found,
        [reason_codes.decide(reasons, context.policy.gates.reason_codes)],
        {
            "importance": importance["features"][:20],
            "frequent reasons": [{"feature": k, "decisions": v} for k, v in list(reasons["frequent"].items())[:10]]
            or None,
            "examples": list(reasons["examples"])[:3] or None,
        },
    )


def _hold(context: StageContext) -> Held:
    registered = current_version(context)
    version = int(registered.subject)
    pipeline = load_version(context, version)
    rows = feature_rows(context, "holdout")
    return Held(
        registered=registered,
        version=version,
        pipeline=pipeline,
        rows=rows,
        target=target_vector(rows, context.declaration),
        scores=scored_rows(pipeline, rows, context.declaration),
        threshold=registered.body["threshold"],
        classes=classes_of(pipeline, context.declaration),
    )


def _against_champion(context: StageContext, held: Held) -> dict[str, Any]:
    """The paired comparison with the champion; empty where there is none, or it is this version."""
    champion = champion_state(context.platform.ledger, context.model).deciding
    if champion is None or champion == held.version:
        return {}
    scores = scored_rows(load_version(context, champion), held.rows, context.declaration)
    margin = context.policy.gates.performance.champion_margin
    found = compare(
        held.target,
        scores,
        held.scores,
        context.declaration.task,
        margin,
        threshold=held.threshold,
        classes=held.classes,
        seed=context.declaration.training.seed,
    )
    return {**found.to_dict(), "champion": champion}


def _cost(context: StageContext, held: Held) -> dict[str, Any]:
    """What the version costs to run, measured once: another timing would be other evidence, and void every approval."""
    registry, run_id = context.platform.registry, held.registered.body["run_id"]
    try:
        return registry.evidence(run_id, COST)
    except RegistryError:
        folder = registry.folder(context.model, held.version)
        found = measure_cost(
            held.pipeline,
            lambda rows: scored_rows(held.pipeline, rows, context.declaration),
            held.rows,
            sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
        ).to_dict()
        registry.log_evidence(run_id, COST, found)
        return found


def _recorded(
    context: StageContext,
    held: Held,
    name: str,
    found: dict[str, Any],
    results: list[GateResult],
    shown: dict[str, Any],
) -> StageResult:
    digest = context.platform.registry.log_evidence(held.registered.body["run_id"], name, found)
    return StageResult(
        metadata={"version": held.version, **shown, "evidence digest": digest},
        data_version=digest,
        decisions=decided(context, held.version, results),
    )


def _pictures(measured: dict[str, Any], calibrated: dict[str, Any]) -> str | None:
    """The plots a reviewer would rather look at than read, as one Markdown image."""
    from mlops_assets.pipeline.pictures import evaluation_picture

    return evaluation_picture(measured, calibrated)
