"""Incidents: what somebody must look at, opened once for one cause, acknowledged, and closed with a disposition.

An incident is its records in the ledger: `incident_opened`, `incident_acknowledged`, `incident_closed`. While one is
open, the same cause opens no other; once it is closed, a later window with the same cause does. The system opens;
acknowledging and closing are signed by people, and a record of either without a signature that counts changes nothing.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlops_assets.governance.authority import read_act, sign_act
from mlops_assets.governance.canonical import digest
from mlops_assets.governance.conduct_rules import IncidentRule
from mlops_assets.governance.dossier import authors_of_model
from mlops_assets.governance.keys import PublicKey, SigningKey
from mlops_assets.governance.ledger import Ledger, Record
from mlops_assets.governance.people import NotAllowed, People, Signed, load_people
from mlops_assets.governance.signatures import SignatureRefused

OPENED, ACKNOWLEDGED, CLOSED = "incident_opened", "incident_acknowledged", "incident_closed"
ACKNOWLEDGE, CLOSE = "incident-acknowledgement/v1", "incident-closure/v1"
"""Purposes of the statements that people sign."""
DISPOSITIONS = ("true", "false", "expected")

State = Literal["open", "acknowledged", "closed"]
Disposition = Literal["true", "false", "expected"]


class IncidentError(LookupError):
    """No such incident, or it cannot be changed that way."""


@dataclass(frozen=True)
class Incident:
    """One incident as it stands.

    Attributes:
        id: short name.
        model: concerned, or empty for the fleet.
        kind: of the change or event.
        severity: when it was opened.
        state: open, acknowledged or closed.
        window: start of the window that opened it, or empty.
        summary: in a sentence.
        columns: concerned.
        cause: what it is about; incidents of one cause are one while open.
        opened_at: when it happened.
        acknowledged_by: who, or empty.
        disposition: `true` (a real fault), `false` (a false alarm), `expected`; None while open.
        note: of the closure.
        closed_at: when; None while open.
        seqs: numbers of its records.
        rule: what raised it, for precision by rule.
        closed_by: who, or empty.
    """

    id: str
    model: str
    kind: str
    severity: str
    state: State
    window: str
    summary: str
    columns: tuple[str, ...]
    cause: str
    opened_at: datetime
    acknowledged_by: str
    disposition: Disposition | None
    note: str
    closed_at: datetime | None
    seqs: tuple[int, ...]
    rule: str = ""
    closed_by: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return self.state != "closed"


def open_incident(
    ledger: Ledger,
    model: str,
    *,
    kind: str,
    severity: str,
    summary: str,
    window: str = "",
    columns: Iterable[str] = (),
    cause: str = "",
    rule: str = "",
    happened_at: datetime | None = None,
) -> Incident:
    """Open an incident, unless its cause has one open, or this window had opened one for it before.

    Args:
        ledger: to read and write.
        model: concerned, or empty.
        kind: of the change or event, such as `feed_fault`.
        severity: watch, act or critical.
        summary: in a sentence.
        window: start of the window, or whatever names the occasion.
        columns: concerned.
        cause: what it is about; default: kind and columns. Incidents of one cause are one while open.
        rule: what raised it.
        happened_at: default now.

    Returns:
        The incident that stands for this cause: the new one, or the one there was.
    """
    named = tuple(sorted(set(columns)))
    cause = cause or (f"{kind}:{','.join(named)}" if named else kind)
    key = f"incident/{model}/{digest([cause])[:16]}/{window}"
    standing = [i for i in incidents(ledger, model=model) if i.cause == cause]
    for incident in standing:
        if incident.is_open or incident.window == window:
            return incident
    identity = f"{model or 'fleet'}-{digest([model, cause, window])[:8]}"
    body = {
        "kind": kind,
        "severity": severity,
        "window": window,
        "summary": summary,
        "columns": list(named),
        "cause": cause,
        "rule": rule,
    }
    record = ledger.append(OPENED, body, model=model, subject=identity, happened_at=happened_at, key=key)
    return _incident([record], People())


def acknowledge(
    ledger: Ledger, key: SigningKey, identity: str, note: str = "", *, root: PublicKey | None = None
) -> Incident:
    """Sign that somebody looks at it; the first who does stays.

    Args:
        ledger: to write to.
        key: of anybody enrolled for the model.
        identity: of the incident.
        note: a sentence, or nothing.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident, or it is closed.
        NotAllowed: the key is nobody's, or not for this model.
    """
    incident = find(ledger, identity)
    if not incident.is_open:
        raise IncidentError(f"incident {identity} is closed ({incident.disposition}), so it cannot be acknowledged")
    if incident.state == "acknowledged":
        return incident
    opened = ledger.get(incident.seqs[0])
    assert opened is not None
    said = {"id": identity, "note": note.strip()}
    body = sign_act(ledger, key, ACKNOWLEDGE, incident.model, {"incident": opened.digest}, said, root=root)
    ledger.append(
        ACKNOWLEDGED, body, model=incident.model, subject=identity, key=f"incident-ack/{identity}/{incident.seqs[-1]}"
    )
    return find(ledger, identity)


def close(
    ledger: Ledger,
    key: SigningKey,
    rule: IncidentRule,
    identity: str,
    disposition: str,
    note: str,
    *,
    role: str | None = None,
    root: PublicKey | None = None,
) -> Incident:
    """Sign what an incident turned out to be.

    Args:
        ledger: to write to.
        key: of the signer.
        rule: of the model's effective policy: who may close.
        identity: of the incident.
        disposition: `true` (a real fault), `false` (a false alarm) or `expected`.
        note: why, in a sentence.
        role: in which the signer acts, when they hold several that may.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident, it is closed with another disposition, or the disposition is unknown.
        NotAllowed: the key is nobody's, or its owner may not close this one.
        ValueError: no note.
    """
    if disposition not in DISPOSITIONS:
        raise IncidentError(f"found disposition {disposition!r}, expected one of {', '.join(DISPOSITIONS)}")
    if not note.strip():
        raise ValueError(f"closing {identity} needs a note: what was it?")
    incident = find(ledger, identity)
    if not incident.is_open:
        return _as_before(incident, disposition)
    opened = ledger.get(incident.seqs[0])
    assert opened is not None
    body = sign_act(
        ledger,
        key,
        CLOSE,
        incident.model,
        {"incident": opened.digest},
        {"id": identity, "disposition": disposition, "note": note.strip()},
        roles=rule.close_roles,
        role=role,
        barred=() if rule.authors_may_close else authors_of_model(ledger, incident.model),
        root=root,
    )
    # The key names the state it closes: of two people at the same moment one closes it, and the other is told.
    ledger.append(
        CLOSED, body, model=incident.model, subject=identity, key=f"incident-closed/{identity}/{incident.seqs[-1]}"
    )
    return _as_before(find(ledger, identity), disposition)


def incidents(
    ledger: Ledger, *, model: str | None = None, known_at: datetime | None = None, root: PublicKey | None = None
) -> list[Incident]:
    """Every incident as it stands (or stood), in order of opening, in two look-ups; every signature is checked."""
    people = load_people(ledger, root, known_at)
    found: dict[tuple[str, str], list[Record]] = {}
    for record in ledger.records(kind=(OPENED, ACKNOWLEDGED, CLOSED), model=model, known_at=known_at):
        found.setdefault((record.model, record.subject), []).append(record)
    return [_incident(records, people) for records in found.values() if records[0].kind == OPENED]


def find(ledger: Ledger, identity: str) -> Incident:
    """The incident with this id.

    Raises:
        IncidentError: there is none.
    """
    records = ledger.records(kind=(OPENED, ACKNOWLEDGED, CLOSED), subject=identity)
    if not records or records[0].kind != OPENED:
        raise IncidentError(f"{identity}: no such incident; `mlops incident list` shows them")
    return _incident(records, load_people(ledger))


def _as_before(incident: Incident, disposition: str) -> Incident:
    if incident.disposition != disposition:
        raise IncidentError(f"incident {incident.id} is already closed as {incident.disposition!r}; that stands")
    return incident


def _incident(records: Sequence[Record], people: People) -> Incident:
    opened = records[0]
    body: Mapping[str, Any] = opened.body
    acknowledged = next((s for r in records if (s := _signed(people, opened, r, ACKNOWLEDGED, ACKNOWLEDGE))), None)
    closing = next(((r, s) for r in records if (s := _signed(people, opened, r, CLOSED, CLOSE))), None)
    said = closing[1].predicate if closing else {}
    return Incident(
        id=opened.subject,
        model=opened.model,
        kind=body.get("kind", ""),
        severity=body.get("severity", ""),
        state="closed" if closing else "acknowledged" if acknowledged else "open",
        window=body.get("window", ""),
        summary=body.get("summary", ""),
        columns=tuple(body.get("columns", ())),
        cause=body.get("cause", ""),
        opened_at=opened.happened_at,
        acknowledged_by=acknowledged.person if acknowledged else "",
        disposition=said.get("disposition"),
        note=said.get("note", ""),
        closed_at=closing[0].happened_at if closing else None,
        seqs=tuple(r.seq for r in records),
        rule=body.get("rule", ""),
        closed_by=closing[1].person if closing else "",
    )


def _signed(people: People, opened: Record, record: Record, kind: str, purpose: str) -> Signed | None:
    """What was signed about the incident, if `record` is of this kind and its signature counts."""
    if record.kind != kind:
        return None
    try:
        signed = read_act(people, record, purpose)
    except (NotAllowed, SignatureRefused):
        return None
    said = signed.predicate
    about = signed.statement.subjects.get("incident") == opened.digest and said.get("id") == opened.subject
    counts = about and (kind != CLOSED or said.get("disposition") in DISPOSITIONS)
    return signed if counts else None
