"""Stages that look at a registered version on rows it was not fitted on: `evaluation`, `fairness`, `explanations`."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from mlops_assets.evaluation.calibration import calibrate
from mlops_assets.evaluation.cost import measure_cost
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.evaluation.fairness import measure_fairness
from mlops_assets.evaluation.importance import permutation_importance
from mlops_assets.evaluation.performance import evaluate
from mlops_assets.evaluation.reasons.examination import RESAMPLES, examine_reason_codes
from mlops_assets.evaluation.reasons.reason_codes import ReasonLimits
from mlops_assets.evaluation.reasons.reference import build_reference
from mlops_assets.evaluation.robustness import ProbeSettings, probe
from mlops_assets.evaluation.slices import measure_slices
from mlops_assets.evaluation.stability import StabilitySettings, measure_stability
from mlops_assets.gates import fairness as fairness_gate
from mlops_assets.gates import performance as performance_gate
from mlops_assets.gates import reason_codes as reason_codes_gate
from mlops_assets.gates import slices as slices_gate
from mlops_assets.gates import stability as stability_gate
from mlops_assets.gates.fairness import FairnessRule
from mlops_assets.gates.gate import GateResult
from mlops_assets.gates.registry import GateRules, decide_stage
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.data import feature_rows
from mlops_assets.pipeline.stages.decisions import current_snapshot, record_decisions
from mlops_assets.pipeline.stages.external import without_explanations
from mlops_assets.pipeline.stages.held_out import HeldOut, against_champion, held_out
from mlops_assets.pipeline.stages.tables import disparity_table, evaluation_picture, group_table, worst_slices
from mlops_assets.pipeline.training_results import (
    COST,
    EVALUATION,
    EXPLANATIONS,
    FAIRNESS,
    Evaluation,
    Explanations,
)
from mlops_assets.platform import Platform
from mlops_assets.stores.registry import RegistryError

SEARCHED = 12
"""Features whose values the search for worse slices combines."""


def evaluation(context: StageContext) -> StageResult:
    """Measure the version, alone and against the champion on the same rows."""
    platform, rules = context.platform, context.policy.gates
    held = held_out(platform, context.declaration, context.request)
    snapshot = current_snapshot(platform.ledger, context.declaration, context.request)
    fit = feature_rows(platform, snapshot, "fit")
    against = against_champion(platform, held, rules.of(performance_gate.GATE).champion_margin)
    found = measure_version(held, fit, rules, against, cost_of(platform, held))
    digest = platform.version_results(held.registered.event.run_id).write(EVALUATION, found)
    metrics = found.performance["metrics"]
    return StageResult(
        metadata={
            "version": held.version,
            "rows held out": held.rows.height,
            "metrics": [
                {"metric": name, "value": m["value"], "from": m["low"], "to": m["high"]} for name, m in metrics.items()
            ],
            "against the champion": against.get("reason") if against else "there is no champion yet",
            "worst slices": worst_slices([*found.slices["declared"], *found.slices["found"]]),
            "repeated trainings": [
                {"over": kind, **{k: found.stability[kind][k] for k in ("spread", "churn")}}
                for kind in ("seeds", "resamples")
                if kind in found.stability
            ]
            or None,
            "cost": [{k: v for k, v in found.cost.items() if k not in ("rows", "repeats")}] if found.cost else None,
            "picture": evaluation_picture(found.performance, found.calibration),
            "evidence digest": digest,
        },
        data_version=digest,
        decisions=record_decisions(
            platform.ledger, context.policy, context.model, held.version, decide_evaluation(held, found, rules)
        ),
    )


def measure_version(
    held: HeldOut, fit: pl.DataFrame, rules: GateRules, against: Mapping[str, Any], cost: Mapping[str, Any]
) -> Evaluation:
    """Everything that is measured of a version on rows it was not fitted on.

    Args:
        held: those rows.
        fit: the rows it was fitted on, for repeated trainings.
        rules: sizes and repeats that the policy's gates require.
        against: comparison with the champion.
        cost: of running it.
    """
    declaration, y, scores = held.declaration, held.target, held.scores
    task, seed = declaration.task, declaration.training.seed
    callable_here = declaration.external is None
    return Evaluation(
        performance=evaluate(y, scores, task, threshold=held.threshold, classes=held.classes, seed=seed).to_dict(),
        comparison=against,
        slices=measure_slices(
            y,
            scores,
            task,
            held.rows,
            declaration.slices,
            search=list(declaration.features)[:SEARCHED],
            classes=held.classes,
            minimum_rows=rules.of(slices_gate.GATE).min_rows,
            seed=seed,
        ).to_dict(),
        calibration=calibrate(y, scores, task, classes=held.classes).to_dict(),
        robustness=measure_robustness(held) if callable_here else {},
        stability=measure_repeats(held, fit, rules) if declaration.trained_here else {},
        cost=cost,
    )


def measure_robustness(held: HeldOut) -> dict[str, Any]:
    """What small errors in the inputs change."""
    return probe(
        held.score,
        held.rows,
        held.declaration,
        held.target,
        threshold=held.threshold,
        classes=held.classes,
        settings=ProbeSettings(seed=held.declaration.training.seed),
    ).to_dict()


def measure_repeats(held: HeldOut, fit: pl.DataFrame, rules: GateRules) -> dict[str, Any]:
    """What repeated trainings of the chosen candidate differ by."""
    declaration = held.declaration
    chosen = next(c for c in declaration.candidates if c.label == held.registered.event.algorithm)
    return measure_stability(
        declaration,
        chosen,
        fit,
        held.rows,
        threshold=held.threshold,
        classes=held.classes,
        settings=stability_settings(rules),
    ).to_dict()


def stability_settings(rules: GateRules) -> StabilitySettings:
    """How often, and on how many rows, the chosen candidate is fitted again."""
    rule = rules.of(stability_gate.GATE)
    return StabilitySettings(repeats=rule.repeats, rows=rule.rows)


def decide_evaluation(held: HeldOut, found: Evaluation, rules: GateRules) -> Sequence[GateResult]:
    """The gates on an evaluation."""
    measured = {name: getattr(found, name) for name in ("slices", "calibration", "robustness", "stability", "cost")}
    measured["performance"] = {**found.performance, "comparison": found.comparison or None}
    return decide_stage("evaluation", held.inputs(measured), rules)


def fairness(context: StageContext) -> StageResult:
    """Measure decisions over the groups of every protected attribute."""
    platform, rule = context.platform, context.policy.gates.of(fairness_gate.GATE)
    held = held_out(platform, context.declaration, context.request)
    found = measure_groups(held, rule)
    digest = platform.version_results(held.registered.event.run_id).write(FAIRNESS, found)
    return StageResult(
        metadata={
            "version": held.version,
            "groups": group_table(found),
            "disparities": disparity_table(found),
            "note": found["reason"] or None,
            "evidence digest": digest,
        },
        data_version=digest,
        decisions=record_decisions(
            platform.ledger,
            context.policy,
            context.model,
            held.version,
            decide_stage("fairness", held.inputs({"fairness": found}), context.policy.gates),
        ),
    )


def measure_groups(held: HeldOut, rule: FairnessRule) -> dict[str, Any]:
    """Decisions and errors over the groups of every protected attribute."""
    declaration = held.declaration
    return measure_fairness(
        prepare(held.target, held.scores, declaration.task, threshold=held.threshold, classes=held.classes),
        held.rows,
        declaration.protected,
        favourable=declaration.target.favourable,
        minimum_group=rule.min_group_size,
        minimum_outcomes=rule.min_group_positives,
    ).to_dict()


def explanations(context: StageContext) -> StageResult:
    """Measure what drives the scores, give reasons for adverse decisions, and test whether they are faithful."""
    platform, declaration = context.platform, context.declaration
    held = held_out(platform, declaration, context.request)
    limits = ReasonLimits(least=context.policy.gates.of(reason_codes_gate.GATE).min_share)
    found = explain(held, limits) if declaration.external is None else without_explanations(declaration)
    importance, reasons = found.importance, found.reason_codes
    results = platform.version_results(held.registered.event.run_id)
    digest = results.write(EXPLANATIONS, found)
    return StageResult(
        metadata={
            "version": held.version,
            "importance": importance["features"][:20] or importance.get("reason"),
            "frequent reasons": [
                {"feature": k, "decisions": v} for k, v in list((reasons.get("frequent") or {}).items())[:10]
            ]
            or None,
            "examples": list(reasons.get("examples") or ())[:3] or None,
            "evidence digest": digest,
        },
        data_version=digest,
        decisions=record_decisions(
            platform.ledger,
            context.policy,
            context.model,
            held.version,
            decide_stage("explanations", held.inputs({"reason_codes": reasons}), context.policy.gates),
        ),
    )


def explain(held: HeldOut, limits: ReasonLimits) -> Explanations:
    """Importance of the features, and reasons of adverse decisions with how true they are."""
    reference = build_reference(held.pipeline, held.rows, held.declaration, held.threshold, resamples=RESAMPLES)
    reasons = examine_reason_codes(held.pipeline, held.rows, held.declaration, held.threshold, reference, limits=limits)
    importance = permutation_importance(held.pipeline, held.rows, held.declaration)
    return Explanations(importance.to_dict(), reasons.to_dict())


def cost_of(platform: Platform, held: HeldOut) -> Mapping[str, Any]:
    """What the version costs to run, measured once: another timing would be other evidence, and void every approval. Nothing of
    a model that runs elsewhere."""
    if held.declaration.external is not None:
        return {}
    results = platform.version_results(held.registered.event.run_id)
    try:
        return results.read(COST)
    except RegistryError:
        with platform.registry.folder(held.declaration.name, held.version) as folder:
            size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        found = measure_cost(held.pipeline, held.score, held.rows, size).to_dict()
        results.write(COST, found)
        return found
