import json

import pytest

from mlops_assets.ledger.anchors import kept_anchor, read_anchor, sign_head, write_anchor
from mlops_assets.ledger.keys import SigningKey

KEY = SigningKey.generate()


def test_an_anchor_that_machines_share_through_a_link_stays_shared(tmp_path):
    """Written in the link's place, each machine would go on with an anchor of its own."""
    shared = tmp_path / "shared" / "anchors.jsonl"
    shared.parent.mkdir()
    link = tmp_path / "anchors.jsonl"
    link.symlink_to(shared)
    write_anchor(link, sign_head(KEY, 1, "a" * 64))
    write_anchor(link, sign_head(KEY, 2, "b" * 64))
    assert link.is_symlink()
    assert read_anchor(shared) == read_anchor(link)
    assert read_anchor(shared).seq == 2


def test_an_earlier_head_does_not_take_the_place_of_a_later_one(tmp_path):
    path = tmp_path / "anchors.jsonl"
    write_anchor(path, sign_head(KEY, 5, "a" * 64))
    write_anchor(path, sign_head(KEY, 4, "b" * 64))
    assert read_anchor(path).seq == 5


@pytest.mark.parametrize("seq", [0, -1])
def test_an_anchor_of_no_record_is_refused(tmp_path, seq):
    path = tmp_path / "anchor.json"
    path.write_text(json.dumps({"seq": seq, "digest": "0" * 64, "key_id": "0" * 64, "signature": ""}))
    with pytest.raises(ValueError, match="expected one of record 1 or later"):
        kept_anchor(path)
