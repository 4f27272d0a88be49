import base64
import json
import pickle

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from mlops_assets.ledger.keys import (
    KeyRefused,
    PublicKey,
    SigningKey,
    decode,
    key_path,
    load_or_new_key,
    new_key,
    public_path,
)
from mlops_assets.ledger.signatures import SignatureRefused, open_envelope, pae, sign_statement

KEY = SigningKey.generate()
ABOUT = {"artifact": "a" * 64}


def test_a_key_is_stored_for_its_owner_alone_and_read_back(tmp_path):
    key = new_key("validator", tmp_path)
    path = key_path("validator", tmp_path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert SigningKey.load(path).public == key.public
    assert PublicKey.from_pem(public_path(path).read_text()) == key.public
    with pytest.raises(KeyRefused, match="never written over"):
        new_key("validator", tmp_path)
    assert load_or_new_key("validator", tmp_path).public == key.public
    path.chmod(0o640)
    with pytest.raises(KeyRefused, match="chmod 600"):
        SigningKey.load(path)


def test_a_key_may_have_a_password(tmp_path):
    new_key("risk", tmp_path, b"secret")
    assert SigningKey.load(tmp_path / "risk.pem", b"secret")
    with pytest.raises(KeyRefused, match="no readable PEM"):
        SigningKey.load(tmp_path / "risk.pem", b"wrong")


@pytest.mark.parametrize("name", ["../root", "a/b", "", "Root", "..", "a..b"])
def test_a_name_cannot_leave_the_folder(name, tmp_path):
    with pytest.raises(KeyRefused):
        key_path(name, tmp_path)


def test_a_missing_key_says_how_to_make_one(tmp_path):
    with pytest.raises(KeyRefused, match="mlops keys new"):
        SigningKey.load(tmp_path / "none.pem")


@pytest.mark.parametrize(
    "key", [ec.generate_private_key(ec.SECP384R1()), ed25519.Ed25519PrivateKey.generate()], ids=["P-384", "Ed25519"]
)
def test_only_p256_is_a_key(key):
    with pytest.raises(KeyRefused, match="P-256"):
        SigningKey(key)


def test_a_private_key_does_not_leak():
    secret = KEY._key.private_numbers().private_value
    assert f"{secret:x}" not in repr(KEY) + str(vars(KEY.public))
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(KEY)


def test_a_statement_is_opened_as_it_was_signed():
    envelope = sign_statement(KEY, ABOUT, "approval/v1", {"x": [1, 2.5, None, "ä"]})
    statement = open_envelope(json.loads(json.dumps(envelope)), KEY.public, "approval/v1")
    assert statement.subjects == ABOUT
    assert statement.predicate == {"x": [1, 2.5, None, "ä"]}
    payload = json.loads(base64.b64decode(envelope["payload"]))
    assert payload["_type"] == "https://in-toto.io/Statement/v1"
    assert payload["subject"] == [{"name": "artifact", "digest": {"sha256": "a" * 64}}]


def test_the_envelope_is_dsse_to_another_implementation():
    from securesystemslib.dsse import Envelope
    from securesystemslib.signer import SSlibKey

    envelope = sign_statement(KEY, ABOUT, "approval/v1", {})
    key = SSlibKey(KEY.public.key_id, "ecdsa", "ecdsa-sha2-nistp256", {"public": KEY.public.pem})
    assert Envelope.from_dict(json.loads(json.dumps(envelope))).verify([key], 1)


def test_the_encoding_is_the_one_of_the_protocols_example():
    """https://github.com/secure-systems-lab/dsse/blob/master/protocol.md, test vector."""
    assert pae("http://example.com/HelloWorld", b"hello world") == (
        b"DSSEv1 29 http://example.com/HelloWorld 11 hello world"
    )


def signed_payload(payload: object) -> dict:
    raw = json.dumps(payload).encode()
    signature = KEY.sign(pae("application/vnd.in-toto+json", raw))
    return {
        "payloadType": "application/vnd.in-toto+json",
        "payload": base64.b64encode(raw).decode(),
        "signatures": [{"keyid": KEY.public.key_id, "sig": base64.b64encode(signature).decode()}],
    }


STATEMENT = {
    "_type": "https://in-toto.io/Statement/v1",
    "subject": [{"name": "a", "digest": {"sha256": "a" * 64}}],
    "predicateType": "urn:x-mlops-assets:approval/v1",
    "predicate": {},
}


@pytest.mark.parametrize(
    ("payload", "why"),
    [
        ({**STATEMENT, "_type": "x"}, "statement type"),
        (
            {**STATEMENT, "predicateType": "urn:x-mlops-assets:rollback/v1"},
            "expected a .urn:x-mlops-assets:approval",
        ),
        ({**STATEMENT, "subject": STATEMENT["subject"] * 2}, "twice"),
        ({**STATEMENT, "subject": [{"name": "a"}]}, "no in-toto statement"),
        ([], "no in-toto statement"),
    ],
)
def test_a_well_signed_payload_of_another_shape_is_refused(payload, why):
    with pytest.raises(SignatureRefused, match=why):
        open_envelope(signed_payload(payload), KEY.public, "approval/v1")


@pytest.mark.parametrize("bit", [0, 77, 300])
def test_a_flipped_bit_is_refused(bit):
    envelope = sign_statement(KEY, ABOUT, "approval/v1", {"rationale": "it is sound"})
    raw = bytearray(base64.b64decode(envelope["payload"]))
    raw[bit // 8] ^= 1 << bit % 8
    envelope["payload"] = base64.b64encode(bytes(raw)).decode()
    with pytest.raises(SignatureRefused, match="not one of key"):
        open_envelope(envelope, KEY.public, "approval/v1")


@pytest.mark.parametrize("digest", ["", "A" * 64, "a" * 63, "sha256:" + "a" * 57])
def test_a_subject_needs_a_sha256(digest):
    with pytest.raises(ValueError, match="64 lowercase hex"):
        sign_statement(KEY, {"artifact": digest}, "approval/v1", {})


def test_base64_has_one_spelling():
    """`QQ==` and `QR==` are the same byte: a statement written in the other way would not be known as a repetition."""
    assert decode("QQ==") == b"A"
    with pytest.raises(ValueError, match="stray bits"):
        decode("QR==")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("fine\x1b[2J\x1b[32mAPPROVED", "clears a terminal and writes in green"),
        ("risk\u202eelbatpecca ton", "is shown backwards"),
        ("a\rb", "writes over the line before"),
        ("a\x85b", "a control character beyond ASCII"),
        ("a\u2028b", "a line that JSON in a page would end at"),
        ("x" * 20_001, "a text that nobody reads"),
    ],
)
def test_text_that_shows_something_else_is_not_signed(text, why):
    with pytest.raises(ValueError, match="what is signed"):
        sign_statement(KEY, ABOUT, "approval/v1", {"rationale": text})
    with pytest.raises(ValueError, match="what is signed"):
        sign_statement(KEY, ABOUT, "approval/v1", {"conditions": [{"text": text}]})


def test_text_in_any_language_and_of_several_lines_is_signed():
    said = {"rationale": "Geprüft:\n\t1. gültig – „ja“ 好 مقبول 👍"}
    assert open_envelope(sign_statement(KEY, ABOUT, "approval/v1", said), KEY.public, "approval/v1").predicate == said
