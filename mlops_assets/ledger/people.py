"""Who may sign what: people enrolled by records that a root key signed.

A person is a name with one key at a time. Enrolling the same name with another key rotates: the former key ends where
the new one begins. What a key signed is judged by the place of the record in the ledger, not by the time a signer
claims: a record counts when the key was enrolled before it, not yet ended, rotated or revoked, and the moment of
recording lies in the key's validity. So a later revocation leaves what was signed before it standing, unless it says
since when the key was in wrong hands.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import iso, moment
from mlops_assets.ledger.events.base import Event, UnknownEvent
from mlops_assets.ledger.events.people import KeyRevoked, PersonEnrolled
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import SignatureRefused, Statement, open_envelope, signer_of

ROOT = "root"
"""The role that enrols and revokes."""

LEDGER = "ledger"
"""The role of a key that signs the ledger's head."""

AUTOMATION = "automation"
"""The role of the service key: it signs what the policy lets it do, and nothing else."""

NO_JUDGES = (AUTOMATION, LEDGER, ROOT)
"""Roles of keys that enrol, seal or obey: none of them judges a model."""

ALL_MODELS = "*"
NAME = re.compile(r"^[a-z0-9][a-z0-9_.@+:-]{0,62}$")
KINDS = (PersonEnrolled.KIND, KeyRevoked.KIND)
_EPOCH = "0" * 64


class NotAllowed(MlopsAssetsError, ValueError):
    """A signature that is not worth what it is used for: unknown, revoked, expired, wrong role or wrong model."""


@dataclass(frozen=True)
class KeyPeriod:
    """One key of one person, and how long it counted.

    Attributes:
        person: name.
        key: public key.
        roles: what the person may act as.
        models: names of models, or `*`.
        valid_from: start of validity (UTC).
        valid_until: end of validity, or None.
        enrolled: seq of the record that enrolled it; what was recorded before does not count.
        ended: seq of the record that rotated or revoked it, or None.
        revoked: whether it was revoked, not only rotated or given other roles.
        compromised_since: what was recorded at or after this does not count, even before `ended`.
    """

    person: str
    key: PublicKey
    roles: tuple[str, ...]
    models: tuple[str, ...]
    valid_from: datetime
    valid_until: datetime | None
    enrolled: int
    ended: int | None = None
    revoked: bool = False
    compromised_since: datetime | None = None

    def state(self, at: datetime) -> str:
        """revoked, replaced, expired, not yet valid, or active at that time."""
        if self.revoked:
            return "revoked"
        if self.ended is not None:
            return "replaced"
        if self.valid_until is not None and at >= self.valid_until:
            return "expired"
        return "not yet valid" if at < self.valid_from else "active"

    def refusal(self, model: str, recorded_at: datetime, seq: int | None) -> str | None:
        """Why this key does not count for a record about `model` at that place, or None when it does.

        Args:
            model: concerned; "" for what belongs to no model.
            recorded_at: when the record was written, or now for one not yet written.
            seq: of the record, or None for one not yet written.
        """
        place = seq if seq is not None else float("inf")
        if place <= self.enrolled:
            return f"{self.person}'s key was enrolled only later (record {self.enrolled})"
        if self.compromised_since is not None and recorded_at >= self.compromised_since:
            return f"{self.person}'s key was in wrong hands since {iso(self.compromised_since)} (record {self.ended})"
        if self.ended is not None and place > self.ended:
            return f"{self.person}'s key was {'revoked' if self.revoked else 'replaced'} by record {self.ended}"
        if recorded_at < self.valid_from:
            return f"{self.person}'s key is valid only from {iso(self.valid_from)}"
        if self.valid_until is not None and recorded_at >= self.valid_until:
            return f"{self.person}'s key expired on {iso(self.valid_until)}"
        if model and ALL_MODELS not in self.models and model not in self.models:
            return f"{self.person} may act on {', '.join(self.models)}, not on {model}"
        return None


@dataclass(frozen=True)
class Signed:
    """A statement whose signature was checked, and who stands behind it."""

    statement: Statement
    period: KeyPeriod

    @property
    def person(self) -> str:
        """Name of the signer."""
        return self.period.person

    @property
    def predicate(self) -> dict[str, Any]:
        """What was said."""
        return self.statement.predicate


@dataclass(frozen=True)
class People:
    """Everybody who was ever enrolled, read from the ledger with every signature checked.

    Attributes:
        periods: in order of enrolment.
        refused: enrolments and revocations that count for nothing: (seq, why).
    """

    periods: tuple[KeyPeriod, ...] = ()
    refused: tuple[tuple[int, str], ...] = ()
    _last: Mapping[str, str] = field(default_factory=dict, repr=False)

    def open(self, envelope: Mapping[str, Any], purpose: str, model: str, at: datetime, seq: int | None) -> Signed:
        """Check an envelope: signature, and that its key counted at that place in the ledger.

        Args:
            envelope: DSSE envelope.
            purpose: expected kind of statement.
            model: concerned.
            at: when its record was written, or now.
            seq: of its record, or None when it is not yet written.

        Raises:
            NotAllowed: the key is unknown, or did not count then.
            SignatureRefused: the signature or the statement is not what it must be.
        """
        key_id = signer_of(envelope)
        periods = [period for period in self.periods if period.key.key_id == key_id]
        if not periods:
            raise NotAllowed(f"signed with key {key_id[:12]}, which nobody is enrolled with")
        statement = open_envelope(envelope, periods[0].key, purpose)
        refusals = [period.refusal(model, at, seq) for period in periods]
        for period, refusal in zip(periods, refusals, strict=True):
            if refusal is None:
                return Signed(statement, period)
        raise NotAllowed(str(refusals[-1]))

    def open_record(self, record: Record[Any], purpose: str) -> Signed:
        """`open` for the envelope in a record's event."""
        envelope = getattr(record.event, "envelope", None)
        if not isinstance(envelope, Mapping):
            raise SignatureRefused(f"record {record.seq} ({record.kind}) carries no signature")
        return self.open(envelope, purpose, record.model, record.recorded_at, record.seq)

    def signer(self, key: PublicKey, model: str, at: datetime) -> KeyPeriod:
        """Whose key that is now.

        Raises:
            NotAllowed: it is not enrolled, or does not count for `model` at that time.
        """
        periods = [period for period in self.periods if period.key == key]
        if not periods:
            raise NotAllowed(f"key {key.key_id[:12]} is not enrolled; enrol it with `mlops people enrol`")
        refusals = [period.refusal(model, at, None) for period in periods]
        for period, refusal in zip(periods, refusals, strict=True):
            if refusal is None:
                return period
        raise NotAllowed(str(refusals[-1]))

    def active(self, model: str, at: datetime, role: str | None = None) -> list[KeyPeriod]:
        """Who may act on `model` at that time, in `role` if given, by name."""
        return sorted(
            (
                period
                for period in self.periods
                if period.refusal(model, at, None) is None and (role is None or role in period.roles)
            ),
            key=lambda period: period.person,
        )

    def ledger_keys(self) -> list[PublicKey]:
        """Keys that were ever enrolled to sign the ledger's head, for `Ledger.verify`."""
        return [period.key for period in self.periods if LEDGER in period.roles]

    def last_of(self, person: str) -> str:
        """Digest of the last record that counted about a person; zeros when there is none."""
        return self._last.get(person, _EPOCH)


def known_people(records: Sequence[Record], trusted: str | None = None) -> People:
    """`read_people`, where the same records need not be verified again."""
    # Each record was just held against its digest: those of the same digests were signed by the same people.
    state = (trusted, tuple(record.digest for record in records))
    if state not in _READ:
        if len(_READ) >= MOST_READ:
            _READ.clear()
        _READ[state] = read_people(records, trusted)
    return _READ[state]


MOST_READ = 64
_READ: dict[tuple[str | None, tuple[str, ...]], People] = {}
"""People by the records that they were read from: their signatures need not be verified again for each model."""


def read_people(records: Sequence[Record], root: str | None = None) -> People:
    """Everybody in these records, such as a packet's, with every signature checked; `root` is the key id of the root key."""
    periods: list[KeyPeriod] = []
    refused: list[tuple[int, str]] = []
    last: dict[str, str] = {}
    for record in records:
        people = People(tuple(periods), (), last)
        try:
            event = record.event
            if isinstance(event, PersonEnrolled):
                periods = _with_enrolment(people, record, event, root)
            elif isinstance(event, KeyRevoked):
                periods = _with_revocation(people, record, event)
            else:
                raise NotAllowed(
                    event.reason if isinstance(event, UnknownEvent) else f"{record.kind} is about no person"
                )
        except (SignatureRefused, NotAllowed, ValueError, KeyError, TypeError) as error:
            refused.append((record.seq, str(error)))
            continue
        last = {**last, record.subject: record.digest}
    return People(tuple(periods), tuple(refused), last)


def _with_enrolment(people: People, record: Record, event: PersonEnrolled, root: str | None) -> list[KeyPeriod]:
    statement = _signed_by_root(people, record, event, root)
    predicate = statement.predicate
    name, key = str(predicate["name"]), PublicKey.from_pem(predicate["public_key"])
    _require_same_fields(event, {**predicate, "key_id": key.key_id})
    _require_current(people, record, predicate, name)
    for period in people.periods:
        if period.key == key and period.person != name:
            raise NotAllowed(f"the key of {name} is already {period.person}'s: one person, one key")
        if period.key == key and period.revoked:
            raise NotAllowed(f"the key of {name} was revoked by record {period.ended} and stays so")
    until = predicate["valid_until"]
    period = KeyPeriod(
        person=name,
        key=key,
        roles=tuple(predicate["roles"]),
        models=tuple(predicate["models"]),
        valid_from=moment(predicate["valid_from"]),
        valid_until=moment(until) if until is not None else None,
        enrolled=record.seq,
    )
    return [_ended(other, name, record.seq) for other in people.periods] + [period]


def _with_revocation(people: People, record: Record, event: KeyRevoked) -> list[KeyPeriod]:
    signed = people.open_record(record, event.PURPOSE)
    predicate = signed.predicate
    _require_same_fields(event, predicate)
    name = str(predicate["name"])
    if ROOT not in signed.period.roles and signed.person != name:
        raise NotAllowed(f"{signed.person} revoked the key of {name}: only a root, or {name}, may")
    _require_current(people, record, predicate, name)
    if not any(p.person == name and p.key.key_id == predicate["key_id"] for p in people.periods):
        raise NotAllowed(f"{name} was never enrolled with key {str(predicate['key_id'])[:12]}")
    since = predicate["compromised_since"]
    return [
        KeyPeriod(
            **{
                **vars(period),
                "ended": period.ended or record.seq,
                "revoked": True,
                "compromised_since": moment(since) if since is not None else None,
            }
        )
        if period.person == name and period.key.key_id == predicate["key_id"]
        else period
        for period in people.periods
    ]


def _ended(period: KeyPeriod, name: str, seq: int) -> KeyPeriod:
    if period.person != name or period.ended is not None:
        return period
    return KeyPeriod(**{**vars(period), "ended": seq})


def _signed_by_root(people: People, record: Record, event: PersonEnrolled, root: str | None) -> Statement:
    if people.periods:
        signed = people.open_record(record, event.PURPOSE)
        if ROOT not in signed.period.roles:
            raise NotAllowed(f"{signed.person} enrolled somebody without the role {ROOT!r}")
        return signed.statement
    # The first record enrols the root itself: its own key signs it.
    claimed = PublicKey.from_pem(event.public_key)
    if root is not None and claimed.key_id != root:
        raise NotAllowed(f"the first enrolment is of key {claimed.key_id[:12]}, expected the root key {root[:12]}")
    if signer_of(event.envelope) != claimed.key_id:
        raise NotAllowed("the first enrolment of a ledger must be the root's own, signed with the root key")
    statement = open_envelope(event.envelope, claimed, event.PURPOSE)
    if ROOT not in statement.predicate["roles"] or PublicKey.from_pem(statement.predicate["public_key"]) != claimed:
        raise NotAllowed("the first enrolment of a ledger must be the root's own, with the role 'root'")
    return statement


def _require_same_fields(event: Event, predicate: Mapping[str, Any]) -> None:
    """A record shows what was signed, or it counts for nothing."""
    fields = {name: value for name, value in event.body().items() if name not in ("schema_version", "envelope")}
    differing = sorted(name for name, value in fields.items() if predicate.get(name) != value)
    if differing:
        raise NotAllowed(f"the record differs from what was signed in: {', '.join(differing)}")


def _require_current(people: People, record: Record, predicate: Mapping[str, Any], name: str) -> None:
    """A statement names the state it changes, so that an old one cannot be brought in again."""
    if record.subject != name:
        raise NotAllowed(f"the statement is about {name}, its record about {record.subject}")
    if predicate["follows"] != people.last_of(name):
        raise NotAllowed(f"the statement about {name} was made for an earlier state of the ledger: a replay")
