"""One sentence for each ledger record: what happened and why.

Belongs here: the English text of an event of each kind. Not here: which records count (`ledger.state`), and any HTML.
"""

from collections.abc import Callable, Collection, Mapping
from typing import Any

from mlops_assets.evidence.reading import day, label, number, short
from mlops_assets.ledger.events import (
    champion,
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
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.versions import DATA_SUBJECT

QUIET = (
    versions.SnapshotTaken,
    versions.CardIssued,
    versions.EvidenceStored,
    people.PersonEnrolled,
    judgements.PolicyAdopted,
    windows.EstimateChecked,
    windows.WindowScored,
    windows.WindowDue,
    discovery.SourceSearched,
)
"""Events that have a table of their own; the event log leaves them out."""


TESTED = {"passed": "passed what could be tested", "failed": "failed", "not_measurable": "could not be tested"}


def event_text(
    record: Record, required: Collection[str] | None = None, objections: Mapping[int, str] | None = None
) -> str:
    """The record in one sentence, and why it does not count, where it does not.

    Args:
        record: of any kind; one that this release cannot read gives its kind and subject.
        required: gates that the policy requires; a decision of another gate is then marked as not required.
        objections: why records count for nothing, by number.
    """
    objection = (objections or {}).get(record.seq)
    written = _sentence(record, required)
    return f"Does not count: {objection.rstrip('.')}. {written}" if objection else written


def is_logged(record: Record) -> bool:
    """Whether the record belongs in the event log that people read."""
    event = record.event
    if isinstance(event, judgements.GateDecided):
        return event.outcome != "passed"
    if isinstance(event, windows.HealthVerdict):
        return event.severity in ("watch", "act", "critical")
    return not isinstance(event, QUIET)


def _sentence(record: Record, required: Collection[str] | None) -> str:
    event = record.event
    if isinstance(event, judgements.GateDecided):
        return _gate(event, record.subject, required)
    write = EVENT_TEXTS.get(type(event))
    if write is None or isinstance(event, UnknownEvent):
        return f"{label(record.kind)} {record.subject}".strip() + "."
    return write(event, record.subject)


def _because(why: str | None) -> str:
    return f": {why.rstrip('.')}" if why else ""


def _gate(event: judgements.GateDecided, subject: str, required: Collection[str] | None = None) -> str:
    verbs = {
        "passed": "passed",
        "failed": "refused",
        "not_measurable": "could not measure",
        "not_applicable": "does not apply to",
    }
    optional = bool(required) and event.gate not in (required or ())
    verb = "failed for" if optional and event.outcome == "failed" else verbs[event.outcome]
    about = f"version {subject}"
    if subject.startswith(DATA_SUBJECT):
        about = f"the data {short(subject.removeprefix(DATA_SUBJECT))}"
    result = f"Gate {label(event.gate).lower()} {verb} {about}"
    if event.value is not None and event.threshold is not None:
        result += f" ({number(event.value)}, threshold {number(event.threshold)})"
    return f"{result}{', not required by the policy' if optional else ''}{_because(event.reason)}."


def _verdict(event: windows.HealthVerdict, subject: str) -> str:
    kind = event.kind.replace("_", " ")
    reasons = " ".join(r if r.endswith(".") else r + "." for r in event.reasons[:2])
    verdict = f"Window {subject}: {event.severity.replace('_', ' ')}"
    verdict += f", {kind}." if kind != "none" else "."
    actions = ", ".join(action.replace("_", " ") for action in event.action if action != "none")
    return " ".join(filter(None, [verdict, reasons, f"Action: {actions}." if actions else ""]))


def _promotion(event: champion.Promotion, subject: str) -> str:
    count = len(event.approvals)
    signatures = f", with {count} signature{'' if count == 1 else 's'}" if count else ""
    place = f"champion and replaced version {event.former}" if event.former is not None else "the first champion"
    copies = "".join(
        f" It has the {copy.same} of {copy.model}, which was {copy.ended} (record {copy.record})."
        for copy in event.copies
    )
    return f"Version {subject} became {place}{signatures}.{copies}"


def _approval(event: judgements.Approval, subject: str) -> str:
    verb = "rejected" if event.decision == "reject" else "approved"
    signer = f"{event.person} ({event.role})" if event.role != event.person else event.person
    return f"{signer} {verb} version {subject}{_because(event.rationale)}."


def _exception(event: judgements.ExceptionGranted, subject: str) -> str:
    return (
        f"Exception to gate {event.gate} granted by {event.person} until {day(event.expires)}{_because(event.reason)}."
    )


def _incident(event: response.IncidentOpened, subject: str) -> str:
    return f"Incident {subject} opened ({event.kind.replace('_', ' ')}){_because(event.summary or event.cause)}."


def _widened(event: response.IncidentWidened, subject: str) -> str:
    return f"Incident {subject} concerns {event.concerned.model} too{_because(event.summary)}."


def _reopened(event: response.IncidentReopened, subject: str) -> str:
    return f"Incident {subject} opened again ({event.kind.replace('_', ' ')}){_because(event.summary)}."


def _registered(event: versions.VersionRegistered, subject: str) -> str:
    return f"Version {subject} registered ({label(event.algorithm)}), data {short(event.data_digest)}."


def _request(event: response.RetrainingRequested, subject: str) -> str:
    by = "by policy" if event.automatic else "by a signed request"
    return f"Retraining requested {by}{_because(event.cause)}."


def _closed_request(event: response.RetrainingClosed, subject: str) -> str:
    return f"Retraining finished{_because(event.outcome)}{f', version {event.version}' if event.version else ''}."


def _validation(event: judgements.ValidationRecorded, subject: str) -> str:
    outcome = event.outcome.replace("_", " ")
    until = day(event.valid_until)
    return f"{event.person} validated version {subject}: {outcome}, valid until {until}{_because(event.summary)}."


def _finding(event: judgements.FindingRecorded, subject: str) -> str:
    return f"Finding {subject} ({event.severity}) recorded by {event.person}{_because(event.summary)}."


def _conclusion(event: judgements.ClauseConcluded, subject: str) -> str:
    outcome = event.outcome.replace("_", " ")
    return f"{event.person} concluded on {event.profile} {event.clause}, version {subject}: {outcome}{_because(event.rationale)}."


def _assessment(event: tiers.TierAssessed, subject: str) -> str:
    reasons = "; ".join(f"{name.replace('_', ' ')} {one.answer}, {one.why}" for name, one in event.answers.items())
    return f"Tier {subject} assessed by {event.person} until {day(event.expires)}{_because(reasons)}."


def _discovered(event: discovery.ModelDiscovered, subject: str) -> str:
    governed = f"governed by {event.governed_by}, {event.how}" if event.governed_by else "not governed"
    return f"{subject} found, {event.form}: {event.place}, {event.why}; {governed}."


def _removed(event: privacy.RowsErased | privacy.RowsExpired, subject: str) -> str:
    rows = sum(table.removed for table in event.tables)
    tables = len({table.table for table in event.tables})
    how = "erased from" if isinstance(event, privacy.RowsErased) else "removed under retention from"
    return f"{number(rows)} rows {how} {tables} tables by {event.person}{_because(event.reason)}."


EVENT_TEXTS: Mapping[type[Event], Callable[[Any, str], str]] = {
    judgements.ValidationRecorded: _validation,
    judgements.ClauseConcluded: _conclusion,
    windows.HealthVerdict: _verdict,
    tiers.TierAssessed: _assessment,
    champion.Promotion: _promotion,
    judgements.Approval: _approval,
    judgements.ExceptionGranted: _exception,
    response.IncidentOpened: _incident,
    versions.VersionRegistered: _registered,
    response.RetrainingRequested: _request,
    response.RetrainingClosed: _closed_request,
    champion.Rollback: lambda e, s: f"Rolled back to version {s} by {e.person}{_because(e.rationale)}.",
    champion.Suspension: lambda e, s: f"Suspended by {e.person}{_because(e.rationale)}.",
    champion.Resumption: lambda e, s: f"Resumed by {e.person}{_because(e.rationale)}.",
    champion.Retirement: lambda e, s: f"Retired by {e.person}{_because(e.rationale)}.",
    judgements.ExceptionWithdrawn: lambda e, s: f"Exception to gate {s} withdrawn by {e.person}{_because(e.reason)}.",
    response.IncidentAcknowledged: lambda e, s: f"Incident {s} acknowledged by {e.person}{_because(e.note)}.",
    response.IncidentReopened: _reopened,
    response.IncidentWidened: _widened,
    response.IncidentTakenUp: lambda e, s: f"Incident {s} goes on in {e.into}{_because(e.reason)}.",
    response.IncidentMerged: lambda e, s: f"Incident {s} merged into {e.into} by {e.person}{_because(e.note)}.",
    response.IncidentTicketed: lambda e, s: f"Incident {s} has the ticket {e.reference}.",
    response.IncidentMitigated: lambda e, s: f"Incident {s} mitigated by {e.person}{_because(e.note)}.",
    response.IncidentReported: lambda e, s: f"Report {short(e.report)} on incident {s} signed by {e.person}.",
    response.IncidentClosed: lambda e, s: (
        f"Incident {s} closed as {e.disposition.replace('_', ' ')}{_because(e.note)}."
    ),
    judgements.FindingRecorded: _finding,
    judgements.FindingResponded: lambda e, s: f"{e.person} answered finding {s}{_because(e.response)}.",
    judgements.FindingExtended: lambda e, s: (
        f"Finding {s} is due on {e.due:%Y-%m-%d} now, by {e.person}{_because(e.reason)}."
    ),
    judgements.FindingClosed: lambda e, s: f"Finding {s} closed by {e.person}{_because(e.note)}.",
    versions.SnapshotTaken: lambda e, s: (
        f"Training snapshot: {number(e.rows)} rows, {number(e.quarantined)} quarantined."
    ),
    versions.CardIssued: lambda e, s: f"Model card of version {s} issued.",
    judgements.PolicyAdopted: lambda e, s: f"Policy {s} came into force for tier {e.tier}.",
    windows.LadderTested: lambda e, s: (
        f"Version {s} {TESTED[e.outcome]} beside version {e.champion} in window {e.window:%Y-%m-%d}"
        f"{_because('; '.join(t.reason for t in e.tests if t.outcome == e.outcome))}."
    ),
    champion.SegmentPaused: lambda e, s: f"Rows where {s} paused by {e.person}{_because(e.rationale)}.",
    champion.SegmentResumed: lambda e, s: f"Rows where {s} resumed by {e.person}{_because(e.rationale)}.",
    champion.StepSigned: lambda e, s: (
        f"{e.person} signed that version {s} passed the step {e.step} beside version {e.champion}{_because(e.rationale)}."
    ),
    windows.WindowScored: lambda e, s: f"Window {s} scored by version {e.version}: {number(e.rows)} rows.",
    windows.WindowDue: lambda e, s: f"Window {s} ended.",
    privacy.RowsErased: _removed,
    privacy.RowsExpired: _removed,
    people.KeyRevoked: lambda e, s: f"Key of {s} revoked{_because(e.reason)}.",
    discovery.SourceSearched: lambda e, s: (
        f"Searched {s}: {number(e.found)} models, {number(e.unread)} places not read."
    ),
    discovery.ModelDiscovered: _discovered,
    discovery.ModelGone: lambda e, s: f"{s} is gone: {e.place}.",
    discovery.DiscoveryIgnored: lambda e, s: f"{s} ignored by {e.person} until {day(e.expires)}{_because(e.reason)}.",
    discovery.DiscoveryAssigned: lambda e, s: (
        f"{s} assigned to the model {e.governed_by} by {e.person}{_because(e.reason)}."
    ),
}
"""Class of event to the function that writes its sentence from the event and the record's subject."""
