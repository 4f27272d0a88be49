"""The fleet at a past moment, in two readings: what had happened by then, and what the ledger held then.

The ledger has two times. "Which version decided on 30 June?" is answered by what had happened; "what was known on 30 June?"
by what had been recorded. Where past data was replayed later, the two differ, and both are given. Not here: what counts,
which is `ledger.state`'s.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from mlops_assets.evidence.pages.event_text import event_text
from mlops_assets.evidence.reading import day, label, minute, short
from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import Decision, VersionState


@dataclass(frozen=True)
class LaterRecord:
    """A record of something that had happened by the moment, written only after it.

    Attributes:
        record: its number.
        recorded_at: when it was written.
        what: what it records, in a sentence.
    """

    record: int
    recorded_at: str
    what: str


@dataclass(frozen=True)
class ModelAsOf:
    """One model at one moment, as today's ledger has it; texts and plain data only.

    Attributes:
        model: name.
        lifecycle: `development`, `in use`, `suspended` or `retired`.
        champion: version that decided, None when none did.
        since: when it became champion.
        ended: how the model was suspended or retired: `kind`, `person`, `rationale`, `at`, `record`; None while it decides.
        policy_digest: policy under which the champion was promoted.
        tier: under which the champion was promoted, and its assessment then: `tier`, `person`, `role`, `expires`, `record`;
            without one that counted, `tier` alone. None without a champion.
        decisions: gate decisions of the champion: gate, outcome, reason, whether that policy requires it (None: not
            recorded), record, digest.
        approvers: whose approval of it counts: person, role, record.
        card_digest: of its card.
        window: latest window with a verdict.
        severity, kind: of the verdict.
        verdict_version: version that the verdict is about.
        verdict_recorded_at: when the verdict was written.
        open_incidents: incidents that were open.
        exceptions: exceptions in force.
        open_findings: findings that were open: id, severity, summary, due.
        known_then: champion, lifecycle, window and severity as the ledger held them at that moment.
        learned_later: what had happened by then and was recorded only later.
    """

    model: str
    lifecycle: str
    champion: str | None
    since: str | None
    ended: dict[str, Any] | None
    policy_digest: str | None
    tier: dict[str, Any] | None
    decisions: tuple[dict[str, Any], ...]
    approvers: tuple[dict[str, Any], ...]
    card_digest: str | None
    window: str | None
    severity: str
    kind: str
    verdict_version: str | None
    verdict_recorded_at: str | None
    open_incidents: tuple[dict[str, Any], ...]
    exceptions: tuple[dict[str, Any], ...]
    open_findings: tuple[dict[str, Any], ...]
    known_then: dict[str, Any]
    learned_later: tuple[LaterRecord, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return plain(asdict(self))


def as_of(ledger: Ledger, at: datetime, model: str | None = None) -> list[ModelAsOf]:
    """How each model was at a moment, by name.

    Args:
        ledger: to read.
        at: the moment; for a day, its end.
        model: one model only.

    Raises:
        ValueError: the moment has no time zone.
    """
    if at.tzinfo is None:
        raise ValueError(
            f"found a time without a zone ({at.isoformat()}), expected one in UTC, such as {at.isoformat()}Z"
        )
    happened, known = ledger.state(happened_until=at), ledger.state(known_at=at)
    later: dict[str, list[LaterRecord]] = {}
    records = [record for record in ledger.records(happened_until=at) if record.recorded_at > at]
    objections = happened.objections(records)
    for record in records:
        found = LaterRecord(record.seq, iso(record.recorded_at), event_text(record, objections=objections))
        later.setdefault(record.model, []).append(found)
    return [
        _model_as_of(state, known.model(name), at, later.get(name, ()))
        for name, state in happened.models.items()
        if model is None or name == model
    ]


def _model_as_of(state: ModelState, known: ModelState, at: datetime, later: Iterable[LaterRecord]) -> ModelAsOf:
    champion = state.champion.version
    version = state.version(champion) if champion else None
    promoted = version.promotions[-1].event if version and version.promotions else None
    verdict, known_verdict = state.last_verdict, known.last_verdict
    return ModelAsOf(
        model=state.name,
        lifecycle=state.lifecycle,
        champion=champion,
        since=iso(state.changes[-1].at) if state.changes and champion else None,
        ended=_ended(state),
        policy_digest=promoted.policy_digest if promoted else None,
        tier=promoted_tier(state, promoted) if promoted else None,
        decisions=_decisions(version, promoted.policy_digest, promoted.policy) if version and promoted else (),
        approvers=_approvers(version) if version else (),
        card_digest=version.card.event.digest if version and version.card else None,
        window=verdict.window if verdict else None,
        severity=verdict.severity if verdict else "not_measurable",
        kind=verdict.kind if verdict else "none",
        verdict_version=verdict.version if verdict else None,
        verdict_recorded_at=iso(verdict.recorded_at) if verdict else None,
        open_incidents=tuple(
            {"id": i.id, "kind": i.kind, "severity": i.severity, "summary": i.summary, "opened_at": iso(i.opened_at)}
            for i in state.open_incidents
        ),
        exceptions=tuple(
            {"gate": e.gate, "reason": e.reason, "person": e.person, "expires": iso(e.expires), "record": e.seq}
            for e in state.exceptions_in_force(at)
        ),
        open_findings=tuple(
            {"id": f.id, "severity": f.severity, "summary": f.summary, "due": iso(f.due)} for f in state.open_findings
        ),
        known_then={
            "champion": known.champion.version,
            "lifecycle": known.lifecycle,
            "window": known_verdict.window if known_verdict else None,
            "severity": known_verdict.severity if known_verdict else "not_measurable",
        },
        learned_later=tuple(later),
    )


def _ended(state: ModelState) -> dict[str, Any] | None:
    """The retirement, or the suspension that is in force: who signed it, and why."""
    record = state.retirement or state.suspension
    if record is None:
        return None
    event = record.event
    return {
        "kind": record.kind, "person": event.person, "role": event.role, "rationale": event.rationale,
        "at": iso(record.happened_at), "record": record.seq,
    }  # fmt: skip


def promoted_tier(state: ModelState, promoted: Promotion) -> dict[str, Any]:
    """The tier that a version was promoted under, and the assessment that the promotion counted, if one did."""
    tier = promoted.policy.get("tier")
    found = next((r for r in state.assessments if r.seq == promoted.assessment), None)
    if found is None:
        return {"tier": tier}
    event = found.event
    return {
        "tier": tier, "assessed": event.tier, "person": event.person, "role": event.role, "expires": iso(event.expires),
        "record": found.seq,
    }  # fmt: skip


def tier_text(tier: Mapping[str, Any]) -> str:
    """`promoted_tier` in words."""
    if "record" not in tier:
        return f"{tier['tier']}, without an assessment that counted"
    signer = f"{tier['person']} ({tier['role']}, record {tier['record']})"
    return f"{tier['tier']}, assessed as {tier['assessed']} by {signer}"


class _GateRule(BaseModel):
    model_config = ConfigDict(extra="ignore")

    required: bool | None = None


class _RecordedGates(BaseModel):
    """What a recorded policy says about gates; fields of other releases are left out."""

    model_config = ConfigDict(extra="ignore")

    gates: dict[str, _GateRule] = {}


def required_then(policy: Mapping[str, Any]) -> dict[str, bool | None]:
    """Whether a recorded policy requires each gate, as far as it says."""
    try:
        return {name: rule.required for name, rule in _RecordedGates.model_validate(policy).gates.items()}
    except ValidationError:
        return {}


def _decisions(version: VersionState, digest: str, policy: Mapping[str, Any]) -> tuple[dict[str, Any], ...]:
    required = required_then(policy)
    decided: Mapping[str, Decision] = version.decided(digest)
    return tuple(
        {
            "gate": gate, "outcome": d.outcome, "reason": d.reason, "required": required.get(gate), "record": d.seq,
            "digest": d.digest,
        }
        for gate, d in decided.items()
    )  # fmt: skip


def _approvers(version: VersionState) -> tuple[dict[str, Any], ...]:
    """Approvals that the last promotion counted; before one, every approval that may count."""
    counted = version.promotions[-1].event.approvals if version.promotions else None
    return tuple(
        {"person": a.record.event.person, "role": a.record.event.role, "record": a.record.seq}
        for a in version.approvals
        if a.record.event.decision == "approve" and (counted is None or a.record.seq in counted)
    )


def as_of_text(rows: Sequence[ModelAsOf], at: datetime) -> str:
    """The answer in words, for a terminal."""
    lines = [f"As of {minute(at)}", ""]
    if not rows:
        return "\n".join([*lines, "No model had any record by then."]) + "\n"
    for row in rows:
        lines += _model_lines(row, iso(at))
    return "\n".join(lines) + "\n"


def _model_lines(row: ModelAsOf, at: str) -> list[str]:
    decided = f"version {row.champion} was champion, since {minute(row.since)}" if row.champion else "no champion"
    lines = [f"{row.model}: {row.lifecycle}; {decided}"]
    if row.ended:
        what = "retired" if row.ended["kind"] == "retirement" else "suspended: no version decided"
        signer = f"{row.ended['person']} ({row.ended['role']})"
        lines.append(f"  {what}, since {minute(row.ended['at'])}, by {signer}: {row.ended['rationale']}")
    lines += _verdict_lines(row, at)
    if row.champion:
        passed = sum(d["outcome"] == "passed" for d in row.decisions)
        lines += [f"  tier: {tier_text(row.tier)}"] if row.tier else []
        lines.append(f"  gates: {passed} of {len(row.decisions)} passed; policy {short(row.policy_digest)}")
        lines += [f"    {_not_passed(d)}" for d in row.decisions if d["outcome"] != "passed"]
        people = ", ".join(f"{a['person']} ({a['role']}, record {a['record']})" for a in row.approvers)
        lines.append(f"  approved by: {people or 'nobody'}")
    lines += [f"  open incident {i['id']} ({label(i['kind']).lower()}): {i['summary']}" for i in row.open_incidents]
    lines += [f"  exception to {e['gate']} until {day(e['expires'])}: {e['reason']}" for e in row.exceptions]
    lines += [
        f"  open finding {f['id']} ({f['severity']}, due {day(f['due'])}): {f['summary']}" for f in row.open_findings
    ]
    if row.learned_later:
        lines += _later_lines(row)
    return lines


def _verdict_lines(row: ModelAsOf, at: str) -> list[str]:
    if row.window is None:
        return []
    kind = "" if row.kind == "none" else f", {row.kind.replace('_', ' ')}"
    line = f"  last window {row.window}: {row.severity.replace('_', ' ')}{kind}"
    if row.verdict_recorded_at is not None and row.verdict_recorded_at > at:
        line += f"; judged only on {minute(row.verdict_recorded_at)}"
        line += f", with version {row.verdict_version}" if row.verdict_version != row.champion else ""
    return [line]


def _later_lines(row: ModelAsOf) -> list[str]:
    """Both readings, where the ledger held something else then than it holds about that time now."""
    count, known = len(row.learned_later), row.known_then
    first, last = row.learned_later[0].recorded_at, row.learned_later[-1].recorded_at
    when = f"on {minute(first)}" if minute(first) == minute(last) else f"between {minute(first)} and {minute(last)}"
    records = "1 record about the time before was" if count == 1 else f"{count} records about the time before were"
    window = (
        f"last window {known['window']} ({known['severity'].replace('_', ' ')})"
        if known["window"]
        else "no window judged"
    )
    champion = f"version {known['champion']} was champion" if known["champion"] else "no champion"
    lines = [
        f"  Two readings, because {records} written after this moment, {when}:",
        "    what had happened by then, as recorded by now: the lines above",
        f"    what the ledger held then: {known['lifecycle']}; {champion}; {window}",
    ]
    if row.champion is None and row.verdict_version:
        lines.append(
            f"  No version was champion at this moment. Version {row.verdict_version} scored the window later, from past data."
        )
    return lines


def _not_passed(decision: Mapping[str, Any]) -> str:
    weight = ", which the policy does not require" if decision["required"] is False else ""
    outcome = decision["outcome"].replace("_", " ")
    gate = decision["gate"].replace("_", " ")
    return f"{gate} {outcome}{weight} (record {decision['record']}): {decision['reason']}"
