"""What the service key does at once, where the policy lets it: suspend a champion, or roll one back on probation.

The key has the role `automation` and signs nothing else. Each of its acts names the record it rests on and the policy
that allows it, and whether that was so is decided again from the ledger in `release.audit`. Where the policy does not
allow it, or there is no key, an incident asks a person, and nothing happens by itself.
"""

from mlops_assets.governance.adoption import adoption
from mlops_assets.ledger.events.champion import Intervention, Rollback, Suspension
from mlops_assets.ledger.events.judgements import ValidationRecorded
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import AUTOMATION
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.champion import ChampionState
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.policy.policy import Policy
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy
from mlops_assets.release.champion import lock_name
from mlops_assets.release.interventions import intervene, may_take_over
from mlops_assets.release.opening import Opening
from mlops_assets.release.oversight import (
    SEVERITIES,
    VALIDATION_EXPIRED,
    VALIDATION_MISSING,
    due,
    rejection_term,
    review_due,
)
from mlops_assets.release.promotion import VerifyArtifact
from mlops_assets.release.registry import Registry


def allowed(policy: Policy, opening: Opening) -> bool:
    """Whether the policy lets the service key do what is called for."""
    rule = policy.automation
    return {"suspension": rule.suspend, "rollback": rule.rollback}.get(opening.act, False)


def act(
    ledger: Ledger,
    registry: Registry,
    policy: Policy,
    model: str,
    opening: Opening,
    key: SigningKey,
    verify_artifact: VerifyArtifact,
    *,
    root: PublicKey | None = None,
) -> Record | None:
    """Do at once what `opening` calls for, once for its occasion.

    Args:
        ledger: to write to.
        registry: whose aliases follow.
        policy: the model's effective policy.
        model: name.
        opening: out of `oversight.due`; it is looked up again under the model's lock.
        key: the service key.
        verify_artifact: as for `promote`.
        root: root key, when known from outside the ledger.

    Returns:
        The record; None where the policy does not allow it or is not in force, where it is no longer called for, or
        where it was done before and a person has let the version decide again.

    Raises:
        InterventionRefused: there is nothing to roll back to.
        NotAllowed: the key is not enrolled as `automation` for this model.
    """
    if not allowed(policy, opening) or adoption(ledger.state(root=root).model(model), policy).record is None:
        return None
    with ledger.lock(lock_name(model)):
        state = ledger.state(root=root)
        standing = [
            o
            for o in due(state, policy, model, ledger.clock())
            if (o.cause, o.occasion) == (opening.cause, opening.occasion)
        ]
        if not standing or done(ledger, model, opening):
            return None
        now, found = state.model(model).champion, standing[0]
        about = {
            "cause": found.cause,
            "occasion": found.occasion,
            "evidence": found.evidence,
            "policy_digest": policy.digest,
            "policy": policy.model_dump(mode="json"),
        }
        why = f"By policy, at once: {found.summary.split(': mlops')[0]}."
        if found.act == "rollback":
            target = may_take_over(ledger, registry, now, now.former, verify_artifact)
            about |= {"former": now.champion, "version": str(target)}
            subject = str(target)
        else:
            subject = str(now.champion)
        kind = Rollback if found.act == "rollback" else Suspension
        return intervene(ledger, registry, now, kind, subject, key, why, about=about, roles=(AUTOMATION,), root=root)


def objections(ledger: Ledger, record: Record[Intervention], before: ModelState) -> list[str]:
    """Why an act of the service key was not allowed, from what the ledger held when it was done; [] when it was.

    Args:
        ledger: to read the record that the act rests on.
        record: a suspension or rollback signed as `automation`.
        before: state of the model that it changed.
    """
    event = record.event
    try:
        policy = recorded_policy(event.policy, event.policy_digest)
    except UnreadablePolicy as error:
        return [str(error)]
    reasons = []
    if adoption(before, policy).record is None:
        reasons.append(f"the policy {policy.digest[:12]} it names was not in force")
    rule = {Suspension.KIND: policy.automation.suspend, Rollback.KIND: policy.automation.rollback}
    if not rule.get(record.kind, False):
        reasons.append(f"the policy lets the service key make no {record.kind}")
    evidence = ledger.get(event.evidence or 0)
    if evidence is None or evidence.seq >= record.seq or evidence.model != record.model:
        return [*reasons, "it rests on no record"]
    if isinstance(evidence.event, HealthVerdict):
        return [*reasons, *_by_verdict(policy, record, before.champion, evidence.seq, evidence.event)]
    if isinstance(evidence.event, ValidationRecorded):
        return [*reasons, *_by_rejection(policy, record, before, evidence.seq)]
    # The end of a validation rests on the state of the champion, and what ended is looked up by date.
    ends, _ = review_due(before, policy)
    over = ends is not None and ends <= record.recorded_at and "suspend" in policy.response.validation_expired
    if record.kind != Suspension.KIND or event.cause not in (VALIDATION_EXPIRED, VALIDATION_MISSING) or not over:
        reasons.append("nothing called for it then: no review was overdue, or the policy requires no suspension")
    return reasons


def _by_rejection(policy: Policy, record: Record[Intervention], before: ModelState, seq: int) -> list[str]:
    found = rejection_term(before, policy)
    if record.kind != Suspension.KIND or found is None or found[0].seq != seq:
        return [f"record {seq} is no standing rejection of the champion"]
    return (
        [] if found[1] <= record.recorded_at else [f"the policy let the champion decide until {found[1].isoformat()}"]
    )


def _by_verdict(
    policy: Policy, record: Record[Intervention], before: ChampionState, seq: int, verdict: HealthVerdict
) -> list[str]:
    severity, kind = verdict.severity, verdict.kind
    if verdict.version != str(before.champion):
        return [f"record {seq} is about version {verdict.version}, not the champion"]
    if record.kind == Rollback.KIND:
        limit = policy.release.rollback_on
        bad = limit != "never" and severity in SEVERITIES and SEVERITIES.index(severity) >= SEVERITIES.index(limit)
        wrong = [] if bad else [f"record {seq} is at {severity}, and the policy rolls back on {limit}"]
        return (
            wrong if record.subject == str(before.former) else [*wrong, f"version {record.subject} was not the former"]
        )
    if severity not in ("act", "critical") or kind == "none" or "suspend" not in policy.actions(kind):
        return [f"record {seq} ({kind} at {severity}) calls for no suspension"]
    return []


def done(ledger: Ledger, model: str, opening: Opening) -> bool:
    """Whether it was done for this occasion before: what a person has undone since stays undone."""
    acts = [*ledger.of(Suspension, model=model), *ledger.of(Rollback, model=model)]
    return any((r.event.cause, r.event.occasion) == (opening.cause, opening.occasion) for r in acts)
