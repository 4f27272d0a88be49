"""What incidents and retraining requests change, and when their signatures count."""

from dataclasses import replace
from typing import Any

from mlops_assets.ledger.events import response
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted, opened, require_role, require_same, signed
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Incident, Request


def incident_opened(model: ModelState, record: Record[response.IncidentOpened], _: FoldContext) -> ModelState:
    """A new incident."""
    event = record.event
    if record.subject in model.incidents:
        raise NotCounted(f"incident {record.subject} was opened before")
    found = Incident(
        record.subject, record.model, event.kind, event.severity, "open", event.window, event.summary, event.columns,
        event.cause, record.happened_at, record.recorded_at, record.digest, (record.seq,), event.rule,
    )  # fmt: skip
    return replace(model, incidents={**model.incidents, record.subject: found})


def incident_acknowledged(
    model: ModelState, record: Record[response.IncidentAcknowledged], context: FoldContext
) -> ModelState:
    """The first person who looks at an incident."""
    found = _about_incident(model, record, context, record.event.id, None, frozenset())
    if found.state == "acknowledged":
        raise NotCounted(f"incident {found.id} was acknowledged before by {found.acknowledged_by}")
    known = replace(
        found, state="acknowledged", acknowledged_by=record.event.person, acknowledged_at=record.happened_at,
        seqs=(*found.seqs, record.seq),
    )  # fmt: skip
    return replace(model, incidents={**model.incidents, found.id: known})


def incident_closed(model: ModelState, record: Record[response.IncidentClosed], context: FoldContext) -> ModelState:
    """The end of an incident, by somebody whom the policy in force names."""
    roles, barred = None, frozenset[str]()
    if model.policy is not None:
        rule = model.policy.event.authority.incidents
        roles, barred = rule.close_roles, frozenset() if rule.authors_may_close else model.authors
    found = _about_incident(model, record, context, record.event.id, roles, barred)
    event = record.event
    known = replace(
        found, state="closed", disposition=event.disposition, note=event.note, closed_by=event.person,
        closed_at=record.happened_at, seqs=(*found.seqs, record.seq),
    )  # fmt: skip
    return replace(model, incidents={**model.incidents, found.id: known})


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
    found = model.incidents.get(record.subject)
    if found is None:
        raise NotCounted(f"no incident {record.subject} had been opened")
    require_same("incident with digest", act.statement.subjects.get("incident"), found.digest)
    if not found.is_open:
        raise NotCounted(f"incident {found.id} was closed before by {found.closed_by}")
    return found


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
