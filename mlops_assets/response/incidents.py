"""Incidents: what somebody must look at, opened once for one cause, acknowledged, and closed with a disposition.

An incident is its records in the ledger: `incident_opened`, `incident_acknowledged`, `incident_closed`. While one is
open, the same cause opens no other; once it is closed, a later window with the same cause does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from mlops_assets.governance.canonical import digest
from mlops_assets.governance.ledger import Ledger, Record

OPENED, ACKNOWLEDGED, CLOSED = "incident_opened", "incident_acknowledged", "incident_closed"
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
    return _incident([record])


def acknowledge(ledger: Ledger, identity: str, person: str, note: str = "") -> Incident:
    """Say that somebody looks at it; the first who does stays.

    Raises:
        IncidentError: there is no such incident, or it is closed.
    """
    incident = find(ledger, identity)
    if not incident.is_open:
        raise IncidentError(f"incident {identity} is closed ({incident.disposition}), so it cannot be acknowledged")
    body = {"person": person, "note": note}
    ledger.append(ACKNOWLEDGED, body, model=incident.model, subject=identity, key=f"incident-ack/{identity}")
    return find(ledger, identity)


def close(ledger: Ledger, identity: str, disposition: str, person: str, note: str = "") -> Incident:
    """Close an incident with what it turned out to be.

    Raises:
        IncidentError: there is no such incident, it is closed with another disposition, or the disposition is unknown.
    """
    if disposition not in DISPOSITIONS:
        raise IncidentError(f"found disposition {disposition!r}, expected one of {', '.join(DISPOSITIONS)}")
    incident = find(ledger, identity)
    if not incident.is_open and incident.disposition != disposition:
        raise IncidentError(f"incident {identity} is already closed as {incident.disposition!r}; that stands")
    body = {"disposition": disposition, "person": person, "note": note}
    ledger.append(CLOSED, body, model=incident.model, subject=identity, key=f"incident-closed/{identity}")
    return find(ledger, identity)


def incidents(ledger: Ledger, *, model: str | None = None, known_at: datetime | None = None) -> list[Incident]:
    """Every incident as it stands (or stood), in order of opening, in one look-up."""
    found: dict[tuple[str, str], list[Record]] = {}
    for record in ledger.records(kind=(OPENED, ACKNOWLEDGED, CLOSED), model=model, known_at=known_at):
        found.setdefault((record.model, record.subject), []).append(record)
    return [_incident(records) for records in found.values() if records[0].kind == OPENED]


def find(ledger: Ledger, identity: str) -> Incident:
    """The incident with this id.

    Raises:
        IncidentError: there is none.
    """
    records = ledger.records(kind=(OPENED, ACKNOWLEDGED, CLOSED), subject=identity)
    if not records or records[0].kind != OPENED:
        raise IncidentError(f"{identity}: no such incident; `mlops incident list` shows them")
    return _incident(records)


def precision(found: Sequence[Incident]) -> list[dict[str, Any]]:
    """How often closed incidents were true, per model and rule; expected ones count neither way.

    Returns:
        Rows of `model`, `rule`, `true`, `false`, `expected`, `open` and `precision` (None without a true or false one).
    """
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for incident in found:
        key = (incident.model, incident.rule or incident.kind)
        row = rows.setdefault(key, {"model": key[0], "rule": key[1], "true": 0, "false": 0, "expected": 0, "open": 0})
        row[incident.disposition or "open"] += 1
    for row in rows.values():
        judged = row["true"] + row["false"]
        row["precision"] = row["true"] / judged if judged else None
    return [rows[key] for key in sorted(rows)]


def _incident(records: Sequence[Record]) -> Incident:
    opened = records[0]
    body: Mapping[str, Any] = opened.body
    acknowledged = next((r for r in records if r.kind == ACKNOWLEDGED), None)
    closed = next((r for r in records if r.kind == CLOSED), None)
    return Incident(
        id=opened.subject,
        model=opened.model,
        kind=body["kind"],
        severity=body["severity"],
        state="closed" if closed else "acknowledged" if acknowledged else "open",
        window=body["window"],
        summary=body["summary"],
        columns=tuple(body["columns"]),
        cause=body["cause"],
        opened_at=opened.happened_at,
        acknowledged_by=acknowledged.body["person"] if acknowledged else "",
        disposition=closed.body["disposition"] if closed else None,
        note=closed.body["note"] if closed else "",
        closed_at=closed.happened_at if closed else None,
        seqs=tuple(r.seq for r in records),
        rule=body.get("rule", ""),
    )
