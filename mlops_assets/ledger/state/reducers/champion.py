"""What changes the champion state, and when it counts: promotion, rollback, suspension, resumption, retirement."""

from dataclasses import replace
from typing import Any

from mlops_assets.ledger.events import champion
from mlops_assets.ledger.people import AUTOMATION
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted, require_same, signed
from mlops_assets.ledger.state.champion import ChampionChange, ChampionState, Pause
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.reducers.common import number, registered, with_version
from mlops_assets.ledger.state.versions import SignedStep


def step_signed(model: ModelState, record: Record[champion.StepSigned], context: FoldContext) -> ModelState:
    """A step of the ladder is passed, as somebody says who did not build the version. Which roles count says the policy."""
    known, event = registered(model, record.subject), record.event
    signed(context, record, barred=known.authors)
    require_same("version", event.version, record.subject)
    step = SignedStep(event.step, event.champion, event.person, event.role, record.seq)
    return with_version(model, replace(known, steps_signed=(*known.steps_signed, step)))


def promotion(model: ModelState, record: Record[champion.Promotion], _: FoldContext) -> ModelState:
    """A version becomes champion. Whether it might is decided again by `release.audit`."""
    version, now = number(record.subject), model.champion
    _not_retired(now)
    registered(model, record.subject)
    state = replace(now, status="active", champion=version, former=now.champion, promoted=(*now.promoted, version))
    known = model.version(record.subject)
    model = with_version(model, replace(known, promotions=(*known.promotions, record)))
    return _changed(model, record, state, str(version), "", "")


def rollback(model: ModelState, record: Record[champion.Rollback], context: FoldContext) -> ModelState:
    """A former champion decides again."""
    now, version = model.champion, number(record.subject)
    if version not in now.promoted:
        raise NotCounted(f"version {version} was never promoted")
    # A suspended model starts to decide again with this: its authors may not do that.
    barred = model.authors_of(version) if now.status == "suspended" else frozenset()
    _intervention(model, record, context, barred)
    require_same("version", record.event.version, record.subject)
    _not_rejected(model, record.subject)
    if (waiting := _waiting(model, record)) is not None:
        return waiting
    state = replace(now, status="active", champion=version, former=now.champion)
    return _changed(model, record, state, str(version), record.event.person, record.event.rationale)


def suspension(model: ModelState, record: Record[champion.Suspension], context: FoldContext) -> ModelState:
    """The champion stops deciding."""
    _intervention(model, record, context, frozenset())
    if model.champion.status != "active":
        raise NotCounted("the model had no champion that decided")
    if (waiting := _waiting(model, record)) is not None:
        return waiting
    state = replace(model.champion, status="suspended", seq=record.seq, since=record.recorded_at)
    return replace(model, champion=state, suspension=record, waiting=())


def resumption(model: ModelState, record: Record[champion.Resumption], context: FoldContext) -> ModelState:
    """A suspended champion decides again; its authors may not do that."""
    _intervention(model, record, context, model.authors_of(model.champion.champion))
    if model.champion.status != "suspended":
        raise NotCounted("the model was not suspended")
    _not_rejected(model, record.subject)
    if (waiting := _waiting(model, record)) is not None:
        return waiting
    state = replace(model.champion, status="active", seq=record.seq, since=record.recorded_at)
    return replace(model, champion=state, suspension=None, waiting=())


def retirement(model: ModelState, record: Record[champion.Retirement], context: FoldContext) -> ModelState:
    """No version decides again; authors of a version may stop a model, and not end it."""
    _intervention(model, record, context, model.authors)
    if (waiting := _waiting(model, record)) is not None:
        return waiting
    state = replace(model.champion, status="retired")
    changed = _changed(model, record, state, None, record.event.person, record.event.rationale)
    return replace(changed, retirement=record)


def segment_paused(model: ModelState, record: Record[champion.SegmentPaused], context: FoldContext) -> ModelState:
    """Nothing is decided about the rows of a segment; anybody may stop that, authors too."""
    event = record.event
    _intervention(model, record, context, frozenset())
    require_same("segment", event.where, record.subject)
    if event.where in model.pauses:
        raise NotCounted(f"the segment was paused before (record {model.pauses[event.where].seq})")
    if (waiting := _waiting(model, record)) is not None:
        return waiting
    pause = Pause(event.where, event.person, event.rationale, record.seq, record.recorded_at)
    return replace(_signed_enough(model, record), pauses={**model.pauses, event.where: pause})


def segment_resumed(model: ModelState, record: Record[champion.SegmentResumed], context: FoldContext) -> ModelState:
    """Versions decide again about the rows of a segment; the champion's authors may not do that."""
    event, pause = record.event, model.pauses.get(record.subject)
    _intervention(model, record, context, model.authors_of(model.champion.champion))
    require_same("segment", event.where, record.subject)
    if pause is None:
        raise NotCounted("the segment was not paused")
    require_same("record", event.pause, pause.seq)
    if (waiting := _waiting(model, record)) is not None:
        return waiting
    left = {where: one for where, one in model.pauses.items() if where != record.subject}
    return replace(_signed_enough(model, record), pauses=left)


def _signed_enough(model: ModelState, record: Record[Any]) -> ModelState:
    """The model without the signatures that waited for this one."""
    kept = tuple(r for r in model.waiting if (r.kind, r.subject) != (record.kind, record.subject))
    return replace(model, waiting=kept)


def _intervention(model: ModelState, record: Record[Any], context: FoldContext, barred: frozenset[str]) -> None:
    """Hold a signed change of the champion state to its rules."""
    event: champion.Intervention = record.event
    _not_retired(model.champion)
    by_machine = event.role == AUTOMATION and event.BY_SERVICE_KEY
    if by_machine and not _policy_allows(model, record.kind):
        raise NotCounted(f"the policy in force lets the service key make no {record.kind}")
    signed(context, record, roles=(AUTOMATION,) if by_machine else None, barred=barred)
    require_same("version", event.subject, record.subject)
    if event.follows != model.champion.seq:
        raise NotCounted(f"signed for the state after record {event.follows}, which was {model.champion.seq}: a replay")


def _not_rejected(model: ModelState, version: str) -> None:
    rejected = model.version(version).rejected
    if rejected is not None:
        raise NotCounted(f"version {version} was rejected in validation (record {rejected.seq}) and may not decide")


def _waiting(model: ModelState, record: Record[Any]) -> ModelState | None:
    """The model with one more signature, where the policy in force requires further ones; None where this is enough.

    Each person counts once, in the role they signed in. The service key acts alone, where policy lets it act.
    """
    event: champion.Intervention = record.event
    required = model.required_signatures(record.kind)
    if not required or (event.role == AUTOMATION and event.BY_SERVICE_KEY):
        return None
    if event.role not in required:
        raise NotCounted(f"the role {event.role} may not sign a {record.kind}: expected {' or '.join(required)}")
    if before := next((r for r in model.signed(record.kind, record.subject) if r.event.person == event.person), None):
        raise NotCounted(f"{event.person} signed this {record.kind} before (record {before.seq})")
    model = replace(model, waiting=(*model.waiting, record))
    return model if model.missing_signatures(record.kind, record.subject) else None


def _policy_allows(model: ModelState, kind: str) -> bool:
    """Whether the policy in force lets the service key do this."""
    if model.policy is None:
        return False
    rule = model.policy.event.authority.automation
    return {champion.Suspension.KIND: rule.suspend, champion.Rollback.KIND: rule.rollback}.get(kind, False)


def _changed(
    model: ModelState, record: Record[Any], state: ChampionState, version: str | None, person: str, reason: str
) -> ModelState:
    before = model.champion.champion
    former = str(before) if before is not None else None
    change = ChampionChange(
        record.happened_at, record.recorded_at, record.kind, version, former, person, reason, record.seq
    )
    state = replace(state, seq=record.seq, since=record.recorded_at)
    return replace(model, champion=state, changes=(*model.changes, change), suspension=None, waiting=())


def _not_retired(now: ChampionState) -> None:
    if now.status == "retired":
        raise NotCounted("the model was retired, for ever: the record changes nothing")
