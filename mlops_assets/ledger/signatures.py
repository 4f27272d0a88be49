"""Signed statements: in-toto statements in DSSE envelopes.

The envelope follows the DSSE protocol v1 (https://github.com/secure-systems-lab/dsse/blob/master/protocol.md), the
payload the in-toto Statement v1 (https://github.com/in-toto/attestation/blob/main/spec/v1/statement.md), so that any
tool for these formats can check one. Signatures are ECDSA P-256 with SHA-256 in DER. Here is only how a statement is
sealed and opened; whose key counts for what is `ledger.people`'s.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.keys import PublicKey, SigningKey, decode, encode
from mlops_assets.plain_text import refuse_hidden

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_PREFIX = "urn:x-mlops-assets:"


class SignatureRefused(MlopsAssetsError, ValueError):
    """An envelope does not hold what it must, or its signature is not the key's."""


@dataclass(frozen=True)
class Statement:
    """What somebody signed.

    Attributes:
        subjects: name to SHA-256 of every artifact the statement is about.
        purpose: what kind of statement it is, such as `approval/v1`.
        predicate: what is said about the subjects.
        key_id: of the key that signed.
    """

    subjects: dict[str, str]
    purpose: str
    predicate: dict[str, Any]
    key_id: str


def pae(payload_type: str, payload: bytes) -> bytes:
    """DSSE's pre-authentication encoding: what is really signed; binds the type to the payload."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign_statement(
    key: SigningKey, subjects: Mapping[str, str], purpose: str, predicate: Mapping[str, Any]
) -> dict[str, Any]:
    """Sign a statement and return its envelope, ready for JSON.

    Args:
        key: of the signer.
        subjects: name to SHA-256 (hex); at least one.
        purpose: kind of statement, such as `approval/v1`; another purpose's envelope never opens as this one.
        predicate: what is said about the subjects.

    Raises:
        ValueError: no subject, a digest that is not SHA-256, or text that does not show what it says.
    """
    refuse_hidden(predicate, "what is signed")
    if not subjects:
        raise ValueError("a statement needs at least one subject: what is it about?")
    for name, value in subjects.items():
        if len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise ValueError(f"subject {name!r}: found digest {value!r}, expected 64 lowercase hex characters")
    statement = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": name, "digest": {"sha256": subjects[name]}} for name in sorted(subjects)],
        "predicateType": PREDICATE_PREFIX + purpose,
        "predicate": dict(predicate),
    }
    payload = canonical_json(statement).encode()
    return {
        "payloadType": PAYLOAD_TYPE,
        "payload": encode(payload),
        "signatures": [{"keyid": key.public.key_id, "sig": encode(key.sign(pae(PAYLOAD_TYPE, payload)))}],
    }


def signer_of(envelope: Mapping[str, Any]) -> str:
    """Key id that the envelope claims; a hint for the look-up, worth nothing before `open_envelope`.

    Raises:
        SignatureRefused: not an envelope with exactly one signature.
    """
    signatures = envelope.get("signatures") if isinstance(envelope, Mapping) else None
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], Mapping):
        raise SignatureRefused("found no DSSE envelope with exactly one signature")
    return str(signatures[0].get("keyid", ""))


def open_envelope(envelope: Mapping[str, Any], key: PublicKey, purpose: str) -> Statement:
    """Check the signature, then read the statement; nothing of the payload is looked at before the check.

    Raises:
        SignatureRefused: wrong shape, wrong key, altered payload, or a statement made for another purpose.
    """
    claimed = signer_of(envelope)
    if claimed != key.key_id:
        raise SignatureRefused(f"signed with key {claimed[:12]}, expected key {key.key_id[:12]}")
    try:
        payload = decode(envelope["payload"])
        signature = decode(envelope["signatures"][0]["sig"])
    except (KeyError, TypeError, ValueError) as error:
        raise SignatureRefused(f"the envelope cannot be decoded: {error}") from None
    if envelope.get("payloadType") != PAYLOAD_TYPE:
        raise SignatureRefused(f"found payload type {envelope.get('payloadType')!r}, expected {PAYLOAD_TYPE!r}")
    if not key.verify(signature, pae(PAYLOAD_TYPE, payload)):
        raise SignatureRefused(f"the signature is not one of key {key.key_id[:12]} over this payload")
    return _statement(payload, purpose, key.key_id)


def _statement(payload: bytes, purpose: str, key_id: str) -> Statement:
    try:
        content = json.loads(payload)
        if content["_type"] != STATEMENT_TYPE:
            raise SignatureRefused(f"found statement type {content['_type']!r}, expected {STATEMENT_TYPE!r}")
        found = content["predicateType"]
        if found != PREDICATE_PREFIX + purpose:
            raise SignatureRefused(f"the statement is a {found!r}, expected a {PREDICATE_PREFIX + purpose!r}")
        pairs = [(str(subject["name"]), str(subject["digest"]["sha256"])) for subject in content["subject"]]
        predicate = dict(content["predicate"])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, SignatureRefused):
            raise
        raise SignatureRefused(f"the payload is no in-toto statement: {error!r}") from None
    if len(dict(pairs)) != len(pairs):
        raise SignatureRefused("the statement names a subject twice")
    return Statement(dict(pairs), purpose, predicate, key_id)
