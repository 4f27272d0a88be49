"""What is asked of a model changes by a record, and where the policy in force says so only by a signature."""

import pytest

from mlops_assets.governance.adoption import adopt, adoption, audit_policies, changes, in_force
from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.people import NotAllowed
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import raw

FREE = policy()
LAXER = policy(gates={"fairness": {"min_ratio": 0.5}})
HELD = policy(adoption={"roles": ["model-risk"]})
FREED = policy(gates={"fairness": {"min_ratio": 0.5}}, adoption={"roles": []})


def test_a_policy_is_recorded_once_until_it_changes(world):
    first = adopt(world.ledger, MODEL, FREE)
    assert first.body["policy_digest"] == FREE.digest
    assert first.body["account"]
    assert adopt(world.ledger, MODEL, FREE) == first
    second = adopt(world.ledger, MODEL, LAXER)
    assert second.body["changes"] == [{"field": "gates.fairness.min_ratio", "before": 0.8, "after": 0.5}]
    assert second.body["before"] == FREE.digest
    assert world.ledger.state().model(MODEL).policy == second
    assert in_force(world.ledger, MODEL, known_at=first.recorded_at) == first
    back = adopt(world.ledger, MODEL, FREE)
    assert back.seq > second.seq, "going back is a change too"
    assert in_force(world.ledger, "other") is None


def test_where_the_policy_in_force_says_so_a_change_needs_a_signature(world):
    assert adopt(world.ledger, MODEL, HELD) is None
    assert adoption(world.ledger.state().model(MODEL), HELD).waiting
    with pytest.raises(NotAllowed, match="needs model-risk"):
        adopt(world.ledger, MODEL, HELD, key=world.keys["validator"], rationale="because")
    with pytest.raises(ValueError, match="needs a rationale"):
        adopt(world.ledger, MODEL, HELD, key=world.keys["risk"])
    signed = adopt(world.ledger, MODEL, HELD, key=world.keys["risk"], rationale="the first policy")
    assert world.ledger.state().model(MODEL).policy == signed
    assert not_counted(world.ledger.state()) == []


def test_no_file_frees_itself_of_the_signature(world):
    """The rule of the policy in force governs its successor, whatever the successor says."""
    first = adopt(world.ledger, MODEL, HELD, key=world.keys["risk"], rationale="the first policy")
    assert adopt(world.ledger, MODEL, FREED) is None
    assert adoption(world.ledger.state().model(MODEL), FREED).roles == ("model-risk",)
    body = {k: v for k, v in first.body.items() if k != "envelope"}
    forged = {**body, "policy_digest": FREED.digest, "policy": FREED.model_dump(mode="json")}
    world.ledger.append(raw("policy_adopted", forged), model=MODEL)
    assert world.ledger.state().model(MODEL).policy == first, "written past `adopt`, without a signature"
    world.ledger.append(raw("policy_adopted", {**forged, "envelope": first.body["envelope"]}), model=MODEL)
    assert world.ledger.state().model(MODEL).policy == first, "with another's signature"
    assert not_counted(world.ledger.state()) != []


def test_a_signed_adoption_played_again_brings_no_old_policy_back(world):
    first = adopt(world.ledger, MODEL, HELD, key=world.keys["risk"], rationale="the first policy")
    other = policy(adoption={"roles": ["model-risk"]}, validity_days=30)
    second = adopt(world.ledger, MODEL, other, key=world.keys["risk"], rationale="shorter")
    world.ledger.append(raw("policy_adopted", first.body), model=MODEL)
    assert world.ledger.state().model(MODEL).policy == second


def test_a_decision_under_a_policy_that_was_not_in_force_is_named(world):
    world.register()
    world.decide(LAXER)
    assert audit_policies(world.ledger, world.ledger.state()) == [], "before the first adoption nothing is asked"
    adopt(world.ledger, MODEL, FREE)
    world.register(2)
    world.decide(FREE, 2)
    assert audit_policies(world.ledger, world.ledger.state()) == []
    strange = policy(validity_days=9)
    world.decide(strange, 2, fairness="failed")
    found = audit_policies(world.ledger, world.ledger.state())
    assert {problem.code for problem in found} == {"policy"}
    assert all(strange.digest[:12] in problem.message for problem in found)


@pytest.mark.parametrize(
    ("before", "after", "rows"),
    [
        (None, {"a": 1}, []),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "c": 3}}, [{"field": "a.c", "before": 2, "after": 3}]),
        ({"a": 1}, {"b": 1}, [{"field": "a", "before": 1, "after": None}, {"field": "b", "before": None, "after": 1}]),
    ],
    ids=["a first policy changes nothing", "one value", "a field that went, and one that came"],
)
def test_changes(before, after, rows):
    assert changes(before, after) == rows
