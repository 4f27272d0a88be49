"""What has become laxer without a signature is raised, and so is a champion whose exception has ended."""

from datetime import timedelta

import pytest

from mlops_assets.extensions import Evidence, Finding, Gate, GateRule
from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.registration import registered
from mlops_assets.release.oversight import due
from mlops_assets.release.promotion import promote
from mlops_assets_tests.governance.world import MODEL, policy

OWN = Gate("own", "Is it?", Evidence, GateRule, lambda e, r: Finding("passed", "r", "w"), stage="evaluation")
POLICY = policy(exceptions={"roles": ["model-risk"], "max_days": 60})


def raised(world, rule=POLICY, kind="policy_loosened") -> list[str]:
    return [o.summary for o in due(world.ledger.state(), rule, MODEL, world.ledger.clock()) if o.kind == kind]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"monitoring": {"psi_act": 5.0}}, "monitoring.psi_act from 0.25 to 5.0"),
        ({"gates": {"fairness": {"required": False}}}, "gates.fairness.required from True to False"),
        ({"tier": "low", "approvals": []}, "tier from high to low"),
        ({"response": {"concept_drift": ["watch"]}}, "response.concept_drift"),
    ],
)
def test_a_policy_that_asks_for_less_and_is_not_signed_is_raised(world, change, named):
    adopt(world.ledger, MODEL, policy(gates={"fairness": {"required": True}}))
    assert raised(world) == []
    laxer = policy(**{"gates": {"fairness": {"required": True}}, **change})
    adopt(world.ledger, MODEL, laxer)
    (summary,) = raised(world, laxer)
    assert named in summary


@pytest.mark.parametrize(
    ("change", "signed", "why"),
    [({"monitoring": {"psi_act": 0.2}}, False, "stricter"), ({"monitoring": {"psi_act": 5.0}}, True, "signed")],
)
def test_a_stricter_policy_and_a_signed_one_raise_nothing(world, change, signed, why):
    adopt(world.ledger, MODEL, policy())
    key = {"key": world.keys["risk"], "rationale": "agreed"} if signed else {}
    adopt(world.ledger, MODEL, policy(**change), **key)
    assert raised(world, policy(**change)) == [], why


def test_a_required_gate_that_is_registered_no_more_is_raised(world):
    with registered(OWN):
        adopt(world.ledger, MODEL, policy())
        assert raised(world, policy()) == []
    adopt(world.ledger, MODEL, policy())
    (summary,) = raised(world, policy())
    assert "gates.own.required" in summary


def test_a_laxer_policy_can_be_signed_afterwards_and_not_by_its_authors(world):
    world.register()
    adopt(world.ledger, MODEL, policy())
    laxer = policy(monitoring={"psi_act": 5.0})
    adopt(world.ledger, MODEL, laxer)
    adopt(world.ledger, MODEL, laxer, key=world.keys["developer"], rationale="it is quieter")
    assert len(raised(world, laxer)) == 1
    adopt(world.ledger, MODEL, policy())
    assert raised(world) == []
    adopt(world.ledger, MODEL, laxer)
    signed = adopt(world.ledger, MODEL, laxer, key=world.keys["risk"], rationale="agreed")
    assert raised(world, laxer) == []
    assert adopt(world.ledger, MODEL, laxer, key=world.keys["risk"], rationale="again") == signed


@pytest.fixture
def excepted(world):
    """The champion did not pass the fairness gate, and decides under an exception of 20 days."""
    world.register()
    world.decide(POLICY, fairness="failed")
    until = world.clock.now + timedelta(days=20)
    granted = sign_exception(world.ledger, world.keys["risk"], POLICY, MODEL, "fairness", "pilot", until)
    world.approve(POLICY, "validator", "risk")
    promote(world.ledger, world.registry, POLICY, MODEL, 1, world.verify_artifact)
    assert raised(world, kind="exception_ended") == []
    return world, granted


def test_a_champion_outlives_no_exception_unseen(excepted):
    world, _ = excepted
    world.clock.pass_days(21)
    (summary,) = raised(world, kind="exception_ended")
    assert "the gate fairness that expired on" in summary
    later = world.clock.now + timedelta(days=20)
    sign_exception(world.ledger, world.keys["risk"], POLICY, MODEL, "fairness", "until the next", later)
    assert raised(world, kind="exception_ended") == []


def test_a_withdrawn_exception_is_raised_before_it_expires(excepted):
    world, granted = excepted
    withdraw_exception(world.ledger, world.keys["risk"], MODEL, granted.seq, "over")
    (summary,) = raised(world, kind="exception_ended")
    assert "was withdrawn" in summary


def test_a_gate_that_passes_since_needs_no_exception(excepted):
    world, _ = excepted
    world.clock.pass_days(21)
    world.decide(POLICY, fairness="passed")
    assert raised(world, kind="exception_ended") == []
