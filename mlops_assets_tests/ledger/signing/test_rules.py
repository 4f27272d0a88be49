"""What the signer refuses: whatever does not follow its last head, is no well-formed record, or is another key's to sign."""

from collections.abc import Callable
from typing import Any

import pytest

from mlops_assets.ledger.anchors import HEAD_TYPE, head_message
from mlops_assets.ledger.canonical import canonical_json, digest, iso
from mlops_assets.ledger.events.windows import WindowDue
from mlops_assets.ledger.records import NOTHING_BEFORE, record_digest
from mlops_assets.ledger.signatures import PAYLOAD_TYPE, PREDICATE_PREFIX, STATEMENT_TYPE, pae
from mlops_assets.ledger.signing.rules import (
    ARTIFACTS,
    LEDGER_NAME,
    MANIFEST,
    SEAL,
    SERVICE,
    Head,
    Refused,
    Signed,
    check_statement,
    next_head,
)
from mlops_assets_tests.governance.world import START, policy

Row = dict[str, Any]


def row(seq: int, previous: str, **changes: Any) -> Row:
    """A well-formed record, and then what the test changes in it, its digest made to fit."""
    body = WindowDue.model_validate({"ended": "2026-01-01"}).body()
    found = {
        "seq": seq, "kind": WindowDue.KIND, "model": "loans", "subject": "2026-01-01", "happened_at": iso(START),
        "recorded_at": iso(START), "key": None, "body": canonical_json(body), "previous": previous, **changes,
    }  # fmt: skip
    return {"digest": record_digest(**found), **found} if "digest" not in changes else found


def chain(count: int, seq: int = 0, previous: str = NOTHING_BEFORE, **changes: Any) -> list[Row]:
    rows = []
    for number in range(seq + 1, seq + count + 1):
        rows.append(row(number, previous, **changes))
        previous = rows[-1]["digest"]
    return rows


THREE = chain(3)
SIGNED = next_head(Signed(), THREE)


def test_records_that_follow_one_another_have_a_head():
    assert Signed(Head(), Head(3, THREE[-1]["digest"], iso(START))) == SIGNED
    more = chain(2, 3, THREE[-1]["digest"])
    assert next_head(SIGNED, more) == Signed(SIGNED.last, Head(5, more[-1]["digest"], iso(START)))


def test_what_was_signed_and_never_written_may_be_signed_otherwise_once():
    """A transaction can fail after the signer has answered; what a later head has followed is settled."""
    other = chain(1, model="cards")
    replaced = next_head(SIGNED, other)
    assert replaced.last.digest == other[-1]["digest"]
    more = chain(1, 1, other[-1]["digest"])
    settled = next_head(replaced, more)
    with pytest.raises(Refused, match="another ledger, or one that was changed"):
        next_head(settled, chain(1))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "no record"),
        (chain(1, 4, THREE[-1]["digest"]), "expected record 4"),
        (chain(1, 3, "a" * 64), "another ledger, or one that was changed"),
        (chain(1, 1, THREE[0]["digest"], model="cards"), "expected record 4"),
        ([row(4, THREE[-1]["digest"], digest="b" * 64)], "does not match its digest"),
        ([row(4, THREE[-1]["digest"]) | {"body": "{}"}], "does not match its digest"),
        ([*chain(1, 3, THREE[-1]["digest"]), *chain(1, 5, "c" * 64)], "does not follow record 4"),
        (chain(1, 3, THREE[-1]["digest"], kind="magic"), "does not know"),
        (chain(1, 3, THREE[-1]["digest"], body="{}"), "ended"),
        (chain(1, 3, THREE[-1]["digest"], body='{"ended": "2026-01-01"}'), "not written as the ledger writes it"),
        (chain(1, 3, THREE[-1]["digest"], body="["), "cannot be read"),
        (chain(1, 3, THREE[-1]["digest"], recorded_at="2025-01-01T00:00:00.000000Z"), "dated before record 3"),
        (chain(1, 3, THREE[-1]["digest"], recorded_at="today"), "cannot be read"),
        ([{**chain(1, 3, THREE[-1]["digest"])[0], "extra": 1}], "with the fields"),
    ],
    ids=["none", "a gap", "another chain", "a record that is settled", "another digest", "another body", "a gap inside",
         "an unknown kind", "a body without its fields", "another spelling", "no JSON", "earlier", "no time",
         "another field"],
)  # fmt: skip
def test_what_is_not_signed_as_head(rows: list[Row], words: str):
    with pytest.raises(Refused, match=words):
        next_head(_settled(), rows)


def _settled() -> Signed:
    """Three records, of which two are settled."""
    return next_head(next_head(Signed(), THREE[:2]), THREE[2:])


def message(kind: str, predicate: Any, **changes: Any) -> bytes:
    content = {"_type": STATEMENT_TYPE, "subject": [], "predicateType": kind, "predicate": predicate, **changes}
    return pae(PAYLOAD_TYPE, canonical_json(content).encode())


LETS = policy(automation={"suspend": True}).model_dump(mode="json")
LETS_NOT = policy().model_dump(mode="json")


def act(kind: str = "suspension/v1", rules: Any = LETS, **changes: Any) -> bytes:
    predicate = {
        "person": "automation", "role": "automation", "cause": "validation", "evidence": 3, "policy": rules,
        "policy_digest": digest(rules), **changes,
    }  # fmt: skip
    return message(PREDICATE_PREFIX + kind, predicate)


HEAD = {"seq": 3, "digest": THREE[-1]["digest"]}


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        (LEDGER_NAME, lambda: message(PREDICATE_PREFIX + SEAL, {"head": HEAD})),
        (SERVICE, act),
        (ARTIFACTS, lambda: message(MANIFEST, {})),
    ],
)
def test_what_each_key_signs(name: str, asked: Callable[[], bytes]):
    check_statement(name, asked(), SIGNED)


@pytest.mark.parametrize(
    ("name", "asked", "words"),
    [
        (LEDGER_NAME, head_message(4, "a" * 64), "no in-toto statement"),
        (LEDGER_NAME, message(PREDICATE_PREFIX + SEAL, {"head": {"seq": 2, "digest": "a" * 64}}), "last head alone"),
        (LEDGER_NAME, message(PREDICATE_PREFIX + SEAL, None), "last head alone"),
        (LEDGER_NAME, message(PREDICATE_PREFIX + "approval/v1", {}), "signs no approval/v1"),
        (LEDGER_NAME, act(), "signs no suspension/v1"),
        (ARTIFACTS, act(), "signs no suspension/v1"),
        (ARTIFACTS, message(PREDICATE_PREFIX + "enrolment/v1", {}), "signs no enrolment/v1"),
        (SERVICE, act("approval/v1"), "suspends and rolls back"),
        (SERVICE, act("resumption/v1"), "suspends and rolls back"),
        (SERVICE, act(rules=LETS_NOT), "does not let the service key"),
        (SERVICE, act("rollback/v1"), "does not let the service key"),
        (SERVICE, act(policy_digest="a" * 64), "another one than its digest says"),
        (SERVICE, act(role="validator"), "as automation alone"),
        (SERVICE, act(person="ada"), "as automation alone"),
        (SERVICE, act(cause=""), "no cause"),
        (SERVICE, message(MANIFEST, {}), "suspends and rolls back"),
        (SERVICE, b"anything", "no in-toto statement"),
        (SERVICE, pae(HEAD_TYPE, b"{}"), "no in-toto statement"),
        (SERVICE, pae(PAYLOAD_TYPE, b"[]"), "no in-toto statement of version 1"),
        (SERVICE, pae(PAYLOAD_TYPE, b"{}") + b" more", "another length than it says"),
    ],
)
def test_what_no_key_signs(name: str, asked: bytes, words: str):
    with pytest.raises(Refused, match=words):
        check_statement(name, asked, SIGNED)
