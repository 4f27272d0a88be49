"""From one prediction back to everything it rests on: version, data, policy, gates, approvals, reasons, health then.

A pure function of the ledger's state and one prediction row; finding the row is `inspection.lookup`'s. What is not on
record is listed as a gap, never filled in. "Then" is the time at which the prediction was scored: only what the ledger held
at that time is listed under it, and what was found later about the same window is listed apart.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlops_assets.evidence.as_of import promoted_tier, tier_text
from mlops_assets.evidence.reading import cell, day, first, label, minute, moment, number, text
from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.ledger.state.versions import Decision, VersionState
from mlops_assets.response.incidents import alarms

ARTIFACT_FIELDS = (
    *("artifact_digest", "features_digest", "declaration_digest", "environment_digest", "code_version"),
    *("repository_commit", "algorithm", "run_id", "training_key"),
)
"""Fields of a registration that say what the version was made of."""
SNAPSHOT_FIELDS = ("rows", "quarantined", "table", "delta_version", "since", "until")


@dataclass(frozen=True)
class Trace:
    """What one prediction rests on; plain data only.

    Attributes:
        prediction: the row as it is in the prediction log.
        model: name.
        version: version that made it.
        role: `champion`, or what the row says.
        decided: whether this version decided: it was champion when it scored, or a canary that decided the row; not where the
            row's segment was paused; None when the time of scoring is not known.
        data: training data: digest, what its snapshot's record holds, and what was removed of it by a signed record.
        artifact: digests of artifact, features, declaration, environment, and the code version.
        policy_digest: policy under which the version was promoted.
        tier: under which it was promoted, and the assessment that counted; None before a promotion.
        gates: decisions on the version under that policy: gate, outcome, value, threshold, reason, record.
        exceptions: exceptions for the version's gates that were in force then.
        approvals: person, role, decision, rationale, record; those with a signature that counts.
        promotion: number and time of the record that made it champion.
        reasons: reason codes of the prediction.
        health: verdict on the prediction's window.
        incidents: incidents that were open when the prediction was scored.
        found_later: incidents about the prediction's window that were opened after it was scored.
        gaps: what could not be found.
    """

    prediction: dict[str, Any]
    model: str
    version: str
    role: str
    decided: bool | None
    data: dict[str, Any]
    artifact: dict[str, Any]
    policy_digest: str | None
    tier: dict[str, Any] | None
    gates: tuple[dict[str, Any], ...]
    exceptions: tuple[dict[str, Any], ...]
    approvals: tuple[dict[str, Any], ...]
    promotion: dict[str, Any] | None
    reasons: tuple[str, ...]
    health: dict[str, Any] | None
    incidents: tuple[dict[str, Any], ...]
    found_later: tuple[dict[str, Any], ...]
    gaps: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return plain(asdict(self))


def trace(ledger: Ledger, prediction: Mapping[str, Any], at: datetime | None = None) -> Trace:
    """Trace one prediction.

    Args:
        ledger: to read.
        prediction: the row: `model` and `version`, and where known `prediction_id`, `window`, `scored_at`, `role`,
            `reasons`.
        at: time of scoring, where the row has none.

    Raises:
        ValueError: the row names no model or no version.
    """
    model, version = text(prediction, "model"), text(prediction, "version", "model_version")
    if not model or not version:
        raise ValueError(f"found a prediction with the fields {', '.join(prediction)}, expected `model` and `version`")
    when = moment(first(prediction, "scored_at", "at")) or at
    everything = ledger.state()
    state, raised = everything.model(model), alarms(everything, model)
    known = state.version(version)
    registered = known.registration.event if known.registration else None
    promoted = _promotion(known, when)
    canary = text(prediction, "role") == "canary"
    decided = None if when is None else canary or state.champion_at(when) == version
    decided = False if prediction.get("paused") else decided
    window = text(prediction, "window")
    gates = known.decided(promoted.event.policy_digest if promoted else "")
    data, health = _data(ledger, state, registered), _health(state, window)
    return Trace(
        prediction=plain(dict(prediction)),
        model=model,
        version=version,
        role=text(prediction, "role") or ("champion" if decided else ""),
        decided=decided,
        data=data,
        artifact=_fields(registered, ARTIFACT_FIELDS) if registered else {},
        policy_digest=promoted.event.policy_digest if promoted else None,
        tier=promoted_tier(state, promoted.event) if promoted else None,
        gates=tuple(_gate(decision) for decision in gates.values()),
        exceptions=tuple(
            {"gate": e.gate, "reason": e.reason, "person": e.person, "expires": iso(e.expires), "record": e.seq}
            for e in (state.exceptions_in_force(when) if when else ())
            if e.version in (None, version)
        ),
        approvals=_approvals(known),
        promotion={"record": promoted.seq, "at": iso(promoted.happened_at)} if promoted else None,
        reasons=_reasons(first(prediction, "reasons", "reason_codes")),
        health=health,
        incidents=_incidents(i for i in raised if when and _open_at(i, when)),
        found_later=_incidents(i for i in raised if when and i.window == window and i.recorded_at > when),
        gaps=(
            *_gaps(state, known, promoted, when, window, data=data, health=health),
            *_without_reasons(prediction, registered),
        ),
    )


def _without_reasons(prediction: Mapping[str, Any], registered: VersionRegistered | None) -> list[str]:
    """That an adverse decision has no reason codes, where it has none."""
    target = ((registered.declaration or {}).get("target") or {}) if registered else {}
    adverse = {"negative": 1, "positive": 0}.get(str(target.get("favourable")))
    decided = prediction.get("prediction")
    if adverse is None or decided is None or decided != adverse or first(prediction, "reasons", "reason_codes"):
        return []
    return ["reason codes of this adverse decision: they are kept where the policy requires the gate reason_codes"]


def _gaps(
    state: ModelState,
    known: VersionState,
    promoted: Record[Promotion] | None,
    when: datetime | None,
    window: str,
    *,
    data: Mapping[str, Any],
    health: Mapping[str, Any] | None,
) -> tuple[str, ...]:
    no_verdict = f"no verdict is recorded for window {window}" if window else "the prediction has no window"
    checks = (
        (known.registration is None, f"the ledger has no record of version {known.version} of {state.name}"),
        (
            bool(known.conflicting),
            f"version {known.version} was registered with different artifacts: it cannot be used",
        ),
        ("record" not in data, "no training snapshot is recorded for its data digest"),
        (not known.decisions, "no gate decision is recorded for the version"),
        (not known.approvals, "no approval that counts is recorded for the version"),
        (promoted is None, "the version was not promoted before the prediction" if when else "it was never promoted"),
        (when is None, "the prediction has no time of scoring"),
        (health is None, no_verdict),
    )
    return tuple(gap for missing, gap in checks if missing)


def _fields(event: VersionRegistered | SnapshotTaken, names: Iterable[str]) -> dict[str, Any]:
    """Fields of an event that hold something."""
    return {name: value for name in names if (value := getattr(event, name)) is not None}


def _data(ledger: Ledger, state: ModelState, registered: VersionRegistered | None) -> dict[str, Any]:
    if registered is None:
        return {}
    found: dict[str, Any] = {"data_digest": registered.data_digest}
    taken = ledger.get(registered.snapshot_record)
    if taken is not None and isinstance(taken.event, SnapshotTaken) and taken.subject == registered.data_digest:
        found |= {**_fields(taken.event, SNAPSHOT_FIELDS), "record": taken.seq}
        removal = state.removals.get(taken.event.root or "")
        if removal is not None:
            found["removed"] = removal.words
    return found


def _gate(decision: Decision) -> dict[str, Any]:
    return {
        "gate": decision.gate, "outcome": decision.outcome, "value": decision.value, "threshold": decision.threshold,
        "reason": decision.reason, "record": decision.seq,
    }  # fmt: skip


def _approvals(known: VersionState) -> tuple[dict[str, Any], ...]:
    events = [(given.record.event, given.record.seq) for given in known.approvals]
    return tuple(
        {"person": e.person, "role": e.role, "decision": e.decision, "rationale": e.rationale, "record": seq}
        for e, seq in events
    )


def _promotion(known: VersionState, when: datetime | None) -> Record[Promotion] | None:
    """The last promotion before the prediction; without a time, the last of all."""
    before = [r for r in known.promotions if when is None or r.recorded_at <= when]
    return before[-1] if before else None


def _open_at(incident: Incident, when: datetime) -> bool:
    """Whether the ledger held an incident as open at a time."""
    return incident.recorded_at <= when and (incident.closed_at is None or incident.closed_at > when)


def _incidents(found: Iterable[Incident]) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "id": i.id, "kind": i.kind, "severity": i.severity, "window": i.window, "summary": i.summary,
            "opened_at": iso(i.recorded_at),
        }
        for i in found
    )  # fmt: skip


def _reasons(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) and value else tuple(str(reason) for reason in value or ())


def _health(state: ModelState, window: str) -> dict[str, Any] | None:
    verdict = state.window_verdicts.get(window)
    if verdict is None:
        return None
    return {
        "window": verdict.window, "severity": verdict.severity, "kind": verdict.kind, "reasons": list(verdict.reasons),
        "action": list(verdict.action), "version": verdict.version, "record": verdict.seq,
        "recorded_at": iso(verdict.recorded_at),
    }  # fmt: skip


def trace_text(found: Trace) -> str:
    """The trace in words, for a terminal."""
    lines = [*_prediction_lines(found), "Rests on"]
    lines += [f"  {label(k).lower():<22} {cell(v)}" for k, v in {**found.data, **found.artifact}.items()]
    if found.policy_digest:
        lines.append(f"  {'policy':<22} {found.policy_digest}")
    if found.tier:
        lines.append(f"  {'tier':<22} {tier_text(found.tier)}")
    lines += ["Gates", *(_gate_line(gate) for gate in found.gates)]
    lines += [f"  exception to {e['gate']} until {day(e['expires'])}: {e['reason']}" for e in found.exceptions]
    lines.append("Approvals")
    lines += [
        f"  {a['person']} ({a['role']}): {a['decision']}, {a['rationale']} (record {a['record']})"
        for a in found.approvals
    ]
    if found.promotion:
        lines.append(f"  champion since {minute(found.promotion['at'])} (record {found.promotion['record']})")
    lines.append("Health of the window")
    if found.health:
        kind = "" if found.health["kind"] == "none" else f", {found.health['kind'].replace('_', ' ')}"
        judged = f" (record {found.health['record']}, {minute(found.health['recorded_at'])})"
        lines.append(f"  window {found.health['window']}: {found.health['severity'].replace('_', ' ')}{kind}{judged}")
        lines += [f"  {reason}" for reason in found.health["reasons"]]
    lines += ["Incidents open when it was scored", *_incident_lines(found.incidents)]
    if found.found_later:
        lines += ["Incidents about this window, opened later", *_incident_lines(found.found_later)]
    if found.gaps:
        lines += ["Not on record", *(f"  {gap}" for gap in found.gaps)]
    return "\n".join(lines) + "\n"


def _prediction_lines(found: Trace) -> list[str]:
    row = found.prediction
    lines = [
        f"Prediction {text(row, 'prediction_id', 'id')}".rstrip(),
        f"  model      {found.model}, version {found.version}",
    ]
    lines.append(f"  scored     {minute(first(row, 'scored_at', 'at'))}, window {text(row, 'window') or 'none'}")
    lines += [
        f"  {name:<10} {cell(row[name])}"
        for name in ("score", "prediction", "value", "decision")
        if row.get(name) is not None
    ]
    paused = row.get("paused")
    if paused:
        lines.append(
            f"  decided    no: rows where {paused['where']} were paused by {paused['person']} (record {paused['record']}): "
            f"{paused['rationale']}"
        )
        lines += (
            [f"  unused     {cell(row['beside_score'])}, what the champion made of it"] if "beside_score" in row else []
        )
    elif found.decided is not None:
        yes_no = "yes, it was champion then" if found.decided else "no, another version was champion then"
        yes_no = "yes, as a canary beside the champion" if found.role == "canary" else yes_no
        lines.append(f"  decided    {yes_no}")
    lines += [f"  reason     {reason}" for reason in found.reasons]
    if "outcome" in row:
        known = row["outcome"]
        said = f"{cell(known['value'])}, recorded {minute(known['recorded_at'])}" if known else "not known yet"
        lines.append(f"  outcome    {said}")
    lines += _supplier_lines(row)
    return lines + [
        f"  again      {minute(run['at'])}, record {run['record']}: score {number(run['score'])}; the decision stays as above"
        for run in row.get("scored_again") or ()
    ]


def _supplier_lines(row: Mapping[str, Any]) -> list[str]:
    """Of a model that is not trained here, whose it is, and what came with the prediction or which file was scored."""
    if not row.get("supplier"):
        return []
    lines = [f"  supplier   {row['supplier']}"]
    given, imported = row.get("given") or {}, row.get("imported") or {}
    lines += [f"  their {label(name).lower()}: {cell(value)}" for name, value in given.items()]
    if imported:
        version = f", their version {imported['version']}" if imported["version"] else ""
        lines.append(f"  model file {imported['artifact']}{version}, SHA-256 {imported['sha256']}")
    return lines


def _gate_line(gate: Mapping[str, Any]) -> str:
    against = f" {number(gate['value'])} against {number(gate['threshold'])}" if gate["threshold"] is not None else ""
    outcome = str(gate["outcome"]).replace("_", " ")
    return f"  {gate['gate']:<14} {outcome}{against} (record {gate['record']})"


def _incident_lines(found: Iterable[Mapping[str, Any]]) -> list[str]:
    lines = [f"  {i['id']} ({label(i['kind']).lower()}), since {minute(i['opened_at'])}: {i['summary']}" for i in found]
    return lines or ["  none"]
