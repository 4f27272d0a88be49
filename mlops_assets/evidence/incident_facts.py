"""What the records say about one incident: models, windows, decisions, times, and everything that happened about it.

Belongs here: the facts, for a command, a page and the report alike. Not here: the report's text (`incident_report.py`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_assets.evidence.pages.event_text import event_text
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events import champion, response, windows
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.response import Incident
from mlops_assets.response.incident_life import IncidentLife, concerned_models, incident_life, shown_in
from mlops_assets.response.incidents import find, merged_from

ABOUT = (
    response.IncidentOpened,
    response.IncidentReopened,
    response.IncidentWidened,
    response.IncidentTakenUp,
    response.IncidentMerged,
    response.IncidentTicketed,
    response.IncidentAcknowledged,
    response.IncidentMitigated,
    response.IncidentReported,
    response.IncidentClosed,
)
"""Events whose subject is an incident."""
AROUND = (
    champion.Promotion,
    champion.Rollback,
    champion.Suspension,
    champion.Resumption,
    champion.Retirement,
    response.RetrainingRequested,
    response.RetrainingClosed,
)
"""Events of a concerned model that belong to what was done while an incident was open."""


@dataclass(frozen=True)
class Concerned:
    """A model that an incident concerns.

    Attributes:
        model: name.
        windows: that show the incident, with their severity.
        predictions: rows that were scored in those windows.
        quarantined: rows of those windows that were refused before they were scored.
        versions: that decided in them.
        columns: concerned.
    """

    model: str
    windows: dict[str, str]
    predictions: int
    quarantined: int
    versions: tuple[str, ...]
    columns: tuple[str, ...]


@dataclass(frozen=True)
class IncidentFacts:
    """An incident with what the records say about it.

    Attributes:
        incident: as it stands.
        life: over the windows.
        concerned: the models; none where it is about the fleet as a whole.
        merged: ids of incidents that go on in this one.
        events: time and text of what happened about it, in order of record.
    """

    incident: Incident
    life: IncidentLife
    concerned: tuple[Concerned, ...]
    merged: tuple[str, ...]
    events: tuple[tuple[datetime, str], ...]

    @property
    def predictions(self) -> int:
        """Rows that were scored in the windows that show it."""
        return sum(one.predictions for one in self.concerned)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        found, life = self.incident, self.life
        return {
            "id": found.id,
            "model": found.model or None,
            "models": sorted(concerned_models(found)),
            "kind": found.kind,
            "severity": found.severity,
            "worst": life.worst,
            "state": found.state,
            "summary": found.summary,
            "columns": list(found.columns),
            "cause": found.cause,
            "first_window": life.windows[0] if life.windows else found.first.window or None,
            "last_window": life.windows[-1] if life.windows else found.window or None,
            "windows": len(life.windows),
            "since": life.text or None,
            "predictions": self.predictions,
            "superseded_by": {name: str(version) for name, version in life.superseded.items()},
            "former": found.former or None,
            "opened_again": len(found.earlier),
            "merged_into": found.merged_into or None,
            "merged_from": list(self.merged),
            "tickets": list(found.tickets),
            "opened_at": iso(found.opened_at),
            "recorded_at": iso(found.recorded_at),
            "acknowledged_by": found.acknowledged_by or None,
            "acknowledged_at": iso(found.acknowledged_at) if found.acknowledged_at else None,
            "mitigated_by": found.mitigated_by or None,
            "mitigated_at": iso(found.mitigated_at) if found.mitigated_at else None,
            "mitigation": found.mitigation or None,
            "disposition": found.disposition,
            "closed_by": found.closed_by or None,
            "closed_at": iso(found.closed_at) if found.closed_at else None,
            "note": found.note or None,
            "reports": [{"digest": r.digest, "person": r.person, "at": iso(r.at)} for r in found.reports],
            "events": [{"at": iso(when), "what": what} for when, what in self.events],
        }


def incident_facts(ledger: Ledger, identity: str) -> IncidentFacts:
    """What the records say about the incident with this id.

    Args:
        ledger: to read.
        identity: of the incident.

    Raises:
        IncidentError: there is none.
    """
    state = ledger.state()
    incident = find(state, identity)
    concerned = []
    for name, part in sorted(concerned_models(incident).items()):
        model = state.model(name)
        shown = shown_in(incident.kind, part, model)
        scored = [model.scored[window] for window in shown if window in model.scored]
        concerned.append(
            Concerned(
                name,
                {window: verdict.severity for window, verdict in shown.items()},
                sum(one.rows for one in scored),
                sum(one.quarantined for one in scored),
                tuple(sorted({verdict.version for verdict in shown.values()})),
                part.columns,
            )
        )
    merged = tuple(one.id for one in merged_from(state, incident))
    records = _events(ledger, incident, merged, concerned)
    objections = state.objections(records)
    events = tuple((r.recorded_at, _about(r, event_text(r, objections=objections))) for r in records)
    return IncidentFacts(incident, incident_life(incident, state.model), tuple(concerned), merged, events)


def _about(record: Record, text: str) -> str:
    """The event with its model, where its text does not name the incident, which has one."""
    return text if isinstance(record.event, ABOUT) or not record.model else f"{record.model}: {text}"


def _events(ledger: Ledger, incident: Incident, merged: Sequence[str], concerned: Sequence[Concerned]) -> list[Record]:
    own = {incident.id, *merged}
    about = [r for r in ledger.records(kind=[event.KIND for event in ABOUT]) if r.subject in own]
    last = incident.closed_at
    around = [
        record
        for one in concerned
        for record in ledger.records(kind=[event.KIND for event in (*AROUND, windows.HealthVerdict)], model=one.model)
        if _belongs(record, one, incident.first.recorded_at, last)
    ]
    return sorted([*about, *around], key=lambda record: record.seq)


def _belongs(record: Record, one: Concerned, since: datetime, until: datetime | None) -> bool:
    if isinstance(record.event, windows.HealthVerdict):
        return record.subject in one.windows
    return record.recorded_at >= since and (until is None or record.recorded_at <= until)
