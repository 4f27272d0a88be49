"""Incidents and retraining requests, and how far each has come."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from mlops_assets.ledger.events.response import ConcernedModel, Disposition, RetrainingClosed, RetrainingRequested
from mlops_assets.ledger.records import Record

IncidentState = Literal["open", "acknowledged", "mitigated", "closed", "merged"]


@dataclass(frozen=True)
class SignedReport:
    """A report on an incident that somebody signed.

    Attributes:
        digest: SHA-256 of the file.
        person: who signed.
        at: when.
        note: of the signature.
    """

    digest: str
    person: str
    at: datetime
    note: str = ""


@dataclass(frozen=True)
class Incident:
    """An incident: opened by the system; acknowledged, mitigated, merged and closed by signatures.

    An incident whose cause showed again is opened again: severity, window, summary and times are then those of the last opening,
    and `earlier` holds the incident as it stood at each closure before.

    Attributes:
        id: short name.
        model: concerned, or empty for the fleet.
        kind: kind of change, or event such as `registry_changed`.
        severity: when it was opened.
        state: `open`, `acknowledged`, `mitigated`, `closed`, or `merged` into another one.
        window: start of the window that opened it, or what names the occasion.
        summary: in a sentence.
        columns: concerned.
        cause: incidents of one cause are one while open.
        opened_at: when it happened.
        recorded_at: when it was recorded.
        digest: of the record that opened it, or opened it again.
        seqs: numbers of the records that count.
        rule: what raised it.
        models: by name, the models that an incident of the fleet concerns.
        former: id of an earlier incident of the same cause, or empty.
        earlier: the incident at each closure after which it was opened again, oldest first.
        tickets: references in issue trackers.
        acknowledged_by: who, or empty.
        acknowledged_at: when, or None.
        mitigated_by: who, or empty.
        mitigated_at: when, or None.
        mitigation: what was done, or empty.
        merged_into: id of the incident in which it goes on, or empty.
        merged_model: model of that incident; empty for the fleet.
        merged_by: who merged it; empty where the system did.
        reports: that were signed.
        disposition: what it turned out to be; None while open.
        note: of the closure, or of the merge.
        closed_by: who, or empty.
        closed_at: when it was closed or merged, or None.
    """

    id: str
    model: str
    kind: str
    severity: str
    state: IncidentState
    window: str
    summary: str
    columns: tuple[str, ...]
    cause: str
    opened_at: datetime
    recorded_at: datetime
    digest: str
    seqs: tuple[int, ...]
    rule: str = ""
    models: Mapping[str, ConcernedModel] = field(default_factory=dict)
    former: str = ""
    earlier: tuple["Incident", ...] = ()
    tickets: tuple[str, ...] = ()
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    mitigated_by: str = ""
    mitigated_at: datetime | None = None
    mitigation: str = ""
    merged_into: str = ""
    merged_model: str = ""
    merged_by: str = ""
    reports: tuple[SignedReport, ...] = ()
    disposition: Disposition | None = None
    note: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it still asks for somebody."""
        return self.state not in ("closed", "merged")

    @property
    def spells(self) -> tuple["Incident", ...]:
        """The incident as it stood at each closure, and as it stands; oldest first."""
        return (*self.earlier, self)

    @property
    def first(self) -> "Incident":
        """The incident of the first opening."""
        return self.spells[0]


@dataclass(frozen=True)
class Request:
    """A retraining request and what came of it.

    Attributes:
        record: the request.
        closed: its end, or None while it is open.
    """

    record: Record[RetrainingRequested]
    closed: Record[RetrainingClosed] | None = None

    @property
    def id(self) -> str:
        """Id of the request."""
        return self.record.subject

    @property
    def is_open(self) -> bool:
        """Whether it has not come to an end."""
        return self.closed is None
