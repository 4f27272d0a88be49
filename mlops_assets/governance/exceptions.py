"""Exceptions: a gate lifted for a time, with a reason, by somebody whom the policy names.

An exception never turns a failed gate into a passed one: it is shown beside the decision, with its expiry, wherever the
decision is shown. It is for one gate of one model, and for one version unless it says otherwise. The ledger's state holds
those that counted when they were recorded; the policy that is effective now may be stricter, and is applied here.
"""

from datetime import datetime, timedelta

from mlops_assets.governance.approval_subject import registered
from mlops_assets.governance.decisions import Lift
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.judgements import ExceptionGranted, ExceptionWithdrawn
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.judgements import SIGNING_SLACK, GrantedException
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.policy.policy import Policy


def sign_exception(
    ledger: Ledger,
    key: SigningKey,
    policy: Policy,
    model: str,
    gate: str,
    reason: str,
    expires: datetime,
    *,
    version: str | int | None = None,
    role: str | None = None,
    root: PublicKey | None = None,
) -> Record[ExceptionGranted]:
    """Sign an exception and record it.

    Args:
        ledger: to write to.
        key: of the signer.
        policy: the model's effective policy.
        model: name.
        gate: to be lifted.
        reason: why, in a sentence or more.
        expires: when it ends; at most `policy.exceptions.max_days` from now.
        version: the only version it is for; None: every version of the model.
        role: in which the signer acts.
        root: root key, when known from outside the ledger.

    Raises:
        NotAllowed: the policy does not let this signer, or anybody, do it; or the signer built the version.
        ValueError: no reason, no such gate, or an expiry in the past or too far off.
    """
    if not reason.strip():
        raise ValueError(f"an exception to {gate!r} needs a reason")
    if gate not in policy.gates.names:
        raise ValueError(f"found gate {gate!r}, expected one of {', '.join(policy.gates.names)}")
    now, state = ledger.clock(), ledger.state(root=root).model(model)
    if expires <= now:
        raise ValueError(f"found expiry {iso(expires)}, which is not after now ({iso(now)})")
    if expires - now > timedelta(days=policy.exceptions.max_days):
        raise ValueError(
            f"found expiry {iso(expires)}, expected at most {policy.exceptions.max_days} days from now, as policy says"
        )
    if not policy.exceptions.roles:
        raise NotAllowed("the policy allows no exceptions")
    subjects = {"policy": policy.digest}
    if version is not None:
        subjects["registration"] = registered(state, version).digest
    body = sign_act(
        ledger,
        key,
        ExceptionGranted.PURPOSE,
        model,
        subjects,
        {
            "gate": gate,
            "version": str(version) if version is not None else None,
            "reason": reason.strip(),
            "expires": iso(expires),
        },
        roles=policy.exceptions.roles,
        role=role,
        barred=state.authors_of(version),
        root=root,
    )
    return ledger.append(ExceptionGranted.model_validate(body), model=model, subject=gate)


def withdraw_exception(
    ledger: Ledger, key: SigningKey, model: str, seq: int, reason: str, root: PublicKey | None = None
) -> Record[ExceptionWithdrawn]:
    """End an exception early; anybody who may act on the model can.

    Raises:
        NotAllowed: the key is not enrolled, or not for this model.
        ValueError: record `seq` is no exception of the model.
    """
    record = ledger.get(seq)
    if record is None or not isinstance(record.event, ExceptionGranted) or record.model != model:
        raise ValueError(f"record {seq} is no exception of {model}")
    body = sign_act(
        ledger,
        key,
        ExceptionWithdrawn.PURPOSE,
        model,
        {"exception": record.digest},
        {"seq": seq, "reason": reason},
        root=root,
    )
    return ledger.append(ExceptionWithdrawn.model_validate(body), model=model, subject=record.subject)


def objection(policy: Policy, granted: GrantedException) -> str:
    """Why the policy does not accept an exception; empty where it does."""
    rule = policy.exceptions
    if granted.role not in rule.roles:
        return f"the role {granted.role} may not sign it: expected {' or '.join(rule.roles) or 'nobody'}"
    if granted.expires - granted.granted_at > timedelta(days=rule.max_days) + SIGNING_SLACK:
        return f"it lasts longer than the {rule.max_days} days that the policy allows"
    return ""


def lifts(model: ModelState, policy: Policy, version: str | int, at: datetime) -> dict[str, Lift]:
    """By gate, the exception in force for `version` that lasts longest: what `decisions.standing` takes.

    Args:
        model: its state.
        policy: its effective policy.
        version: as in the registry; its authors' exceptions do not count for it.
        at: moment at which they must be in force.
    """
    found: dict[str, Lift] = {}
    for granted in model.exceptions_in_force(at):
        if granted.version not in (None, str(version)) or objection(policy, granted):
            continue
        if granted.person.casefold() in model.authors_of(version):
            continue
        lift = Lift(granted.gate, granted.seq, granted.expires, granted.role, granted.person, granted.reason)
        if granted.gate not in found or found[granted.gate].expires < lift.expires:
            found[granted.gate] = lift
    return found
