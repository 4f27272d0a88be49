"""Every kind of event, and how a stored body becomes one. A new kind is one class and one line here."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlops_assets.ledger.events import (
    champion,
    clock,
    discovery,
    judgements,
    people,
    privacy,
    response,
    tiers,
    versions,
    windows,
)
from mlops_assets.ledger.events.base import Event, UnknownEvent

EVENTS: tuple[type[Event], ...] = (
    clock.SimulatedClock,
    people.PersonEnrolled,
    people.KeyRevoked,
    versions.SnapshotTaken,
    versions.VersionRegistered,
    versions.EvidenceStored,
    versions.CardIssued,
    judgements.GateDecided,
    judgements.Approval,
    judgements.ExceptionGranted,
    judgements.ExceptionWithdrawn,
    judgements.FindingRecorded,
    judgements.FindingResponded,
    judgements.FindingExtended,
    judgements.FindingClosed,
    judgements.ValidationRecorded,
    judgements.ClauseConcluded,
    judgements.PolicyAdopted,
    tiers.TierAssessed,
    champion.Promotion,
    champion.Rollback,
    champion.Suspension,
    champion.Resumption,
    champion.Retirement,
    windows.WindowDue,
    windows.WindowScored,
    windows.HealthVerdict,
    windows.EstimateChecked,
    windows.LadderTested,
    champion.StepSigned,
    champion.SegmentPaused,
    champion.SegmentResumed,
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
    response.RetrainingRequested,
    response.RetrainingClosed,
    discovery.SourceSearched,
    discovery.ModelDiscovered,
    discovery.ModelGone,
    discovery.DiscoveryIgnored,
    discovery.DiscoveryAssigned,
    privacy.RowsErased,
    privacy.RowsExpired,
)
BY_KIND: dict[str, type[Event]] = {event.KIND: event for event in EVENTS}


def read_event(kind: str, body: Mapping[str, Any]) -> Event:
    """The event in a record's body; an `UnknownEvent`, with the reason, where this release cannot read it.

    Args:
        kind: of the record.
        body: stored content.
    """
    event = BY_KIND.get(kind)
    if event is None:
        return _unknown(kind, body, f"found a record of kind {kind!r}, which this release does not know", newer=True)
    version = body.get("schema_version")
    if isinstance(version, int) and version > event.SCHEMA:
        reason = (
            f"found {kind} of schema version {version}; this release reads up to {event.SCHEMA}: upgrade to read it"
        )
        return _unknown(kind, body, reason, newer=True)
    try:
        return event.read(body)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the body"
        return _unknown(kind, body, f"{kind}: {place}: {first['msg']}", newer=False)


def _unknown(kind: str, body: Mapping[str, Any], reason: str, *, newer: bool) -> UnknownEvent:
    return UnknownEvent(unknown_kind=kind, content=dict(body), reason=reason, newer=newer)
