"""Were the promotions on record right when they were made? Each is decided again from what the ledger held then."""

from mlops_assets.governance.adoption import in_force
from mlops_assets.governance.approval_subject import NotRegistered
from mlops_assets.governance.approvals import state as approval_state
from mlops_assets.governance.decisions import standing
from mlops_assets.governance.exceptions import lifts
from mlops_assets.governance.findings import blocking
from mlops_assets.governance.validations import objections, standing_validation
from mlops_assets.governance.verification import BY_MACHINE
from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.ledger import Ledger, LedgerTampered, Record
from mlops_assets.ledger.people import AUTOMATION, NotAllowed, People
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy
from mlops_assets.release import automation
from mlops_assets.release.champion import KINDS, ChampionState, champion_state_of
from mlops_assets.release.ladder import climb


def audit_promotions(ledger: Ledger, root: PublicKey | None = None, model: str | None = None) -> list[Problem]:
    """Every change of champion that did not rest on what it had to rest on; [] when all did.

    A record written past `promote`, by somebody who may append to the database, shows here.

    Args:
        ledger: to read.
        root: root key, when known from outside the ledger.
        model: only this one; default all.
    """
    changes = ledger.records(kind=KINDS, model=model)
    people = ledger.people(root) if changes else People()
    problems: list[Problem] = []
    for place, record in enumerate(changes):
        before = champion_state_of(record.model, [r for r in changes[:place] if r.model == record.model])
        if record.kind == "promotion":
            reasons = _promotion(ledger, record, before, root)
            if before.status in ("suspended", "retired"):
                reasons.append(f"the model was {before.status}")
            if record.body.get("former") != before.champion:
                reasons.append(f"it names {record.body.get('former')} as former champion, which was {before.champion}")
        else:
            follows = record.body.get("follows")
            reasons = [] if follows == before.seq else [f"signed for the state after record {follows}: a replay"]
            if before.status == "retired":
                reasons.append("the model was retired, for ever: the record changes nothing")
            if record.kind == "rollback" and record.subject not in map(str, before.promoted):
                reasons.append(f"version {record.subject} had never been promoted, so the record changes nothing")
            reasons += _intervention(ledger, people, record, before)
        problems += [
            Problem(
                "promotion", f"record {record.seq} ({record.kind} {record.model} {record.subject}): {why}", record.seq
            )
            for why in reasons
        ]
    return problems


def _intervention(ledger: Ledger, people: People, record: Record, before: ChampionState) -> list[str]:
    """What speaks against a signed intervention: its signature, and for the service key what the policy let it do."""
    try:
        signed = read_act(people, record, f"{record.kind}/v1", roles=_roles(record))
    except (NotAllowed, SignatureRefused) as error:
        return [str(error)]
    return automation.objections(ledger, record, before) if signed.predicate["role"] == AUTOMATION else []


def _roles(record: Record) -> tuple[str, ...] | None:
    """The service key's role counts for two kinds of records; otherwise only people's roles do."""
    machine = record.kind in BY_MACHINE and record.body.get("role") == AUTOMATION
    return (AUTOMATION,) if machine else None


def _promotion(ledger: Ledger, record: Record, before: ChampionState, root: PublicKey | None) -> list[str]:
    try:
        policy = recorded_policy(record.body)
    except UnreadablePolicy as error:
        return [str(error)]
    model, version, then = record.model, record.subject, record.recorded_at
    try:
        lifted = lifts(ledger, policy, model, version, root=root, known_at=then)
        gates = standing(ledger, model, version, policy, lifts=lifted, known_at=then)
        approvals = approval_state(ledger, policy, model, version, root=root, known_at=then)
        held = blocking(ledger, policy, model, version, root, known_at=then)
        validation = standing_validation(ledger, model, version, root=root, known_at=then)
        # What was known then includes the promotion itself, so whether there was a champion is the caller's to say.
        step = climb(ledger, policy, model, version, known_at=then) if before.champion is not None else None
    except (NotRegistered, LedgerTampered) as error:
        return [str(error)]
    reasons = [f"gate {gate.gate} was {gate.state}" for gate in gates.blocking]
    adopted = in_force(ledger, model, root=root, known_at=then)
    if adopted is not None and adopted.body["policy_digest"] != policy.digest:
        reasons.append(f"the policy {policy.digest[:12]} was not in force then")
    if approvals.status != "approved":
        reasons.append(f"it was {approvals.status} then")
    reasons += [f"finding {finding.id} ({finding.severity}) was open" for finding in held]
    reasons += objections(validation, policy, then)
    if step is not None and step.waiting:
        reasons.append(f"it was on the ladder ({step.name}): {step.reason}")
    return reasons
