from datetime import timedelta

import pytest

from mlops_assets.governance.validations import (
    objections,
    record_validation,
    restrictions_of,
    standing_validation,
    validations,
)
from mlops_assets.governance.verification import verify_all
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.ledger import LedgerTampered
from mlops_assets.ledger.people import NotAllowed
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import raw

POLICY = policy(validity_days=100)


@pytest.fixture
def ready(world):
    world.register()
    return world


def validate(world, outcome="approved", by="validator", version=1, under=POLICY, **more):
    return record_validation(world.ledger, world.keys[by], under, MODEL, version, outcome, "examined", **more)


def judged(world, under=POLICY):
    return objections(standing_validation(world.ledger.state().model(MODEL), 1), under, world.clock.now)


def test_its_life(ready):
    record = validate(
        ready, "approved_with_conditions", conditions=["watch the share of renewals"],
        restrictions=[{"column": "amount", "max": 50_000, "reason": "no larger loans in the data"}],
    )  # fmt: skip
    found = standing_validation(ready.ledger.state().model(MODEL), 1)
    assert (found.seq, found.outcome, found.person, found.role) == (
        record.seq, "approved_with_conditions", "validator", "validator",
    )  # fmt: skip
    assert found.conditions == ("watch the share of renewals",)
    assert [r.text for r in restrictions_of(ready.ledger.state().model(MODEL), 1)] == ["at most 50000"]
    assert found.valid_until - found.recorded_at == pytest.approx(timedelta(days=100), abs=timedelta(seconds=1))
    assert judged(ready) == []
    ready.clock.pass_days(101)
    assert "expired on" in judged(ready)[0]
    assert restrictions_of(ready.ledger.state().model(MODEL), 1), "an expired validation frees nobody"
    validate(ready, by="second")
    assert judged(ready) == []
    assert restrictions_of(ready.ledger.state().model(MODEL), 1) == ()
    assert verify_all(ready.ledger) == []


def test_a_rejection_blocks_until_it_is_judged_anew(ready):
    validate(ready)
    validate(ready, "rejected", by="second")
    assert "second rejected it in validation" in judged(ready)[0]
    validate(ready)
    assert judged(ready) == []


def test_a_stricter_policy_ends_it_earlier(ready):
    validate(ready)
    ready.clock.pass_days(50)
    assert judged(ready) == []
    assert "expired" in judged(ready, policy(validity_days=30))[0]


def test_none_blocks_only_where_one_is_required(ready):
    assert judged(ready) == []
    assert "the policy requires one" in judged(ready, policy(validation={"required": True}))[0]


@pytest.mark.parametrize(
    ("by", "why"),
    [("root", "needs validator or model-risk"), ("stranger", "is not enrolled"), ("developer", "built this version")],
)
def test_only_validators_judge(ready, by, why):
    with pytest.raises(NotAllowed, match=why):
        validate(ready, by=by)


def test_nobody_judges_their_own_work(ready):
    enrol(ready.ledger, ready.keys["root"], "developer", ready.keys["developer"].public, ["validator"])
    with pytest.raises(NotAllowed, match="built this version"):
        validate(ready, by="developer")


@pytest.mark.parametrize(
    ("outcome", "more", "why"),
    [
        ("fine", {}, "expected one of approved"),
        ("approved", {"conditions": ["x"]}, "the others have none"),
        ("rejected", {"restrictions": [{"column": "a", "min": 1}]}, "the others have none"),
        ("approved_with_conditions", {}, "at least one of either"),
        ("approved_with_conditions", {"restrictions": [{"column": "a"}]}, "neither allowed nor min nor max"),
        ("approved", {"days": 101}, "as policy says"),
        ("approved", {"days": -1}, "expected after now"),
    ],
)
def test_what_makes_no_sense_is_refused(ready, outcome, more, why):
    if "days" in more:
        more = {"valid_until": ready.clock.now + timedelta(days=more["days"])}
    with pytest.raises(ValueError, match=why):
        validate(ready, outcome, **more)
    assert validations(ready.ledger.state().model(MODEL)) == []


def test_records_that_nobody_signed_or_that_were_carried_over_count_for_nothing(ready):
    good = validate(ready).body
    validate(ready, "rejected", by="second")
    ready.register(2)
    attacks = {
        "played again after the rejection": (good, MODEL, "1"),
        "carried to another version": (good, MODEL, "2"),
        "unsigned": ({k: v for k, v in good.items() if k != "envelope"}, MODEL, "1"),
        "summary changed": ({**good, "outcome": "approved", "follows": 99}, MODEL, "1"),
    }
    for why, (body, model, subject) in attacks.items():
        written = ready.ledger.append(raw("validation_recorded", body), model=model, subject=subject)
        assert written.seq in ready.ledger.state().refusals, why
    assert [v.outcome for v in validations(ready.ledger.state().model(MODEL))] == ["approved", "rejected"]
    assert "rejected it" in judged(ready)[0]
    ready.register(1, model="cards")
    ready.ledger.append(raw("validation_recorded", good), model="cards", subject="1")
    assert validations(ready.ledger.state().model("cards")) == []


def test_the_same_version_retrained_was_not_judged(ready):
    validate(ready)
    ready.register(1, content="other bytes")
    with pytest.raises(LedgerTampered, match="registered with different artifacts"):
        validate(ready)


def test_the_past_is_seen_as_it_was(ready):
    validate(ready)
    then = ready.clock.now
    ready.clock.pass_days(1)
    validate(ready, "rejected", by="second")
    assert standing_validation(ready.ledger.state(then).model(MODEL), 1).outcome == "approved"
