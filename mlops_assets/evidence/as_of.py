"""The fleet as it stood on a day: what had happened by then, and what of it was known then.

The ledger has two times. "Which version decided on 30 June?" is answered by what had happened; "what did we know on
30 June?" by what had been recorded. Where the two differ, both answers are given, with what was learned only later.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlops_assets.evidence.history import ModelState, fold, text
from mlops_assets.evidence.inventory import RecordSource
from mlops_assets.evidence.pages.event_text import event_text
from mlops_assets.evidence.reading import day, label, minute, short
from mlops_assets.ledger.canonical import iso, plain


@dataclass(frozen=True)
class ModelAsOf:
    """One model on one day; texts and plain data only.

    Attributes:
        model: Name.
        champion: Version that decided, None when none did.
        since: When it became champion.
        lifecycle: development, in use, suspended, retired.
        policy_digest: Policy under which the champion was promoted.
        decisions: Gate decisions of the champion: gate, outcome, reason, whether that policy requires it (None: not
            recorded), record, digest.
        approvers: Who had approved it: person, role, record.
        card_digest: Of its card.
        window: Latest window judged by then.
        severity: Its severity.
        kind: Its kind.
        open_incidents: Incidents open on that day.
        exceptions: Exceptions in force on that day.
        open_findings: Findings open on that day.
        known_then: Champion, window and severity as the ledger knew them on that day.
        learned_later: What had happened by then and was recorded only later.
    """

    model: str
    champion: str | None
    since: str | None
    lifecycle: str
    policy_digest: str | None
    decisions: tuple[dict[str, Any], ...]
    approvers: tuple[dict[str, Any], ...]
    card_digest: str | None
    window: str | None
    severity: str
    kind: str
    open_incidents: tuple[dict[str, Any], ...]
    exceptions: tuple[dict[str, Any], ...]
    open_findings: tuple[str, ...]
    known_then: dict[str, Any]
    learned_later: tuple[dict[str, Any], ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return plain(asdict(self))


def as_of(ledger: RecordSource, at: datetime, model: str | None = None) -> list[ModelAsOf]:
    """How each model stood at a moment, by name.

    Args:
        ledger: Where the records are.
        at: The moment (UTC); for a day, its end.
        model: One model only.

    Raises:
        ValueError: The moment has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(f"found a time without a zone ({at.isoformat()}), expected UTC")
    records = ledger.records(happened_until=at)
    policies = {text(r.body, "policy_digest"): r.body["policy"] for r in records if r.body.get("policy")}
    happened = fold(records, ledger.root)
    known = fold((r for r in records if r.recorded_at <= at), ledger.root)
    names = [n for n in happened if model is None or n == model]
    return [_stand(happened[n], known.get(n, ModelState(n)), at, policies) for n in names]


def as_of_text(rows: Sequence[ModelAsOf], at: datetime) -> str:
    """The answer in words, for a terminal."""
    lines = [f"As of {minute(at)}", ""]
    if not rows:
        return "\n".join([*lines, "No model had any record by then."]) + "\n"
    for row in rows:
        decided = f"version {row.champion} decided, since {day(row.since)}" if row.champion else "no version decided"
        lines.append(f"{row.model}: {row.lifecycle}; {decided}")
        if row.window:
            kind = "" if row.kind == "none" else f", {row.kind.replace('_', ' ')}"
            lines.append(f"  last window {row.window}: {row.severity.replace('_', ' ')}{kind}")
        if row.champion:
            passed = sum(d["outcome"] == "passed" for d in row.decisions)
            lines.append(f"  gates: {passed} of {len(row.decisions)} passed; policy {short(row.policy_digest)}")
            lines += [f"    {_not_passed(d)}" for d in row.decisions if d["outcome"] != "passed"]
            people = ", ".join(f"{a['person']} ({a['role']}, record {a['record']})" for a in row.approvers)
            lines.append(f"  approved by: {people or 'nobody'}")
        lines += [f"  open incident {i['id']} ({label(i['kind']).lower()}): {i['summary']}" for i in row.open_incidents]
        lines += [f"  exception to {e['gate']} until {day(e['expires'])}: {e['reason']}" for e in row.exceptions]
        lines += [f"  open finding {f}" for f in row.open_findings]
        if row.learned_later:
            lines.append(f"  {len(row.learned_later)} of these records were written only later; the ledger then knew:")
            lines.append(
                f"    champion {row.known_then['champion'] or 'none'}, window {row.known_then['window'] or 'none'}"
            )
    return "\n".join(lines) + "\n"


def _not_passed(decision: Mapping[str, Any]) -> str:
    weight = ", which the policy does not require" if decision["required"] is False else ""
    outcome = decision["outcome"].replace("_", " ")
    gate = decision["gate"].replace("_", " ")
    return f"{gate} {outcome}{weight} (record {decision['record']}): {decision['reason']}"


def _stand(state: ModelState, known: ModelState, at: datetime, policies: Mapping[str, Mapping[str, Any]]) -> ModelAsOf:
    version = state.versions.get(state.champion) if state.champion else None
    verdict = state.last_verdict
    promoted = version.promotions[-1] if version and version.promotions else None
    policy_digest = text(promoted.body, "policy_digest") or None if promoted else None
    rules = policies.get(policy_digest or "", {}).get("gates", {})
    late = [r for r in state.records if r.recorded_at > at]
    known_verdict = known.last_verdict
    return ModelAsOf(
        model=state.name,
        champion=state.champion,
        since=iso(state.changes[-1].at) if state.changes and state.champion else None,
        lifecycle=state.lifecycle,
        policy_digest=policy_digest,
        decisions=tuple(
            {
                "gate": gate,
                "outcome": text(r.body, "outcome"),
                "reason": text(r.body, "reason"),
                "required": rules.get(gate, {}).get("required"),
                "record": r.seq,
                "digest": r.digest,
            }
            for gate, r in (version.decisions if version else {}).items()
        ),
        approvers=tuple(
            {"person": text(r.body, "person"), "role": text(r.body, "role"), "record": r.seq}
            for r in (version.approvals if version else ())
            if r.body.get("decision", "approve") == "approve"
        ),
        card_digest=text(version.card.body, "digest") or None if version and version.card else None,
        window=verdict.window if verdict else None,
        severity=verdict.severity if verdict else "not_measurable",
        kind=verdict.kind if verdict else "none",
        open_incidents=tuple(
            {"id": i.id, "kind": i.kind, "severity": i.severity, "summary": i.summary, "opened_at": iso(i.opened_at)}
            for i in state.open_incidents
        ),
        exceptions=tuple(
            {"gate": e.gate, "reason": e.reason, "person": e.person, "expires": iso(e.expires) if e.expires else None}
            for e in state.exceptions_in_force(at)
        ),
        open_findings=tuple(r.subject for r in state.open_findings),
        known_then={
            "champion": known.champion,
            "window": known_verdict.window if known_verdict else None,
            "severity": known_verdict.severity if known_verdict else "not_measurable",
        },
        learned_later=tuple({"record": r.seq, "recorded_at": iso(r.recorded_at), "what": event_text(r)} for r in late),
    )
