"""Packets that were changed and sealed again by whoever holds the ledger's head key, and no person's."""

import base64
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import write_packet
from mlops_assets.evidence.packet.verifier import verify
from mlops_assets.ledger.canonical import canonical_json, digest_text
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.records import content_digest
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.evidence.packet.made import (
    contents,
    edit,
    find,
    live,
    pack,
    parts,
    rechained,
    resealed,
    rows_of,
    sealed,
)
from mlops_assets_tests.governance.world import MODEL, World


def cut_tail(rows: list[list]) -> list[list]:
    return rows[:-1]


def edit_gate(rows: list[list]) -> list[list]:
    edit(find(rows, "gate_decision"), value=0.99)
    return rows


def drop_a_record(rows: list[list]) -> list[list]:
    return rows[:5] + rows[6:]


def swap(rows: list[list]) -> list[list]:
    return [*rows[:5], rows[6], rows[5], *rows[7:]]


@pytest.mark.parametrize(
    ("attack", "problem"),
    [(cut_tail, "its tail was cut"), (edit_gate, "was edited"), (drop_a_record, "is missing"), (swap, "is missing")],
)
def test_damage_to_the_chain_is_named(
    packet: tuple[Path, World, Policy], tmp_path: Path, attack: Callable, problem: str
):
    """Even where the seal over the files was made again by somebody who holds the head key."""
    path, world, _ = packet
    files = contents(path)
    head = json.loads(base64.b64decode(json.loads(files["packet.json"])["payload"]))["predicate"]["head"]
    rows = attack(rows_of(files))
    forged = resealed(files, rows, world.keys["head"])
    forged = sealed(forged, world.keys["head"], head=head)
    found = verify(pack(tmp_path / "p.zip", forged))
    assert not found["ok"]
    assert problem in found["problem"]


def fake_decision(rows: list[list]) -> list[list]:
    edit(find(rows, "gate_decision"), reason="far above the floor")
    return rows


def fake_approval_summary(rows: list[list]) -> list[list]:
    edit(find(rows, "approval"), rationale="I never looked")
    return rows


def approval_of_nobody(rows: list[list]) -> list[list]:
    edit(find(rows, "approval"), envelope=None)
    return rows


def one_approval_less(rows: list[list]) -> list[list]:
    promotion = find(rows, "promotion")
    edit(promotion, approvals=json.loads(promotion[7])["approvals"][:1])
    return rows


def one_twice(rows: list[list]) -> list[list]:
    promotion = find(rows, "promotion")
    seq = json.loads(promotion[7])["approvals"][0]
    edit(promotion, approvals=[seq, seq])
    return rows


def gate_turned(rows: list[list]) -> list[list]:
    edit(find(rows, "gate_decision"), outcome="failed")
    return rows


def gate_left_out(rows: list[list]) -> list[list]:
    promotion = find(rows, "promotion")
    edit(promotion, decisions=json.loads(promotion[7])["decisions"][1:])
    return rows


def other_artifact(rows: list[list]) -> list[list]:
    edit(find(rows, "version_registered"), artifact_digest="f" * 64)
    return rows


def an_author(rows: list[list]) -> list[list]:
    edit(find(rows, "version_registered"), developers=["validator"])
    return rows


def other_root(rows: list[list]) -> list[list]:
    edit(find(rows, "person_enrolled"), public_key=SigningKey.generate().public.pem)
    return rows


@pytest.mark.parametrize(
    ("attack", "problem"),
    [
        (fake_decision, "its digest of"),
        (gate_turned, "gate contract was failed"),
        (gate_left_out, "the policy requires gate contract"),
        (fake_approval_summary, "counts record"),
        (approval_of_nobody, "counts record"),
        (one_approval_less, "the policy requires 1 approval(s) as model-risk, found 0"),
        (one_twice, "counts one person twice"),
        (other_artifact, "its digest of"),
        (an_author, "its digest of registration"),
        (other_root, "does not begin with its root's own enrolment"),
    ],
)
def test_a_story_changed_with_the_head_key_fails_on_the_peoples_signatures(
    packet: tuple[Path, World, Policy], tmp_path: Path, attack: Callable, problem: str
):
    path, world, _ = packet
    files = contents(path)
    forged = resealed(files, rechained(attack(rows_of(files))), world.keys["head"])
    found = verify(pack(tmp_path / "p.zip", forged))
    assert not found["ok"]
    assert problem in found["problem"]


def test_a_forger_with_keys_of_their_own_fails_on_the_pins(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, _ = packet
    forged = pack(tmp_path / "p.zip", resealed(contents(path), rows_of(contents(path)), SigningKey.generate()))
    assert verify(forged)["ok"], "without pins only consistency can be told"
    found = verify(forged, head=world.keys["head"].public.key_id)
    assert "keys/head.pem is key" in found["problem"]
    found = verify(path, root=SigningKey.generate().public.key_id)
    assert "the root key is" in found["problem"]


def test_an_anchor_kept_elsewhere_finds_a_rewritten_past(packet: tuple[Path, World, Policy]):
    path, _, _ = packet
    rows = rows_of(contents(path))
    assert verify(path, anchors=[{"seq": 7, "digest": rows[6][9]}])["ok"]
    assert (
        "record 7 is not the one that was anchored" in verify(path, anchors=[{"seq": 7, "digest": "0" * 64}])["problem"]
    )
    assert not verify(path, anchors=[{"seq": 10_000, "digest": "0" * 64}])["ok"]


def test_a_failed_gate_needs_its_exception(tmp_path: Path):
    world, rules = live(tmp_path, fairness="failed")
    path = tmp_path / "packet.zip"
    assert write_packet(path, world.ledger, MODEL, "1", parts(rules))["ok"]
    rows = rows_of(contents(path))
    edit(find(rows, "promotion"), exceptions=[])
    found = verify(pack(tmp_path / "p.zip", resealed(contents(path), rechained(rows), world.keys["head"])))
    assert "gate fairness was failed" in found["problem"]


def hidden(rows: list[list], kind: str) -> list[list]:
    """The records of one kind withheld, as those of another model are."""
    return [[r[0], digest_text(r[2]), content_digest(*r[1:8])] if len(r) > 3 and r[1] == kind else r for r in rows]


@pytest.mark.parametrize("kind", ["approval", "gate_decision", "person_enrolled"])
def test_no_record_of_the_model_or_the_fleet_can_be_withheld(
    packet: tuple[Path, World, Policy], tmp_path: Path, kind: str
):
    path, world, _ = packet
    forged = resealed(contents(path), hidden(rows_of(contents(path)), kind), world.keys["head"])
    assert "its content is withheld" in verify(pack(tmp_path / "p.zip", forged))["problem"]


def left_out(addendum: dict) -> None:
    addendum["entries"].pop()


def rewritten(addendum: dict) -> None:
    addendum["entries"][0]["digest"] = "0" * 64


def other_champion(addendum: dict) -> None:
    addendum["now"]["champion"] = "2"


def in_development(addendum: dict) -> None:
    addendum["now"]["lifecycle"] = "development"


def a_finding_more(addendum: dict) -> None:
    addendum["now"]["open_findings"].append({"id": "loans-F9"})


def invented(addendum: dict) -> None:
    addendum["entries"].append({**addendum["entries"][0], "record": 1})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (left_out, "leaves out record"),
        (rewritten, "as another one"),
        (invented, "lists record 1"),
        (other_champion, "states 2 as champion, which is 1"),
        (in_development, "states development as lifecycle, which is in use"),
        (a_finding_more, "states ['loans-F9'] as open findings, which is []"),
    ],
)
def test_an_addendum_that_is_not_the_ledgers_is_refused(
    packet: tuple[Path, World, Policy], tmp_path: Path, change: Callable[[dict], None], problem: str
):
    path, world, _ = packet
    files = contents(path)
    addendum = json.loads(files["addendum.json"])
    change(addendum)
    files["addendum.json"] = canonical_json(addendum).encode()
    found = verify(pack(tmp_path / "p.zip", resealed(files, rows_of(files), world.keys["head"])))
    assert problem in found["problem"]
