"""From one prediction back to everything it rests on: version, data, policy, gates, approvals, reasons, health then.

A pure function over the ledger's records and one prediction row; finding the row is the prediction log's business.
What the records do not say is listed as a gap, never filled in.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlops_assets.evidence.history import ModelState, VersionState, fold, text, texts
from mlops_assets.evidence.inventory import RecordSource
from mlops_assets.evidence.reading import cell, day, first, label, minute, moment, number
from mlops_assets.ledger.canonical import iso, plain


@dataclass(frozen=True)
class Trace:
    """What one prediction rests on; plain data only.

    Attributes:
        prediction: The row as it is in the prediction log.
        model: Name.
        version: Version that made it.
        role: `champion` or what the row says; whether the version decided at that time is `decided`.
        decided: Whether this version was champion when it scored; None when the time of scoring is not known.
        data: Training data: digest, and what its snapshot's record says.
        artifact: Digests of artifact, features, declaration, environment, and the code version.
        policy_digest: Policy under which the version was promoted.
        gates: Decisions on the version: gate, outcome, value, threshold, reason, record.
        exceptions: Exceptions for the version's gates that were in force then.
        approvals: person, role, decision, rationale, record.
        promotion: Number of the record that made it champion, and when.
        reasons: Reason codes of the prediction.
        health: Verdict on the prediction's window.
        incidents: Incidents that were open then.
        gaps: What could not be found.
    """

    prediction: dict[str, Any]
    model: str
    version: str
    role: str
    decided: bool | None
    data: dict[str, Any]
    artifact: dict[str, Any]
    policy_digest: str | None
    gates: tuple[dict[str, Any], ...]
    exceptions: tuple[dict[str, Any], ...]
    approvals: tuple[dict[str, Any], ...]
    promotion: dict[str, Any] | None
    reasons: tuple[str, ...]
    health: dict[str, Any] | None
    incidents: tuple[dict[str, Any], ...]
    gaps: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return plain(asdict(self))


def trace(ledger: RecordSource, prediction: Mapping[str, Any], at: datetime | None = None) -> Trace:
    """Trace one prediction.

    Args:
        ledger: Where the records are.
        prediction: The row: `model` and `version`, and where known `prediction_id`, `window`, `scored_at`, `role`,
            `reasons`.
        at: Time of the prediction, where the row has none.

    Raises:
        ValueError: The row names no model or no version.
    """
    model, version = text(prediction, "model"), text(prediction, "version", "model_version")
    if not model or not version:
        raise ValueError(f"found a prediction with the fields {', '.join(prediction)}, expected `model` and `version`")
    when = moment(first(prediction, "scored_at", "at")) or at
    state = fold(ledger.records(), ledger.root).get(model, ModelState(model))
    known = state.versions.get(version, VersionState(version))
    gaps = [] if version in state.versions else [f"the ledger has no record of version {version} of {model}"]
    window = text(prediction, "window")
    health = _health(state, window)
    promoted = _promotion(known, when)
    decided = None if when is None else state.champion_at(when) == version
    registered = known.registered
    data = _data(state, registered)
    reasons = texts(first(prediction, "reasons", "reason_codes"))
    gaps += [
        gap
        for gap, lacking in (
            ("no training snapshot is recorded for its data digest", not data.get("record")),
            ("no gate decision is recorded for the version", not known.decisions),
            ("no approval is recorded for the version", not known.approvals),
            ("the version was never promoted", promoted is None),
            ("the prediction has no time of scoring", when is None),
            (
                f"no verdict is recorded for window {window}" if window else "the prediction has no window",
                health is None,
            ),
        )
        if lacking
    ]
    return Trace(
        prediction=plain(dict(prediction)),
        model=model,
        version=version,
        role=text(prediction, "role") or ("champion" if decided else ""),
        decided=decided,
        data=data,
        artifact={
            key: registered[key]
            for key in (
                "artifact_digest",
                "features_digest",
                "declaration_digest",
                "environment_digest",
                "code_version",
                "algorithm",
                "run_id",
                "training_key",
            )
            if registered.get(key)
        },
        policy_digest=(text(promoted.body, "policy_digest") or None) if promoted else None,
        gates=tuple(
            {
                "gate": gate,
                **{k: r.body.get(k) for k in ("outcome", "value", "threshold", "reason")},
                "record": r.seq,
            }
            for gate, r in known.decisions.items()
        ),
        exceptions=tuple(
            {"gate": e.gate, "reason": e.reason, "person": e.person, "expires": iso(e.expires) if e.expires else None}
            for e in (state.exceptions_in_force(when) if when else ())
            if e.version in (None, version)
        ),
        approvals=tuple(
            {**{k: text(r.body, k) for k in ("person", "role", "decision", "rationale")}, "record": r.seq}
            for r in known.approvals
        ),
        promotion={"record": promoted.seq, "at": iso(promoted.happened_at)} if promoted else None,
        reasons=reasons,
        health=health,
        incidents=tuple(
            {"id": i.id, "kind": i.kind, "severity": i.severity, "summary": i.summary}
            for i in state.incidents
            if when and i.opened_at <= when and (i.closed_at is None or i.closed_at > when)
        ),
        gaps=tuple(gaps),
    )


def trace_text(found: Trace) -> str:
    """The trace in words, for a terminal."""
    row = found.prediction
    name = text(row, "prediction_id", "id")
    lines = [f"Prediction {name}".rstrip(), f"  model      {found.model}, version {found.version}"]
    lines.append(f"  scored     {minute(first(row, 'scored_at', 'at'))}, window {text(row, 'window') or 'none'}")
    score = first(row, "score", "prediction", "value")
    if score is not None:
        lines.append(
            f"  score      {number(score)}"
            + (f", decision {cell(row['decision'])}" if row.get("decision") is not None else "")
        )
    if found.decided is not None:
        lines.append(
            f"  decided    {'yes, it was champion then' if found.decided else 'no, another version was champion then'}"
        )
    lines += [f"  reason     {reason}" for reason in found.reasons]
    lines.append("Rests on")
    lines += [f"  {label(k).lower():<22} {cell(v)}" for k, v in {**found.data, **found.artifact}.items()]
    if found.policy_digest:
        lines.append(f"  {'policy':<22} {found.policy_digest}")
    lines.append("Gates")
    for gate in found.gates:
        against = (
            f" {number(gate['value'])} against {number(gate['threshold'])}" if gate["threshold"] is not None else ""
        )
        lines.append(
            f"  {gate['gate']:<14} {str(gate['outcome']).replace('_', ' ')}{against} (record {gate['record']})"
        )
    lines += [f"  exception to {e['gate']} until {day(e['expires'])}: {e['reason']}" for e in found.exceptions]
    lines.append("Approvals")
    lines += [
        f"  {a['person']} ({a['role']}): {a['decision']}, {a['rationale']} (record {a['record']})"
        for a in found.approvals
    ]
    if found.promotion:
        lines.append(f"  champion since {day(found.promotion['at'])} (record {found.promotion['record']})")
    lines.append("Health then")
    if found.health:
        kind = "" if found.health["kind"] == "none" else f", {found.health['kind'].replace('_', ' ')}"
        lines.append(f"  window {found.health['window']}: {found.health['severity'].replace('_', ' ')}{kind}")
        lines += [f"  {reason}" for reason in found.health["reasons"]]
    lines += [f"  incident {i['id']} ({i['kind']}): {i['summary']}" for i in found.incidents]
    if found.gaps:
        lines.append("Not on record")
        lines += [f"  {gap}" for gap in found.gaps]
    return "\n".join(lines) + "\n"


def _data(state: ModelState, registered: Mapping[str, Any]) -> dict[str, Any]:
    digest = registered.get("data_digest")
    if not digest:
        return {}
    taken = [r for r in state.records if r.kind == "snapshot_taken" and r.subject == digest]
    found: dict[str, Any] = {"data_digest": digest}
    if taken:
        body = taken[-1].body
        found |= {k: body[k] for k in ("rows", "quarantined", "table", "delta_version", "since", "until") if k in body}
        found["record"] = taken[-1].seq
    return found


def _promotion(known: VersionState, when: datetime | None) -> Any | None:
    """The last promotion before the prediction; without a time, the last of all."""
    before = [r for r in known.promotions if when is None or r.happened_at <= when]
    return before[-1] if before else None


def _health(state: ModelState, window: str) -> dict[str, Any] | None:
    verdict = next((v for v in state.verdicts if v.window == window), None)
    if verdict is None:
        return None
    return {
        "window": verdict.window,
        "severity": verdict.severity,
        "kind": verdict.kind,
        "reasons": list(verdict.reasons),
        "action": verdict.action,
        "record": verdict.seq,
    }
