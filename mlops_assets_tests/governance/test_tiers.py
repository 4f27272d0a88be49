"""The tier of a model is a person's signed judgement: what counts, what ends it, and what it holds against promotion."""

from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.governance.tiers import TierStanding, assess, tier_standing
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.policy.policy import Policy
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.promotion import PromotionRefused, promote
from mlops_assets_tests.governance.assessments import TIERING, answers, declared
from mlops_assets_tests.governance.world import MODEL, World, build, policy, registration

LOW = policy(tier="low", approvals=[], release={"shadow_windows": 0})
MEDIUM = policy(tier="medium", approvals=[], release={"shadow_windows": 0})
HIGH = policy(approvals=[], release={"shadow_windows": 0})
DECLARED = declared(MODEL)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return build(tmp_path)


def signed(world: World, tier: str = "low", name: str = "validator", under: Policy = LOW, **fields) -> int:
    declaration = DECLARED.model_copy(update=fields)
    return assess(world.ledger, world.keys[name], under, TIERING, declaration, answers(tier)).seq


def standing(world: World, under: Policy = LOW, **fields) -> TierStanding:
    content = DECLARED.model_copy(update=fields).model_dump(mode="json")
    return tier_standing(world.ledger.state().model(MODEL), under, content, world.clock.now)


def registered(world: World, under: Policy) -> None:
    """A version of the declared model that passes every gate."""
    event = registration().model_copy(update={"declaration": DECLARED.model_dump(mode="json")})
    world.registry.tags[MODEL, 1] = {}
    world.ledger.append(event, model=MODEL, subject="1")
    world.decide(under)


def promoted(world: World, under: Policy) -> Promotion:
    return promote(world.ledger, world.registry, under, MODEL, 1, world.verify_artifact).record.event


def test_without_an_assessment_a_model_must_meet_the_highest_tier(world):
    registered(world, LOW)
    with pytest.raises(PromotionRefused) as refused:
        promoted(world, LOW)
    (reason,) = refused.value.reasons
    assert "has no assessment of its tier, so it must meet what tier high requires" in reason
    assert f"mlops tier assess {MODEL} --answers FILE --key KEY.pem" in reason
    assert "model-risk or validator" in reason


def test_under_the_highest_tier_no_assessment_is_needed(world):
    registered(world, HIGH)
    assert promoted(world, HIGH).assessment is None
    assert audit_promotions(world.ledger) == []


def test_with_an_assessment_the_declared_tier_is_enough(world):
    registered(world, LOW)
    number = signed(world)
    assert promoted(world, LOW).assessment == number
    assert audit_promotions(world.ledger) == []


def test_a_declared_tier_below_the_assessed_one_is_refused(world):
    registered(world, LOW)
    number = signed(world, "medium")
    with pytest.raises(PromotionRefused, match=f"validator assessed it as tier medium \\(record {number}\\)"):
        promoted(world, LOW)


def test_a_higher_declared_tier_is_allowed(world):
    registered(world, MEDIUM)
    number = signed(world, "low", under=MEDIUM)
    assert promoted(world, MEDIUM).assessment == number


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"purpose": "Refusal of credit cards."}, "purpose"),
        ({"intended_use": "Refusals without a person."}, "use"),
        ({"id": "customer"}, "population"),
        ({"source": DECLARED.source.model_copy(update={"path": "data/everybody.parquet"})}, "population"),
        ({"card": DECLARED.card.model_copy(update={"out_of_scope": ("Refusals.",)})}, "use"),
    ],
)
def test_a_change_of_what_was_assessed_ends_it(world, fields, named):
    signed(world)
    found = standing(world, **fields)
    assert f"its {named} changed after the assessment" in found.problem
    assert (found.required, found.counted) == ("high", None)


@pytest.mark.parametrize(
    "fields",
    [
        {"owner": "team:collections"},
        {"source": DECLARED.source.model_copy(update={"separator": ";"})},
        {"decision_threshold": 0.4},
    ],
    ids=["the owner", "how a file is read", "the threshold"],
)
def test_other_changes_leave_it(world, fields):
    signed(world)
    assert standing(world, **fields).counts


def test_it_expires(world):
    signed(world)
    world.clock.pass_days(LOW.assessment.max_days - 1)
    assert standing(world).counts
    world.clock.pass_days(1)
    assert "expired on" in standing(world).problem
    assert standing(world).too_low


@pytest.mark.parametrize(
    ("name", "under", "words"),
    [
        ("developer", LOW, "developer built"),
        ("root", LOW, "holds root"),
        ("stranger", LOW, "not enrolled"),
        ("validator", policy(tier="low", assessment={"roles": ["model-risk"]}), "needs model-risk"),
        ("risk", policy(tier="low", assessment={"roles": []}), "lets nobody assess"),
    ],
)
def test_who_may_not_assess(world, name, under, words):
    with pytest.raises(NotAllowed, match=words):
        signed(world, name=name, under=under)


def test_a_declared_developer_may_not_assess_even_before_there_is_a_version(world):
    with pytest.raises(NotAllowed, match="validator built"):
        signed(world, developers=("Validator",))


def test_an_assessor_who_builds_a_version_later_does_not_count(world):
    number = signed(world)
    event = registration().model_copy(update={"developers": ("validator",)})
    world.ledger.append(event, model=MODEL, subject="1")
    assert f"record {number}) does not count: validator built the model" in standing(world).problem


def test_a_role_that_policy_no_longer_lets_assess_does_not_count(world):
    by_risk = signed(world, "medium", name="risk")
    signed(world, "low", name="validator")
    stricter = policy(tier="low", assessment={"roles": ["model-risk"]})
    assert standing(world).required == "low"
    found = standing(world, stricter)
    assert (found.required, found.counted) == ("medium", by_risk), "the latest by somebody who may"


def test_the_latest_counts(world):
    signed(world, "medium")
    latest = signed(world, "low")
    assert standing(world).counted == latest


@pytest.mark.parametrize("days", [0, LOW.assessment.max_days + 1])
def test_it_ends_when_policy_says_at_the_latest(world, days):
    expires = world.clock.now + timedelta(days=days, seconds=-1 if not days else 0)
    with pytest.raises(ValueError, match="found expiry"):
        assess(world.ledger, world.keys["risk"], LOW, TIERING, DECLARED, answers("low"), expires=expires)


def test_a_promotion_past_the_rule_is_named_by_the_audit(world):
    """Written by somebody who may append to the ledger, without `promote`."""
    registered(world, HIGH)
    event = promoted(world, HIGH)
    world.decide(LOW)
    forged = event.model_copy(
        update={
            "former": 1, "policy": LOW.model_dump(mode="json"), "policy_digest": LOW.digest, "assessment": 3,
            "decisions": (),
        }
    )  # fmt: skip
    world.ledger.append(forged, model=MODEL, subject="1")
    said = [problem.message for problem in audit_promotions(world.ledger)]
    assert any("it was declared as tier low: it has no assessment of its tier" in text for text in said), said
    assert any("it names record 3 as assessment of the tier, which did not count then" in text for text in said), said
