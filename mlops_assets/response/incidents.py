"""Incidents: what somebody must look at, opened once for one cause, acknowledged, and closed with a disposition.

An incident is its records in the ledger: `incident_opened`, `incident_acknowledged`, `incident_closed`. While one is
open, the same cause opens no other; once it is closed, a later window with the same cause does. The system opens;
acknowledging and closing are signed by people, and a record of either without a signature that counts changes nothing.
Who may close is the policy's that was in force at the closure's place in the ledger, when it is signed and when it is read.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from mlops_assets.governance.adoption import KIND as ADOPTED
from mlops_assets.governance.adoption import counted
from mlops_assets.governance.approval_subject import authors_of
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import NotAllowed, People, Signed
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act, sign_act
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy

OPENED, ACKNOWLEDGED, CLOSED = "incident_opened", "incident_acknowledged", "incident_closed"
ACKNOWLEDGE, CLOSE = "incident-acknowledgement/v1", "incident-closure/v1"
"""Purposes of the statements that people sign."""
KINDS = (OPENED, ACKNOWLEDGED, CLOSED)
REGISTERED = "version_registered"
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


@dataclass(frozen=True)
class _Context:
    """What says whose closure of a model's incidents counts.

    Attributes:
        people: everybody enrolled.
        adoptions: the model's policies that came into force, in order.
        registrations: its versions, in order.
    """

    people: People = field(default_factory=People)
    adoptions: Sequence[Record] = ()
    registrations: Sequence[Record] = ()

    def rule(self, before: float) -> IncidentRule | None:
        """The rule in force before that record; None where no policy had come into force."""
        found = next((r for r in reversed(self.adoptions) if r.seq < before), None)
        if found is None:
            return None
        try:
            return recorded_policy(found.body).incidents
        except UnreadablePolicy:
            return IncidentRule()

    def authors(self, before: float) -> frozenset[str]:
        """Who had built a version of the model before that record, in lower case."""
        return frozenset(name for r in self.registrations if r.seq < before for name in authors_of(r))


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
        kind: of the change or event, such as `data_quality`.
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
    return _incident([record], _Context())


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
        rule: of the model's effective policy: who may close. Once a policy has come into force, its rule is held to.
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
    context = _context(ledger, incident.model, root=root)
    rule = context.rule(math.inf) or rule
    body = sign_act(
        ledger,
        key,
        CLOSE,
        incident.model,
        {"incident": opened.digest},
        {"id": identity, "disposition": disposition, "note": note.strip()},
        roles=rule.close_roles,
        role=role,
        barred=() if rule.authors_may_close else context.authors(math.inf),
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
    kinds = (*KINDS, ADOPTED, REGISTERED)
    return fold_incidents(ledger.records(kind=kinds, model=model, known_at=known_at), ledger.people(root, known_at))


def fold_incidents(records: Iterable[Record], people: People) -> list[Incident]:
    """`incidents` over records already at hand, in order of their numbers; those of other kinds are passed over.

    Policies adopted and versions registered must be among them: they say whose closure counts.
    """
    found: dict[tuple[str, str], list[Record]] = {}
    others: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        if record.kind in KINDS:
            found.setdefault((record.model, record.subject), []).append(record)
        elif record.kind in (ADOPTED, REGISTERED):
            others.setdefault((record.model, record.kind), []).append(record)
    contexts = {
        model: _Context(people, counted(others.get((model, ADOPTED), ()), people), others.get((model, REGISTERED), ()))
        for model in {model for model, _ in found}
    }
    return [_incident(group, contexts[model]) for (model, _), group in found.items() if group[0].kind == OPENED]


def ignored_acts(ledger: Ledger, root: PublicKey | None = None) -> list[Problem]:
    """Acknowledgements and closures on record that change nothing, and why: written past the functions above."""
    people, problems = ledger.people(root), list[Problem]()
    records = ledger.records(kind=(*KINDS, ADOPTED, REGISTERED))
    contexts: dict[str, _Context] = {}
    opened: dict[tuple[str, str], Record] = {}
    closed: dict[tuple[str, str], int] = {}
    for record in (r for r in records if r.kind in KINDS):
        about = (record.model, record.subject)
        if record.kind == OPENED:
            opened.setdefault(about, record)
            continue
        if record.model not in contexts:
            mine = [r for r in records if r.model == record.model]
            adoptions = counted([r for r in mine if r.kind == ADOPTED], people)
            contexts[record.model] = _Context(people, adoptions, [r for r in mine if r.kind == REGISTERED])
        try:
            if about not in opened:
                raise NotAllowed("no such incident had been opened")
            if about in closed:
                raise NotAllowed(f"record {closed[about]} had closed it before")
            _read(contexts[record.model], opened[about], record, CLOSE if record.kind == CLOSED else ACKNOWLEDGE)
        except (NotAllowed, SignatureRefused) as error:
            what = f"record {record.seq} ({record.kind} {record.model} {record.subject})"
            problems.append(Problem("ignored", f"{what} counts for nothing: {error}", record.seq))
            continue
        if record.kind == CLOSED:
            closed[about] = record.seq
    return problems


def find(ledger: Ledger, identity: str) -> Incident:
    """The incident with this id.

    Raises:
        IncidentError: there is none.
    """
    records = ledger.records(kind=KINDS, subject=identity)
    if not records or records[0].kind != OPENED:
        raise IncidentError(f"{identity}: no such incident; `mlops incident list` shows them")
    return _incident(records, _context(ledger, records[0].model))


def _context(ledger: Ledger, model: str, *, root: PublicKey | None = None) -> _Context:
    people = ledger.people(root)
    adoptions = counted(ledger.records(kind=ADOPTED, model=model), people)
    return _Context(people, adoptions, ledger.records(kind=REGISTERED, model=model))


def _as_before(incident: Incident, disposition: str) -> Incident:
    if incident.disposition != disposition:
        raise IncidentError(f"incident {incident.id} is already closed as {incident.disposition!r}; that stands")
    return incident


def _incident(records: Sequence[Record], context: _Context) -> Incident:
    opened = records[0]
    body: Mapping[str, Any] = opened.body
    acknowledged = next((s for r in records if (s := _signed(context, opened, r, ACKNOWLEDGED, ACKNOWLEDGE))), None)
    closing = next(((r, s) for r in records if (s := _signed(context, opened, r, CLOSED, CLOSE))), None)
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


def _signed(context: _Context, opened: Record, record: Record, kind: str, purpose: str) -> Signed | None:
    """What was signed about the incident, if `record` is of this kind and its signature counts."""
    if record.kind != kind:
        return None
    try:
        return _read(context, opened, record, purpose)
    except (NotAllowed, SignatureRefused):
        return None


def _read(context: _Context, opened: Record, record: Record, purpose: str) -> Signed:
    """What was signed about the incident; raises NotAllowed or SignatureRefused with why it does not count."""
    rule = context.rule(record.seq) if record.kind == CLOSED else None
    barred = () if rule is None or rule.authors_may_close else context.authors(record.seq)
    signed = read_act(
        context.people, record, purpose, roles=rule.close_roles if rule is not None else None, barred=barred
    )
    said = signed.predicate
    if signed.statement.subjects.get("incident") != opened.digest or said.get("id") != opened.subject:
        raise NotAllowed(f"signed about incident {said.get('id')}")
    if record.kind == CLOSED and said.get("disposition") not in DISPOSITIONS:
        raise NotAllowed(f"found disposition {said.get('disposition')!r}, expected one of {', '.join(DISPOSITIONS)}")
    return signed
