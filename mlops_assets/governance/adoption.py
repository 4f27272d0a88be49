"""Which policy is in force for a model, since when, and who agreed: the `policy_adopted` records.

A policy is a file that anybody with the repository can edit, so a change of the requirements on a model is a record: the
whole policy, what differs from the one before, when it was first seen, and under whose account. Where the policy in force
requires it, the change counts only with a signature, never an author's; until then nothing is promoted under the new one.
The former policy governs, so that no file can free itself of its own rule.
"""

import getpass
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.judgements import GateDecided, PolicyAdopted
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.policy.policy import Policy


@dataclass(frozen=True)
class Adoption:
    """Whether a model's policy is in force.

    Attributes:
        policy_digest: of the policy that is declared now.
        record: by which it came into force, or None while it has not.
        roles: one of which must sign it; empty where nobody must.
    """

    policy_digest: str
    record: Record[PolicyAdopted] | None
    roles: tuple[str, ...]

    @property
    def waiting(self) -> bool:
        """Whether a signature is missing."""
        return self.record is None and bool(self.roles)


def adoption(model: ModelState, policy: Policy) -> Adoption:
    """Whether `policy` is in force for `model`, and who must still agree to it."""
    latest = model.policy
    roles = latest.event.authority.adoption.roles if latest is not None else policy.adoption.roles
    if latest is not None and latest.event.policy_digest == policy.digest:
        # Somebody may have signed who built a version later: then another person has to.
        by_author = (latest.event.person or "").casefold() in model.authors
        if not (roles and by_author):
            return Adoption(policy.digest, latest, ())
    return Adoption(policy.digest, None, roles)


def adopt(
    ledger: Ledger,
    model: str,
    policy: Policy,
    *,
    key: SigningKey | None = None,
    rationale: str = "",
    developers: Collection[str] = (),
    root: PublicKey | None = None,
) -> Record[PolicyAdopted] | None:
    """Take a policy into force, if it is not in force already; with a key, sign for one that nobody signed.

    Args:
        ledger: to write to.
        model: name.
        policy: the model's effective policy.
        key: of the signer; needed where the former policy (for the first one, this policy) names roles.
        rationale: why; needed with `key`.
        developers: declared ones: where a role must sign, neither they nor any version's authors may.
        root: root key, when known from outside the ledger.

    Returns:
        The record by which it is in force; None where a signature is missing.

    Raises:
        NotAllowed: the key is not enrolled, lacks a role that is required, or is an author's.
        ValueError: a signature without a rationale.
    """
    state = ledger.state(root=root).model(model)
    current, latest = adoption(state, policy), state.policy
    # One that came into force unsigned can be signed afterwards, where nobody had to.
    unsigned = current.record is not None and current.record.event.envelope is None
    if (current.record is not None and not (unsigned and key)) or (current.roles and key is None):
        return current.record
    before, content = latest.event if latest else None, policy.model_dump(mode="json")
    body: dict[str, Any] = {
        "policy_digest": policy.digest,
        "tier": policy.tier,
        "policy": content,
        "before": before.policy_digest if before else None,
        "changes": changes(before.policy if before else None, content),
        "account": _account(),
    }
    follows = latest.seq if latest else 0
    if key is not None:
        if not rationale.strip():
            raise ValueError(f"adopting a policy for {model} needs a rationale")
        subjects = {"policy": policy.digest, **({"former": before.policy_digest} if before else {})}
        predicate = {**body, "rationale": rationale.strip(), "follows": follows}
        purpose = PolicyAdopted.PURPOSE
        barred = state.authors | {name.strip().casefold() for name in developers} if current.roles else frozenset()
        body = sign_act(
            ledger, key, purpose, model, subjects, predicate, roles=current.roles or None, barred=barred, root=root
        )
    # Named by what it follows: of several processes that see the change at once, one records it.
    name = f"policy/{model}/{policy.digest}/after/{follows}"
    return ledger.append(PolicyAdopted.model_validate(body), model=model, subject=policy.digest[:12], key=name)


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Fields that differ between two policies as JSON: rows of `field`, `before`, `after`; [] for a first policy."""
    if before is None:
        return []
    old, new = _flat(before), _flat(after)
    return [
        {"field": name, "before": old.get(name), "after": new.get(name)}
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def audit_policies(ledger: Ledger, state: LedgerState) -> list[Problem]:
    """Decisions and verdicts made under a policy that had not been adopted for their model; [] when there is none.

    Models without any adoption, and what was recorded before a model's first, are left alone.
    """
    adopted: dict[str, dict[str, int]] = {}
    for model in state:
        for record in model.policies:
            adopted.setdefault(model.name, {}).setdefault(record.event.policy_digest, record.seq)
    problems = []
    for record in ledger.records(kind=(GateDecided.KIND, HealthVerdict.KIND, Promotion.KIND)):
        known, event = adopted.get(record.model), record.event
        if (
            not known
            or record.seq < min(known.values())
            or not isinstance(event, GateDecided | HealthVerdict | Promotion)
        ):
            continue
        if record.seq < known.get(event.policy_digest, record.seq + 1):
            what = f"record {record.seq} ({record.kind} {record.model} {record.subject})"
            text = f"{what}: made under policy {event.policy_digest[:12]}, which was not in force for the model"
            problems.append(Problem("policy", text, record.seq))
    return problems


def _flat(value: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, inner in value.items():
        found |= _flat(inner, f"{prefix}{name}.") if isinstance(inner, Mapping) else {f"{prefix}{name}": inner}
    return found


def _account() -> str:
    """Account of the process: who ran it, which is no authority."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
