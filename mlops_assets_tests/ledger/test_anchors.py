import io
import json
import os
import zipfile
from pathlib import Path

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


def packed(name: str, content: bytes) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(name, content)
    return target.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[" * 100_000, "is not JSON"),
        (b"[]", "holds no anchor"),
        (b'{"seq": 1e999, "digest": "", "key_id": "", "signature": ""}', "holds no anchor"),
        (b"\xff", "is not JSON"),
        (b" " * 2_000_000, "at most 1048576 bytes"),
        (packed("other.json", b"{}"), "is no audit packet"),
        (packed("packet.json", b"[" * 100_000), "is no audit packet"),
        (packed("packet.json", b'{"payload": "e30="}'), "is no audit packet"),
        (packed("packet.json", b" " * 40_000_000), "is no audit packet"),
        (packed("packet.json", b"{}").replace(b"{}", b"{]"), "is no audit packet"),
    ],
)
def test_a_file_that_is_no_anchor_is_named(tmp_path, content, problem):
    path = tmp_path / "kept"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=problem):
        kept_anchor(path)


def test_a_pipe_is_no_anchor_and_nobody_waits_for_it(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(ValueError, match="expected a regular file"):
            kept_anchor(path)
