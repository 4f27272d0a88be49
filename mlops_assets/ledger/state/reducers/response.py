"""What incidents and retraining requests change, and when their signatures count."""

from dataclasses import replace
from typing import Any

from mlops_assets.ledger.events import response
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted, opened, require_role, require_same, signed
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Incident, Request, SignedReport


def incident_opened(model: ModelState, record: Record[response.IncidentOpened], _: FoldContext) -> ModelState:
    """A new incident."""
    event = record.event
    if record.subject in model.incidents:
        raise NotCounted(f"incident {record.subject} was opened before")
    found = Incident(
        record.subject, record.model, event.kind, event.severity, "open", event.window, event.summary, event.columns,
        event.cause, record.happened_at, record.recorded_at, record.digest, (record.seq,), event.rule,
        models={one.model: one for one in event.models}, former=event.former,
    )  # fmt: skip
    return _with(model, found)


def incident_reopened(model: ModelState, record: Record[response.IncidentReopened], _: FoldContext) -> ModelState:
    """A closed incident whose cause showed again."""
    found, event = _known(model, record.subject), record.event
    if found.state != "closed":
        raise NotCounted(f"incident {found.id} was not closed")
    again = Incident(
        found.id, found.model, found.kind, event.severity, "open", event.window, event.summary, found.columns,
        found.cause, record.happened_at, record.recorded_at, record.digest, (*found.seqs, record.seq),
        event.rule or found.rule, models=found.models, former=found.former,
        earlier=(*found.earlier, replace(found, earlier=())), tickets=found.tickets, reports=found.reports,
    )  # fmt: skip
    return _with(model, again)


def incident_widened(model: ModelState, record: Record[response.IncidentWidened], _: FoldContext) -> ModelState:
    """Another model that shows the cause."""
    found, concerned = _open(model, record.subject), record.event.concerned
    if concerned.model in found.models:
        raise NotCounted(f"incident {found.id} names {concerned.model} already")
    return _with(
        model,
        replace(found, models={**found.models, concerned.model: concerned}, seqs=(*found.seqs, record.seq)),
    )


def incident_taken_up(model: ModelState, record: Record[response.IncidentTakenUp], _: FoldContext) -> ModelState:
    """An incident that the system found to be part of another one."""
    found, event = _open(model, record.subject), record.event
    return _with(model, _merged(found, record, event.into, event.into_model, event.reason))


def incident_merged(model: ModelState, record: Record[response.IncidentMerged], context: FoldContext) -> ModelState:
    """An incident that somebody found to be part of another one; who may close one may merge it."""
    roles, barred = _closers(model)
    found, event = _about_incident(model, record, context, record.event.id, roles, barred), record.event
    if event.into == found.id:
        raise NotCounted(f"incident {found.id} cannot be merged into itself")
    return _with(model, _merged(found, record, event.into, event.into_model, event.note, event.person))


def incident_ticketed(model: ModelState, record: Record[response.IncidentTicketed], _: FoldContext) -> ModelState:
    """A ticket about an incident."""
    found, reference = _known(model, record.subject), record.event.reference
    if reference in found.tickets:
        raise NotCounted(f"incident {found.id} has the ticket {reference} already")
    # The number of a ticket is no part of what the incident is: a signature on its state does not depend on it.
    return _with(model, replace(found, tickets=(*found.tickets, reference)))


def incident_acknowledged(
    model: ModelState, record: Record[response.IncidentAcknowledged], context: FoldContext
) -> ModelState:
    """The first person who looks at an incident."""
    found = _about_incident(model, record, context, record.event.id, None, frozenset())
    if found.acknowledged_by:
        raise NotCounted(f"incident {found.id} was acknowledged before by {found.acknowledged_by}")
    known = replace(
        found, state="acknowledged" if found.state == "open" else found.state, acknowledged_by=record.event.person,
        acknowledged_at=record.happened_at, seqs=(*found.seqs, record.seq),
    )  # fmt: skip
    return _with(model, known)


def incident_mitigated(
    model: ModelState, record: Record[response.IncidentMitigated], context: FoldContext
) -> ModelState:
    """The first time that the harm was stopped or limited."""
    found = _about_incident(model, record, context, record.event.id, None, frozenset())
    if found.mitigated_by:
        raise NotCounted(f"incident {found.id} was mitigated before by {found.mitigated_by}")
    known = replace(
        found, state="mitigated", mitigated_by=record.event.person, mitigated_at=record.happened_at,
        mitigation=record.event.note, seqs=(*found.seqs, record.seq),
    )  # fmt: skip
    return _with(model, known)


def incident_reported(model: ModelState, record: Record[response.IncidentReported], context: FoldContext) -> ModelState:
    """A report that somebody signed, before or after the closure."""
    event = record.event
    act = signed(context, record)
    require_same("incident", event.id, record.subject)
    found = _known(model, record.subject)
    require_same("incident with digest", act.statement.subjects.get("incident"), found.digest)
    require_same("report with digest", act.statement.subjects.get("report"), event.report)
    report = SignedReport(event.report, event.person, record.happened_at, event.note)
    return _with(model, replace(found, reports=(*found.reports, report)))


def incident_closed(model: ModelState, record: Record[response.IncidentClosed], context: FoldContext) -> ModelState:
    """The end of an incident, by somebody whom the policy in force names."""
    roles, barred = _closers(model)
    found = _about_incident(model, record, context, record.event.id, roles, barred)
    event = record.event
    known = replace(
        found, state="closed", disposition=event.disposition, note=event.note, closed_by=event.person,
        closed_at=record.happened_at, seqs=(*found.seqs, record.seq),
    )  # fmt: skip
    return _with(model, known)


def _with(model: ModelState, incident: Incident) -> ModelState:
    return replace(model, incidents={**model.incidents, incident.id: incident})


def _known(model: ModelState, subject: str) -> Incident:
    found = model.incidents.get(subject)
    if found is None:
        raise NotCounted(f"no incident {subject} had been opened")
    return found


def _open(model: ModelState, subject: str) -> Incident:
    found = _known(model, subject)
    if found.merged_into:
        raise NotCounted(f"incident {found.id} was merged before into {found.merged_into}")
    if not found.is_open:
        raise NotCounted(f"incident {found.id} was closed before by {found.closed_by}")
    return found


def _merged(found: Incident, record: Record[Any], into: str, model: str, note: str, person: str = "") -> Incident:
    return replace(
        found, state="merged", merged_into=into, merged_model=model, merged_by=person, note=note,
        closed_at=record.happened_at, seqs=(*found.seqs, record.seq),
    )  # fmt: skip


def _closers(model: ModelState) -> tuple[tuple[str, ...] | None, frozenset[str]]:
    """Roles that may close an incident under the policy in force, and who may not."""
    if model.policy is None:
        return None, frozenset()
    rule = model.policy.event.authority.incidents
    return rule.close_roles, frozenset() if rule.authors_may_close else model.authors


def _about_incident(
    model: ModelState,
    record: Record[Any],
    context: FoldContext,
    named: str,
    roles: tuple[str, ...] | None,
    barred: frozenset[str],
) -> Incident:
    act = signed(context, record, roles=roles, barred=barred)
    require_same("incident", named, record.subject)
    found = _known(model, record.subject)
    require_same("incident with digest", act.statement.subjects.get("incident"), found.digest)
    return _open(model, record.subject)


def retraining_request(
    model: ModelState, record: Record[response.RetrainingRequested], context: FoldContext
) -> ModelState:
    """A request by policy, or with a signature."""
    event = record.event
    if not event.automatic:
        act = opened(context, record, event.PURPOSE, event.signed_fields())
        require_role(act, str(act.predicate.get("role")), None, event.PURPOSE)
        require_same("policy", act.statement.subjects.get("policy"), event.policy_digest)
    elif event.envelope is not None or event.person:
        raise NotCounted("it is by policy and names a signer: expected either")
    if record.subject in model.requests:
        raise NotCounted(f"request {record.subject} was made before")
    return replace(model, requests={**model.requests, record.subject: Request(record)})


def retraining_closed(model: ModelState, record: Record[response.RetrainingClosed], _: FoldContext) -> ModelState:
    """The end of a request."""
    found = model.requests.get(record.subject)
    if found is None or found.closed is not None:
        raise NotCounted(f"no open request {record.subject}")
    return replace(model, requests={**model.requests, record.subject: replace(found, closed=record)})
