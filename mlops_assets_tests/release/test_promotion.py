from datetime import timedelta

import pytest

from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.governance.findings import close_finding, record_finding
from mlops_assets.ledger.enrolment import revoke
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.ledger import Conflict
from mlops_assets.release import promotion
from mlops_assets.release.champion import champion_state
from mlops_assets.release.interventions import InterventionRefused, resume, retire, rollback, suspend
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets.release.reconciliation import doubtful_models, reconcile, repair
from mlops_assets_tests.governance.world import MODEL, START, World, policy
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.ledger.test_ledger import attack

POLICY = policy()


def prepare(world: World, version: int = 1) -> World:
    world.register(version)
    world.decide(POLICY, version)
    world.approve(POLICY, "validator", "risk", version=version)
    return world


def go(world: World, version: int = 1):
    return promote(world.ledger, world.registry, POLICY, MODEL, version, world.verify_artifact)


def test_a_version_that_passed_becomes_champion(world):
    prepare(world)
    done = go(world)
    assert (done.version, done.former, done.repeated) == (1, None, False)
    assert world.registry.aliases(MODEL) == {"champion": 1}
    event = done.record.event
    assert event.policy_digest == POLICY.digest
    assert len(event.decisions) == len(POLICY.gates.names)
    assert [a.person for a in event.approvers] == ["validator", "risk"]
    assert reconcile(world.ledger, world.registry, MODEL) == []


def test_promoting_the_champion_again_writes_nothing(world):
    prepare(world)
    first = go(world)
    again = go(world)
    assert again.repeated
    assert again.record == first.record
    assert len(world.ledger.records(kind="promotion")) == 1


def test_the_former_champion_stays_ready(world):
    go(prepare(world))
    go(prepare(world, 2), 2)
    assert world.registry.aliases(MODEL) == {"champion": 2, "former_champion": 1}
    assert champion_state(world.ledger, MODEL).promoted == (1, 2)


def refused(world: World, match: str, version: int = 1) -> None:
    before = len(world.ledger.records(kind="promotion"))
    with pytest.raises(PromotionRefused, match=match):
        go(world, version)
    assert len(world.ledger.records(kind="promotion")) == before
    assert world.registry.aliases(MODEL).get("champion") != version


def test_an_unknown_version_is_refused(world):
    refused(world, "no registration")


def test_missing_approvals_are_named(world):
    world.register()
    world.decide(POLICY)
    world.approve(POLICY, "validator")
    refused(world, "approvals are missing: 1 as model-risk")


@pytest.mark.parametrize("outcome", ["failed", "not_measurable"])
def test_a_gate_that_did_not_pass_blocks(world, outcome):
    world.register()
    world.decide(POLICY, performance=outcome)
    world.approve(POLICY, "validator", "risk")
    refused(world, f"gate performance is {outcome}")


def test_a_gate_that_never_decided_blocks(world):
    """What materialising `champion` directly in the user interface would run into."""
    world.register()
    refused(world, "gate performance is missing")


def test_an_exception_lets_it_pass_until_it_expires(world):
    world.register()
    world.decide(POLICY, performance="failed")
    expires = world.clock.now + timedelta(days=30)
    sign_exception(world.ledger, world.keys["risk"], POLICY, MODEL, "performance", "pilot", expires, version=1)
    world.approve(POLICY, "validator", "risk")
    done = go(world)
    assert done.record.event.exceptions[0].gate == "performance"


def test_an_expired_exception_blocks(world):
    world.register()
    world.decide(POLICY, performance="failed")
    expires = world.clock.now + timedelta(days=30)
    sign_exception(world.ledger, world.keys["risk"], POLICY, MODEL, "performance", "pilot", expires)
    world.approve(POLICY, "validator", "risk")
    world.clock.pass_days(31)
    refused(world, "gate performance is failed")


def test_an_open_finding_blocks_until_a_validator_closes_it(world):
    prepare(world)
    due = world.clock.now + timedelta(days=30)
    found = record_finding(world.ledger, world.keys["validator"], MODEL, "high", "weak data", "developer", due)
    refused(world, "finding loans-F1 .high. is open: weak data")
    close_finding(world.ledger, world.keys["second"], MODEL, found.subject, "data were added")
    assert go(world).version == 1


def test_altered_artifact_bytes_are_refused(world):
    prepare(world)
    with pytest.raises(PromotionRefused, match=r"expected .* as registered"):
        promote(world.ledger, world.registry, POLICY, MODEL, 1, lambda model, version: "f" * 64)


def test_an_artifact_whose_signature_fails_is_refused(world):
    prepare(world)

    def broken(model: str, version: int) -> str:
        raise ValueError("signature does not hold")

    with pytest.raises(PromotionRefused, match="signature does not hold"):
        promote(world.ledger, world.registry, POLICY, MODEL, 1, broken)


def test_a_version_deleted_from_the_registry_is_refused(world):
    prepare(world)
    del world.registry.tags[MODEL, 1]
    refused(world, "deleted")


def test_a_tampered_ledger_promotes_nothing(world):
    prepare(world)
    attack(world.ledger, "UPDATE ledger_records SET body = replace(body, 'model-risk', 'model-nice') WHERE seq = 4")
    refused(world, "not whole: record 4")


def test_a_version_registered_twice_with_other_bytes_is_refused(world):
    prepare(world)
    again = world.ledger.latest_of(VersionRegistered).event.model_copy(update={"artifact_digest": "e" * 64})
    world.ledger.append(again, model=MODEL, subject="1")
    refused(world, "registered with different artifacts")


def test_a_theft_found_before_promotion_takes_the_approval_back(world):
    before = world.clock.now
    prepare(world)
    revoke(world.ledger, world.keys["root"], "risk", "stolen", compromised_since=before)
    refused(world, "wrong hands")


def test_a_rejection_blocks(world):
    from mlops_assets.governance.approvals import sign_approval

    prepare(world)
    sign_approval(world.ledger, world.keys["second"], MODEL, 1, "no", "reject", policy=POLICY)
    refused(world, "second rejected it as validator")


def test_rollback_goes_to_the_former_champion(world):
    go(prepare(world))
    go(prepare(world, 2), 2)
    rollback(world.ledger, world.registry, MODEL, world.keys["risk"], "worse", world.verify_artifact)
    assert world.registry.aliases(MODEL) == {"champion": 1, "former_champion": 2}
    assert champion_state(world.ledger, MODEL).deciding == 1
    again = go(world, 2)
    assert not again.repeated, "promoting it again after a rollback is a new event"
    assert champion_state(world.ledger, MODEL).deciding == 2


def test_rollback_needs_somewhere_to_go(world):
    go(prepare(world))
    prepare(world, 2)
    with pytest.raises(InterventionRefused, match="no former champion"):
        rollback(world.ledger, world.registry, MODEL, world.keys["risk"], "worse", world.verify_artifact)
    with pytest.raises(InterventionRefused, match="promoted so far"):
        rollback(world.ledger, world.registry, MODEL, world.keys["risk"], "worse", world.verify_artifact, version=2)


def test_suspension_stops_and_resumption_is_not_the_authors(world):
    go(prepare(world))
    suspend(world.ledger, world.registry, MODEL, world.keys["developer"], "odd scores")
    assert champion_state(world.ledger, MODEL).deciding is None
    assert world.registry.aliases(MODEL) == {}
    refused(prepare(world, 2), "the model is suspended", 2)
    with pytest.raises(ValueError, match="built this version"):
        resume(world.ledger, world.registry, MODEL, world.keys["developer"], "fine again", world.verify_artifact)
    resume(world.ledger, world.registry, MODEL, world.keys["risk"], "fine again", world.verify_artifact)
    assert world.registry.aliases(MODEL) == {"champion": 1, "challenger": 2}


def test_retirement_is_for_ever(world):
    go(prepare(world))
    retire(world.ledger, world.registry, MODEL, world.keys["risk"], "product ended")
    assert world.registry.aliases(MODEL) == {}
    refused(prepare(world, 2), "the model is retired", 2)
    with pytest.raises(InterventionRefused, match="is retired"):
        suspend(world.ledger, world.registry, MODEL, world.keys["risk"], "x")


def test_a_strangers_intervention_changes_nothing(world):
    go(prepare(world))
    with pytest.raises(ValueError, match="is not enrolled"):
        suspend(world.ledger, world.registry, MODEL, world.keys["stranger"], "x")
    assert champion_state(world.ledger, MODEL).deciding == 1


@pytest.mark.parametrize(
    ("damage", "kind"),
    [
        (lambda r: r.set_alias(MODEL, "champion", 1), "alias_moved"),
        (lambda r: r.delete_alias(MODEL, "champion"), "alias_missing"),
        (lambda r: r.delete_alias(MODEL, "former_champion"), "alias_missing"),
        (lambda r: r.set_tag(MODEL, 2, "mlops.data_digest", "nice"), "tag_edited"),
    ],
)
def test_what_was_changed_outside_is_named_and_put_back(world, damage, kind):
    go(prepare(world))
    go(prepare(world, 2), 2)
    damage(world.registry)
    assert [d.kind for d in reconcile(world.ledger, world.registry, MODEL)] == [kind]
    assert [d.kind for d in repair(world.ledger, world.registry, MODEL)] == [kind]
    assert reconcile(world.ledger, world.registry, MODEL) == []


def test_an_alias_before_any_champion_is_unexpected(world):
    prepare(world)
    world.registry.set_alias(MODEL, "champion", 1)
    assert [d.kind for d in repair(world.ledger, world.registry, MODEL)] == ["alias_unexpected"]
    assert "champion" not in world.registry.aliases(MODEL)


def test_a_deleted_champion_is_named_and_cannot_be_put_back(world):
    go(prepare(world))
    del world.registry.tags[MODEL, 1]
    world.registry.delete_alias(MODEL, "champion")
    found = repair(world.ledger, world.registry, MODEL)
    assert [(d.kind, d.repairable) for d in found] == [("version_deleted", False), ("alias_missing", True)]


def test_a_version_that_came_past_the_ledger_is_named(world):
    go(prepare(world))
    world.registry.tags[MODEL, 9] = {}
    assert [d.kind for d in reconcile(world.ledger, world.registry, MODEL)] == ["version_unregistered"]


class Crash(RuntimeError):
    pass


def test_a_crash_between_ledger_and_alias_is_repaired(world, monkeypatch):
    go(prepare(world))
    prepare(world, 2)

    def crash(model: str, alias: str, version: int) -> None:
        raise Crash

    monkeypatch.setattr(world.registry, "set_alias", crash)
    with pytest.raises(Crash):
        go(world, 2)
    monkeypatch.undo()
    assert world.registry.aliases(MODEL)["champion"] == 1
    assert champion_state(world.ledger, MODEL).deciding == 2
    repair(world.ledger, world.registry, MODEL)
    assert world.registry.aliases(MODEL) == {"champion": 2, "former_champion": 1}
    assert go(world, 2).repeated


def test_a_writer_past_the_lock_is_found_by_the_swap(world, monkeypatch):
    go(prepare(world))
    prepare(world, 2)
    honest = world.verify_artifact

    def slow(model: str, version: int) -> str:
        world.ledger.append(raw("suspension", {}), model=MODEL, subject="1")
        return honest(model, version)

    with pytest.raises(Conflict):
        promote(world.ledger, world.registry, POLICY, MODEL, 2, slow)


def test_a_key_revoked_after_the_look_up_is_not_overtaken(world, monkeypatch):
    """Enrolments belong to no model; the signatures that a promotion rests on are worth what they say."""
    prepare(world)
    look = promotion.climb

    def slow(*arguments):
        revoke(world.ledger, world.keys["root"], "validator", "in wrong hands", compromised_since=START)
        return look(*arguments)

    monkeypatch.setattr(promotion, "climb", slow)
    with pytest.raises(Conflict, match="look again"):
        go(world)
    monkeypatch.undo()
    with pytest.raises(PromotionRefused, match="approvals are missing: 1 as validator"):
        go(world)
    assert champion_state(world.ledger, MODEL).champion is None


def test_a_rejection_signed_after_the_look_up_is_not_overtaken(world, monkeypatch):
    """People sign without the model's lock: what they say in that moment counts, not what was read before it."""
    prepare(world)
    look = promotion.climb

    def slow(*arguments):
        sign_approval(world.ledger, world.keys["second"], MODEL, 1, "not sound", "reject", policy=POLICY)
        return look(*arguments)

    monkeypatch.setattr(promotion, "climb", slow)
    with pytest.raises(Conflict, match="look again"):
        go(world)
    monkeypatch.undo()
    with pytest.raises(PromotionRefused, match="second rejected it"):
        go(world)
    assert champion_state(world.ledger, MODEL).champion is None


def test_one_look_at_the_whole_registry_finds_the_models_that_differ(world):
    go(prepare(world))
    registry = world.registry

    def doubtful() -> list[str]:
        return doubtful_models(world.ledger.state(), {MODEL: (registry.versions(MODEL), registry.aliases(MODEL))})

    assert doubtful() == []
    assert doubtful_models(world.ledger.state(), {}) == [MODEL], "deleted"
    registry.set_alias(MODEL, "former_champion", 1)
    assert doubtful() == [MODEL]
    repair(world.ledger, registry, MODEL)
    registry.set_tag(MODEL, 1, "mlops.data_digest", "another")
    assert doubtful() == [MODEL]
