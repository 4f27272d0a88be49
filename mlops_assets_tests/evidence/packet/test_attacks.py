"""The attacks of `attacks.py`: the live ledger names each, no packet is written of it, and the verifier alone names it too."""

from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import PacketError, PacketParts, write_packet
from mlops_assets.ledger.canonical import canonical_json, digest_text
from mlops_assets.ledger.events.versions import CardIssued
from mlops_assets.policy.policy import Policy
from mlops_assets.release.audit import audit_promotions
from mlops_assets_tests.evidence.packet.attacks import ATTACKS, Attack, past_promote
from mlops_assets_tests.evidence.packet.test_packet import CARD, CARD_PAGE, DECLARATION, MEASURED, file_digest, register
from mlops_assets_tests.governance.world import MODEL, World, build, policy


def approved(folder: Path) -> tuple[World, Policy]:
    """A world in which version 1 could be promoted."""
    world, rules = build(folder), policy(exceptions={"roles": ["model-risk"], "max_days": 90})
    register(world)
    world.decide(rules)
    card = CardIssued(digest=digest_text(CARD), path="cards", missing=(), files={"card.html": file_digest(CARD_PAGE)})
    world.ledger.append(card, model=MODEL, subject="1")
    world.approve(rules, "validator", "risk")
    return world, rules


def parts_of(world: World) -> PacketParts:
    """What goes into the packet of version 1, and the policy that its promotion names."""
    promotions = world.ledger.state().model(MODEL).version(1).promotions
    return PacketParts(
        declaration=DECLARATION,
        policy=canonical_json(promotions[-1].event.policy) if promotions else None,
        card={"card.json": CARD.encode(), "card.html": CARD_PAGE},
        evidence={"performance.json": MEASURED},
    )


def test_what_was_right_makes_a_packet(tmp_path: Path):
    """Else every attack would be refused for the way it is written."""
    world, rules = approved(tmp_path)
    past_promote(world, rules)
    assert audit_promotions(world.ledger, model=MODEL) == []
    assert write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts_of(world))["ok"]


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_an_attack_on_a_promotion(tmp_path: Path, monkeypatch, attack: Attack):
    world, rules = approved(tmp_path)
    attack.do(world, rules)
    said = "\n".join(problem.message for problem in audit_promotions(world.ledger, model=MODEL))
    assert attack.live in said
    path = tmp_path / "p.zip"
    with pytest.raises(PacketError, match="see `mlops verify`"):
        write_packet(path, world.ledger, MODEL, "1", parts_of(world))
    # What the attacker's own program would write: the same packet without the audit.
    monkeypatch.setattr("mlops_assets.evidence.packet.packet.audit_promotions", lambda *_, **__: [])
    with pytest.raises(PacketError) as refused:
        write_packet(path, world.ledger, MODEL, "1", parts_of(world))
    assert attack.packet in str(refused.value)
    assert not path.exists()
