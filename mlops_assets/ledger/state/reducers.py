"""What each kind of event changes in the state of its model, and when it counts for nothing.

One function a kind: `(model, record, context) -> model`; it raises `NotCounted` with the reason. `REDUCERS` lists them.
Nothing here reads a database, a clock or a policy file: what a policy says about signatures is read from the
`policy_adopted` record that was in force.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, TypeVar

from pydantic import ValidationError

from mlops_assets.ledger.events import champion, judgements, response, versions, windows
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.people import AUTOMATION, NO_JUDGES, NotAllowed, People, Signed
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.state.acts import NotCounted, require_same, signed
from mlops_assets.ledger.state.model import (
    ChampionChange,
    ChampionState,
    Decision,
    Finding,
    GivenApproval,
    GrantedException,
    Incident,
    ModelState,
    Request,
    Scored,
    Snapshot,
    VersionState,
    WindowVerdict,
)

DATA_SUBJECT = "data:"
"""Start of the subject of decisions on a snapshot, made before there is a version."""
SIGNING_SLACK = timedelta(seconds=60)
"""Time between signing and recording that an exception's length may exceed the policy's limit by."""


@dataclass
class FoldContext:
    """What the reducers share.

    Attributes:
        people: everybody enrolled.
        used: digests of the signed statements that were recorded before, counted or not, by kind.
    """

    people: People
    used: dict[str, set[str]] = field(default_factory=dict)

    def used_before(self, kind: str) -> set[str]:
        """Digests of statements of this kind that were recorded before."""
        return self.used.setdefault(kind, set())


E = TypeVar("E", bound=Event)
Reducer = Callable[[ModelState, Record[Any], FoldContext], ModelState]


# --- training -------------------------------------------------------------------------------------------------------


def snapshot_taken(model: ModelState, record: Record[versions.SnapshotTaken], _: FoldContext) -> ModelState:
    """The latest snapshot of each declaration and request."""
    event = record.event
    taken = Snapshot(
        record.subject, event.rows, event.quarantined, event.declaration_digest, event.request, record.seq, record.happened_at
    )  # fmt: skip
    others = tuple(
        s for s in model.snapshots if (s.declaration_digest, s.request) != (taken.declaration_digest, taken.request)
    )
    return replace(model, snapshots=(*others, taken))


def version_registered(model: ModelState, record: Record[versions.VersionRegistered], _: FoldContext) -> ModelState:
    """The first registration of a number counts; one with another artifact makes the version unusable."""
    known = model.version(record.subject)
    first = known.registration
    if first is None:
        # What was decided about the number before it existed was about something else.
        fresh = replace(known, registration=record, decisions={}, latest_policy="")
        return _with_version(model, fresh)
    if first.event.artifact_digest == record.event.artifact_digest:
        return model
    conflicting = (*(known.conflicting or (first.seq,)), record.seq)
    return _with_version(model, replace(known, conflicting=conflicting))


def card_issued(model: ModelState, record: Record[versions.CardIssued], _: FoldContext) -> ModelState:
    """The card that was issued last."""
    return _with_version(model, replace(model.version(record.subject), card=record))


def gate_decided(model: ModelState, record: Record[judgements.GateDecided], _: FoldContext) -> ModelState:
    """The latest decision of each gate under each policy."""
    event = record.event
    decision = Decision(
        event.gate, event.outcome, event.value, event.threshold, event.rule, event.reason, event.policy_digest, event.tier,
        event.evidence, event.absent, record.seq, record.digest, record.happened_at, record.recorded_at,
    )  # fmt: skip
    if record.subject.startswith(DATA_SUBJECT):
        found = {**model.data_decisions.get(record.subject, {}), event.gate: decision}
        return replace(model, data_decisions={**model.data_decisions, record.subject: found})
    known = model.version(record.subject)
    under = {**known.decisions.get(event.policy_digest, {}), event.gate: decision}
    decisions = {**known.decisions, event.policy_digest: under}
    return _with_version(model, replace(known, decisions=decisions, latest_policy=event.policy_digest))


# --- judgements -----------------------------------------------------------------------------------------------------


def approval(model: ModelState, record: Record[judgements.Approval], context: FoldContext) -> ModelState:
    """An approval or rejection by somebody who may judge the version."""
    known = _registered(model, record.subject)
    event = record.event
    found = signed(context.people, record, roles=None, barred=known.authors, used=context.used_before(record.kind))
    require_same("version", event.version, record.subject)
    if event.role in NO_JUDGES:
        raise NotCounted(f"{event.role} is no role of somebody who judges a model")
    given = GivenApproval(record, found.statement.subjects)
    return _with_version(model, replace(known, approvals=(*known.approvals, given)))


def exception_granted(
    model: ModelState, record: Record[judgements.ExceptionGranted], context: FoldContext
) -> ModelState:
    """An exception by somebody whom the policy in force names, for no longer than it allows."""
    event = record.event
    found = signed(
        context.people, record, barred=model.authors_of(event.version), used=context.used_before(record.kind)
    )
    require_same("gate", event.gate, record.subject)
    if event.version is not None:
        registration = _registered(model, event.version).registration
        if registration is None or found.statement.subjects.get("registration") != registration.digest:
            raise NotCounted(f"signed for another registration of version {event.version}")
    _allowed_by_policy(model, record, found)
    granted = GrantedException(
        record.seq, record.digest, record.model, event.gate, event.version, event.reason, found.person, event.role,
        record.recorded_at, event.expires,
    )  # fmt: skip
    return replace(model, exceptions=(*model.exceptions, granted))


def _allowed_by_policy(model: ModelState, record: Record[judgements.ExceptionGranted], found: Signed) -> None:
    """Hold an exception to the policy in force, and to the one it was signed under where that was in force as well."""
    event, named = record.event, found.statement.subjects.get("policy")
    governing = [model.policy] if model.policy else []
    governing += [p for p in model.policies if p.event.policy_digest == named]
    if not governing:
        return
    try:
        rules = [policy.event.authority.exceptions for policy in governing]
    except ValidationError as error:
        raise NotCounted(f"the policy in force cannot be read: {error.errors()[0]['msg']}") from None
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
    found = signed(context.people, record, used=context.used_before(record.kind))
    granted = next((e for e in model.exceptions if e.seq == record.event.seq), None)
    if granted is None:
        raise NotCounted(f"record {record.event.seq} is no exception of {record.model} that counts")
    require_same("exception with digest", found.statement.subjects.get("exception"), granted.digest)
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
    signed(
        context.people, record, roles=event.ROLES, barred=model.authors_of(event.version),
        used=context.used_before(record.kind),
    )  # fmt: skip
    require_same("finding", event.id, record.subject)
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
    act = signed(context.people, record, roles=roles, barred=barred, used=context.used_before(record.kind))
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
    event, known = record.event, _registered(model, record.subject)
    act = signed(context.people, record, roles=event.ROLES, barred=known.authors, used=context.used_before(record.kind))
    require_same("version", event.version, record.subject)
    assert known.registration is not None
    if act.statement.subjects.get("registration") != known.registration.digest:
        raise NotCounted(f"signed for another registration of version {record.subject}")
    follows = known.validations[-1].seq if known.validations else 0
    if event.follows != follows:
        raise NotCounted(f"signed after record {event.follows}, recorded after {follows}: a replay")
    return _with_version(model, replace(known, validations=(*known.validations, record)))


def policy_adopted(model: ModelState, record: Record[judgements.PolicyAdopted], context: FoldContext) -> ModelState:
    """A policy that came into force: the one before it says whose signature that takes."""
    event, latest = record.event, model.policy
    governing = latest.event if latest else event
    try:
        roles = governing.authority.adoption.roles
    except ValidationError as error:
        raise NotCounted(f"the policy that governs cannot be read: {error.errors()[0]['msg']}") from None
    if roles:
        _signed_adoption(record, context, roles, latest.seq if latest else 0)
    return replace(model, policies=(*model.policies, record))


def _signed_adoption(
    record: Record[judgements.PolicyAdopted], context: FoldContext, roles: tuple[str, ...], follows: int
) -> None:
    event = record.event
    try:
        found = context.people.open_record(record, event.PURPOSE)
    except (NotAllowed, SignatureRefused) as error:
        raise NotCounted(str(error)) from None
    statement = found.predicate
    if statement.get("model") != record.model:
        raise NotCounted(f"signed for model {statement.get('model')!r}, recorded for {record.model!r}")
    role = str(statement.get("role"))
    if role not in found.period.roles or role not in roles:
        raise NotCounted(f"the role {role} may not sign it: expected {' or '.join(roles)}")
    if found.statement.subjects.get("policy") != event.policy_digest:
        raise NotCounted("signed for another policy")
    if statement.get("follows") != follows:
        raise NotCounted(f"signed after record {statement.get('follows')}, recorded after {follows}: a replay")


# --- champion -------------------------------------------------------------------------------------------------------


def promotion(model: ModelState, record: Record[champion.Promotion], _: FoldContext) -> ModelState:
    """A version becomes champion. Whether it might is decided again by `release.audit`."""
    version, now = _number(record.subject), model.champion
    _not_retired(now)
    _registered(model, record.subject)
    state = replace(now, status="active", champion=version, former=now.champion, promoted=(*now.promoted, version))
    known = model.version(record.subject)
    model = _with_version(model, replace(known, promotions=(*known.promotions, record)))
    return _changed(model, record, state, str(version), "", "")


def rollback(model: ModelState, record: Record[champion.Rollback], context: FoldContext) -> ModelState:
    """A former champion decides again."""
    now, version = model.champion, _number(record.subject)
    if version not in now.promoted:
        raise NotCounted(f"version {version} was never promoted")
    # A suspended model starts to decide again with this: its authors may not do that.
    barred = model.authors_of(version) if now.status == "suspended" else frozenset()
    _intervention(model, record, context, barred)
    require_same("version", record.event.version, record.subject)
    state = replace(now, status="active", champion=version, former=now.champion)
    return _changed(model, record, state, str(version), record.event.person, record.event.rationale)


def suspension(model: ModelState, record: Record[champion.Suspension], context: FoldContext) -> ModelState:
    """The champion stops deciding."""
    _intervention(model, record, context, frozenset())
    if model.champion.status != "active":
        raise NotCounted("the model had no champion that decided")
    state = replace(model.champion, status="suspended", seq=record.seq, since=record.recorded_at)
    return replace(model, champion=state, suspension=record)


def resumption(model: ModelState, record: Record[champion.Resumption], context: FoldContext) -> ModelState:
    """A suspended champion decides again; its authors may not do that."""
    _intervention(model, record, context, model.authors_of(model.champion.champion))
    if model.champion.status != "suspended":
        raise NotCounted("the model was not suspended")
    state = replace(model.champion, status="active", seq=record.seq, since=record.recorded_at)
    return replace(model, champion=state, suspension=None)


def retirement(model: ModelState, record: Record[champion.Retirement], context: FoldContext) -> ModelState:
    """No version decides again."""
    _intervention(model, record, context, frozenset())
    state = replace(model.champion, status="retired")
    changed = _changed(model, record, state, None, record.event.person, record.event.rationale)
    return replace(changed, retirement=record)


def _intervention(model: ModelState, record: Record[Any], context: FoldContext, barred: frozenset[str]) -> None:
    """Hold a signed change of the champion state to its rules."""
    event: champion.Intervention = record.event
    _not_retired(model.champion)
    by_machine = event.role == AUTOMATION and event.BY_SERVICE_KEY
    signed(
        context.people, record, roles=(AUTOMATION,) if by_machine else None, barred=barred,
        used=context.used_before(record.kind),
    )  # fmt: skip
    require_same("version", event.subject, record.subject)
    if event.follows != model.champion.seq:
        raise NotCounted(f"signed for the state after record {event.follows}, which was {model.champion.seq}: a replay")


def _changed(
    model: ModelState, record: Record[Any], state: ChampionState, version: str | None, person: str, reason: str
) -> ModelState:
    before = model.champion.champion
    former = str(before) if before is not None else None
    change = ChampionChange(
        record.happened_at, record.recorded_at, record.kind, version, former, person, reason, record.seq
    )
    state = replace(state, seq=record.seq, since=record.recorded_at)
    return replace(model, champion=state, changes=(*model.changes, change), suspension=None)


def _not_retired(now: ChampionState) -> None:
    if now.status == "retired":
        raise NotCounted("the model was retired, for ever: the record changes nothing")


# --- windows --------------------------------------------------------------------------------------------------------


def window_due(model: ModelState, record: Record[windows.WindowDue], _: FoldContext) -> ModelState:
    """A window that the calendar marked."""
    return replace(model, due={**model.due, record.subject: record.event.ended})


def window_scored(model: ModelState, record: Record[windows.WindowScored], _: FoldContext) -> ModelState:
    """The last scoring of a window, and what it counts for on the ladder."""
    event, window = record.event, record.subject
    share = float(event.canary_share or 0.0)
    last = Scored(
        window, event.version, event.challenger, share, event.rows, event.quarantined, record.seq, record.recorded_at
    )
    model = replace(model, scored={**model.scored, window: last})
    if event.challenger is None or event.rows == 0:
        return model
    beside = model.version(event.challenger)
    seen = {**beside.scored_beside, window: max(share, beside.scored_beside.get(window, 0.0))}
    return _with_version(model, replace(beside, scored_beside=seen))


def health_verdict(model: ModelState, record: Record[windows.HealthVerdict], _: FoldContext) -> ModelState:
    """The last verdict on a window."""
    event = record.event
    fleet = event.fleet or {}
    verdict = WindowVerdict(
        window=record.subject,
        window_end=event.window_end,
        severity=event.severity,
        kind=event.kind,
        reasons=event.reasons,
        causes=tuple(cause.kind for cause in event.causes),
        columns=event.columns,
        action=event.action,
        raw=event.raw,
        alarm_rules=event.alarm_rules,
        version=event.version,
        policy_digest=event.policy_digest,
        outcomes=event.outcomes,
        p_value=fleet.get("p_value"),
        happened_at=record.happened_at,
        recorded_at=record.recorded_at,
        seq=record.seq,
    )
    key = f"{record.subject}/{event.window_end.isoformat()}"
    return replace(model, verdicts={**model.verdicts, key: verdict})


# --- response -------------------------------------------------------------------------------------------------------


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
        try:
            rule = model.policy.event.authority.incidents
        except ValidationError as error:
            raise NotCounted(f"the policy in force cannot be read: {error.errors()[0]['msg']}") from None
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
    act = signed(context.people, record, roles=roles, barred=barred, used=context.used_before(record.kind))
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
        try:
            act = context.people.open_record(record, event.PURPOSE)
        except (NotAllowed, SignatureRefused) as error:
            raise NotCounted(str(error)) from None
        if (act.predicate.get("model"), act.person) != (record.model, event.person):
            raise NotCounted(f"signed by {act.person} for model {act.predicate.get('model')!r}")
    if record.subject in model.requests:
        raise NotCounted(f"request {record.subject} was made before")
    return replace(model, requests={**model.requests, record.subject: Request(record)})


def retraining_closed(model: ModelState, record: Record[response.RetrainingClosed], _: FoldContext) -> ModelState:
    """The end of a request."""
    found = model.requests.get(record.subject)
    if found is None or found.closed is not None:
        raise NotCounted(f"no open request {record.subject}")
    return replace(model, requests={**model.requests, record.subject: replace(found, closed=record)})


def _with_version(model: ModelState, state: VersionState) -> ModelState:
    versions = {**model.versions, state.version: state}
    if state.version not in model.versions:
        versions = dict(sorted(versions.items(), key=lambda item: _order(item[0])))
    return replace(model, versions=versions)


def _registered(model: ModelState, version: str) -> VersionState:
    known = model.version(version)
    if known.registration is None:
        raise NotCounted(f"{model.name} version {version} is not registered")
    return known


def _number(subject: str) -> int:
    if not subject.isdecimal():
        raise NotCounted(f"found version {subject!r}, expected a number")
    return int(subject)


def _order(version: str) -> tuple[int, str]:
    return (int(version), "") if version.isdecimal() else (0, version)


REDUCERS: Mapping[type[Event], Reducer] = {
    versions.SnapshotTaken: snapshot_taken,
    versions.VersionRegistered: version_registered,
    versions.CardIssued: card_issued,
    judgements.GateDecided: gate_decided,
    judgements.Approval: approval,
    judgements.ExceptionGranted: exception_granted,
    judgements.ExceptionWithdrawn: exception_withdrawn,
    judgements.FindingRecorded: finding_recorded,
    judgements.FindingResponded: finding_responded,
    judgements.FindingClosed: finding_closed,
    judgements.ValidationRecorded: validation_recorded,
    judgements.PolicyAdopted: policy_adopted,
    champion.Promotion: promotion,
    champion.Rollback: rollback,
    champion.Suspension: suspension,
    champion.Resumption: resumption,
    champion.Retirement: retirement,
    windows.WindowDue: window_due,
    windows.WindowScored: window_scored,
    windows.HealthVerdict: health_verdict,
    response.IncidentOpened: incident_opened,
    response.IncidentAcknowledged: incident_acknowledged,
    response.IncidentClosed: incident_closed,
    response.RetrainingRequested: retraining_request,
    response.RetrainingClosed: retraining_closed,
}
"""What each kind changes. Events about people change who may sign, and stored evidence and checked estimates no state."""
