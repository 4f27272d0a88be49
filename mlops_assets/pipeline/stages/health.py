"""The stage `health`: one verdict for the window, and what the policy attaches to it."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime

from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.ledger import Record
from mlops_assets.monitoring.inputs.batches import BatchContent, batch_content, faults_of_content
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.outcomes.segments import Segment
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.alarm_rules import alarm_rules
from mlops_assets.monitoring.verdict.fleet_control import hold_to_fleet, window_p_value
from mlops_assets.monitoring.verdict.triage import ANSWERED, Earlier, Health, triage
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.production import OUTCOMES, SCORED_ROWS, scored_record
from mlops_assets.pipeline.stages.same_period import FLEET, among_the_fleet
from mlops_assets.pipeline.stages.window_reports import digest_file, report, severity_check, window_of
from mlops_assets.pipeline.verdicts import END, VERDICT, is_verdict_of
from mlops_assets.response.incidents import Incident, open_incident

WORTH_A_WORD = 0.1
"""Share of what drives the scores that must have moved before the verdict speaks of it."""


def health(context: StageContext) -> StageResult:
    """Say what kind of change the window shows, record it, and do at once what the policy attaches to it."""
    platform, window = context.platform, window_of(context)
    scored = scored_record(context)
    version = scored.body["version"]
    batch = batch_faults(context, scored)
    judged = judge(context, version, batch)
    fleet = among_the_fleet(context, VERDICT, window_p_value(drift_verdict(context), measured_performance(context)))
    found = hold_to_fleet(judged, fleet, context.policy.monitoring.alpha)
    rules = rules_behind(context, found, batch)
    drivers = changed_drivers(context)
    body = {
        END: window.end.isoformat(),
        "severity": found.severity,
        "kind": found.kind,
        "reasons": list(found.reasons),
        "causes": [
            {"kind": c.kind, "severity": c.severity, "evidence": c.evidence, "columns": list(c.columns)}
            for c in found.causes
        ],
        "columns": list(found.columns),
        "action": list(found.actions),
        "raw": found.raw,
        "unknown": list(found.unknown),
        "alarm_rules": rules,
        "drivers": drivers,
        "escalated": at_least(found.severity, "act"),
        "version": str(version),
        "policy_digest": context.policy.digest,
        # By it the verdict is known to be out of date as soon as outcomes come, or are corrected.
        OUTCOMES: outcomes_rested_on(context),
        "evidence": {name: digest_file(report(context, name)) for name in ("drift", "performance")},
    }
    # Who else has been judged by now says nothing about this window: without a change of its own it has one record.
    content = digest(body)
    body[FLEET] = fleet.to_dict()
    earlier = platform.ledger.latest(VERDICT, model=context.model, subject=window.key)
    same = earlier is not None and is_verdict_of(earlier, context.declaration.monitoring.cadence)
    body["supersedes"] = earlier.seq if earlier and same else None
    happened = datetime(window.end.year, window.end.month, window.end.day, tzinfo=UTC)
    record = platform.ledger.append(
        VERDICT,
        body,
        model=context.model,
        subject=window.key,
        happened_at=min(happened, datetime.now(UTC)),
        key=f"health/{context.model}/{window.key}/{content}",
    )
    incident = None
    if "incident" in found.actions:
        incident = open_incident(
            platform.ledger,
            context.model,
            kind=found.kind,
            severity=found.severity,
            summary=found.reasons[0],
            window=window.key,
            columns=found.columns if found.kind == "data_quality" else (),
            cause=found.kind if found.kind != "data_quality" else "",
            rule="+".join(rules),
            happened_at=record.happened_at,
        )
    fairness = fairness_incident(context, record.happened_at)
    return StageResult(
        metadata={
            "severity": found.severity,
            "kind": found.kind,
            "why": " ".join(found.reasons),
            "causes": [
                {"kind": c.kind, "severity": c.severity, "columns": ", ".join(c.columns), "evidence": c.evidence}
                for c in found.causes
            ]
            or None,
            "actions": list(found.actions) or None,
            "incident": incident.id if incident else None,
            "models with a window of this period": fleet.models if fleet.models > 1 else None,
            "p over the fleet": fleet.adjusted if fleet.models > 1 else None,
            "not known yet": list(found.unknown) or None,
            "what drives the scores": drivers or None,
            "fairness": fairness.summary if fairness else None,
            "version": version,
            "supersedes record": record.body.get("supersedes"),
            "ledger record": record.seq,
        },
        data_version=content,
        decisions=[severity_check(found.severity, " ".join(found.reasons), content)],
    )


def judge(context: StageContext, version: int, batch: Sequence[Fault] = ()) -> Health:
    """The verdict on the window from what drift and performance found."""
    return triage(
        drift_verdict(context),
        measured_performance(context),
        earlier_windows(context, version),
        context.policy.monitoring,
        {kind: context.policy.actions(kind) for kind in ANSWERED},
        batch=batch,
        segment=changed_segment(context),
    )


def rules_behind(context: StageContext, found: Health, batch: Sequence[Fault]) -> list[str]:
    """Names of the rules behind the first cause; none where there is no cause."""
    if not found.causes:
        return []
    alpha = context.policy.monitoring.alpha
    return alarm_rules(found.causes[0], drift_verdict(context), measured_performance(context), batch, alpha)


def drift_verdict(context: StageContext) -> DriftVerdict:
    """What the stage `drift` found."""
    return DriftVerdict.from_dict(json.loads(report(context, "drift").read_text()))


def measured_performance(context: StageContext) -> WindowPerformance:
    """What the stage `performance` found."""
    return WindowPerformance.from_dict(json.loads(report(context, "performance").read_text())["performance"])


def changed_segment(context: StageContext) -> Segment | None:
    """The part of the rows that the stage `performance` found a changed relation confined to, if it did."""
    found = json.loads(report(context, "performance").read_text()).get("segment")
    return Segment(**found) if found else None


def outcomes_rested_on(context: StageContext) -> str | None:
    """Digest of the outcomes that the stage `outcomes` took down; None where it ran before it kept one."""
    kept = report(context, OUTCOMES)
    return json.loads(kept.read_text())["content"] if kept.exists() else None


def batch_faults(context: StageContext, scored: Record) -> list[Fault]:
    """Signs that the window as a whole is a copy of an earlier one."""
    others = {
        r.subject: r.body["content_digest"]
        for r in context.platform.ledger.records(kind=scored.kind, model=context.model)
    }
    earlier = {f"window {window}": digest for window, digest in others.items() if window < scored.subject}
    if "sent_twice" in scored.body:
        content = BatchContent(scored.body["rows"], scored.body["content_digest"], scored.body["sent_twice"])
    else:  # scored before this was recorded
        features = list(context.declaration.features)
        rows = context.platform.lake.read(context.table(SCORED_ROWS), window=scored.subject, columns=features)
        content = batch_content(rows, features)
    # The contract has kept ids from repeating: two rows of one id are never both scored.
    return faults_of_content(content, earlier)


def earlier_windows(context: StageContext, version: int) -> list[Earlier]:
    """Verdicts of the windows before this one under the same version, oldest first, the last verdict of each."""
    window = window_of(context)
    found: dict[str, Record] = {}
    for record in context.platform.ledger.records(kind=VERDICT, model=context.model):
        if record.subject < window.key and record.body["version"] == str(version):
            found[record.subject] = record
    return [Earlier(key, found[key].body["raw"]) for key in sorted(found)]


def changed_drivers(context: StageContext) -> str:
    """What drives the scores now, where that is surely something else than it was; empty otherwise."""
    found = json.loads(report(context, "drift").read_text()).get("attribution") or {}
    return found["reason"] if found.get("changed") and found["moved"] >= WORTH_A_WORD else ""


def fairness_incident(context: StageContext, happened_at: datetime) -> Incident | None:
    """The incident of a group that stands further from the others than the policy lets pass; None where none does.

    It is no kind of change: it may come from another population or another relation, which the verdict names.
    """
    found = measured_performance(context)
    if found.fairness_severity not in ("act", "critical"):
        return None
    alpha = context.policy.monitoring.alpha
    named = [g for g in found.group_changes if g.p_adjusted is not None and g.p_adjusted < alpha]
    worst = max(named, key=lambda g: g.widened or 0.0, default=None)
    if worst is None:  # the policy has become stricter since it was measured
        return None
    return open_incident(
        context.platform.ledger,
        context.model,
        kind="fairness",
        severity=found.fairness_severity,
        summary=f"{worst.attribute} = {worst.group}: {worst.measure.replace('_', ' ')} against the others went from "
        f"{worst.reference_gap:+.3f} to {worst.window_gap:+.3f}",
        window=window_of(context).key,
        cause=f"fairness:{worst.attribute}",
        rule="fairness",
        happened_at=happened_at,
    )
