import pytest

from mlops_assets.evidence.packet.verifier import shown
from mlops_assets.evidence.packet.verifier_ledger import check_head_key
from mlops_assets.evidence.packet.verifier_signatures import Wrong


def enrolled(key_id: str, at: int, ended: int | None = None) -> dict[str, object]:
    return {"roles": ["ledger"], "key_id": key_id, "enrolled": at, "ended": ended}


@pytest.mark.parametrize(
    ("people", "seq", "why"),
    [
        ([], 9, "nobody ever was to sign the ledger"),
        ([{"roles": ["validator"], "key_id": "other", "enrolled": 1, "ended": None}], 9, "nor here"),
        ([enrolled("head", 2)], 2, "the record that enrols a key is the first under its head"),
        ([enrolled("head", 2, 5)], 5, "the one that ends it may be the last"),
        ([enrolled("head", 2, 5), enrolled("head", 7)], 9, "it was given other roles in between"),
    ],
)
def test_a_head_key_that_counted_there(people, seq, why):
    check_head_key(people, "head", seq)


@pytest.mark.parametrize(
    ("people", "seq", "message"),
    [
        ([enrolled("other", 2)], 9, "not a key that was enrolled"),
        ([enrolled("head", 2, 5), enrolled("new", 5)], 9, "ended by a root before record 9"),
    ],
)
def test_a_head_key_that_did_not(people, seq, message):
    with pytest.raises(Wrong, match=message):
        check_head_key(people, "head", seq)


def test_what_a_packet_holds_does_not_steer_the_terminal_of_its_examiner():
    assert shown("edited\x1b[2J\u202e") == "edited\\u001b[2J\\u202e"
    assert shown("Größe") == "Größe"
