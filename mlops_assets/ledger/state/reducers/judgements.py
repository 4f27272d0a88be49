"""What judgements of people change, and when they count: approvals, exceptions, findings, validations, policies, tiers."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events import judgements, tiers
from mlops_assets.ledger.people import NO_JUDGES, Signed
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted, opened, require_role, require_same, signed
from mlops_assets.ledger.state.judgements import SIGNING_SLACK, Extension, Finding, GrantedException
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.reducers.common import registered, with_version
from mlops_assets.ledger.state.versions import GivenApproval
from mlops_assets.ledger.tiering import tier_of

SUBJECT_DIGITS = 12
"""Characters of a policy's digest that are the subject of the record by which it comes into force."""


def approval(model: ModelState, record: Record[judgements.Approval], context: FoldContext) -> ModelState:
    """An approval or rejection by somebody who may judge the version."""
    known = registered(model, record.subject)
    event = record.event
    found = signed(context, record, barred=known.authors)
    require_same("version", event.version, record.subject)
    if event.role in NO_JUDGES:
        raise NotCounted(f"{event.role} is no role of somebody who judges a model")
    given = GivenApproval(record, found.statement.subjects)
    return with_version(model, replace(known, approvals=(*known.approvals, given)))


def exception_granted(
    model: ModelState, record: Record[judgements.ExceptionGranted], context: FoldContext
) -> ModelState:
    """An exception by somebody whom the policy in force names, for no longer than it allows."""
    event = record.event
    found = signed(context, record, barred=model.authors_of(event.version))
    require_same("gate", event.gate, record.subject)
    if event.version is not None:
        _same_registration(model, event.version, found)
    _allowed_by_policy(model, record, found)
    granted = GrantedException(
        record.seq, record.digest, record.model, event.gate, event.version, event.reason, found.person, event.role,
        record.recorded_at, event.expires,
    )  # fmt: skip
    return replace(model, exceptions=(*model.exceptions, granted))


def _same_registration(model: ModelState, version: str, act: Signed) -> None:
    """Raise `NotCounted` unless what was signed is about the registration of the version that counts here."""
    registration = registered(model, version).registration
    if registration is None or act.statement.subjects.get("registration") != registration.digest:
        raise NotCounted(f"signed for another registration of version {version}")


def _allowed_by_policy(model: ModelState, record: Record[judgements.ExceptionGranted], found: Signed) -> None:
    """Hold an exception to the policy in force, and to the one it was signed under where that was in force as well."""
    event, named = record.event, found.statement.subjects.get("policy")
    governing = [model.policy] if model.policy else []
    governing += [p for p in model.policies if p.event.policy_digest == named]
    if not governing:
        return
    rules = [policy.event.authority.exceptions for policy in governing]
    roles = {role for rule in rules for role in rule.roles}
    if event.role not in roles:
        raise NotCounted(f"the role {event.role} may not sign it: expected {' or '.join(sorted(roles)) or 'nobody'}")
    days = max(rule.max_days for rule in rules)
    if event.expires - record.recorded_at > timedelta(days=days) + SIGNING_SLACK:
        raise NotCounted(f"it lasts longer than the {days} days that the policy in force allowed")


def exception_withdrawn(
    model: ModelState, record: Record[judgements.ExceptionWithdrawn], context: FoldContext
) -> ModelState:
    """The end of an exception before its time."""
    found = signed(context, record)
    granted = next((e for e in model.exceptions if e.seq == record.event.seq), None)
    if granted is None:
        raise NotCounted(f"record {record.event.seq} is no exception of {record.model} that counts")
    require_same("exception with digest", found.statement.subjects.get("exception"), granted.digest)
    require_same("gate", granted.gate, record.subject)
    return replace(
        model,
        exceptions=tuple(
            replace(e, withdrawn_at=record.recorded_at) if e.seq == granted.seq and e.withdrawn_at is None else e
            for e in model.exceptions
        ),
    )


def finding_recorded(model: ModelState, record: Record[judgements.FindingRecorded], context: FoldContext) -> ModelState:
    """A finding by a validator who did not build the version."""
    event = record.event
    act = signed(context, record, roles=event.ROLES, barred=model.authors_of(event.version))
    require_same("finding", event.id, record.subject)
    if event.version is not None:
        _same_registration(model, event.version, act)
    if event.id in model.findings:
        raise NotCounted(f"finding {event.id} was recorded before (record {model.findings[event.id].seq})")
    found = Finding(
        event.id, record.model, event.version, event.severity, event.summary, event.owner, event.due, event.condition,
        event.person, record.recorded_at, record.seq, record.digest,
    )  # fmt: skip
    return replace(model, findings={**model.findings, event.id: found})


def finding_responded(
    model: ModelState, record: Record[judgements.FindingResponded], context: FoldContext
) -> ModelState:
    """The latest answer to a finding."""
    found = _about_finding(model, record, context, record.event.id, roles=None, barred=frozenset())
    return replace(model, findings={**model.findings, found.id: replace(found, response=record.event.response)})


def finding_extended(model: ModelState, record: Record[judgements.FindingExtended], context: FoldContext) -> ModelState:
    """A later due date, signed by a validator who did not build the version."""
    event, known = record.event, model.findings.get(record.subject)
    barred = model.authors_of(known.version) if known else frozenset()
    found = _about_finding(model, record, context, event.id, roles=event.ROLES, barred=barred)
    if not found.open:
        raise NotCounted(f"finding {found.id} was closed before by {found.closed_by}")
    if event.due <= found.due:
        raise NotCounted(f"found due date {event.due:%Y-%m-%d}, expected one after {found.due:%Y-%m-%d}")
    more = Extension(event.due, event.reason, event.person, record.recorded_at, record.seq)
    extended = replace(found, due=event.due, extensions=(*found.extensions, more))
    return replace(model, findings={**model.findings, found.id: extended})


def finding_closed(model: ModelState, record: Record[judgements.FindingClosed], context: FoldContext) -> ModelState:
    """The end of a finding, signed by a validator who did not build the version."""
    opened = model.findings.get(record.subject)
    barred = model.authors_of(opened.version) if opened else frozenset()
    found = _about_finding(model, record, context, record.event.id, roles=record.event.ROLES, barred=barred)
    if not found.open:
        raise NotCounted(f"finding {found.id} was closed before by {found.closed_by}")
    closed = replace(found, closed_at=record.recorded_at, closed_by=record.event.person)
    return replace(model, findings={**model.findings, found.id: closed})


def _about_finding(
    model: ModelState,
    record: Record[Any],
    context: FoldContext,
    named: str,
    *,
    roles: tuple[str, ...] | None,
    barred: frozenset[str],
) -> Finding:
    act = signed(context, record, roles=roles, barred=barred)
    require_same("finding", named, record.subject)
    found = model.findings.get(record.subject)
    if found is None:
        raise NotCounted(f"no finding {record.subject} of {record.model} counts")
    require_same("finding with digest", act.statement.subjects.get("finding"), found.digest)
    return found


def validation_recorded(
    model: ModelState, record: Record[judgements.ValidationRecorded], context: FoldContext
) -> ModelState:
    """A validation of a version; each names the one it follows."""
    event, known = record.event, registered(model, record.subject)
    act = signed(context, record, roles=event.ROLES, barred=known.authors)
    require_same("version", event.version, record.subject)
    _same_registration(model, record.subject, act)
    follows = known.validations[-1].seq if known.validations else 0
    if event.follows != follows:
        raise NotCounted(f"signed after record {event.follows}, recorded after {follows}: a replay")
    return with_version(model, replace(known, validations=(*known.validations, record)))


def clause_concluded(model: ModelState, record: Record[judgements.ClauseConcluded], context: FoldContext) -> ModelState:
    """A conclusion about a clause, by somebody who may validate the version."""
    event, known = record.event, registered(model, record.subject)
    act = signed(context, record, roles=event.ROLES, barred=known.authors)
    require_same("version", event.version, record.subject)
    _same_registration(model, record.subject, act)
    follows = known.conclusions[-1].seq if known.conclusions else 0
    if event.follows != follows:
        raise NotCounted(f"signed after record {event.follows}, recorded after {follows}: a replay")
    return with_version(model, replace(known, conclusions=(*known.conclusions, record)))


def policy_adopted(model: ModelState, record: Record[judgements.PolicyAdopted], context: FoldContext) -> ModelState:
    """A policy that came into force: the one before it says whose signature that takes."""
    event, latest = record.event, model.policy
    if digest(event.policy) != event.policy_digest:
        raise NotCounted("the policy in it is not the one whose digest it names")
    try:
        own = event.authority
    except ValidationError as error:
        raise NotCounted(f"what it says about signatures cannot be read: {error.errors()[0]['msg']}") from None
    roles = (latest.event.authority if latest else own).adoption.roles
    # A signature that nobody had to give is held to the same rules: a record names no signer who did not sign.
    if roles or event.envelope is not None or event.person is not None:
        # Without a role that is required, an author's signature is no more than none, and `release.loosening` says so.
        barred = model.authors if roles else frozenset()
        _signed_adoption(record, context, roles or None, barred, latest.seq if latest else 0)
    require_same("policy", event.policy_digest[:SUBJECT_DIGITS], record.subject)
    return replace(model, policies=(*model.policies, record))


def _signed_adoption(
    record: Record[judgements.PolicyAdopted],
    context: FoldContext,
    roles: tuple[str, ...] | None,
    barred: frozenset[str],
    follows: int,
) -> None:
    event = record.event
    found = opened(context, record, event.PURPOSE, event.signed_fields())
    require_role(found, str(event.role), roles, event.PURPOSE)
    if found.person.casefold() in barred:
        raise NotCounted(f"{found.person} built this version and may not sign its policy")
    require_same("policy", found.statement.subjects.get("policy"), event.policy_digest)
    if event.follows != follows:
        raise NotCounted(f"signed after record {event.follows}, recorded after {follows}: a replay")


def tier_assessed(model: ModelState, record: Record[tiers.TierAssessed], context: FoldContext) -> ModelState:
    """An assessment of the tier by somebody who built no version; whether policy accepts it is `governance.tiers`'."""
    event = record.event
    found = signed(context, record, barred=model.authors)
    if event.role in NO_JUDGES:
        raise NotCounted(f"{event.role} is no role of somebody who judges a model")
    require_same("tier", event.tier, record.subject)
    require_same("rules", found.statement.subjects.get("rules"), event.rules_digest)
    if digest(event.rules) != event.rules_digest:
        raise NotCounted("the rules in it are not those whose digest it names")
    try:
        follows_from = tier_of(event.rules, event.given)
    except ValueError as error:
        raise NotCounted(str(error)) from None
    if follows_from != event.tier:
        raise NotCounted(f"it says tier {event.tier}, and tier {follows_from} follows from its answers")
    before = model.assessments[-1].seq if model.assessments else 0
    if event.follows != before:
        raise NotCounted(f"signed after record {event.follows}, recorded after {before}: a replay")
    return replace(model, assessments=(*model.assessments, record))
