import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approvals import approval_state
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.policy.recorded import UnreadablePolicy, recorded_policy
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.champion import champion_state
from mlops_assets.release.interventions import retire, rollback, suspend
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.made import promotion, unsigned
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.release.test_promotion import POLICY, go, prepare


@pytest.fixture
def promoted(world):
    go(prepare(world))
    go(prepare(world, 2), 2)
    rollback(world.ledger, world.registry, MODEL, world.keys["risk"], "worse", world.verify_artifact)
    return world


def last_promotion(world, **changes: object) -> Promotion:
    """What the last promotion recorded, with changes."""
    return world.ledger.latest_of(Promotion).event.model_copy(update=changes)


def test_what_came_through_promote_is_right(promoted):
    assert audit_promotions(promoted.ledger) == []


def test_what_was_right_stays_right_when_gates_decide_anew(promoted):
    promoted.clock.pass_days(10)
    promoted.decide(POLICY, 1, performance="failed")
    assert audit_promotions(promoted.ledger) == []


def test_a_promotion_written_past_promote_is_named(promoted):
    promoted.register(3)
    promoted.ledger.append(last_promotion(promoted, former=1), model=MODEL, subject="3")
    found = [problem.message for problem in audit_promotions(promoted.ledger)]
    assert any("gate performance was missing" in message for message in found)
    assert any("it was pending then" in message for message in found)


def test_a_promotion_under_an_invented_policy_is_named(promoted):
    lax = {**POLICY.model_dump(mode="json"), "approvals": []}
    promoted.ledger.append(last_promotion(promoted, policy=lax, former=1), model=MODEL, subject="2")
    assert "not the one whose digest" in audit_promotions(promoted.ledger)[0].message


def test_a_promotion_under_a_policy_that_was_never_adopted_is_named(promoted):
    """A lax policy of one's own, its gates decided and its digest right: it is not the one that is in force."""
    adopt(promoted.ledger, MODEL, POLICY)
    lax = policy(approvals=[])
    promoted.register(3)
    promoted.decide(lax, 3)
    forged = last_promotion(promoted, policy=lax.model_dump(mode="json"), policy_digest=lax.digest, former=1)
    promoted.ledger.append(forged, model=MODEL, subject="3")
    found = [problem.message for problem in audit_promotions(promoted.ledger)]
    assert any(f"the policy {lax.digest[:12]} was not in force then" in message for message in found)


def test_an_upgrade_that_knows_other_policy_fields_finds_nothing_wrong(world):
    """What an earlier release recorded: without a gate that came later, with a field and an action that are gone."""
    content = POLICY.model_dump(mode="json")
    del content["gates"]["stability"], content["adoption"]
    content["gates"]["volume"]["least_weight"] = 3
    content["response"]["label_shift"] = ["incident", "sing"]
    content["songs"] = {"loud": True}
    body = {"policy": content, "policy_digest": digest(content)}
    earlier = recorded_policy(content, body["policy_digest"])
    assert earlier.digest == body["policy_digest"] != POLICY.digest
    assert not earlier.gates.stability.required
    assert earlier.response.label_shift == ("incident",)
    assert earlier.gates.performance == POLICY.gates.performance
    world.register(1)
    world.decide(earlier, 1)
    world.approve(earlier, "validator", "risk", version=1)
    approved = approval_state(world.ledger.state(), earlier, MODEL, 1)
    promoted = promotion(None, **body, approvals=[seq for _, _, seq in approved.counted])
    world.ledger.append(promoted, model=MODEL, subject="1")
    assert audit_promotions(world.ledger) == []


@pytest.mark.parametrize(
    ("content", "named", "why"),
    [
        (None, None, "it holds no policy"),
        ({"tier": "high"}, "0" * 64, "not the one whose digest"),
        ({"tier": "high"}, digest({"tier": "high"}), "no readable policy: Field required"),
        (
            {"tier": "odd", "approvals": []},
            digest({"tier": "odd", "approvals": []}),
            "no readable policy: Field required",
        ),
    ],
    ids=["none", "another", "without approvals", "of no tier"],
)
def test_a_policy_that_says_too_little_is_not_read(content, named, why):
    with pytest.raises(UnreadablePolicy, match=why):
        recorded_policy(content, named)


@pytest.mark.parametrize("kind", ["rollback", "suspension", "resumption", "retirement"])
def test_an_intervention_that_nobody_signed_is_named(promoted, kind):
    before = champion_state(promoted.ledger, MODEL)
    promoted.ledger.append(unsigned(kind, "2", before.seq), model=MODEL, subject="2")
    assert champion_state(promoted.ledger, MODEL) == before
    (problem,) = audit_promotions(promoted.ledger)
    assert "signature" in problem.message


@pytest.mark.parametrize("kind", ["promotion", "rollback", "suspension", "resumption", "retirement"])
def test_a_change_of_champion_that_cannot_be_read_changes_nothing_and_is_named(promoted, kind):
    before = champion_state(promoted.ledger, MODEL)
    promoted.ledger.append(raw(kind, {"former": 1}), model=MODEL, subject="2")
    assert champion_state(promoted.ledger, MODEL) == before
    (problem,) = audit_promotions(promoted.ledger)
    assert f"{kind}: " in problem.message
    assert "Field required" in problem.message


def test_a_signed_rollback_played_again_is_named(promoted):
    old = promoted.ledger.latest("rollback")
    suspend(promoted.ledger, promoted.registry, MODEL, promoted.keys["risk"], "look into it")
    promoted.ledger.append(raw("rollback", old.event.body()), model=MODEL, subject=old.subject)
    assert "a replay" in audit_promotions(promoted.ledger)[0].message


@pytest.mark.parametrize(
    ("kind", "subject", "why"),
    [
        ("rollback", "7", "version 7 was never promoted"),
        ("rollback", "../1", "found version '../1', expected a number"),
        ("promotion", "one", "found version 'one', expected a number"),
        ("promotion", "one", "no registration of it"),
    ],
    ids=["to a version nobody promoted", "to no version", "of no version", "of a version nobody registered"],
)
def test_a_version_without_a_promotion_never_decides(promoted, kind, subject, why):
    """Whoever can append to the ledger cannot bring a version to decide by a rollback."""
    before = champion_state(promoted.ledger, MODEL)
    forged = last_promotion(promoted) if kind == "promotion" else unsigned(kind, subject, before.seq)
    promoted.ledger.append(forged, model=MODEL, subject=subject)
    after = champion_state(promoted.ledger, MODEL)
    assert (after.deciding, after.promoted) == (before.deciding, before.promoted)
    assert any(why in problem.message for problem in audit_promotions(promoted.ledger))


def test_nothing_decides_after_a_retirement_and_what_tries_is_named(promoted):
    retire(promoted.ledger, promoted.registry, MODEL, promoted.keys["risk"], "product ended")
    last = champion_state(promoted.ledger, MODEL).seq
    for event, subject in (
        (last_promotion(promoted), "2"),
        (unsigned("rollback", "2", last), "2"),
        (unsigned("resumption", "1", last), "1"),
    ):
        promoted.ledger.append(event, model=MODEL, subject=subject)
        assert champion_state(promoted.ledger, MODEL).deciding is None
    named = {problem.seq for problem in audit_promotions(promoted.ledger) if "retired" in problem.message}
    assert named == {r.seq for r in promoted.ledger.records()[-3:]}
