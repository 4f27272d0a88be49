"""What the signer signs: heads of records that follow its last head, seals of packets under that head, acts of the service
key that the policy in them allows, and manifests of artifacts. Everything else is refused.

Pure: what was signed before is `Signed`, which the server keeps. Whether a record counts is not decided here: people's
signatures in it are the fold's to check, and a false record of a machine is no more than what the key's holder could write.
"""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import canonical_json, digest, moment
from mlops_assets.ledger.events.base import UnknownEvent
from mlops_assets.ledger.events.champion import Rollback, Suspension
from mlops_assets.ledger.events.registry import read_event
from mlops_assets.ledger.people import AUTOMATION
from mlops_assets.ledger.records import NOTHING_BEFORE, record_digest
from mlops_assets.ledger.signatures import PAYLOAD_TYPE, PREDICATE_PREFIX, STATEMENT_TYPE, pae

SEAL = "packet/v1"
MANIFEST = "https://model_signing/signature/v1.0"
"""Type of the statement that OpenSSF model signing signs."""
LEDGER_NAME, ARTIFACTS, SERVICE = "ledger", "artifacts", "automation"
NAMES = (LEDGER_NAME, ARTIFACTS, SERVICE)
"""The keys that a signer holds."""
ROW = ("seq", "kind", "model", "subject", "happened_at", "recorded_at", "key", "body", "previous", "digest")


class Refused(MlopsAssetsError, ValueError):
    """It is not signed; the text says why."""


@dataclass(frozen=True)
class Head:
    """A record that was signed as head: its number, digest and time."""

    seq: int = 0
    digest: str = NOTHING_BEFORE
    recorded_at: str = ""


@dataclass(frozen=True)
class Signed:
    """What the signer has signed so far.

    Attributes:
        confirmed: the head that a later one followed, and which therefore can be replaced no more.
        last: the head that was signed last. Its records may not have been written: a transaction can fail after that.
    """

    confirmed: Head = Head()
    last: Head = Head()


def next_head(before: Signed, rows: Sequence[Mapping[str, Any]]) -> Signed:
    """What has been signed once these rows are under a head.

    The rows follow the head that was signed last, or the one before it where the last one's records were never written.

    Raises:
        Refused: a row is no well-formed record, or they follow neither.
    """
    if not rows:
        raise Refused("found no record to sign")
    first = rows[0]
    base = next(
        (
            h
            for h in (before.last, before.confirmed)
            if (first.get("seq"), first.get("previous")) == (h.seq + 1, h.digest)
        ),
        None,
    )
    if base is None:
        raise Refused(
            f"found record {first.get('seq')} after {str(first.get('previous'))[:12]}…, expected record {before.last.seq + 1} "
            f"after {before.last.digest[:12]}…: another ledger, or one that was changed; run `mlops verify`"
        )
    head = base
    for row in rows:
        head = _after(head, row)
    return Signed(base, head)


def _after(head: Head, row: Mapping[str, Any]) -> Head:
    if set(row) != set(ROW):
        raise Refused(f"found a record with the fields {', '.join(sorted(map(str, row)))}, expected {', '.join(ROW)}")
    what = f"record {row['seq']} ({row['kind']})"
    if (row["seq"], row["previous"]) != (head.seq + 1, head.digest):
        raise Refused(f"{what} does not follow record {head.seq}")
    try:
        found = record_digest(**{name: row[name] for name in ROW if name != "digest"})
        body = json.loads(row["body"])
        early = bool(head.recorded_at) and moment(row["recorded_at"]) < moment(head.recorded_at)
    except (TypeError, ValueError) as error:
        raise Refused(f"{what} cannot be read: {error}") from None
    if found != row["digest"]:
        raise Refused(f"{what} does not match its digest")
    if early:
        raise Refused(f"{what} is dated before record {head.seq}")
    if not isinstance(body, dict) or canonical_json(body) != row["body"]:
        raise Refused(f"the content of {what} is not written as the ledger writes it")
    event = read_event(str(row["kind"]), body)
    if isinstance(event, UnknownEvent):
        raise Refused(f"{what}: {event.reason}")
    return Head(row["seq"], row["digest"], row["recorded_at"])


def check_statement(name: str, message: bytes, signed: Signed) -> None:
    """Whether a key may sign a message that is no head.

    Args:
        name: of the key.
        message: in DSSE's encoding.
        signed: what has been signed before.

    Raises:
        Refused: it may not.
    """
    statement = _statement(message)
    kind, predicate = str(statement.get("predicateType")), statement.get("predicate")
    if name == ARTIFACTS and kind == MANIFEST:
        return None
    if name == LEDGER_NAME and kind == PREDICATE_PREFIX + SEAL:
        head = predicate.get("head") if isinstance(predicate, dict) else None
        known = {(h.seq, h.digest) for h in (signed.last, signed.confirmed)}
        if not isinstance(head, dict) or (head.get("seq"), head.get("digest")) not in known:
            raise Refused("a packet is sealed under the last head alone")
        return None
    if name == SERVICE and isinstance(predicate, dict):
        return _check_act(kind, predicate)
    raise Refused(f"the key {name!r} signs no {kind.removeprefix(PREDICATE_PREFIX)}")


def _check_act(kind: str, predicate: Mapping[str, Any]) -> None:
    """An act of the service key: a suspension or a rollback, with what called for it, allowed by the policy in it."""
    allowed_by = {PREDICATE_PREFIX + Suspension.PURPOSE: "suspend", PREDICATE_PREFIX + Rollback.PURPOSE: "rollback"}
    if kind not in allowed_by:
        raise Refused(f"the service key suspends and rolls back, and signs no {kind.removeprefix(PREDICATE_PREFIX)}")
    if (predicate.get("role"), predicate.get("person")) != (AUTOMATION, SERVICE):
        raise Refused(f"the service key signs as {AUTOMATION} alone, found {predicate.get('role')}")
    policy = predicate.get("policy")
    if not isinstance(policy, dict) or digest(policy) != predicate.get("policy_digest"):
        raise Refused("it names no policy, or another one than its digest says")
    if not (predicate.get("cause") and predicate.get("evidence")):
        raise Refused("it names no cause and no record that it rests on")
    rule = policy.get("automation")
    if not isinstance(rule, dict) or rule.get(allowed_by[kind]) is not True:
        raise Refused(f"the policy {str(predicate['policy_digest'])[:12]} does not let the service key do this")


def _statement(message: bytes) -> dict[str, Any]:
    """The in-toto statement in a DSSE message."""
    start = pae(PAYLOAD_TYPE, b"")[:-2]
    try:
        if not message.startswith(start):
            raise ValueError("another payload type")
        payload = message[len(start) :].split(b" ", 1)[1]
        if pae(PAYLOAD_TYPE, payload) != message:
            raise ValueError("another length than it says")
        statement = json.loads(payload)
    except (ValueError, IndexError) as error:
        raise Refused(f"found no in-toto statement in a DSSE message ({error})") from None
    if not isinstance(statement, dict) or statement.get("_type") != STATEMENT_TYPE:
        raise Refused("found no in-toto statement of version 1")
    return statement


def message_of(request: Mapping[str, Any]) -> bytes:
    """The message that a request asks to sign.

    Raises:
        Refused: there is none.
    """
    try:
        return base64.b64decode(str(request["message"]), validate=True)
    except (KeyError, ValueError) as error:
        raise Refused(f"found no message to sign ({error})") from None


def taken_over(seq: int, head_digest: str) -> Signed:
    """What counts as signed where a signer takes over a ledger that ends with this record."""
    head = Head(seq, head_digest)
    return replace(Signed(), confirmed=head, last=head)
