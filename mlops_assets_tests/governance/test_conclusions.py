"""Conclusions on clauses: who may sign them, and about what."""

import pytest

from mlops_assets.governance.approval_subject import NotRegistered
from mlops_assets.governance.conclusions import Judgement, sign_conclusion
from mlops_assets.ledger.people import NotAllowed
from mlops_assets_tests.governance.world import MODEL, World

SEEN = "e" * 64


def conclude(world: World, name: str = "validator", outcome: str = "answered", rationale: str = "examined", version=1):
    judgement = Judgement("sr_26_2", "V.1.a", outcome, rationale, SEEN)  # pyright: ignore[reportArgumentType]
    return sign_conclusion(world.ledger, world.keys[name], MODEL, version, judgement)


def test_the_last_conclusion_names_the_one_before(world):
    world.register()
    first, second = conclude(world), conclude(world, "risk", "not_answered")
    assert (first.event.follows, second.event.follows) == (0, first.seq)
    assert [r.event.outcome for r in world.ledger.state().model(MODEL).version("1").conclusions] == [
        "answered",
        "not_answered",
    ]


@pytest.mark.parametrize(
    ("name", "changes", "error", "words"),
    [
        ("developer", {}, NotAllowed, "built this version"),
        ("root", {}, NotAllowed, "needs validator or model-risk"),
        ("stranger", {}, NotAllowed, "enrolled"),
        ("validator", {"rationale": " "}, ValueError, "needs a rationale"),
        ("validator", {"outcome": "fine"}, ValueError, "expected one of answered, not_answered, not_applicable"),
        ("validator", {"version": 7}, NotRegistered, "7"),
    ],
    ids=["an author", "another role", "a stranger", "no reason", "no such outcome", "no such version"],
)
def test_what_is_refused(world, name, changes, error, words):
    world.register()
    with pytest.raises(error, match=words):
        conclude(world, name, **changes)
    assert world.ledger.state().model(MODEL).version("1").conclusions == ()
