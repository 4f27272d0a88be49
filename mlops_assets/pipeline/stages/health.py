"""The stage `health`: one verdict for the window, and what the policy attaches to it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mlops_assets import clock
from mlops_assets.datasets.files import SourceError
from mlops_assets.declaration.changes import retraining_note
from mlops_assets.gates import contract
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import HealthVerdict, WindowScored
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.monitoring.inputs.batches import BatchContent, faults_of_content
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.accumulated import Accumulated, Judged, accumulate, window_evidence
from mlops_assets.monitoring.verdict.causes import alarm_rules
from mlops_assets.monitoring.verdict.fleet_control import FleetControl, hold_to_fleet, window_p_value
from mlops_assets.monitoring.verdict.triage import ANSWERED, Health, triage
from mlops_assets.monitoring.window_results import DRIFT, OUTCOMES, PERFORMANCE, DriftResult, PerformanceResult
from mlops_assets.pipeline.context import StageContext, StageResult, window_of
from mlops_assets.pipeline.stages.decisions import severity_check
from mlops_assets.pipeline.stages.delivery import delivery
from mlops_assets.pipeline.stages.scored_window import ScoredWindow, scored_window
from mlops_assets.pipeline.verdicts import among_the_fleet, earlier_windows, is_verdict_of
from mlops_assets.policy.policy import Policy
from mlops_assets.response.incidents import Incident, open_incident
from mlops_assets.response.shared_causes import Sign, raise_incident, related_models
from mlops_assets.stores.results import WindowResults

NOTABLE_CHANGE = 0.1
"""Share of what drives the scores that must have moved before the verdict mentions it."""


@dataclass(frozen=True)
class Measured:
    """What the verdict rests on.

    Attributes:
        drift: result of the stage `drift`.
        performance: result of the stage `performance`.
        outcomes: digest of the outcomes; by it the verdict is known to be out of date when outcomes come or change.
        batch: signs that the window as a whole is a copy of an earlier one.
        evidence: digests of the two results.
    """

    drift: DriftResult
    performance: PerformanceResult
    outcomes: str
    batch: Sequence[Fault]
    evidence: Mapping[str, str]


def health(context: StageContext) -> StageResult:
    """Find the kind of change that the window shows, record it, and do at once what the policy attaches to it."""
    platform, window, policy = context.platform, window_of(context), context.policy
    ledger = platform.ledger
    scored = scored_window(ledger, context.declaration, window)
    limit = policy.gates.of(contract.GATE).max_quarantined_share
    mended = mended_files(context, scored.record.event)
    faults = [*batch_faults(ledger, scored), *delivery_faults(scored.record.event, limit, mended)]
    measured = read_results(context.window_results(), faults)
    accumulated = over_windows(ledger, policy, scored, measured)
    fleet = among_the_fleet(
        ledger.state(), platform.project.declarations | {context.model: context.declaration}, context.model, window,
        window_p_value(measured.drift.verdict, measured.performance.performance, accumulated),
    )  # fmt: skip
    found = hold_to_fleet(judge(ledger, policy, scored, measured, accumulated), fleet, policy.monitoring.alpha)
    asked, summary = "retrain" in found.actions, found.reasons[0] if found.reasons else ""
    if asked and (supplied := scored.declaration.supplied) is not None:
        found = replace(found, actions=without_retraining(found.actions))
        summary += f" Nobody here can train it again: ask {supplied.supplier} for another version, or replace or stop the model."
    known = trained_on(ledger, scored)
    body = verdict_body(found, scored, policy, measured, remarks=[known] if known else [])
    record, content = record_verdict(ledger, scored, body, fleet)
    incident = None
    if "incident" in found.actions:
        sign = Sign(
            model=context.model,
            kind=found.kind,
            severity=found.severity,
            summary=summary,
            window=window.key,
            end=window.end,
            columns=tuple(sorted(set(found.columns))),
            cause=incident_cause(found.kind, found.columns, measured.batch, scored.version),
            rule="+".join(body["alarm_rules"]),
            happened_at=record.happened_at,
        )
        declared = platform.project.declarations | {context.model: context.declaration}
        origins = {name: one.source.origins for name, one in declared.items() if one.has_time}
        incident = raise_incident(ledger, sign, related_models(origins, context.model))
    fairness = fairness_incident(
        ledger, scored, measured.performance.performance, policy.monitoring.alpha, record.happened_at
    )
    reason = " ".join(found.reasons)
    changed = retraining_note(scored.declaration, context.declaration)
    return StageResult(
        metadata=_shown(found, record, fleet, incident, fairness, changed),
        data_version=content,
        decisions=[severity_check(found.severity, reason, content)],
    )


def incident_cause(kind: str, columns: Sequence[str], batch: Sequence[Fault], version: int) -> str:
    """What an incident about a verdict is about: incidents of one cause are one while open.

    A broken feed is one fault whoever scores, and another one where other columns or other signs of the delivery show it: a file
    that cannot be read must not hide that every row of a later window is refused. Any other change is found against one version's
    reference.
    """
    if kind != "data_quality":
        return f"{kind}:v{version}"
    about = [*sorted(set(columns)), *sorted({fault.sign for fault in batch})]
    return f"{kind}:{','.join(about)}" if about else kind


def without_retraining(actions: Sequence[str]) -> tuple[str, ...]:
    """The actions for a model that nobody here can train again: where the policy retrains, an incident goes to a person."""
    return tuple(dict.fromkeys("incident" if action == "retrain" else action for action in actions))


def read_results(results: WindowResults, batch: Sequence[Fault]) -> Measured:
    """The results of the stages before, as they were written.

    Raises:
        ResultError: one is missing, or was changed.
    """
    evidence = {kind.name: results.digest(kind) for kind in (DRIFT, PERFORMANCE) if results.has(kind)}
    return Measured(
        drift=results.read(DRIFT),
        performance=results.read(PERFORMANCE),
        outcomes=results.read(OUTCOMES).content,
        batch=batch,
        evidence=evidence,
    )


def over_windows(ledger: Ledger, policy: Policy, scored: ScoredWindow, measured: Measured) -> list[Accumulated]:
    """Changes that the window and those before it under the same version show together."""
    model, key = ledger.state().model(scored.model), scored.window.key
    earlier = earlier_windows(model, scored.window, scored.version)
    before = [Judged(w.window, w.evidence, w.arrived) for w in earlier if w.evidence is not None]
    known = model.verdicts.get(f"{key}/{scored.window.end.isoformat()}")
    arrived = known.arrived if known is not None and known.version == str(scored.version) else None
    found = measured.performance.performance
    own = Judged(key, window_evidence(measured.drift.verdict, found), arrived)
    return accumulate([*before, own], policy.monitoring, found.task == "regression")


def judge(
    ledger: Ledger, policy: Policy, scored: ScoredWindow, measured: Measured, accumulated: Sequence[Accumulated]
) -> Health:
    """The verdict on the window from what drift and performance found, in it and over the windows of its version."""
    return triage(
        measured.drift.verdict,
        measured.performance.performance,
        earlier_windows(ledger.state().model(scored.model), scored.window, scored.version),
        policy.monitoring,
        {kind: policy.actions(kind) for kind in ANSWERED},
        batch=measured.batch,
        segment=measured.performance.segment,
        accumulated=accumulated,
    )


def trained_on(ledger: Ledger, scored: ScoredWindow) -> str:
    """That the version was trained up to a day after the window began, where it was; empty otherwise."""
    record = ledger.get(scored.registration.event.snapshot_record)
    if scored.declaration.supplied is not None or record is None or not isinstance(record.event, SnapshotTaken):
        return ""
    taken, window = record.event, scored.window
    if taken.until is None or taken.until <= window.start or window.key in taken.windows_left_out:
        return ""
    if taken.since is not None and taken.since >= window.end:
        return ""
    return (
        f"Version {scored.version} was trained on the rows before {taken.until} that had come by then, so rows of this window are "
        "or may be among them: what is measured need not hold for new rows."
    )


def verdict_body(
    found: Health, scored: ScoredWindow, policy: Policy, measured: Measured, remarks: Sequence[str] = ()
) -> dict[str, Any]:
    """The verdict as it is recorded, but for what depends on other records; `remarks` follow the reasons."""
    rules: Sequence[str] = ()
    if found.causes:
        drift, performance = measured.drift.verdict, measured.performance.performance
        rules = alarm_rules(found.causes[0], drift, performance, measured.batch, policy.monitoring.alpha)
    return {
        "window_end": scored.window.end,
        "severity": found.severity,
        "kind": found.kind,
        "reasons": [
            *found.reasons,
            *([selective] if (selective := measured.performance.outcomes.get("selective")) else []),
            *remarks,
        ],
        "causes": [
            {"kind": c.kind, "severity": c.severity, "evidence": c.evidence, "columns": list(c.columns)}
            for c in found.causes
        ],
        "columns": list(found.columns),
        "action": list(found.actions),
        "raw": found.raw,
        "unknown": list(found.unknown),
        "alarm_rules": list(rules),
        "drivers": changed_drivers(measured.drift),
        "escalated": at_least(found.severity, "act"),
        "version": str(scored.version),
        "policy_digest": policy.digest,
        "outcomes": measured.outcomes,
        "evidence": dict(measured.evidence),
        "accumulates": window_evidence(measured.drift.verdict, measured.performance.performance).model_dump(),
    }


def record_verdict(
    ledger: Ledger, scored: ScoredWindow, body: dict[str, Any], fleet: FleetControl
) -> tuple[Record[HealthVerdict], str]:
    """Record the verdict; the same verdict as before is recorded once.

    Returns:
        The record, and the digest of the verdict.
    """
    window = scored.window
    earlier = ledger.latest_of(HealthVerdict, model=scored.model, subject=window.key)
    if earlier is not None and not is_verdict_of(earlier, scored.declaration.monitoring.cadence):
        earlier = None
    event = HealthVerdict.model_validate(body)
    content = _content(event)
    if earlier is not None and _content(earlier.event) == content:
        return earlier, content
    event = event.model_copy(update={"fleet": fleet.to_dict(), "supersedes": earlier.seq if earlier else None})
    happened = datetime(window.end.year, window.end.month, window.end.day, tzinfo=UTC)
    record = ledger.append(
        event,
        model=scored.model,
        subject=window.key,
        happened_at=min(happened, clock.now()),
        key=f"health/{scored.model}/{window.key}/{content}/after/{earlier.seq if earlier else 0}",
    )
    return record, content


def _content(event: HealthVerdict) -> str:
    """Digest of a verdict without what depends on other records: which models were judged by then is not part of it."""
    return digest({name: value for name, value in event.body().items() if name not in ("fleet", "supersedes")})


def batch_faults(ledger: Ledger, scored: ScoredWindow) -> list[Fault]:
    """Signs that the window as a whole is a copy of an earlier one."""
    own = scored.record
    others = {r.subject: r.event.content_digest for r in ledger.of(WindowScored, model=own.model)}
    earlier = {f"window {window}": digest for window, digest in others.items() if digest and window < own.subject}
    # The contract has kept identifiers from repeating: two rows of one identifier are never both scored.
    content = BatchContent(own.event.rows, own.event.content_digest or "", own.event.sent_twice)
    return faults_of_content(content, earlier)


def mended_files(context: StageContext, scored: WindowScored) -> frozenset[str]:
    """What kept files from being read when the window was scored, and no longer does: they were mended or removed."""
    if not scored.problems:
        return frozenset()
    try:
        now = delivery(context.declaration, context.platform.project.root).source.problems
    except SourceError:  # nothing of the source can be read now
        return frozenset()
    return frozenset(scored.problems) - frozenset(now)


def delivery_faults(scored: WindowScored, limit: float, mended: Collection[str] = ()) -> list[Fault]:
    """Signs that the delivery is broken: a file that cannot be read, or a larger share in quarantine than `limit`.

    Args:
        scored: the scoring.
        limit: largest share in quarantine.
        mended: problems of files that are over.
    """
    found = [Fault("unreadable_file", problem.rstrip(".")) for problem in scored.problems if problem not in mended]
    rows = scored.rows + scored.quarantined + scored.copies
    if scored.quarantined > limit * rows:
        reasons = sorted(scored.reasons.items(), key=lambda item: (-item[1], item[0]))
        causes = ", ".join(f"{reason} ({count})" for reason, count in reasons[:3])
        share = f"{scored.quarantined} of {rows} rows ({scored.quarantined / rows:.1%}) are quarantined"
        found.append(Fault("quarantined_rows", f"{share}, at most {limit:.1%} may be: {causes}"))
    return found


def changed_drivers(drift: DriftResult) -> str:
    """What drives the scores in the window, where that is certainly different from the reference; empty otherwise."""
    found = drift.attribution
    return found["reason"] if found.get("changed") and found["moved"] >= NOTABLE_CHANGE else ""


def fairness_incident(
    ledger: Ledger, scored: ScoredWindow, found: WindowPerformance, alpha: float, happened_at: datetime
) -> Incident | None:
    """The incident of a group that is further from the others than the policy allows; None where none is.

    It is no kind of change: it may come from another population or another relation, which the verdict names.
    """
    if found.fairness_severity not in ("act", "critical"):
        return None
    named = [g for g in found.group_changes if g.p_adjusted is not None and g.p_adjusted < alpha]
    largest = max(named, key=lambda g: g.widened or 0.0, default=None)
    if largest is None:  # the policy has become stricter since it was measured
        return None
    return open_incident(
        ledger,
        scored.model,
        kind="fairness",
        severity=found.fairness_severity,
        summary=f"{largest.attribute} = {largest.group}: {largest.measure.replace('_', ' ')} against the others went from "
        f"{largest.reference_gap:+.3f} to {largest.window_gap:+.3f}",
        window=scored.window.key,
        cause=f"fairness:{largest.attribute}",
        rule="fairness",
        happened_at=happened_at,
    )


def _shown(
    found: Health,
    record: Record,
    fleet: FleetControl,
    incident: Incident | None,
    fairness: Incident | None,
    changed: str | None,
) -> dict[str, Any]:
    """What a reviewer sees on the asset."""
    return {
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
        "what drives the scores": record.event.drivers or None,
        "fairness": fairness.summary if fairness else None,
        "version": int(record.event.version),
        "declaration": changed,
        "supersedes record": record.event.supersedes,
        "ledger record": record.seq,
    }
