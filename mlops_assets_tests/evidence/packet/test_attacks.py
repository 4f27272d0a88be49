"""The attacks of `attacks.py`: the live ledger names each, no packet is written of it, and the verifier alone names it too."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import PacketError, write_packet
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.tiers import TierAssessed
from mlops_assets.ledger.signatures import sign_statement
from mlops_assets.release.audit import audit_promotions
from mlops_assets_tests.evidence.packet.attacks import ATTACKS
from mlops_assets_tests.evidence.packet.forging import Attack, past_promote
from mlops_assets_tests.evidence.packet.made import (
    approved,
    parts_of,
    usual,
)
from mlops_assets_tests.governance.assessments import statement
from mlops_assets_tests.governance.world import MODEL, START, World, policy
from mlops_assets_tests.ledger.raw import raw


def test_what_was_right_makes_a_packet(tmp_path: Path):
    """Else every attack would be refused for the way it is written."""
    rules = usual()
    world = approved(tmp_path, rules)
    past_promote(world, rules)
    assert audit_promotions(world.ledger, model=MODEL) == []
    assert write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts_of(world))["ok"]


@pytest.mark.parametrize("attack", ATTACKS, ids=[attack.name for attack in ATTACKS])
def test_an_attack_on_a_promotion(unpromoted: World, tmp_path: Path, monkeypatch, attack: Attack):
    rules, world = usual(), unpromoted.copy(tmp_path)
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


def test_a_promotion_of_an_unknown_developers_version_is_no_promotion(tmp_path: Path, monkeypatch):
    rules = usual()
    monkeypatch.setattr("mlops_assets.governance.approvals.unknown_developers", lambda *_: ())
    world = approved(tmp_path, rules, developers=("ghost",))
    past_promote(world, rules)
    monkeypatch.setattr("mlops_assets.evidence.packet.packet.audit_promotions", lambda *_, **__: [])
    with pytest.raises(PacketError, match="the developers ghost were not enrolled"):
        write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts_of(world))


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
    rules = policy(tier="low", approvals=[])
    world = approved(tmp_path, rules)
    before(world)
    past_promote(world, rules)
    problems = audit_promotions(world.ledger, model=MODEL)
    assert bool(problems) is bool(problem), "the audit of the live ledger says the same"
    monkeypatch.setattr("mlops_assets.evidence.packet.packet.audit_promotions", lambda *_, **__: [])
    path = tmp_path / "p.zip"
    if problem is None:
        found = write_packet(path, world.ledger, MODEL, "1", parts_of(world))
        assert found["ok"], found
        return
    with pytest.raises(PacketError, match=problem):
        write_packet(path, world.ledger, MODEL, "1", parts_of(world))
