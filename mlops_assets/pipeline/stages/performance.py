"""The stage `performance`: a window on its matured outcomes, or an estimate where too few have matured."""

import json
from dataclasses import asdict
from typing import Any

from mlops_assets.governance.approval_subject import registered
from mlops_assets.ledger.canonical import digest
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate, estimate_performance
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.outcomes.reliability import Checked, Reliability, check_window, reliability_of
from mlops_assets.monitoring.severity import at_least
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.changed_segment import confined_to
from mlops_assets.pipeline.stages.matured import matured
from mlops_assets.pipeline.stages.production import scored_record
from mlops_assets.pipeline.stages.window_reports import keep, plain_numbers, report, severity_check, window_of

ESTIMATE_CHECKED = "estimate_checked"


def performance(context: StageContext) -> StageResult:
    """Measure the window on matured outcomes; where too few have matured, estimate, and say that it is one."""
    platform, window, declaration, thresholds = (
        context.platform,
        window_of(context),
        context.declaration,
        context.policy.monitoring,
    )
    scored = scored_record(context)
    run_id = registered(platform.ledger, context.model, scored.body["version"]).body["run_id"]
    reference_performance = ReferencePerformance.from_dict(platform.registry.evidence(run_id, "reference_performance"))
    known = matured(context, reference_performance, window.key)
    found = measure(
        reference_performance,
        known.truth,
        known.given,
        frame=known.columns,
        declaration=declaration,
        thresholds=thresholds,
        matured_share=known.share,
        seed=declaration.training.seed,
    )
    segment = None
    if found.measurable and found.severity != "none":
        version = str(scored.body["version"])
        segment = confined_to(
            context, version, run_id, window.key, known.ids, known.truth, known.given, reference_performance
        )
    # From scores alone, as if nothing had matured: where something has, this is how estimates earn their record.
    estimate = estimate_performance(
        reference_performance,
        known.scores,
        inputs_moved=moved_inputs(context),
        most_score_shift=thresholds.estimate_score_shift,
        minimum_rows=thresholds.minimum_rows,
        seed=declaration.training.seed,
    )
    checked = record_check(context, scored.body["version"], estimate, found)
    record = record_of_estimates(context)
    content = {
        "performance": found.to_dict(),
        "segment": asdict(segment) if segment else None,
        "estimate": None if found.measurable else estimate.to_dict(),
        "estimate_check": [asdict(one) for one in checked],
        "estimate_record": record.to_dict(),
        "outcomes": known.summary.to_dict(),
        "version": scored.body["version"],
    }
    evidence = keep(context, "performance", content)
    reason = "; ".join(found.reasons)
    return StageResult(
        metadata={
            "severity": found.severity,
            "verdict": reason,
            "outcomes known": found.n,
            "share of outcomes known": known.share,
            "version": scored.body["version"],
            "metrics": metric_table(found),
            "tests": change_table(found),
            "where the loss is": segment.text if segment else None,
            "base rate": found.base_rate.window if found.base_rate else None,
            "estimate (no outcomes)": None if found.measurable else estimate_table(estimate),
            "what estimates were worth": record.reason if record.windows or not found.measurable else None,
            "estimate against outcomes": [
                {
                    "metric": c.metric,
                    "estimated": c.estimated,
                    "from": c.low,
                    "to": c.high,
                    "measured": c.measured,
                    "error": c.error,
                    "held": c.covered,
                }
                for c in checked
            ]
            or None,
            "slices": slice_table(found),
            "fairness": fairness_table(found),
            "evidence digest": evidence,
        },
        data_version=evidence,
        decisions=[severity_check(found.severity, reason, evidence)],
    )


def record_check(
    context: StageContext, version: str, estimate: PerformanceEstimate, found: WindowPerformance
) -> list[Checked]:
    """Compare the estimate with what was measured, and record it: estimates are judged by their record."""
    window = window_of(context)
    checked = check_window(window.key, estimate, found)
    if found.measurable:
        body = plain_numbers(
            {
                "version": str(version),
                "abstained": estimate.abstained,
                "reason": estimate.reason,
                "matured_share": found.matured_share,
                "checked": [asdict(one) for one in checked],
            }
        )
        context.platform.ledger.append(
            ESTIMATE_CHECKED,
            body,
            model=context.model,
            subject=window.key,
            key=f"estimate/{context.model}/{window.key}/{digest(body)}",
        )
    return checked


def record_of_estimates(context: StageContext) -> Reliability:
    """What the model's estimates for earlier windows turned out to be worth; of each window the last comparison."""
    last: dict[str, dict[str, Any]] = {}
    for record in context.platform.ledger.records(kind=ESTIMATE_CHECKED, model=context.model):
        if record.subject < window_of(context).key:
            last[record.subject] = dict(record.body)
    found = [Checked(**one) for window in sorted(last) for one in last[window]["checked"]]
    return reliability_of(found, abstained=sum(body["abstained"] for body in last.values()))


def moved_inputs(context: StageContext) -> str | None:
    """Why an estimate would not hold: the inputs are out of what the model was calibrated on."""
    path = report(context, "drift")
    if not path.exists():
        return None
    found = json.loads(path.read_text())
    return found["reason"] if at_least(found["severity"], "act") else None


def metric_table(found: WindowPerformance) -> list[dict[str, Any]] | None:
    """Metrics of the window beside the reference's."""
    rows = [
        {
            "metric": name,
            "window": m.get("value"),
            "from": m.get("low"),
            "to": m.get("high"),
            "reference": m.get("reference"),
        }
        for name, m in found.metrics.items()
    ]
    return rows or None


def estimate_table(estimate: PerformanceEstimate) -> list[dict[str, Any]] | str:
    """What was estimated, or why nothing was."""
    if estimate.abstained:
        return estimate.reason
    return [
        {"metric": name, "estimated": e.value, "from": e.low, "to": e.high, "reference": e.reference}
        for name, e in estimate.metrics.items()
    ]


def change_table(found: WindowPerformance) -> list[dict[str, Any]] | None:
    """Each test with its change, its evidence, and the smallest change it could have seen."""
    adjusted, rows = found.p_adjusted, []
    if found.ranking is not None:
        drop = found.ranking.drop
        rows.append(("ranking", None if drop is None else -drop, adjusted.get("ranking"), found.ranking))
    if found.calibration is not None:
        rows.append(("outcome against score", found.calibration.change, adjusted.get("calibration"), found.calibration))
    if found.relation is not None:
        rows.append(("outcome by grade", found.relation.unexplained, adjusted.get("relation"), found.relation))
    if found.base_rate is not None:
        base = found.base_rate
        known = base.window is not None and base.reference is not None
        rows.append(
            ("base rate", (base.window or 0.0) - (base.reference or 0.0) if known else None, base.p_value, base)
        )
    return [
        {"test": name, "change": change, "p": p, "would have been seen": test.smallest_detectable}
        for name, change, p, test in rows
    ] or None


def slice_table(found: WindowPerformance) -> list[dict[str, Any]] | None:
    """Declared slices beside the reference's."""
    return [
        {
            "slice": s.slice,
            "rows": s.n,
            "reference": s.reference,
            "window": s.window,
            "p adjusted": s.p_adjusted,
            "would have been seen": s.smallest_detectable,
            "note": s.reason,
        }
        for s in found.slices[:20]
    ] or None


def fairness_table(found: WindowPerformance) -> list[dict[str, Any]] | None:
    """Groups of protected attributes: size, rate with interval, and their distance from the others then and now."""
    gaps = {(g.attribute, g.group): g for g in reversed(found.group_changes)}
    rows = []
    for attribute in (found.fairness or {"attributes": []})["attributes"]:
        for group in attribute["groups"]:
            gap = gaps.get((attribute["attribute"], group["group"]))
            rows.append(
                {
                    "attribute": attribute["attribute"],
                    "group": group["group"],
                    "rows": group["n"],
                    "selection rate": group["selection_rate"],
                    "from": group["low"],
                    "to": group["high"],
                    "mean error": group["mean_error"],
                    "compared": gap.measure if gap else None,
                    "gap then": gap.reference_gap if gap else None,
                    "gap now": gap.window_gap if gap else None,
                    "p adjusted": gap.p_adjusted if gap else None,
                    "would have been seen": gap.smallest_detectable if gap else None,
                    "note": group["reason"],
                }
            )
    return rows or None
