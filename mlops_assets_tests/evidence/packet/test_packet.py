"""A packet of a version really signed and promoted, and every way of changing it that was thought of."""

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import PacketError, PacketParts, standalone_verifier, write_packet
from mlops_assets.evidence.packet.verifier import main, verify
from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approval_subject import approval_subject
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.governance.findings import record_finding
from mlops_assets.governance.validations import record_validation
from mlops_assets.ledger.anchors import kept_anchor, sign_head
from mlops_assets.ledger.canonical import canonical_json, digest, digest_text, iso
from mlops_assets.ledger.enrolment import revoke
from mlops_assets.ledger.events.champion import ExceptionUsed, LadderStep, Promotion
from mlops_assets.ledger.events.tiers import TierAssessed
from mlops_assets.ledger.events.versions import CardIssued, EvidenceStored, VersionRegistered
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import content_digest, record_digest
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.policy.policy import Policy
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.promotion import promote
from mlops_assets_tests.governance.assessments import statement
from mlops_assets_tests.governance.world import MODEL, START, World, build, policy
from mlops_assets_tests.ledger.raw import raw

CARD = canonical_json({"model": MODEL, "version": "1"})
DECLARATION = canonical_json({"name": MODEL})


def file_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


OTHER = "mortgages_of_another_desk"
CARD_PAGE, MEASURED, DRIFT = b"<p>card</p>", b"{}", b'{"rows": 3}'


def register(world: World, developers: tuple[str, ...] = ("developer",)) -> None:
    world.registry.tags[MODEL, 1] = {}
    event = VersionRegistered(
        algorithm="linear",
        artifact_digest=digest([MODEL, 1, ""]),
        data_digest=digest(["data"]),
        snapshot_record=0,
        declaration_digest=digest_text(DECLARATION),
        declaration={"name": MODEL},
        training_key=digest(["training"]),
        run_id="run-1",
        code_version="1",
        environment_digest=digest(["environment"]),
        developers=developers,
    )
    world.ledger.append(event, model=MODEL, subject="1")
    stored = EvidenceStored(name="performance", digest=file_digest(MEASURED))
    world.ledger.append(stored, model=MODEL, subject="run-1")


def verdict(world: World) -> None:
    event = HealthVerdict.model_validate(
        {
            "window_end": "2026-02-01", "severity": "none", "kind": "none", "reasons": (), "version": "1",
            "policy_digest": "b" * 64, "evidence": {"drift": file_digest(DRIFT)},
        }
    )  # fmt: skip
    world.ledger.append(event, model=MODEL, subject="2026-01-01")


def live(folder: Path, **outcomes: str) -> tuple[World, Policy]:
    """A world in which version 1 was registered, decided on, carded, approved and promoted; and another model."""
    world, rules = build(folder), policy(exceptions={"roles": ["model-risk"], "max_days": 90})
    register(world)
    world.register(model=OTHER)
    world.decide(rules, **outcomes)
    card = CardIssued(digest=digest_text(CARD), path="cards", missing=(), files={"card.html": file_digest(CARD_PAGE)})
    world.ledger.append(card, model=MODEL, subject="1")
    for gate in outcomes:
        expires = world.clock() + timedelta(days=30)
        sign_exception(world.ledger, world.keys["risk"], rules, MODEL, gate, "under review", expires, version=1)
    world.approve(rules, "validator", "risk")
    promote(world.ledger, world.registry, rules, MODEL, 1, world.verify_artifact)
    verdict(world)
    return world, rules


def parts(rules: Policy) -> PacketParts:
    return PacketParts(
        declaration=DECLARATION,
        policy=canonical_json(rules.model_dump(mode="json")),
        card={"card.json": CARD.encode(), "card.html": CARD_PAGE},
        evidence={"performance.json": MEASURED},
        windows={"2026-01-01/drift.json": DRIFT},
        reports={"requirements.json": b"[]"},
    )


@pytest.fixture(scope="module")
def packet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, World, Policy]:
    folder = tmp_path_factory.mktemp("bank")
    world, rules = live(folder)
    path = folder / "packet.zip"
    write_packet(path, world.ledger, MODEL, "1", parts(rules))
    return path, world, rules


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def test_whole(packet: tuple[Path, World, Policy]):
    path, world, _ = packet
    found = verify(path, root=world.keys["root"].public.key_id, head=world.keys["head"].public.key_id)
    assert found["ok"], found["problem"]
    assert found["records"] == len(world.ledger.records())
    assert "2 approvals" in found["summary"]
    assert found["remarks"] == []


def test_an_examiner_needs_only_python(packet: tuple[Path, World, Policy], tmp_path: Path):
    path, world, _ = packet
    (tmp_path / "verify.py").write_bytes(contents(path)["verify.py"])
    command = [sys.executable, "-I", "-S", "verify.py", str(path), "--root", world.keys["root"].public.key_id]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith("whole: version 1 of loans")
    damaged = pack(tmp_path / "bad.zip", {**contents(path), "policy.json": b"{}"})
    run = subprocess.run([*command[:4], str(damaged)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "policy.json was changed" in run.stderr
    run = subprocess.run([*command[:4], "no.zip"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert run.returncode == 2


def test_the_program_in_the_packet_stands_alone():
    assert "mlops_assets." not in standalone_verifier()
    compile(standalone_verifier(), "verify.py", "exec")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda f: f.pop("card/card.html"), "card/card.html is missing"),
        (lambda f: f.update({"card/card.html": b"<p>better</p>"}), "card/card.html was changed"),
        (lambda f: f.update({"evidence/extra.json": b"{}"}), "evidence/extra.json was added"),
        (lambda f: f.update({"verify.py": b"print('whole')"}), "verify.py was changed"),
        (lambda f: f.pop("packet.json"), "packet.json is missing"),
        (lambda f: f.update({"packet.json": b"{}"}), "packet.json carries no signature"),
        (lambda f: f.update({"packet.json": b"["}), "packet.json is no JSON"),
        (
            lambda f: f.update({"keys/head.pem": SigningKey.generate().public.pem.encode()}),
            "the signature is not one of the key",
        ),
    ],
)
def test_a_changed_file_is_named(
    packet: tuple[Path, World, Policy], tmp_path: Path, change: Callable[[dict[str, bytes]], object], problem: str
):
    files = contents(packet[0])
    change(files)
    found = verify(pack(tmp_path / "p.zip", files))
    assert not found["ok"]
    assert problem in found["problem"]


def rows_of(files: dict[str, bytes]) -> list[list]:
    return [json.loads(line) for line in files["ledger.jsonl"].decode().splitlines()]


def rechained(rows: list[list]) -> list[list]:
    """The whole chain computed again, as a forger with the database would."""
    previous = "0" * 64
    for seq, row in enumerate(rows, 1):
        if len(row) == 3:
            row[0] = seq
            previous = digest_text(f"{seq}\n{previous}\n{row[1]}\n{row[2]}")
            continue
        row[0], row[8] = seq, previous
        names = ("seq", "kind", "model", "subject", "happened_at", "recorded_at", "key", "body", "previous")
        row[9] = previous = record_digest(**dict(zip(names, row, strict=False)))
    return rows


def resealed(files: dict[str, bytes], rows: list[list], head: SigningKey) -> dict[str, bytes]:
    """Sealed again with a head key: the strongest forger, who lacks only the people's keys."""
    files = dict(files)
    files["ledger.jsonl"] = "".join(json.dumps(row) + "\n" for row in rows).encode()
    files["keys/head.pem"] = head.public.pem.encode()
    said = json.loads(base64.b64decode(json.loads(files.pop("packet.json"))["payload"]))["predicate"]
    said["head"] = sign_head(head, rows[-1][0], rows[-1][9]).to_dict()
    subjects = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {**files, "packet.json": json.dumps(sign_statement(head, subjects, "packet/v1", said)).encode()}


def find(rows: list[list], kind: str, nth: int = 0) -> list:
    return [row for row in rows if row[1] == kind][nth]


def edit(row: list, **changes: object) -> None:
    row[7] = canonical_json({**json.loads(row[7]), **changes})


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
    said = json.loads(base64.b64decode(json.loads(forged.pop("packet.json"))["payload"]))["predicate"]
    subjects = {name: hashlib.sha256(data).hexdigest() for name, data in forged.items()}
    seal = sign_statement(world.keys["head"], subjects, "packet/v1", {**said, "head": head})
    found = verify(pack(tmp_path / "p.zip", {**forged, "packet.json": json.dumps(seal).encode()}))
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


def test_garbage_is_no_packet(tmp_path: Path):
    path = tmp_path / "p.zip"
    path.write_bytes(b"PK\x03\x04 nothing")
    assert verify(path)["unreadable"]


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


def left_out(addendum: dict) -> None:
    addendum["entries"].pop()


def rewritten(addendum: dict) -> None:
    addendum["entries"][0]["digest"] = "0" * 64


def invented(addendum: dict) -> None:
    addendum["entries"].append({**addendum["entries"][0], "record": 1})


@pytest.mark.parametrize(
    ("change", "problem"),
    [(left_out, "leaves out record"), (rewritten, "as another one"), (invented, "lists record 1")],
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


def test_issuer_fingerprints_and_date_are_printed(packet: tuple[Path, World, Policy], capsys):
    path, world, _ = packet
    assert main([str(path)]) == 0
    printed = capsys.readouterr().out
    for part in (
        world.keys["head"].public.key_id, f"root key {world.keys['root'].public.key_id}, of root",
        f"state of {iso(world.ledger.records()[-1].recorded_at)}", "records of other models: 1;",
    ):  # fmt: skip
        assert part in printed, part


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


def past_promote(world: World, rules: Policy) -> None:
    """A promotion written past `promote` by somebody who holds the ledger's key, resting on all that is on record."""
    state = world.ledger.state().model(MODEL)
    about = approval_subject(state, 1, rules.digest)
    given = [a for a in state.version(1).approvals if a.record.event.decision == "approve"]
    event = Promotion(
        former=None, digests=dict(about.subjects), policy_digest=rules.digest, policy=rules.model_dump(mode="json"),
        decisions=tuple(d.seq for d in about.decisions.values()), approvals=tuple(a.record.seq for a in given),
        exceptions=tuple(ExceptionUsed(gate=e.gate, seq=e.seq, expires=e.expires) for e in state.exceptions),
        ladder=LadderStep(step="champion", reason="nothing to climb"),
    )  # fmt: skip
    world.ledger.append(event, model=MODEL, subject="1")
    verdict(world)


def rejected_by_a_second_validator(world: World, rules: Policy) -> None:
    sign_approval(world.ledger, world.keys["second"], MODEL, 1, "not fit", "reject", policy=rules)


def rejected_in_validation(world: World, rules: Policy) -> None:
    ends = world.clock() + timedelta(days=90)
    record_validation(world.ledger, world.keys["second"], rules, MODEL, 1, "rejected", "unsound", valid_until=ends)


def under_a_policy_of_its_own(world: World, rules: Policy) -> None:
    adopt(world.ledger, MODEL, policy(validity_days=30))


def with_an_exception_that_was_withdrawn(world: World, rules: Policy) -> None:
    expires = world.clock() + timedelta(days=30)
    granted = sign_exception(world.ledger, world.keys["risk"], rules, MODEL, "cost", "under review", expires)
    withdraw_exception(world.ledger, world.keys["risk"], MODEL, granted.seq, "settled")


def nothing_more(world: World, rules: Policy) -> None:
    pass


@pytest.mark.parametrize(
    ("before", "problem"),
    [
        (nothing_more, None),
        (rejected_by_a_second_validator, "second had rejected the version"),
        (rejected_in_validation, "second had rejected the version"),
        (under_a_policy_of_its_own, "under a policy that was not in force then"),
        (with_an_exception_that_was_withdrawn, "had been withdrawn by record"),
    ],
)
def test_the_verifier_decides_the_promotion_again(
    tmp_path: Path, monkeypatch, before: Callable[[World, Policy], None], problem: str | None
):
    """Whoever holds the ledger's key and no person's cannot make a packet that is whole of a promotion that was wrong."""
    world, rules = build(tmp_path), policy(exceptions={"roles": ["model-risk"], "max_days": 90})
    register(world)
    world.decide(rules)
    card = CardIssued(digest=digest_text(CARD), path="cards", missing=(), files={"card.html": file_digest(CARD_PAGE)})
    world.ledger.append(card, model=MODEL, subject="1")
    world.approve(rules, "validator", "risk")
    before(world, rules)
    past_promote(world, rules)
    monkeypatch.setattr("mlops_assets.evidence.packet.packet.audit_promotions", lambda *_, **__: [])
    path = tmp_path / "p.zip"
    if problem is None:
        assert write_packet(path, world.ledger, MODEL, "1", parts(rules))["ok"]
        return
    with pytest.raises(PacketError, match=problem):
        write_packet(path, world.ledger, MODEL, "1", parts(rules))


def test_a_promotion_of_an_unknown_developers_version_is_no_promotion(tmp_path: Path, monkeypatch):
    world, rules = build(tmp_path), policy()
    register(world, developers=("ghost",))
    world.decide(rules)
    card = CardIssued(digest=digest_text(CARD), path="cards", missing=(), files={"card.html": file_digest(CARD_PAGE)})
    world.ledger.append(card, model=MODEL, subject="1")
    monkeypatch.setattr("mlops_assets.governance.approvals.unknown_developers", lambda *_: ())
    world.approve(rules, "validator", "risk")
    past_promote(world, rules)
    monkeypatch.setattr("mlops_assets.evidence.packet.packet.audit_promotions", lambda *_, **__: [])
    with pytest.raises(PacketError, match="the developers ghost were not enrolled"):
        write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts(rules))


def assessed(tier: str, **fields: object) -> Callable[[World], None]:
    """Somebody assesses the tier of the model as it is declared in the packet, past the functions that would refuse it."""

    def write(world: World) -> None:
        person = str(fields.pop("person", "validator"))
        role = str(fields.pop("role", "validator"))
        signs = {**statement({"name": MODEL}, tier, world.clock.now + timedelta(days=9)), **fields}
        added = {"model": MODEL, "person": person, "role": role, "signed_at": iso(world.clock())}
        subjects = {"rules": signs["rules_digest"]}
        envelope = sign_statement(world.keys[person], subjects, TierAssessed.PURPOSE, {**signs, **added})
        world.ledger.append(raw("tier_assessed", {**signs, **added, "envelope": envelope}), model=MODEL, subject=tier)

    return write


@pytest.mark.parametrize(
    ("before", "problem"),
    [
        (assessed("low"), None),
        (lambda world: None, "no assessment of its tier counted"),
        (assessed("medium"), "record 25 assesses medium"),
        (assessed("low", person="developer", role="developer"), "no assessment of its tier counted"),
        (assessed("low", parts={"purpose": "a" * 64}), "no assessment of its tier counted"),
        (assessed("low", expires="2026-01-05T09:00:00.000000Z"), "no assessment of its tier counted"),
        (assessed("low", expires="2036-01-05T09:00:00.000000Z"), "no assessment of its tier counted"),
        (assessed("low", answers=statement({}, "medium", START)["answers"]), "no assessment of its tier counted"),
        (assessed("low", rules={"questions": {}, "rules": [], "otherwise": "low"}, answers={}), "no assessment"),
        (assessed("low", follows=3), "no assessment of its tier counted"),
    ],
    ids=["as it should be", "none", "a higher tier", "an author", "for another purpose", "expired", "for too long",
         "other answers", "other rules than their digest", "a replay"],
)  # fmt: skip
def test_the_verifier_decides_the_tier_again(tmp_path: Path, monkeypatch, before: Callable[[World], None], problem):
    world, rules = build(tmp_path), policy(tier="low", approvals=[])
    register(world)
    world.decide(rules)
    card = CardIssued(digest=digest_text(CARD), path="cards", missing=(), files={"card.html": file_digest(CARD_PAGE)})
    world.ledger.append(card, model=MODEL, subject="1")
    before(world)
    past_promote(world, rules)
    problems = audit_promotions(world.ledger, model=MODEL)
    assert bool(problems) is bool(problem), "the audit of the live ledger says the same"
    monkeypatch.setattr("mlops_assets.evidence.packet.packet.audit_promotions", lambda *_, **__: [])
    path = tmp_path / "p.zip"
    if problem is None:
        found = write_packet(path, world.ledger, MODEL, "1", parts(rules))
        assert found["ok"], found
        return
    with pytest.raises(PacketError, match=problem):
        write_packet(path, world.ledger, MODEL, "1", parts(rules))
