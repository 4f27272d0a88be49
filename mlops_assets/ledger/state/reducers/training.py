"""What events of a training change: snapshots, registrations, cards, and the decisions of gates."""

from dataclasses import replace

from mlops_assets.ledger.events import judgements, versions
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.reducers.common import with_version
from mlops_assets.ledger.state.versions import DATA_SUBJECT, Decision, Snapshot


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
        return with_version(model, fresh)
    if first.event.artifact_digest == record.event.artifact_digest:
        return model
    conflicting = (*(known.conflicting or (first.seq,)), record.seq)
    return with_version(model, replace(known, conflicting=conflicting))


def card_issued(model: ModelState, record: Record[versions.CardIssued], _: FoldContext) -> ModelState:
    """The card that was issued last."""
    return with_version(model, replace(model.version(record.subject), card=record))


def gate_decided(model: ModelState, record: Record[judgements.GateDecided], _: FoldContext) -> ModelState:
    """The latest decision of each gate under each policy, and the comparison on held-out rows that it rests on."""
    event = record.event
    decision = Decision(
        event.gate, event.outcome, event.value, event.threshold, event.rule, event.reason, event.policy_digest, event.tier,
        event.evidence, event.absent, record.seq, record.digest, record.happened_at, record.recorded_at,
    )  # fmt: skip
    if record.subject.startswith(DATA_SUBJECT):
        found = {**model.data_decisions.get(record.subject, {}), event.gate: decision}
        return replace(model, data_decisions={**model.data_decisions, record.subject: found})
    model = _counted(model, record)
    known = model.version(record.subject)
    under = {**known.decisions.get(event.policy_digest, {}), event.gate: decision}
    decisions = {**known.decisions, event.policy_digest: under}
    return with_version(model, replace(known, decisions=decisions, latest_policy=event.policy_digest))


def _counted(model: ModelState, record: Record[judgements.GateDecided]) -> ModelState:
    """With the comparison on held-out rows that the decision rests on; the same one, decided again, counts once."""
    compared = record.event.compared_on
    if compared is None:
        return model
    holdout, champion = compared
    made, pair = model.holdouts.get(holdout, ()), (record.subject, champion)
    if pair in made:
        return model
    return replace(model, holdouts={**model.holdouts, holdout: (*made, pair)})
