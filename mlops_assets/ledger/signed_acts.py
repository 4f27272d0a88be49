"""Signed acts: one way to sign what a person decides, and one way to check it again.

An act is a predicate with the signer's name and role in it, sealed over digests that say what it is about. Approvals
have rules of their own (`governance.approvals`); exceptions, findings, validations, rollbacks and requests share these.
"""

from collections.abc import Collection, Mapping
from typing import Any

from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import AUTOMATION, LEDGER, NotAllowed, People, Signed
from mlops_assets.ledger.signatures import sign_statement


def sign_act(
    ledger: Ledger,
    key: SigningKey,
    purpose: str,
    model: str,
    subjects: Mapping[str, str],
    predicate: Mapping[str, Any],
    *,
    roles: Collection[str] | None = None,
    role: str | None = None,
    barred: Collection[str] = (),
    root: PublicKey | None = None,
) -> dict[str, Any]:
    """Sign an act in the name of the key's owner.

    Args:
        ledger: to look the signer up in.
        key: of the signer.
        purpose: kind of statement, such as `exception/v1`.
        model: concerned.
        subjects: name to SHA-256 of what it is about.
        predicate: what is decided; `model`, `person`, `role` and `signed_at` are added.
        roles: one of which the signer must hold; None: any role of a person will do, and none of a machine.
        role: in which the signer acts, when they hold several of `roles`.
        barred: names, in lower case, that may not sign this.
        root: root key, when known from outside the ledger.

    Returns:
        The body for a record: the predicate and its `envelope`.

    Raises:
        NotAllowed: the key is not enrolled, does not count now or for this model, or does not have the role.
    """
    now = ledger.clock()
    signer = ledger.people(root).signer(key.public, model, now)
    if signer.person.casefold() in barred:
        raise NotAllowed(f"{signer.person} built this version and may not sign {purpose.split('/')[0]}")
    held = [r for r in signer.roles if _counts(r, roles)]
    if role is not None and role not in held:
        raise NotAllowed(f"{signer.person} may not sign {purpose.split('/')[0]} as {role}")
    if not held:
        raise NotAllowed(
            f"{signer.person} holds {', '.join(signer.roles)}; {purpose.split('/')[0]} needs "
            f"{' or '.join(roles) if roles else 'the role of a person'}"
        )
    full = {**predicate, "model": model, "person": signer.person, "role": role or held[0], "signed_at": iso(now)}
    return {**full, "envelope": sign_statement(key, subjects, purpose, full)}


def read_act(
    people: People,
    record: Record,
    purpose: str,
    *,
    roles: Collection[str] | None = None,
    barred: Collection[str] = (),
) -> Signed:
    """Check a recorded act again: signature, key, model, role; only what was signed is to be used.

    Raises:
        NotAllowed: the signer's key did not count then, or the role is not theirs or not enough.
        SignatureRefused: no valid signature.
    """
    signed = people.open_record(record, purpose)
    said = signed.predicate
    if said.get("model") != record.model:
        raise NotAllowed(f"signed for model {said.get('model')!r}, recorded for {record.model!r}")
    if said.get("role") not in signed.period.roles:
        raise NotAllowed(f"{signed.person} does not hold the role {said.get('role')}")
    if not _counts(str(said.get("role")), roles):
        who = " or ".join(roles) if roles else "the role of a person"
        raise NotAllowed(f"the role {said.get('role')} may not sign {purpose.split('/')[0]}: {who} may")
    if signed.person.casefold() in barred:
        raise NotAllowed(f"{signed.person} built this version")
    return signed


def _counts(role: str, roles: Collection[str] | None) -> bool:
    """A machine's role counts only where it is asked for by name."""
    return role not in (AUTOMATION, LEDGER) if roles is None else role in roles
