"""Enrolling people and revoking keys: the records that `ledger.people` reads, signed by a root and written.

What a record must hold to count is `ledger.people`'s to say; here it is asked before anything is written.
"""

from collections.abc import Iterable
from datetime import datetime

from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.people import KeyRevoked, PersonEnrolled
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Expected, Ledger, Record
from mlops_assets.ledger.people import ALL_MODELS, KINDS, NAME, NotAllowed, People, read_people
from mlops_assets.ledger.signatures import sign_statement


def enrol(
    ledger: Ledger,
    root_key: SigningKey,
    name: str,
    public_key: PublicKey,
    roles: Iterable[str],
    *,
    models: Iterable[str] = (ALL_MODELS,),
    valid_from: datetime | None = None,
    valid_until: datetime | None = None,
) -> Record:
    """Enrol a person, or give one another key, other roles or other models: the latest enrolment counts.

    The first enrolment of a ledger must be the root's own (`roles=["root"]`, its own key).

    Args:
        ledger: to write to.
        root_key: of a person with the role `root`.
        name: of the person: lowercase letters, digits, `_ . @ + : -`.
        public_key: of the person.
        roles: what the person may act as, at least one.
        models: which models they may act on; default all.
        valid_from: default now.
        valid_until: default open.

    Raises:
        NotAllowed: the signer is no root, or the key is revoked or somebody else's.
        ValueError: name, roles or validity make no sense.
    """
    roles, models = tuple(dict.fromkeys(roles)), tuple(dict.fromkeys(models))
    if not NAME.match(name):
        raise ValueError(f"found the name {name!r}, expected lowercase letters, digits and _ . @ + : -")
    if not roles or not models:
        raise ValueError(f"{name}: found roles {list(roles)} and models {list(models)}, expected at least one of each")
    now = ledger.clock()
    start = valid_from or now
    if valid_until is not None and valid_until <= start:
        raise ValueError(f"{name}: valid until {iso(valid_until)} is not after valid from {iso(start)}")
    people, expect = _state(ledger)
    predicate = {
        "name": name,
        "roles": list(roles),
        "models": list(models),
        "valid_from": iso(start),
        "valid_until": iso(valid_until) if valid_until is not None else None,
        "public_key": public_key.pem,
        "follows": people.last_of(name),
    }
    envelope = sign_statement(root_key, {f"key:{name}": public_key.key_id}, PersonEnrolled.PURPOSE, predicate)
    event = PersonEnrolled.model_validate({**predicate, "key_id": public_key.key_id, "envelope": envelope})
    return _write(ledger, event, name, expect)


def revoke(
    ledger: Ledger,
    key: SigningKey,
    name: str,
    reason: str,
    *,
    key_id: str | None = None,
    compromised_since: datetime | None = None,
) -> Record:
    """Revoke a person's key: what it signed before stands, unless it was in wrong hands by then.

    Args:
        ledger: to write to.
        key: of a root, or the person's own.
        name: whose key.
        reason: why, in a sentence.
        key_id: which key; default: the one that counts now.
        compromised_since: signatures recorded at or after this count no longer.

    Raises:
        NotAllowed: the signer may not, or there is no such key.
    """
    if not reason.strip():
        raise ValueError(f"a revocation of {name}'s key needs a reason")
    people, expect = _state(ledger)
    mine = [period for period in people.periods if period.person == name]
    if not mine:
        raise NotAllowed(f"found nobody enrolled as {name!r}")
    chosen = key_id or mine[-1].key.key_id
    predicate = {
        "name": name,
        "key_id": chosen,
        "reason": reason,
        "compromised_since": iso(compromised_since) if compromised_since is not None else None,
        "follows": people.last_of(name),
    }
    envelope = sign_statement(key, {f"key:{name}": chosen}, KeyRevoked.PURPOSE, predicate)
    return _write(ledger, KeyRevoked.model_validate({**predicate, "envelope": envelope}), name, expect)


def _state(ledger: Ledger) -> tuple[People, Expected]:
    records = ledger.records(kind=KINDS)
    return read_people(records, ledger.root), Expected(KINDS, "", records[-1].seq if records else 0)


def _write(ledger: Ledger, event: PersonEnrolled | KeyRevoked, name: str, expect: Expected) -> Record:
    """Refuse before writing what reading would refuse: the ledger keeps no dead letters that we wrote."""
    records, now = ledger.records(kind=KINDS), ledger.clock()
    draft = Record(
        seq=(records[-1].seq if records else 0) + 1,
        kind=event.record_kind,
        model="",
        subject=name,
        happened_at=now,
        recorded_at=now,
        body=event.body(),
        previous="",
        digest="draft",
        key=None,
    )
    for seq, why in read_people([*records, draft], ledger.root).refused:
        if seq == draft.seq:
            raise NotAllowed(f"{name}: {why}")
    return ledger.append(event, subject=name, expect=expect)
