"""Who may change the champion state, and with how many signatures: by the policy in force."""

import pytest

from mlops_assets.governance.adoption import adopt
from mlops_assets.ledger.events.champion import Retirement
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.people import NotAllowed
from mlops_assets.policy.policy import Policy
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.champion import champion_state
from mlops_assets.release.interventions import (
    InterventionRefused,
    intervene,
    resume,
    retire,
    rollback,
    still_missing,
    suspend,
)
from mlops_assets_tests.governance.world import MODEL, World, policy
from mlops_assets_tests.ledger.made import unsigned
from mlops_assets_tests.release.test_oversight import go, prepare

BOTH = [{"role": "validator", "count": 1}, {"role": "model-risk", "count": 1}]
RELEASE = {"release": {"shadow_windows": 0}}


def in_use(world: World, under: Policy) -> World:
    """Version 2 is champion after version 1, under a policy in force."""
    adopt(world.ledger, MODEL, under)
    for version in (1, 2):
        prepare(world, under, version)
        go(world, under, version)
    return world


def act(world: World, kind: str, by: str):
    """One person's signature on an intervention."""
    ledger, registry, key = world.ledger, world.registry, world.keys[by]
    match kind:
        case "suspension":
            return suspend(ledger, registry, MODEL, key, "because")
        case "resumption":
            return resume(ledger, registry, MODEL, key, "because", world.verify_artifact)
        case "rollback":
            return rollback(ledger, registry, MODEL, key, "because", world.verify_artifact)
        case _:
            return retire(ledger, registry, MODEL, key, "because")


def status(world: World) -> tuple[str, int | None]:
    now = champion_state(world.ledger, MODEL)
    return now.status, now.champion


DONE = {
    "suspension": ("suspended", 2),
    "resumption": ("active", 2),
    "rollback": ("active", 1),
    "retirement": ("retired", 2),
}


@pytest.mark.parametrize("kind", DONE)
def test_it_takes_effect_with_the_last_signature_that_the_policy_requires(world, kind):
    in_use(world, policy(**RELEASE, interventions={kind: BOTH}))
    if kind == "resumption":
        act(world, "suspension", "risk")
    before = status(world)
    first = act(world, kind, "validator")
    assert status(world) == before
    assert still_missing(world.ledger.state().model(MODEL), first) == "1 as model-risk"
    with pytest.raises(InterventionRefused, match="validator has signed this"):
        act(world, kind, "validator")
    last = act(world, kind, "risk")
    assert status(world) == DONE[kind]
    state = world.ledger.state()
    assert still_missing(state.model(MODEL), last) == ""
    assert state.model(MODEL).waiting == ()
    assert state.refused == ()
    assert audit_promotions(world.ledger) == []


@pytest.mark.parametrize("kind", DONE)
def test_a_role_that_the_policy_leaves_out_signs_nothing(world, kind):
    in_use(world, policy(**RELEASE, interventions={kind: [{"role": "model-risk"}]}))
    if kind == "resumption":
        act(world, "suspension", "risk")
    with pytest.raises(NotAllowed, match="needs model-risk"):
        act(world, kind, "validator")


def test_two_of_one_role_are_two_people(world):
    in_use(world, policy(**RELEASE, interventions={"retirement": [{"role": "validator", "count": 2}]}))
    act(world, "retirement", "validator")
    assert status(world)[0] == "active"
    act(world, "retirement", "second")
    assert status(world)[0] == "retired"


def test_a_signature_for_a_state_that_has_changed_since_waits_no_more(world):
    in_use(world, policy(**RELEASE, interventions={"retirement": BOTH}))
    act(world, "retirement", "validator")
    act(world, "suspension", "risk")
    act(world, "retirement", "risk")
    assert status(world)[0] == "suspended", "the validator signed before the suspension"
    act(world, "retirement", "validator")
    assert status(world)[0] == "retired"


@pytest.mark.parametrize(
    ("kind", "allowed"), [("suspension", True), ("rollback", True), ("resumption", False), ("retirement", False)]
)
def test_authors_may_stop_a_model_and_neither_restart_nor_end_it(world, kind, allowed):
    in_use(world, policy(**RELEASE))
    if kind == "resumption":
        act(world, "suspension", "risk")
    before = status(world)
    if allowed:
        act(world, kind, "developer")
        assert status(world) == DONE[kind]
    else:
        with pytest.raises(NotAllowed, match="built this version"):
            act(world, kind, "developer")
        assert status(world) == before


def test_a_retirement_signed_by_an_author_past_the_function_counts_for_nothing(world):
    in_use(world, policy(**RELEASE))
    now = champion_state(world.ledger, MODEL)
    intervene(world.ledger, world.registry, now, Retirement, "2", world.keys["developer"], "because")
    assert status(world) == ("active", 2)
    assert "developer built this version" in world.ledger.state().refused[-1].reason


@pytest.mark.parametrize("kind", ["suspension", "rollback", "retirement"])
def test_a_forged_record_keeps_nobody_from_acting(world, kind):
    in_use(world, policy(**RELEASE))
    ledger: Ledger = world.ledger
    ledger.append(unsigned("suspension", "2", champion_state(ledger, MODEL).seq), model=MODEL, subject="2")
    act(world, kind, "risk")
    assert status(world) == DONE[kind]
