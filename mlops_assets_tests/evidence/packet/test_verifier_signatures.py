"""The plain-integer verification against the library that signs."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.evidence.packet.verifier_signatures import (
    GENERATOR,
    B,
    N,
    P,
    Wrong,
    public_point,
    signature_numbers,
    signed_by,
    twice_multiplied,
)
from mlops_assets.ledger.keys import SigningKey
from mlops_assets_tests.effort import share

KEY = SigningKey.generate()
POINT, KEY_ID = public_point(KEY.public.pem)


def test_the_curve_is_p256():
    x, y = GENERATOR
    assert (y * y - (x**3 - 3 * x + B)) % P == 0
    assert twice_multiplied(N, GENERATOR, 0, GENERATOR) is None, "the generator's order is N"


def test_key_id_is_the_projects():
    assert KEY.public.key_id == KEY_ID


@settings(max_examples=share(8, 200))
@given(st.binary(max_size=200))
def test_what_the_library_signs_is_verified_and_nothing_else(message: bytes):
    signature = KEY.sign(message)
    assert signed_by(POINT, signature, message)
    assert not signed_by(POINT, signature, message + b"x")
    assert not signed_by(public_point(SigningKey.generate().public.pem)[0], signature, message)


R, S = decode_dss_signature(KEY.sign(b"m"))


@pytest.mark.parametrize(
    ("signature", "why"),
    [
        (b"", "empty"),
        (b"\x30\x06\x02\x01\x00\x02\x01\x00", "both zero"),
        (encode_dss_signature(R, 0), "s is zero"),
        (encode_dss_signature(R, N), "s is the order"),
        (encode_dss_signature(R + N, S), "r beyond the order"),
        (encode_dss_signature(R, S) + b"\x00", "bytes behind"),
        (encode_dss_signature(S, R), "exchanged"),
        (b"\x30\x08\x02\x02\x00\x01\x02\x02\x00\x01", "padded numbers are another spelling"),
    ],
    # Signatures differ from run to run; workers that share a run must know each case by one name.
    ids=lambda value: value if isinstance(value, str) else "signature",
)
def test_refused(signature: bytes, why: str):
    assert not signed_by(POINT, signature, b"m"), why


def test_numbers_are_read_as_the_library_writes_them():
    assert signature_numbers(encode_dss_signature(R, S)) == (R, S)


def test_a_point_off_the_curve_is_refused():
    from base64 import b64decode, b64encode

    der = bytearray(b64decode("".join(KEY.public.pem.splitlines()[1:-1])))
    der[-1] ^= 1
    with pytest.raises(Wrong, match="not a point"):
        public_point(f"-----BEGIN PUBLIC KEY-----\n{b64encode(bytes(der)).decode()}\n-----END PUBLIC KEY-----")


def test_known_answer():
    """Two key pairs agree on the hash: NIST's sample message through the same code path as the packet's."""
    message = b"sample"
    assert hashlib.sha256(message).hexdigest().startswith("af2bdbe1aa9b6ec1e2ade1d694f41fc7")
    # RFC 6979, A.2.5: the public key and the signature of "sample" with SHA-256.
    key = (
        0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
        0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
    )
    r = 0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716
    s = 0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8
    assert signed_by(key, encode_dss_signature(r, s), message)
