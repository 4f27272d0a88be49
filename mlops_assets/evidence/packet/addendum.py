"""What happened to a model after its card was issued, as the packet states it beside the card.

A card is frozen when it is issued, because the approvals are signed over its digest. Everything since then is here: who
approved it, findings, conditions, restrictions, validations, verdicts, incidents, exceptions and interventions.
"""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from mlops_assets.evidence.card.markdown import escaped
from mlops_assets.evidence.packet.verifier_addendum import JUDGED
from mlops_assets.evidence.pages.event_text import event_text
from mlops_assets.evidence.reading import day, minute
from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.versions import VersionState


@dataclass(frozen=True)
class Entry:
    """One record since the card.

    Attributes:
        record, digest, kind, subject, recorded_at: of the record.
        counts: whether it counts.
        reason: why it does not; empty where it does.
        text: what it records, in a sentence.
    """

    record: int
    digest: str
    kind: str
    subject: str
    recorded_at: str
    counts: bool
    reason: str
    text: str


@dataclass(frozen=True)
class Addendum:
    """What is recorded about a model since a card, and how the model is at that moment.

    Attributes:
        model, version: which.
        as_of: time of the last record that is taken in.
        card: number of the record that issued the card; None where there is none.
        now: what is open or in force at that time.
        entries: records since the card, in order.
    """

    model: str
    version: str
    as_of: str
    card: int | None
    now: dict[str, Any]
    entries: tuple[Entry, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return plain(asdict(self))


def addendum(ledger: Ledger, state: LedgerState, model: str, version: str, as_of: datetime) -> Addendum:
    """The addendum to the card of a version.

    Args:
        ledger: to read records from.
        state: of the ledger.
        model: name.
        version: in the registry.
        as_of: time of the last record.
    """
    known = state.model(model)
    card = known.version(version).card
    records = [r for r in ledger.records(model=model, after=card.seq if card else 0) if r.kind in JUDGED]
    objections = state.objections(records)
    entries = tuple(
        Entry(
            record=r.seq,
            digest=r.digest,
            kind=r.kind,
            subject=r.subject,
            recorded_at=iso(r.recorded_at),
            counts=r.seq not in objections,
            reason=objections.get(r.seq, ""),
            text=event_text(r, objections=objections),
        )
        for r in records
    )
    return Addendum(
        model, version, iso(as_of), card.seq if card else None, _now(known, known.version(version), as_of), entries
    )


def _now(model: ModelState, version: VersionState, at: datetime) -> dict[str, Any]:
    """What is open, or in force, about the model and the version."""
    validation = version.validations[-1].event if version.validations else None
    verdict = model.last_verdict
    return {
        "lifecycle": model.lifecycle,
        "champion": model.champion.version,
        "validation": {
            "outcome": validation.outcome,
            "valid_until": iso(validation.valid_until),
            "conditions": list(validation.conditions),
            "restrictions": list(validation.restrictions),
        }
        if validation
        else None,
        "open_findings": [
            {"id": f.id, "severity": f.severity, "summary": f.summary, "due": iso(f.due), "condition": f.condition}
            for f in model.open_findings
        ],
        "open_incidents": [
            {"id": i.id, "kind": i.kind, "severity": i.severity, "summary": i.summary} for i in model.open_incidents
        ],
        "exceptions_in_force": [
            {"gate": e.gate, "reason": e.reason, "person": e.person, "expires": iso(e.expires)}
            for e in model.exceptions_in_force(at)
        ],
        "last_verdict": {"window": verdict.window, "severity": verdict.severity, "kind": verdict.kind}
        if verdict
        else None,
    }


def addendum_text(found: Addendum) -> str:
    """The addendum as Markdown, for people."""
    now = found.now
    issued = f"issued by record {found.card}" if found.card is not None else "none was issued"
    lines = [
        f"# Addendum to the model card of {found.model}, version {found.version}",
        "",
        f"State of {minute(found.as_of)}. The card ({issued}) says what was known when it was issued.",
        "",
        "## Now",
        "",
        f"- Lifecycle: {now['lifecycle']}; champion: {now['champion'] or 'none'}",
    ]
    if now["last_verdict"]:
        verdict = now["last_verdict"]
        lines.append(
            f"- Last verdict: window {verdict['window']}, {verdict['severity']}, {verdict['kind'].replace('_', ' ')}"
        )
    if now["validation"]:
        found_validation = now["validation"]
        outcome = found_validation["outcome"].replace("_", " ")
        lines.append(f"- Validation: {outcome}, until {day(found_validation['valid_until'])}")
        lines += [f"- Condition: {escaped(condition)}" for condition in found_validation["conditions"]]
        lines += [f"- Restriction: {escaped(_pairs(restriction))}" for restriction in found_validation["restrictions"]]
    lines += [
        f"- Open finding {f['id']} ({f['severity']}), due {day(f['due'])}: {escaped(f['summary'])}"
        for f in now["open_findings"]
    ]
    lines += [f"- Open incident {i['id']} ({i['severity']}): {escaped(i['summary'])}" for i in now["open_incidents"]]
    lines += [
        f"- Exception to gate {e['gate']} until {day(e['expires'])}, by {e['person']}: {escaped(e['reason'])}"
        for e in now["exceptions_in_force"]
    ]
    lines += ["", "## Since the card", ""]
    lines += [f"- {minute(e.recorded_at)}, record {e.record}: {escaped(e.text)}" for e in found.entries]
    return "\n".join(lines if found.entries else [*lines, "Nothing is recorded."]) + "\n"


def _pairs(values: dict[str, Any]) -> str:
    return "; ".join(f"{name}: {value}" for name, value in values.items())
