"""Events of the response to what monitoring finds: incidents and retraining requests."""

from datetime import date
from typing import Any, ClassVar, Literal

from mlops_assets.ledger.events.base import Digest, Event, SignedEvent


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
    """

    KIND: ClassVar[str] = "incident_opened"

    kind: str
    severity: str
    window: str
    summary: str
    columns: tuple[str, ...] = ()
    cause: str
    rule: str = ""


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


class IncidentClosed(SignedEvent):
    """An incident was closed. The record's subject is the incident's id. Policy says who may sign.

    Attributes:
        id: of the incident.
        disposition: `true` (a real fault), `false` (a false alarm) or `expected`.
        note: why.
    """

    KIND: ClassVar[str] = "incident_closed"
    PURPOSE: ClassVar[str] = "incident-closure/v1"

    id: str
    disposition: Literal["true", "false", "expected"]
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
