"""What people sign about models that were found: that one needs no declaration until a date, or which model governs it.

The rules are those of exceptions in the policy of the highest tier, because nobody has assessed the tier of a model that is
not declared: who may sign, and for how long at most. They are applied when it is signed, and again when it is read.
"""

from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.discovery import DiscoveryAssigned, DiscoveryIgnored
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.discovery import Discovered, Standing
from mlops_assets.ledger.state.judgements import SIGNING_SLACK
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.tiering import HIGHEST
from mlops_assets.policy.policy import ExceptionRule, load_policies
from mlops_assets.policy.reading import PolicyError


def rule_in(config: Path) -> ExceptionRule | None:
    """The rule on exceptions of the highest tier's policy; None where there is no such policy, or it cannot be read.

    Args:
        config: folder of the project's policies; what is wrong in it is said wherever models are listed.
    """
    try:
        policy = load_policies(config / "policy").get(HIGHEST)
    except PolicyError:
        return None
    return policy.exceptions if policy is not None else None


def sign_ignored(
    ledger: Ledger,
    key: SigningKey,
    rule: ExceptionRule,
    identity: str,
    reason: str,
    expires: datetime,
    *,
    role: str | None = None,
    root: PublicKey | None = None,
) -> Record[DiscoveryIgnored]:
    """Sign that what was found needs no declaration for a time, and record it.

    Args:
        ledger: to write to.
        key: of the signer.
        rule: on exceptions, of the highest tier's policy.
        identity: id of what was found.
        reason: why, in a sentence or more.
        expires: when it is open again; at most `rule.max_days` from now.
        role: in which the signer acts.
        root: root key, when known from outside the ledger.

    Raises:
        NotAllowed: the policy does not let this signer, or anybody, do it.
        ValueError: no such id, no reason, or an end in the past or too far off.
    """
    now = ledger.clock()
    if expires <= now:
        raise ValueError(f"found end {iso(expires)}, which is not after now ({iso(now)})")
    if expires - now > timedelta(days=rule.max_days):
        raise ValueError(f"found end {iso(expires)}, expected at most {rule.max_days} days from now, as policy says")
    found = _required(ledger, rule, identity, reason, root)
    body = sign_act(
        ledger,
        key,
        DiscoveryIgnored.PURPOSE,
        "",
        {"discovery": found.record},
        {"id": identity, "reason": reason.strip(), "expires": iso(expires)},
        roles=rule.roles,
        role=role,
        root=root,
    )
    return ledger.append(DiscoveryIgnored.model_validate(body), subject=identity)


def sign_assigned(
    ledger: Ledger,
    key: SigningKey,
    rule: ExceptionRule,
    identity: str,
    model: str,
    reason: str,
    *,
    role: str | None = None,
    root: PublicKey | None = None,
) -> Record[DiscoveryAssigned]:
    """Sign which declared model governs what was found, and record it; arguments and errors as for `sign_ignored`."""
    found = _required(ledger, rule, identity, reason, root)
    body = sign_act(
        ledger,
        key,
        DiscoveryAssigned.PURPOSE,
        "",
        {"discovery": found.record},
        {"id": identity, "reason": reason.strip(), "governed_by": model},
        roles=rule.roles,
        role=role,
        root=root,
    )
    return ledger.append(DiscoveryAssigned.model_validate(body), subject=identity)


def objection(rule: ExceptionRule | None, found: Discovered) -> str:
    """Why the policy does not accept the signature that ignores something; empty where it does, or there is none."""
    ignored = found.ignored
    if rule is None or ignored is None:
        return ""
    if ignored.role not in rule.roles:
        return f"the role {ignored.role} may not sign it: expected {' or '.join(rule.roles) or 'nobody'}"
    if ignored.expires - ignored.granted_at > timedelta(days=rule.max_days) + SIGNING_SLACK:
        return f"it lasts longer than the {rule.max_days} days that the policy allows"
    return ""


def standing(rule: ExceptionRule | None, found: Discovered, at: datetime) -> Standing:
    """Whether it is governed, ignored, open or gone at a time, under the policy in force now."""
    stands = found.standing(at)
    return "open" if stands == "ignored" and objection(rule, found) else stands


def present(fleet: ModelState, identity: str) -> Discovered:
    """What was found under this id, and is still there.

    Raises:
        ValueError: there is nothing.
    """
    found = fleet.discovered.get(identity)
    if found is None or found.gone_at is not None:
        raise ValueError(f"found nothing with the id {identity!r}; `mlops discover list` shows what there is")
    return found


def _required(ledger: Ledger, rule: ExceptionRule, identity: str, reason: str, root: PublicKey | None) -> Discovered:
    """What a signature is about, where there is something to sign and somebody who may."""
    if not reason.strip():
        raise ValueError(f"{identity} needs a reason")
    if not rule.roles:
        raise NotAllowed("the policy allows nobody to sign this: its highest tier names no roles under exceptions")
    return present(ledger.state(root=root).fleet, identity)
