"""Incidents and retraining requests, and how far each has come."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.ledger.events.response import RetrainingClosed, RetrainingRequested
from mlops_assets.ledger.records import Record

IncidentState = Literal["open", "acknowledged", "closed"]
Disposition = Literal["true", "false", "expected"]


@dataclass(frozen=True)
class Incident:
    """An incident: opened by the system, acknowledged and closed by signatures.

    Attributes:
        id: short name.
        model: concerned, or empty for the fleet.
        kind: kind of change, or event such as `registry_changed`.
        severity: when it was opened.
        state: `open`, `acknowledged` or `closed`.
        window: start of the window that opened it, or what names the occasion.
        summary: in a sentence.
        columns: concerned.
        cause: incidents of one cause are one while open.
        opened_at: when it happened.
        recorded_at: when it was recorded.
        digest: of the record that opened it.
        seqs: numbers of the records that count.
        rule: what raised it.
        acknowledged_by: who, or empty.
        acknowledged_at: when, or None.
        disposition: `true` (a real fault), `false` (a false alarm), `expected`; None while open.
        note: of the closure.
        closed_by: who, or empty.
        closed_at: when, or None.
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
    acknowledged_by: str = ""
    acknowledged_at: datetime | None = None
    disposition: Disposition | None = None
    note: str = ""
    closed_by: str = ""
    closed_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it is not closed."""
        return self.state != "closed"


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
