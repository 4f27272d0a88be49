"""Events of the response to what monitoring finds: incidents and retraining requests."""

from datetime import date
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict

from mlops_assets.ledger.events.base import Digest, Event, SignedEvent

Disposition = Literal["true", "false", "expected", "data_fault"]
"""What an incident turned out to be: a real fault of the model or its use (`true`), a false alarm (`false`), a wanted change
(`expected`), or a real fault of the data that it was given (`data_fault`)."""


class ConcernedModel(BaseModel):
    """A model that an incident of the fleet concerns.

    Attributes:
        model: name.
        window: start of its window that showed the cause first; empty where it is about no window.
        columns: concerned.
        cause: what an incident of this model alone would have been about.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str
    window: str = ""
    columns: tuple[str, ...] = ()
    cause: str = ""


class IncidentOpened(Event):
    """An incident was opened by the system. The record's subject is the incident's id.

    Attributes:
        kind: what it is about: a kind of change, or an event such as `registry_changed`.
        severity: `watch`, `act` or `critical`.
        window: start of the window that opened it, or whatever names the occasion.
        summary: in a sentence.
        columns: concerned.
        cause: incidents of one cause are one while open.
        rule: what raised it.
        models: that share the cause, where it is an incident of the fleet.
        former: id of the incident of the same cause that was closed too long ago to be opened again; else empty.
    """

    KIND: ClassVar[str] = "incident_opened"

    kind: str
    severity: str
    window: str
    summary: str
    columns: tuple[str, ...] = ()
    cause: str
    rule: str = ""
    models: tuple[ConcernedModel, ...] = ()
    former: str = ""


class IncidentReopened(Event):
    """The cause of a closed incident showed again, soon enough to be the same incident. The record's subject is its id.

    Attributes:
        kind: of the incident.
        severity: `watch`, `act` or `critical`.
        window: start of the window that shows it again, or whatever names the occasion.
        summary: in a sentence.
        rule: what raised it.
    """

    KIND: ClassVar[str] = "incident_reopened"

    kind: str
    severity: str
    window: str
    summary: str
    rule: str = ""


class IncidentWidened(Event):
    """Another model shows the cause of an incident of the fleet. The record's subject is the incident's id.

    Attributes:
        kind: of the incident.
        severity: of the model's window.
        concerned: the model.
        summary: what the model shows, in a sentence.
    """

    KIND: ClassVar[str] = "incident_widened"

    kind: str
    severity: str
    concerned: ConcernedModel
    summary: str


class IncidentTakenUp(Event):
    """The system found that another incident has the same cause: this one goes on there. The record's subject is its id.

    Attributes:
        into: id of the other incident.
        into_model: model of the other incident; empty for the fleet.
        reason: why they are one, in a sentence.
    """

    KIND: ClassVar[str] = "incident_taken_up"

    into: str
    into_model: str = ""
    reason: str


class IncidentMerged(SignedEvent):
    """Somebody found that another incident has the same cause: this one goes on there. The record's subject is its id.

    Attributes:
        id: of the incident.
        into: id of the other incident.
        into_model: model of the other incident; empty for the fleet.
        note: why they are one.
    """

    KIND: ClassVar[str] = "incident_merged"
    PURPOSE: ClassVar[str] = "incident-merge/v1"

    id: str
    into: str
    into_model: str = ""
    note: str


class IncidentTicketed(Event):
    """An issue tracker has a ticket about an incident. The record's subject is the incident's id. No authority rests on it.

    Attributes:
        reference: of the ticket, such as `JIRA-123`.
        channel: of `config/notification.yaml` that opened the ticket; empty where a person gave the reference.
    """

    KIND: ClassVar[str] = "incident_ticketed"

    reference: str
    channel: str = ""


class IncidentAcknowledged(SignedEvent):
    """Somebody looks at an incident. The record's subject is the incident's id.

    Attributes:
        id: of the incident.
        note: a sentence, or empty.
    """

    KIND: ClassVar[str] = "incident_acknowledged"
    PURPOSE: ClassVar[str] = "incident-acknowledgement/v1"

    id: str
    note: str = ""


class IncidentMitigated(SignedEvent):
    """The harm of an incident was stopped or limited; its cause may remain. The record's subject is the incident's id.

    Attributes:
        id: of the incident.
        note: what was done.
    """

    KIND: ClassVar[str] = "incident_mitigated"
    PURPOSE: ClassVar[str] = "incident-mitigation/v1"

    id: str
    note: str


class IncidentReported(SignedEvent):
    """Somebody signed the report on an incident. The record's subject is the incident's id.

    Attributes:
        id: of the incident.
        report: SHA-256 of the file.
        note: a sentence, or empty.
    """

    KIND: ClassVar[str] = "incident_reported"
    PURPOSE: ClassVar[str] = "incident-report/v1"

    id: str
    report: Digest
    note: str = ""


class IncidentClosed(SignedEvent):
    """An incident was closed. The record's subject is the incident's id. Policy says who may sign.

    Attributes:
        id: of the incident.
        disposition: what it turned out to be.
        note: why.
    """

    KIND: ClassVar[str] = "incident_closed"
    PURPOSE: ClassVar[str] = "incident-closure/v1"

    id: str
    disposition: Disposition
    note: str


class RetrainingRequested(Event):
    """A retraining was requested, by policy or by a person's signature. The record's subject is the request's id.

    Attributes:
        cause: why, in a sentence.
        window: start of the window whose verdict led to it.
        kind: of the verdict; `manual` for a person's request.
        until: the training rows are from before this day.
        automatic: whether policy made it, without a signature.
        envelope: the signed request, over cause, window, kind and until; None where policy made it.
        person: who signed, or empty.
        policy_digest: of the policy in force.
    """

    KIND: ClassVar[str] = "retraining_request"
    PURPOSE: ClassVar[str] = "retraining_request/v1"

    cause: str
    window: date
    kind: str
    until: date
    automatic: bool
    envelope: dict[str, Any] | None = None
    person: str = ""
    policy_digest: Digest

    def signed_fields(self) -> dict[str, Any]:
        """The fields that the signed statement must repeat, as JSON content."""
        body = self.body()
        return {name: body[name] for name in ("cause", "window", "kind", "until", "person")}


class RetrainingClosed(Event):
    """A retraining request came to an end. The record's subject is the request's id.

    Attributes:
        version: that came of it, or None.
        outcome: `challenger`, `promoted`, `refused`, `failed` or `withdrawn`.
        note: why, or empty.
    """

    KIND: ClassVar[str] = "retraining_closed"

    version: str | None
    outcome: Literal["challenger", "promoted", "refused", "failed", "withdrawn"]
    note: str = ""
