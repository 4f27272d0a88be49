"""The requirements on a model change by a record, and where the policy in force says so only by a signature."""

import pytest

from mlops_assets.governance.adoption import adopt, adoption, audit_policies, changes
from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.policy.policy import Policy
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import raw

FREE = policy()
LAXER = policy(gates={"fairness": {"min_ratio": 0.5}})
HELD = policy(adoption={"roles": ["model-risk"]})
SHORTER = policy(adoption={"roles": ["model-risk"]}, validity_days=30)
FREED = policy(gates={"fairness": {"min_ratio": 0.5}}, adoption={"roles": []})


def test_a_policy_is_recorded_once_until_it_changes(world):
    first = adopt(world.ledger, MODEL, FREE)
    assert first.event.policy_digest == FREE.digest
    assert first.event.account
    assert adopt(world.ledger, MODEL, FREE) == first
    second = adopt(world.ledger, MODEL, LAXER)
    assert second.event.changes == ({"field": "gates.fairness.min_ratio", "before": 0.8, "after": 0.5},)
    assert second.event.before == FREE.digest
    assert world.ledger.state().model(MODEL).policy == second
    assert world.ledger.state(first.recorded_at).model(MODEL).policy == first
    back = adopt(world.ledger, MODEL, FREE)
    assert back.seq > second.seq, "going back is a change too"
    assert world.ledger.state().model("other").policy is None


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
    adopt(world.ledger, MODEL, HELD, key=world.keys["risk"], rationale="the first policy")
    assert adopt(world.ledger, MODEL, FREED) is None
    assert adoption(world.ledger.state().model(MODEL), FREED).roles == ("model-risk",)


FREED_FIELDS = {"policy_digest": FREED.digest, "policy": FREED.model_dump(mode="json")}
UNSIGNED = dict.fromkeys(("model", "person", "role", "signed_at", "rationale", "follows", "envelope"))


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({**FREED_FIELDS, **UNSIGNED}, "carries no signature"),
        (FREED_FIELDS, "differs from what was signed in: policy, policy_digest"),
        ({"policy": FREED.model_dump(mode="json")}, "not the one whose digest it names"),
        ({"policy": HELD.model_dump(mode="json") | {"adoption": {"roles": 5}}}, "not the one whose digest it names"),
        ({}, "a replay of record"),
    ],
    ids=["unsigned", "another's signature", "another content", "unreadable content", "played again"],
)
def test_an_adoption_that_was_written_past_adopt_changes_nothing(world, changed, why):
    first = adopt(world.ledger, MODEL, HELD, key=world.keys["risk"], rationale="the first policy")
    second = adopt(world.ledger, MODEL, SHORTER, key=world.keys["risk"], rationale="shorter")
    written = world.ledger.append(raw("policy_adopted", {**first.body, **changed}), model=MODEL, subject="x")
    state = world.ledger.state()
    assert state.model(MODEL).policy == second
    assert why in state.refusals[written.seq].reason
    assert [problem.seq for problem in not_counted(state)] == [written.seq]


def test_a_policy_that_this_release_cannot_hold_anybody_to_does_not_govern(world):
    """Its rule about signatures is unreadable: in force, it would let nobody change it again."""
    first = adopt(world.ledger, MODEL, FREE)
    content = FREE.model_dump(mode="json") | {"adoption": {"roles": 5}}
    changed = {"policy": content, "policy_digest": digest(content)}
    written = world.ledger.append(raw("policy_adopted", {**first.body, **changed}), model=MODEL, subject="x")
    state = world.ledger.state()
    assert state.model(MODEL).policy == first
    assert "what it says about signatures cannot be read" in state.refusals[written.seq].reason


def test_a_record_names_no_signer_who_did_not_sign(world):
    """Nobody had to sign the change, and the record says that somebody did."""
    adopt(world.ledger, MODEL, FREE)
    event = adopt(world.ledger, MODEL, LAXER).event.model_copy(update={"person": "risk", "role": "model-risk"})
    written = world.ledger.append(event, model=MODEL, subject="x")
    assert "carries no signature" in world.ledger.state().refusals[written.seq].reason


def test_a_decision_under_a_policy_that_was_not_in_force_is_named(world):
    world.register()
    world.decide(LAXER)
    assert audit_policies(world.ledger, world.ledger.state()) == [], "before the first adoption nothing is required"
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


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "of a version"])
def test_an_author_who_holds_the_role_may_not_sign(world, declared):
    enrol(world.ledger, world.keys["root"], "developer", world.keys["developer"].public, ["developer", "model-risk"])
    developers = ("Developer",) if declared else ()
    if not declared:
        world.register()
    with pytest.raises(NotAllowed, match="developer built"):
        adopt(world.ledger, MODEL, HELD, key=world.keys["developer"], rationale="mine", developers=developers)


def test_what_an_author_signed_is_signed_again_by_another(world):
    """Before there is a version, the ledger does not know who will have built it."""
    enrol(world.ledger, world.keys["root"], "developer", world.keys["developer"].public, ["developer", "model-risk"])
    adopt(world.ledger, MODEL, HELD, key=world.keys["developer"], rationale="mine")
    assert not adoption(world.ledger.state().model(MODEL), HELD).waiting
    world.register()
    assert adoption(world.ledger.state().model(MODEL), HELD).waiting
    adopt(world.ledger, MODEL, HELD, key=world.keys["risk"], rationale="as it is")
    assert not adoption(world.ledger.state().model(MODEL), HELD).waiting


def test_a_policy_that_says_nothing_about_it_is_signed():
    assert Policy(tier="low", approvals=()).adoption.roles == ("model-risk", "validator")
