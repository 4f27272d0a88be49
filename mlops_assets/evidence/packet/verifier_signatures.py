"""What a verifier needs to check a signature with the standard library alone: ECDSA P-256 in plain integers, and DSSE.

FIPS 186-5 and SEC 1 §4.1.4. Verification only, and not constant in time: nothing secret comes near it.
"""

import base64
import hashlib
import json
from typing import Any

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
GENERATOR = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
SPKI_P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004")
PAYLOAD_TYPE = "application/vnd.in-toto+json"
PREDICATE_PREFIX = "urn:x-mlops-assets:"

LARGEST_JSON = 32 * 1024 * 1024
"""Bytes of the longest JSON text that is read: lists of nothing take twenty times their text in memory."""
LONGEST_NUMBER = 40
MALFORMED = (KeyError, TypeError, ValueError, IndexError, AttributeError, ArithmeticError, RecursionError)
"""What reading a record of another form than expected ends in."""

Point = tuple[int, int]


class Wrong(Exception):
    """The first thing that is wrong."""


def why(error: Exception) -> str:
    """An error as a part of a sentence."""
    if isinstance(error, Wrong):
        return str(error)
    return f"it has another form than expected ({type(error).__name__}: {error})"


def add(p: tuple[int, int] | None, q: tuple[int, int] | None) -> tuple[int, int] | None:
    """Sum of two points; None is the point at infinity."""
    if p is None or q is None:
        return q if p is None else p
    if p[0] == q[0]:
        if (p[1] + q[1]) % P == 0:
            return None
        slope = (3 * p[0] * p[0] - 3) * pow(2 * p[1], -1, P) % P
    else:
        slope = (q[1] - p[1]) * pow(q[0] - p[0], -1, P) % P
    x = (slope * slope - p[0] - q[0]) % P
    return x, (slope * (p[0] - x) - p[1]) % P


def twice_multiplied(a: int, p: tuple[int, int], b: int, q: tuple[int, int]) -> tuple[int, int] | None:
    """`a·p + b·q`, both multiplications in one pass (Shamir's trick)."""
    both, total = add(p, q), None
    for bit in range(255, -1, -1):
        total = add(total, total)
        chosen = (None, p, q, both)[(a >> bit & 1) + 2 * (b >> bit & 1)]
        total = add(total, chosen) if chosen else total
    return total


def public_point(pem: str) -> tuple[tuple[int, int], str]:
    """Point and key id (SHA-256 of the DER form) of a P-256 public key in PEM."""
    body = "".join(line for line in pem.strip().splitlines() if "-----" not in line)
    der = base64.b64decode(body, validate=True)
    if len(der) != 91 or not der.startswith(SPKI_P256):
        raise Wrong("a public key is not an uncompressed P-256 key")
    x, y = int.from_bytes(der[27:59], "big"), int.from_bytes(der[59:], "big")
    if not (x < P and y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0):
        raise Wrong("a public key is not a point of the curve P-256")
    return (x, y), hashlib.sha256(der).hexdigest()


def signature_numbers(der: bytes) -> tuple[int, int] | None:
    """The two numbers of a DER signature, strictly read; None where it is not one."""
    if len(der) < 8 or der[0] != 0x30 or der[1] != len(der) - 2 or der[1] > 0x7F:
        return None
    numbers: list[int] = []
    at = 2
    for _ in range(2):
        if at + 2 > len(der) or der[at] != 2:
            return None
        size, content = der[at + 1], der[at + 2 : at + 2 + der[at + 1]]
        if size == 0 or len(content) != size or content[0] & 0x80:
            return None
        if size > 1 and content[0] == 0 and not content[1] & 0x80:
            return None
        numbers.append(int.from_bytes(content, "big"))
        at += 2 + size
    return (numbers[0], numbers[1]) if at == len(der) else None


def signed_by(point: tuple[int, int], signature: bytes, message: bytes) -> bool:
    """Whether the DER signature over SHA-256 of the message belongs to the key."""
    numbers = signature_numbers(signature)
    if numbers is None or not all(0 < n < N for n in numbers):
        return False
    r, s = numbers
    inverse = pow(s, -1, N)
    u = int.from_bytes(hashlib.sha256(message).digest(), "big") * inverse % N
    found = twice_multiplied(u, GENERATOR, r * inverse % N, point)
    return found is not None and found[0] % N == r


# DSSE envelopes and canonical JSON.


def parsed(text: Any, what: str) -> Any:
    """The content of a JSON text, in which no object has the same name twice."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise Wrong(f"{what} has a JSON object with the same name twice")
        return found

    def whole(digits: str) -> int:
        if len(digits) > LONGEST_NUMBER:
            raise Wrong(f"{what} is no JSON of a packet: it holds a number of {len(digits)} digits")
        return int(digits)

    def no_number(name: str) -> None:
        raise Wrong(f"{what} is no JSON: found {name}")

    if len(text) > LARGEST_JSON:
        raise Wrong(f"{what} is JSON of {len(text)} bytes, expected at most {LARGEST_JSON}")
    hooks: dict[str, Any] = {"object_pairs_hook": once, "parse_int": whole, "parse_constant": no_number}
    try:
        return json.loads(text if isinstance(text, str) else text.decode(), **hooks)
    except RecursionError:
        raise Wrong(f"{what} is nested too deeply") from None
    except ValueError as error:
        raise Wrong(f"{what} is no JSON: {error}") from None


def canonical(value: Any) -> str:
    """JSON with sorted keys and no white space, as the ledger writes it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def pae(kind: str, payload: bytes) -> bytes:
    """What a DSSE signature is really over."""
    name = kind.encode()
    return b"DSSEv1 %d %b %d %b" % (len(name), name, len(payload), payload)


def strictly_decoded(text: str) -> bytes:
    """Bytes of base64 text, of which there is one spelling: stray bits at the end would hide that a statement is repeated."""
    found = base64.b64decode(text, validate=True)
    if base64.b64encode(found).decode() != text:
        raise Wrong("found base64 with stray bits at its end, expected the one way to write it")
    return found


def open_envelope(envelope: Any, key: Point, purpose: str, what: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Subjects and predicate of a statement whose signature is the key's."""
    signatures = envelope.get("signatures") if isinstance(envelope, dict) else None
    if not isinstance(signatures, list) or len(signatures) != 1 or not isinstance(signatures[0], dict):
        raise Wrong(f"{what} carries no signature")
    payload, signature = strictly_decoded(envelope["payload"]), strictly_decoded(signatures[0]["sig"])
    if envelope.get("payloadType") != PAYLOAD_TYPE or not signed_by(key, signature, pae(PAYLOAD_TYPE, payload)):
        raise Wrong(f"{what}: the signature is not one of the key it names")
    statement = parsed(payload, what)
    if statement.get("predicateType") != PREDICATE_PREFIX + purpose:
        raise Wrong(f"{what}: signed as {statement.get('predicateType')}, expected {PREDICATE_PREFIX + purpose}")
    subjects = {s["name"]: s["digest"]["sha256"] for s in statement["subject"]}
    if len(subjects) != len(statement["subject"]):
        raise Wrong(f"{what}: what was signed names a subject twice")
    return subjects, statement["predicate"]
