"""Writing a packet: what goes in, what is refused, and what is never left behind."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import PacketError, PacketParts, write_packet
from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.governance.findings import record_finding
from mlops_assets.ledger.anchors import kept_anchor
from mlops_assets.ledger.enrolment import revoke
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.events.versions import EvidenceStored
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.evidence.packet.made import (
    CARD,
    DECLARATION,
    MEASURED,
    OTHER,
    contents,
    file_digest,
    live,
    parts,
    register,
    rows_of,
)
from mlops_assets_tests.governance.world import MODEL, World, build
from mlops_assets_tests.ledger.raw import raw


def test_a_key_revoked_later_leaves_the_packet_whole(tmp_path: Path):
    world, rules = live(tmp_path)
    revoke(world.ledger, world.keys["root"], "validator", "left the bank")
    assert write_packet(tmp_path / "packet.zip", world.ledger, MODEL, "1", parts(rules))["ok"]


def test_a_record_that_nobody_signed_is_a_remark_where_nothing_rests_on_it(tmp_path: Path):
    world, rules = live(tmp_path)
    body = {"decision": "approve", "person": "second", "role": "validator"}
    seq = world.ledger.append(raw("approval", body), model=MODEL, subject="1").seq
    found = write_packet(tmp_path / "packet.zip", world.ledger, MODEL, "1", parts(rules))
    assert found["remarks"] == [
        f"record {seq} (approval 1) does not count: record {seq} (approval 1) carries no signature"
    ]


@pytest.mark.parametrize(
    ("parts_of", "problem"),
    [
        (lambda p: replace(p, declaration="{}"), "declaration.json is not what the version was registered with"),
        (lambda p: replace(p, policy="{}"), "policy.json is not what the version was promoted under"),
        (
            lambda p: replace(p, card={**p.card, "card.json": b"x"}),
            "card/card.json is not what record 25 names",
        ),
        (lambda p: replace(p, card={}), "card/card.json is missing"),
        (lambda p: replace(p, evidence={}), "evidence/performance.json is missing"),
        (
            lambda p: replace(p, windows={"2026-01-01/drift.json": b"x"}),
            "windows/2026-01-01/drift.json is not what record",
        ),
        (
            lambda p: replace(p, evidence={**p.evidence, "more.json": b"x"}),
            "evidence/more.json is in the packet, and no record",
        ),
    ],
)
def test_what_is_not_whole_is_not_written(
    packet: tuple[Path, World, Policy], tmp_path: Path, parts_of: Callable[[PacketParts], PacketParts], problem: str
):
    _, world, rules = packet
    with pytest.raises(PacketError, match=problem):
        write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts_of(parts(rules)))
    assert list(tmp_path.iterdir()) == []


def test_without_the_head_key_there_is_no_packet(packet: tuple[Path, World, Policy], tmp_path: Path):
    _, world, rules = packet
    ledger = Ledger(f"sqlite:///{world.folder}/ledger.db", clock=world.clock)
    with pytest.raises(PacketError, match="without its head key"):
        write_packet(tmp_path / "p.zip", ledger, MODEL, "1", parts(rules))


def test_a_version_that_was_never_promoted_can_be_examined_too(tmp_path: Path):
    world = build(tmp_path)
    register(world)
    made_of = PacketParts(DECLARATION, evidence={"performance.json": MEASURED})
    found = write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", made_of)
    assert found["summary"] == "version 1 of loans was registered and never promoted"


def test_the_head_in_a_packet_is_an_anchor_for_the_live_ledger(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, _ = packet
    kept = kept_anchor(path)
    assert world.ledger.verify(anchors=[kept]) == []
    (tmp_path / "kept.json").write_text(json.dumps(kept.to_dict()))
    assert kept_anchor(tmp_path / "kept.json") == kept
    with pytest.raises(ValueError, match="no anchor file"):
        kept_anchor(tmp_path / "nothing.json")


def test_two_packets_of_the_same_records_are_the_same_bytes(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, rules = packet
    world.clock.pass_days(3)
    write_packet(tmp_path / "again.zip", world.ledger, MODEL, "1", parts(rules))
    assert (tmp_path / "again.zip").read_bytes() == path.read_bytes()


def test_other_models_are_in_the_chain_and_their_content_is_not(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, _ = packet
    files = contents(path)
    assert OTHER.encode() not in b"".join(files.values())
    rows = rows_of(files)
    assert [row[0] for row in rows] == [r.seq for r in world.ledger.records()]
    assert {row[2] for row in rows if len(row) > 3} == {"", MODEL}
    assert [row[0] for row in rows if len(row) == 3] == [r.seq for r in world.ledger.records(model=OTHER)]
    found = verify(path)
    assert (found["records"], found["shown"]) == (len(rows), len(rows) - 1)


def test_the_addendum_has_everything_since_the_card(tmp_path: Path):
    world, rules = live(tmp_path)
    found = record_finding(
        world.ledger, world.keys["validator"], MODEL, "critical", "the target leaks", "developer",
        world.clock() + timedelta(days=9), condition="use for review only",
    )  # fmt: skip
    world.ledger.append(raw("approval", {"person": "second", "decision": "approve"}), model=MODEL, subject="1")
    write_packet(tmp_path / "packet.zip", world.ledger, MODEL, "1", parts(rules))
    files = contents(tmp_path / "packet.zip")
    text = files["addendum.md"].decode()
    for part in ("approved version 1", "Open finding loans-F1 (critical)", "Window 2026-01-01", "Does not count"):
        assert part in text, part
    addendum = json.loads(files["addendum.json"])
    assert [f["condition"] for f in addendum["now"]["open_findings"]] == ["use for review only"]
    assert found.seq in [entry["record"] for entry in addendum["entries"]]
    assert [entry["counts"] for entry in addendum["entries"]].count(False) == 1
    assert files["card/card.json"] == CARD.encode(), "the card stays as it was issued"


def test_only_a_regular_file_is_replaced(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, rules = packet
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link.zip").symlink_to(tmp_path / "elsewhere.zip")
    for name in ("pipe", "link.zip", ""):
        with pytest.raises(PacketError, match="no regular file"):
            write_packet(tmp_path / name, world.ledger, MODEL, "1", parts(rules))
    assert not (tmp_path / "elsewhere.zip").exists()
    (tmp_path / "old.zip").write_bytes(b"an older packet")
    write_packet(tmp_path / "old.zip", world.ledger, MODEL, "1", parts(rules))
    assert (tmp_path / "old.zip").read_bytes() == path.read_bytes()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["link.zip", "old.zip", "pipe"]


def test_a_promotion_that_was_not_right_makes_no_packet(tmp_path: Path):
    world, rules = live(tmp_path)
    event = world.ledger.latest_of(Promotion, model=MODEL).event
    world.ledger.append(event.model_copy(update={"approvals": ()}), model=MODEL, subject="1")
    with pytest.raises(PacketError, match="as former champion"):
        write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts(rules))


def test_evidence_that_was_stored_again_after_the_approvals_is_a_remark(tmp_path: Path):
    """Nobody signs evidence, and a machine may store it again: whoever reads it has to know that it is not what was approved."""
    world, rules = live(tmp_path)
    world.ledger.append(EvidenceStored(name="more", digest=file_digest(b"[]")), model=MODEL, subject="run-1")
    better = b'{"auc": 0.99}'
    again = EvidenceStored(name="performance", digest=file_digest(better))
    seq = world.ledger.append(again, model=MODEL, subject="run-1").seq
    made_of = replace(parts(rules), evidence={"performance.json": better, "more.json": b"[]"})
    found = write_packet(tmp_path / "packet.zip", world.ledger, MODEL, "1", made_of)
    assert found["remarks"] == [
        f"evidence/performance.json is of record {seq}, and other evidence was there when the version was approved"
    ]


def test_an_enrolment_that_does_not_count_keeps_no_packet_from_being_written(tmp_path: Path):
    world, rules = live(tmp_path)
    body = {"name": "second", "public_key": SigningKey.generate().public.pem}
    seq = world.ledger.append(raw("person_enrolled", body), subject="second").seq
    found = write_packet(tmp_path / "packet.zip", world.ledger, MODEL, "1", parts(rules))
    assert [remark.split(" does not count")[0] for remark in found["remarks"]] == [
        f"record {seq} (person_enrolled second)"
    ]
