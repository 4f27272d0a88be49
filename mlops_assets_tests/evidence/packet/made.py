"""A packet of a version really signed and promoted, and what changes it and seals it again."""

import base64
import hashlib
import json
import zipfile
from datetime import timedelta
from pathlib import Path

from mlops_assets.evidence.packet.packet import PacketParts
from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.ledger.anchors import sign_head
from mlops_assets.ledger.canonical import canonical_json, digest, digest_text
from mlops_assets.ledger.events.versions import CardIssued, EvidenceStored, VersionRegistered
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.records import record_digest
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.policy.policy import Policy
from mlops_assets.release.promotion import promote
from mlops_assets_tests.governance.world import MODEL, World, build, policy

CARD = canonical_json({"model": MODEL, "version": "1"})
BETTER_CARD = canonical_json({"model": MODEL, "version": "1", "auc": 0.99})
DECLARATION = canonical_json({"name": MODEL})
OTHER = "mortgages_of_another_desk"
CARD_PAGE, MEASURED, DRIFT = b"<p>card</p>", b"{}", b'{"rows": 3}'


def file_digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


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


def issue_card(world: World, content: str) -> None:
    """A card of version 1 becomes the one that counts."""
    files = {"card.html": file_digest(CARD_PAGE)}
    card = CardIssued(digest=digest_text(content), path="cards", missing=(), files=files)
    world.ledger.append(card, model=MODEL, subject="1")


def approved(
    folder: Path,
    rules: Policy,
    *,
    developers: tuple[str, ...] = ("developer",),
    others: tuple[str, ...] = (),
    **outcomes: str,
) -> World:
    """A world in which version 1 was registered, decided on, carded, given exceptions where a gate failed, and approved."""
    world = build(folder)
    register(world, developers)
    for model in others:
        world.register(model=model)
    world.decide(rules, **outcomes)
    issue_card(world, CARD)
    for gate in outcomes:
        expires = world.clock() + timedelta(days=30)
        sign_exception(world.ledger, world.keys["risk"], rules, MODEL, gate, "under review", expires, version=1)
    if rules.approvals:
        world.approve(rules, "validator", "risk")
    return world


def usual() -> Policy:
    """The policy of most packets here: two approvals, and exceptions of up to 90 days by model risk."""
    return policy(exceptions={"roles": ["model-risk"], "max_days": 90})


def live(folder: Path, **outcomes: str) -> tuple[World, Policy]:
    """A world in which version 1 was approved and promoted, and judged in one window; and another model."""
    rules = usual()
    world = approved(folder, rules, others=(OTHER,), **outcomes)
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


def parts_of(world: World) -> PacketParts:
    """What goes into the packet of version 1, and the policy that its last promotion names."""
    state = world.ledger.state().model(MODEL)
    promotions, issued = state.version(1).promotions, state.version(1).card
    better = issued is not None and issued.event.digest == digest_text(BETTER_CARD)
    return PacketParts(
        declaration=DECLARATION,
        policy=canonical_json(promotions[-1].event.policy) if promotions else None,
        card={"card.json": (BETTER_CARD if better else CARD).encode(), "card.html": CARD_PAGE},
        evidence={"performance.json": MEASURED},
        windows={"2026-01-01/drift.json": DRIFT} if "2026-01-01" in state.window_verdicts else {},
    )


def contents(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def pack(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


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


def sealed(files: dict[str, bytes], key: SigningKey, **says: object) -> dict[str, bytes]:
    """The files sealed again with a head key; `says` replaces parts of what the seal states."""
    files = dict(files)
    said = json.loads(base64.b64decode(json.loads(files.pop("packet.json"))["payload"]))["predicate"]
    subjects = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return {**files, "packet.json": json.dumps(sign_statement(key, subjects, "packet/v1", {**said, **says})).encode()}


def resealed(files: dict[str, bytes], rows: list[list], key: SigningKey, **says: object) -> dict[str, bytes]:
    """Other records, under a head and a seal made again: the strongest forger, who lacks only the people's keys."""
    lines = "".join(json.dumps(row) + "\n" for row in rows).encode()
    changed = {**files, "ledger.jsonl": lines, "keys/head.pem": key.public.pem.encode()}
    return sealed(changed, key, **{"head": sign_head(key, rows[-1][0], rows[-1][9]).to_dict(), **says})


def find(rows: list[list], kind: str, nth: int = 0) -> list:
    return [row for row in rows if row[1] == kind][nth]


def edit(row: list, **changes: object) -> None:
    row[7] = canonical_json({**json.loads(row[7]), **changes})
