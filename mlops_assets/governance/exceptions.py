"""Exceptions: a gate lifted for a time, with a reason, by somebody whom the policy names.

An exception never turns a failed gate into a passed one: it stands beside the decision, with its expiry, wherever the
decision is shown. It is for one gate of one model, and for one version unless it says otherwise.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from mlops_assets.governance.approval_subject import NotRegistered, authors_of, authors_of_model, registered
from mlops_assets.governance.decisions import Lift
from mlops_assets.ledger.canonical import iso, moment
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.ledger.people import NotAllowed, People
from mlops_assets.ledger.signatures import SignatureRefused
from mlops_assets.ledger.signed_acts import read_act, sign_act
from mlops_assets.policy.policy import Policy

PURPOSE = "exception/v1"
WITHDRAWAL = "exception-withdrawal/v1"


@dataclass(frozen=True)
class Granted:
    """One exception on record.

    Attributes:
        seq: of its record.
        model: name.
        gate: that it lifts.
        version: it is for, or None for every version of the model.
        reason: why.
        person: who signed.
        role: in which.
        granted_at: when it was recorded.
        expires: when it ends.
        status: `active`, `expired`, `withdrawn`, or `refused` when it counts for nothing.
        why: what is wrong with a refused one.
    """

    seq: int
    model: str
    gate: str
    version: str | None
    reason: str
    person: str
    role: str
    granted_at: datetime
    expires: datetime
    status: Literal["active", "expired", "withdrawn", "refused"]
    why: str = ""


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
) -> Record:
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
    if gate not in type(policy.gates).model_fields:
        raise ValueError(f"found gate {gate!r}, expected one of {', '.join(type(policy.gates).model_fields)}")
    now = ledger.clock()
    if expires <= now:
        raise ValueError(f"found expiry {iso(expires)}, which is not after now ({iso(now)})")
    if expires - now > timedelta(days=policy.exceptions.max_days):
        raise ValueError(
            f"found expiry {iso(expires)}, expected at most {policy.exceptions.max_days} days from now, as policy says"
        )
    if not policy.exceptions.roles:
        raise NotAllowed("the policy knows no exceptions")
    subjects = {"policy": policy.digest}
    if version is not None:
        registration = registered(ledger, model, version)
        subjects["registration"] = registration.digest
    body = sign_act(
        ledger,
        key,
        PURPOSE,
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
        barred=authors_of_model(ledger, model, version),
        root=root,
    )
    return ledger.append("exception_granted", body, model=model, subject=gate)


def withdraw_exception(
    ledger: Ledger, key: SigningKey, model: str, seq: int, reason: str, root: PublicKey | None = None
) -> Record:
    """End an exception early; anybody who may act on the model can.

    Raises:
        NotAllowed: the key is nobody's, or not for this model.
        ValueError: record `seq` is no exception of the model.
    """
    record = ledger.get(seq)
    if record is None or (record.kind, record.model) != ("exception_granted", model):
        raise ValueError(f"record {seq} is no exception of {model}")
    body = sign_act(
        ledger, key, WITHDRAWAL, model, {"exception": record.digest}, {"seq": seq, "reason": reason}, root=root
    )
    return ledger.append("exception_withdrawn", body, model=model, subject=record.subject)


def exceptions(
    ledger: Ledger,
    policy: Policy,
    model: str,
    *,
    at: datetime | None = None,
    root: PublicKey | None = None,
    known_at: datetime | None = None,
) -> list[Granted]:
    """Every exception of a model with its status at `at` (default: `known_at`, or now), in order of record."""
    when = at or known_at or ledger.clock()
    people = ledger.people(root, known_at)
    withdrawn = _withdrawn(ledger, people, model, known_at)
    found, seen = [], {}
    for record in ledger.records(kind="exception_granted", model=model, known_at=known_at):
        # Recorded once more, one that was withdrawn would hold again; told by what was signed, because the envelope
        # around it, and even an ECDSA signature, can be written in another way that holds as well.
        envelope = record.body.get("envelope")
        payload = envelope.get("payload") if isinstance(envelope, Mapping) else None
        first = seen.setdefault(str(payload), record.seq)
        found.append(_read(ledger, people, policy, record, withdrawn, when, first))
    return found


def lifts(
    ledger: Ledger,
    policy: Policy,
    model: str,
    version: str | int,
    *,
    at: datetime | None = None,
    root: PublicKey | None = None,
    known_at: datetime | None = None,
) -> dict[str, Lift]:
    """By gate, the exception in force for `version` that lasts longest: what `decisions.standing` takes."""
    authors = authors_of_model(ledger, model, version)
    found: dict[str, Lift] = {}
    for granted in exceptions(ledger, policy, model, at=at, root=root, known_at=known_at):
        if granted.status != "active" or granted.version not in (None, str(version)):
            continue
        if granted.person.casefold() in authors:
            continue
        lift = Lift(granted.gate, granted.seq, granted.expires, granted.role, granted.person, granted.reason)
        if granted.gate not in found or found[granted.gate].expires < lift.expires:
            found[granted.gate] = lift
    return found


def _read(
    ledger: Ledger,
    people: People,
    policy: Policy,
    record: Record,
    withdrawn: set[int],
    when: datetime,
    first: int,
) -> Granted:
    try:
        signed = read_act(people, record, PURPOSE, roles=policy.exceptions.roles)
        said = signed.predicate
        expires = moment(said["expires"])
        if said["gate"] != record.subject:
            raise NotAllowed(f"signed for gate {said['gate']!r}, recorded for {record.subject!r}")
        if expires - record.recorded_at > timedelta(days=policy.exceptions.max_days, seconds=60):
            raise NotAllowed(f"it lasts longer than the {policy.exceptions.max_days} days that the policy allows")
        if said["version"] is not None:
            registration = registered(ledger, record.model, said["version"])
            if signed.statement.subjects.get("registration") != registration.digest:
                raise NotAllowed(f"signed for another registration of version {said['version']}")
            if signed.person.casefold() in authors_of(registration):
                raise NotAllowed(f"{signed.person} built version {said['version']}")
        if first != record.seq:
            raise NotAllowed(f"a replay of record {first}")
    except (NotAllowed, SignatureRefused, NotRegistered, KeyError, TypeError, ValueError) as error:
        body = record.body
        return Granted(
            record.seq, record.model, record.subject, None, str(body.get("reason", "")), str(body.get("person", "")),
            str(body.get("role", "")), record.recorded_at, record.recorded_at, "refused", str(error),
        )  # fmt: skip
    status = "withdrawn" if record.seq in withdrawn else "expired" if when >= expires else "active"
    return Granted(
        record.seq, record.model, record.subject, said["version"], said["reason"], signed.person, said["role"],
        record.recorded_at, expires, status,
    )  # fmt: skip


def _withdrawn(ledger: Ledger, people: People, model: str, known_at: datetime | None) -> set[int]:
    found = set()
    for record in ledger.records(kind="exception_withdrawn", model=model, known_at=known_at):
        try:
            found.add(int(read_act(people, record, WITHDRAWAL).predicate["seq"]))
        except (NotAllowed, SignatureRefused):
            continue
    return found
