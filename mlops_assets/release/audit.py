"""Were the changes of champion on record right when they were made? Each is decided again from what the ledger held then."""

from collections.abc import Iterator

from mlops_assets.governance.approval_subject import NotRegistered, registered
from mlops_assets.governance.approvals import ApprovalState, approval_state
from mlops_assets.governance.decisions import Standing, standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.findings import blocking
from mlops_assets.governance.restrictions import RestrictionError
from mlops_assets.governance.tiers import tier_standing
from mlops_assets.governance.validations import objections, standing_validation
from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.events.champion import Intervention, Promotion
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Ledger, LedgerTampered
from mlops_assets.ledger.people import AUTOMATION, People, known_people
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.champion import CHAMPION_KINDS
from mlops_assets.ledger.state.fold import Fold
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy
from mlops_assets.release import automation
from mlops_assets.release.ladder import climb


def audit_promotions(ledger: Ledger, root: PublicKey | None = None, model: str | None = None) -> list[Problem]:
    """Every change of champion that did not rest on what it had to rest on; [] when all did.

    A record written past `promote`, by somebody who may append to the database, shows here.

    Args:
        ledger: to read.
        root: root key, when known from outside the ledger.
        model: only this one; default all.
    """
    problems: list[Problem] = []
    for record, before, why in _changes(ledger, root, model):
        reasons = [why] if why else []
        if isinstance(record.event, Promotion):
            reasons += _promotion(record, record.event, before)
        elif isinstance(record.event, Intervention) and record.event.role == AUTOMATION and not why:
            reasons += automation.objections(ledger, record, before.model(record.model))
        problems += [
            Problem(
                "promotion",
                f"record {record.seq} ({record.kind} {record.model} {record.subject}): {reason}",
                record.seq,
            )
            for reason in reasons
        ]
    return problems


def _changes(ledger: Ledger, root: PublicKey | None, model: str | None) -> Iterator[tuple[Record, LedgerState, str]]:
    """Each record that changes a champion, the state before it as it was known then, and why it does not count, if so."""
    key_id = root.key_id if root is not None else ledger.root
    fold, people = Fold(People()), list[Record]()
    for record in ledger.records():
        if record.kind in PEOPLE_KINDS:
            people.append(record)
            fold.context.people = known_people(people, key_id)
        elif record.kind in CHAMPION_KINDS and model in (None, record.model):
            before, refused = fold.state(), len(fold.refused)
            fold.take([record])
            yield record, before, fold.refused[-1].reason if len(fold.refused) > refused else ""
        elif model in (None, record.model):
            fold.take([record])


def _promotion(record: Record, event: Promotion, state: LedgerState) -> list[str]:
    """Why a promotion was not right, from the state before it; [] when it was."""
    model, version, then = state.model(record.model), record.subject, record.recorded_at
    try:
        policy = recorded_policy(event.policy, event.policy_digest)
    except UnreadablePolicy as error:
        return [str(error)]
    try:
        gates = standing(model, version, policy, lifts=lifts(model, policy, version, then), at=then, codes={})
        approvals = approval_state(state, policy, record.model, version)
        validation = standing_validation(model, version)
        step = climb(model, policy, version)
        tier = tier_standing(model, policy, registered(model, version).event.declaration, then)
    except (NotRegistered, LedgerTampered, RestrictionError) as error:
        return [str(error)]
    reasons = [f"gate {gate.gate} was {gate.state}" for gate in gates.blocking]
    reasons += _named_wrongly(event, gates, approvals)
    reasons += _other_snapshot(model, version)
    adopted = model.policy
    if adopted is not None and adopted.event.policy_digest != policy.digest:
        reasons.append(f"the policy {policy.digest[:12]} was not in force then")
    if tier.too_low:
        why = tier.problem or f"it was assessed as tier {tier.required}"
        reasons.append(f"it was declared as tier {tier.declared}: {why}")
    if event.assessment not in (None, tier.counted):
        reasons.append(f"it names record {event.assessment} as assessment of the tier, which did not count then")
    if approvals.status != "approved":
        reasons.append(f"it was {approvals.status} then")
    reasons += [f"finding {finding.id} ({finding.severity}) was open" for finding in blocking(model, policy, version)]
    reasons += objections(validation, policy, then)
    if step.waiting:
        place = "sent back" if step.name == "sent_back" else f"on the ladder ({step.name})"
        reasons.append(f"it was {place}: {step.reason}")
    if model.champion.status in ("suspended", "retired"):
        reasons.append(f"the model was {model.champion.status}")
    if event.former != model.champion.champion:
        reasons.append(f"it names {event.former} as former champion, which was {model.champion.champion}")
    return reasons


def _named_wrongly(event: Promotion, gates: Standing, approvals: ApprovalState) -> list[str]:
    """Records that a promotion says it rests on, and which did not count then."""
    lifted = {gate.lift.seq for gate in gates.excepted if gate.lift is not None}
    said = (
        ("gate decision", event.decisions, gates.decisions),
        ("approval", event.approvals, [seq for _, _, seq in approvals.counted]),
        ("exception", [used.seq for used in event.exceptions], lifted),
    )
    return [
        f"it names record {seq} as {what}, which did not count then"
        for what, named, counted in said
        for seq in named
        if seq not in counted
    ]


def _other_snapshot(model: ModelState, version: str) -> list[str]:
    """Whether the registration names a snapshot that is on record with other rows."""
    registration = registered(model, version).event
    other = [s for s in model.snapshots if s.seq == registration.snapshot_record]
    return [
        f"its registration names record {taken.seq} as its snapshot, which has other rows"
        for taken in other
        if taken.data_digest != registration.data_digest
    ]
