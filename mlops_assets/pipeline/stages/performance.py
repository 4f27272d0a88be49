"""The stage `performance`: a window on its matured outcomes, or an estimate where too few have matured.

Each version is measured on the rows that it decided: the champion's part of the window decides the severity, and the part that
a canary decided is measured against the canary's own reference beside it.
"""

from dataclasses import asdict
from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evaluation.performance import plain
from mlops_assets.governance.approval_subject import registered
from mlops_assets.inspection.recorded_tables import require_recorded
from mlops_assets.inspection.tables_on_record import recorded_outcomes
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.windows import EstimateChecked
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate, estimate_performance
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.outcomes.reliability import Checked, Reliability, check_window, reliability_of
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.window_results import DRIFT, OUTCOMES, PERFORMANCE, PerformanceResult
from mlops_assets.pipeline.context import StageContext, StageResult, window_of
from mlops_assets.pipeline.stages.beside_champion import try_challenger
from mlops_assets.pipeline.stages.decisions import severity_check
from mlops_assets.pipeline.stages.held_out_losses import changed_segment
from mlops_assets.pipeline.stages.matured_outcomes import Matured, labels_of, matured
from mlops_assets.pipeline.stages.scored_window import ScoredWindow, scored_window
from mlops_assets.pipeline.stages.selective_outcomes import selective_outcomes
from mlops_assets.pipeline.stages.tables import (
    change_table,
    check_table,
    estimate_table,
    fairness_table,
    metric_table,
    slice_table,
)
from mlops_assets.pipeline.stages.versions import declared_with
from mlops_assets.pipeline.training_results import REFERENCE_PERFORMANCE, REFERENCE_PROFILE
from mlops_assets.platform import Platform
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.stores.results import WindowResults


def performance(context: StageContext) -> StageResult:
    """Measure the window on matured outcomes; where too few have matured, estimate, and label it as an estimate."""
    platform, window, thresholds = context.platform, window_of(context), context.policy.monitoring
    ledger, results = platform.ledger, context.window_results()
    scored = scored_window(ledger, context.declaration, window)
    made = platform.version_results(scored.run_id)
    reference = made.read(REFERENCE_PERFORMANCE)
    _require_recorded(platform, scored, results)
    labels = labels_of(made.read(REFERENCE_PROFILE), scored.declaration)
    known = matured(platform.lake, scored, scored.version, scored.declaration, reference.classes, labels)
    found = measure_part(reference, known, scored, thresholds)
    segment = None
    if found.measurable and found.severity != "none":
        segment = changed_segment(platform, scored, made.read(REFERENCE_PROFILE), known, reference)
    # From scores alone, as if nothing had matured: where something has, estimates are compared with it.
    estimate = estimate_performance(
        reference,
        known.scores,
        inputs_moved=moved_inputs(results),
        most_score_shift=thresholds.estimate_score_shift,
        minimum_rows=thresholds.minimum_rows,
        seed=scored.declaration.training.seed,
    )
    checks = record_check(ledger, scored, estimate, found)
    record = record_of_estimates(ledger, context.model, window.key)
    canary = canary_performance(platform, scored, context.declaration, thresholds)
    beside, tests = try_challenger(context, scored, known, moved_inputs(results))
    selective = selective_outcomes(platform.lake, scored, known, scored.declaration)
    result = PerformanceResult.of(
        found, scored.version, estimate, record, {**known.summary.to_dict(), "selective": selective},
        segment=segment, checks=tuple(checks), canary=canary, canary_version=scored.canary,
    )  # fmt: skip
    evidence = results.write(PERFORMANCE, result)
    reason = "; ".join(found.reasons)
    return StageResult(
        metadata={
            **_shown(result, known, estimate, record, evidence),
            "challenger": beside or None,
            "tests of the challenger": tests,
        },
        data_version=evidence,
        decisions=[severity_check(found.severity, reason, evidence)],
    )


def _require_recorded(platform: Platform, scored: ScoredWindow, results: WindowResults) -> None:
    """Refuse predictions, rows or outcomes of the window that are not those on record."""
    scored.require_recorded(platform.lake)
    if results.has(OUTCOMES):
        known = results.read(OUTCOMES)
        if known.digest is not None:
            recorded = recorded_outcomes(scored.model, scored.window.key, known.digest, known.root)
            require_recorded(platform.lake, recorded, scored.removals)


def measure_part(
    reference: ReferencePerformance, known: Matured, scored: ScoredWindow, thresholds: MonitoringThresholds
) -> WindowPerformance:
    """Measure the predictions of one version; what cannot be measured has the reason, and stops no later window."""
    try:
        return measure(
            reference,
            known.truth,
            known.given,
            frame=known.columns,
            declaration=scored.declaration,
            thresholds=thresholds,
            matured_share=known.share,
            new_classes=known.new_classes,
        )
    except (ValueError, ArithmeticError) as error:
        return WindowPerformance(
            task=reference.task,
            n=len(known.truth),
            positives=None,
            matured_share=known.share,
            severity="not_measurable",
            measurable=False,
            reasons=(f"the outcomes could not be measured: {error}",),
            metrics={},
            outcome_spread=reference.outcome_spread,
            reference_digest=reference.digest,
        )


def canary_performance(
    platform: Platform, scored: ScoredWindow, declaration: Declaration, thresholds: MonitoringThresholds
) -> WindowPerformance | None:
    """The rows that a canary decided, against the canary's own reference; None where the champion decided all."""
    if scored.canary is None:
        return None
    registration = registered(platform.ledger.state().model(scored.model), scored.canary)
    made_under = declared_with(registration, declaration)
    made = platform.version_results(registration.event.run_id)
    reference, labels = made.read(REFERENCE_PERFORMANCE), labels_of(made.read(REFERENCE_PROFILE), made_under)
    known = matured(platform.lake, scored, scored.canary, made_under, reference.classes, labels)
    return measure_part(reference, known, scored, thresholds)


def record_check(
    ledger: Ledger, scored: ScoredWindow, estimate: PerformanceEstimate, found: WindowPerformance
) -> list[Checked]:
    """Compare the estimate with what was measured, and record it: estimates are judged by their record."""
    window = scored.window.key
    checks = check_window(window, estimate, found)
    if found.measurable:
        event = EstimateChecked(
            version=str(scored.version),
            abstained=estimate.abstained,
            reason=estimate.reason or "",
            matured_share=found.matured_share,
            checked=tuple(plain(asdict(one)) for one in checks),
        )
        key = f"estimate/{scored.model}/{window}/{digest(event.body())}"
        ledger.append(event, model=scored.model, subject=window, key=key)
    return checks


def record_of_estimates(ledger: Ledger, model: str, window: str) -> Reliability:
    """What the model's estimates for earlier windows turned out to be worth; of each window the last comparison."""
    last = {
        record.subject: record.event for record in ledger.of(EstimateChecked, model=model) if record.subject < window
    }
    found = [Checked(**one) for name in sorted(last) for one in last[name].checked]
    return reliability_of(found, abstained=sum(event.abstained for event in last.values()))


def moved_inputs(results: WindowResults) -> str | None:
    """Why an estimate would not hold: the inputs are out of what the model was calibrated on."""
    if not results.has(DRIFT):
        return None
    verdict = results.read(DRIFT).verdict
    return verdict.reason if at_least(verdict.severity, "act") else None


def _shown(
    result: PerformanceResult, known: Matured, estimate: PerformanceEstimate, record: Reliability, evidence: str
) -> dict[str, Any]:
    """What a reviewer sees on the asset."""
    found, canary = result.performance, result.canary
    return {
        "severity": found.severity,
        "verdict": "; ".join(found.reasons),
        "outcomes known": found.n,
        "share of outcomes known": known.share,
        "which rows have outcomes": result.outcomes["selective"] or None,
        "version": result.version,
        "metrics": metric_table(found),
        "tests": change_table(found),
        "where the loss is": result.segment.text if result.segment else None,
        "base rate": found.base_rate.window if found.base_rate else None,
        "estimate (no outcomes)": None if found.measurable else estimate_table(estimate),
        "earlier estimates against outcomes": record.reason if record.windows or not found.measurable else None,
        "estimate against outcomes": check_table(result.checks),
        "slices": slice_table(found),
        "fairness": fairness_table(found),
        "canary version": result.canary_version,
        "canary verdict": f"{canary.severity}: {'; '.join(canary.reasons)}" if canary else None,
        "canary metrics": metric_table(canary) if canary else None,
        "canary fairness": fairness_table(canary) if canary else None,
        "evidence digest": evidence,
    }
