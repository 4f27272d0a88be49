"""A ledger and a packet as they were written once: every published schema stays readable and verifiable."""

import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.events.base import UnknownEvent
from mlops_assets.ledger.events.registry import BY_KIND
from mlops_assets.ledger.keys import PublicKey
from mlops_assets.ledger.records import NOTHING_BEFORE, Record, read_row
from mlops_assets.ledger.state.fold import fold
from mlops_assets_tests.golden.make import MODEL, summary

HERE = Path(__file__).parent
PACKET = HERE / "packet.zip"


def lines() -> Iterator[dict]:
    yield from (json.loads(line) for line in (HERE / "ledger.jsonl").read_text(encoding="utf-8").splitlines())


@pytest.fixture(scope="module")
def written() -> tuple[dict, list[Record]]:
    first, *rows = lines()
    return first, [read_row(row) for row in rows]


def test_the_chain_holds_up_to_its_signed_head(written: tuple[dict, list[Record]]):
    first, records = written
    previous = NOTHING_BEFORE
    for seq, record in enumerate(records, 1):
        assert (record.seq, record.previous) == (seq, previous)
        previous = record.digest
    head = Anchor(**first["head"])
    assert (head.seq, head.digest) == (len(records), previous)
    assert head.signed_by(PublicKey.from_pem(first["head_key"]))


def test_every_kind_is_there_and_is_read_as_its_class(written: tuple[dict, list[Record]]):
    _, records = written
    assert {record.kind for record in records} >= set(BY_KIND)
    unread = [(record.seq, record.kind) for record in records if isinstance(record.event, UnknownEvent)]
    # A record that names no approval's fields, and one of a kind that a later release may know.
    assert [kind for _, kind in unread] == ["approval", "of_a_later_release"]
    for record in records:
        if not isinstance(record.event, UnknownEvent):
            # A later release may add fields; what was written is read back as it was.
            read = record.event.body()
            kept = {name: read.get(name) for name in record.body}
            assert kept == record.body, f"record {record.seq} ({record.kind}) is read back as something else"


def test_it_adds_up_to_the_state_that_it_had(written: tuple[dict, list[Record]]):
    first, records = written
    state = fold(records, first["root"])
    expected = json.loads((HERE / "expected.json").read_text(encoding="utf-8"))
    assert json.loads(json.dumps(summary(state))) == expected
    assert fold(records, "0" * 64).people.periods == (), "another root enrolled nobody"


def test_the_packet_is_whole_for_the_verifier_of_this_release(written: tuple[dict, list[Record]]):
    first, records = written
    found = verify(PACKET, root=first["root"], head=first["head"]["key_id"], anchors=[first["head"]])
    assert found["ok"], found["problem"]
    assert (found["model"], found["records"]) == (MODEL, len(records))


def test_the_packet_is_whole_for_the_verifier_in_it(written: tuple[dict, list[Record]], tmp_path: Path):
    first, _ = written
    with zipfile.ZipFile(PACKET) as archive:
        (tmp_path / "verify.py").write_bytes(archive.read("verify.py"))
    command = [sys.executable, "-I", "-S", "verify.py", str(PACKET), "--root", first["root"]]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert "version 1 of loans" in run.stdout
