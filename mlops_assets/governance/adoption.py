"""Which policy is in force for a model, since when, and who agreed: the `policy_adopted` records.

A policy is a file that anybody with the repository can edit, so a change of what is asked of a model is a record: the
whole policy, what differs from the one before, when it was first seen, and under whose account. Where the policy in
force asks for it, the change counts only with a signature; until then nothing is promoted under the new one. The rule
that governs is the former policy's, so that no file can free itself of it.
"""

import getpass
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from mlops_assets.ledger.chain import Problem
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import NotAllowed, People
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act, sign_act
from mlops_assets.policy.policy import Policy

KIND = "policy_adopted"
PURPOSE = "policy_adopted/v1"


@dataclass(frozen=True)
class Adoption:
    """Where a model's policy stands.

    Attributes:
        policy_digest: of the policy that is declared now.
        record: by which it came into force, or None while it has not.
        roles: one of which must sign it; empty where nobody must.
    """

    policy_digest: str
    record: Record | None
    roles: tuple[str, ...]

    @property
    def waiting(self) -> bool:
        """Whether a signature is missing."""
        return self.record is None and bool(self.roles)


def adoption(
    ledger: Ledger, model: str, policy: Policy, *, root: PublicKey | None = None, known_at: datetime | None = None
) -> Adoption:
    """Whether `policy` is in force for `model`, and who must still agree to it."""
    latest = in_force(ledger, model, root=root, known_at=known_at)
    if latest is not None and latest.body["policy_digest"] == policy.digest:
        return Adoption(policy.digest, latest, ())
    return Adoption(policy.digest, None, _governing(latest, policy.adoption.roles))


def in_force(
    ledger: Ledger, model: str, *, root: PublicKey | None = None, known_at: datetime | None = None
) -> Record | None:
    """The record by which the model's present policy was adopted; None before the first."""
    found = ledger.records(kind=KIND, model=model, known_at=known_at)
    # Most adoptions are unsigned, and then nobody needs to be looked up.
    people = ledger.people(root, known_at) if any(_own_roles(r) or "envelope" in r.body for r in found) else None
    standing = counted(found, people)
    return standing[-1] if standing else None


def adopt(
    ledger: Ledger,
    model: str,
    policy: Policy,
    *,
    key: SigningKey | None = None,
    rationale: str = "",
    root: PublicKey | None = None,
) -> Record | None:
    """Take a policy into force, if it is not in force already; with a key, sign for one that nobody signed.

    Args:
        ledger: to write to.
        model: name.
        policy: the model's effective policy.
        key: of the signer; needed where the former policy (for the first one, this policy) names roles.
        rationale: why; needed with `key`.
        root: root key, when known from outside the ledger.

    Returns:
        The record by which it is in force; None where a signature is missing.

    Raises:
        NotAllowed: the key is nobody's, or lacks a role that is asked for.
        ValueError: a signature without a rationale.
    """
    stands = adoption(ledger, model, policy, root=root)
    # One that came into force unsigned can be signed afterwards, where nobody had to.
    unsigned = stands.record is not None and "envelope" not in stands.record.body
    if (stands.record is not None and not (unsigned and key)) or (stands.roles and key is None):
        return stands.record
    latest = in_force(ledger, model, root=root)
    before = latest.body if latest is not None else {}
    said: dict[str, Any] = {
        "policy_digest": policy.digest,
        "tier": policy.tier,
        "policy": policy.model_dump(mode="json"),
        "before": before.get("policy_digest"),
        "changes": changes(before.get("policy"), policy.model_dump(mode="json")),
        "account": _account(),
    }
    if key is not None:
        if not rationale.strip():
            raise ValueError(f"adopting a policy for {model} needs a rationale")
        subjects = {"policy": policy.digest, **({"former": before["policy_digest"]} if before else {})}
        signed = {**said, "rationale": rationale.strip(), "follows": latest.seq if latest else 0}
        said = sign_act(ledger, key, PURPOSE, model, subjects, signed, roles=stands.roles or None, root=root)
    # Named by what it follows: of several processes that see the change at once, one records it.
    name = f"policy/{model}/{policy.digest}/after/{latest.seq if latest else 0}"
    return ledger.append(KIND, said, model=model, subject=policy.digest[:12], key=name)


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


def audit_policies(ledger: Ledger, root: PublicKey | None = None) -> list[Problem]:
    """Decisions and verdicts made under a policy that had not been adopted for their model; [] when there is none.

    Models without any adoption, and what was recorded before a model's first, are left alone.
    """
    people = ledger.people(root)
    adopted: dict[str, dict[str, int]] = {}
    for model in {r.model for r in ledger.records(kind=KIND)}:
        adopted[model] = {}
        for record in counted(ledger.records(kind=KIND, model=model), people):
            adopted[model].setdefault(record.body["policy_digest"], record.seq)
    problems = []
    for record in ledger.records(kind=("gate_decision", "health_verdict", "promotion")):
        known = adopted.get(record.model)
        if not known or record.seq < min(known.values()):
            continue
        named = record.body.get("policy_digest")
        if record.seq < known.get(str(named), record.seq + 1):
            what = f"record {record.seq} ({record.kind} {record.model} {record.subject})"
            text = f"{what}: made under policy {str(named)[:12]}, which was not in force for the model"
            problems.append(Problem("policy", text, record.seq))
    return problems


def counted(records: Sequence[Record], people: People | None) -> list[Record]:
    """The adoptions of one model that count, in order: each unsigned where nobody had to sign, or signed by who had to."""
    found: list[Record] = []
    for record in records:
        latest = found[-1] if found else None
        roles = _governing(latest, _own_roles(record))
        if roles:
            try:
                signed = read_act(people or People(), record, PURPOSE, roles=roles)
            except (NotAllowed, SignatureRefused):
                continue
            # Only what was signed: the record beside the envelope is anybody's.
            same = signed.statement.subjects.get("policy") == record.body.get("policy_digest")
            if not same or signed.predicate.get("follows") != (latest.seq if latest else 0):
                continue
        found.append(record)
    return found


def _governing(latest: Record | None, own: tuple[str, ...]) -> tuple[str, ...]:
    return _own_roles(latest) if latest is not None else own


def _own_roles(record: Record) -> tuple[str, ...]:
    """Roles that the policy in a record names; read without a schema, so that older policies are read too."""
    rule = (record.body.get("policy") or {}).get("adoption") or {}
    return tuple(rule.get("roles") or ())


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
