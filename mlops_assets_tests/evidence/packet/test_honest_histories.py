"""What a bank does with a model over the years, all of it in order: the packet is issued, and the verifier finds it whole."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from mlops_assets.evidence.packet.packet import write_packet
from mlops_assets.governance.adoption import adopt
from mlops_assets.governance.approvals import sign_approval
from mlops_assets.governance.exceptions import sign_exception, withdraw_exception
from mlops_assets.governance.findings import close_finding, record_finding
from mlops_assets.governance.validations import record_validation
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.policy.policy import Policy
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.automation import act
from mlops_assets.release.interventions import resume, retire, rollback, suspend
from mlops_assets.release.oversight import due
from mlops_assets.release.promotion import promote
from mlops_assets_tests.evidence.packet.attacks import suspended_for
from mlops_assets_tests.evidence.packet.forging import second_version
from mlops_assets_tests.evidence.packet.made import parts_of, usual, verdict
from mlops_assets_tests.governance.world import MODEL, World, policy


def promoted(world: World, rules: Policy, version: int = 1) -> None:
    promote(world.ledger, world.registry, rules, MODEL, version, world.verify_artifact)


def decided_anew(world: World, rules: Policy, version: int = 1, **outcomes: str) -> None:
    world.decide(rules, version, **outcomes)
    world.approve(rules, "validator", "risk", version=version)


def retired(world: World, rules: Policy) -> None:
    promoted(world, rules)
    verdict(world)
    retire(world.ledger, world.registry, MODEL, world.keys["risk"], "product ended")


def reverted_and_followed(world: World, rules: Policy) -> None:
    """The second version is rolled back, and a third takes over."""
    promoted(world, rules)
    second_version(world, rules)
    promoted(world, rules, 2)
    rollback(world.ledger, world.registry, MODEL, world.keys["risk"], "it drifts", world.verify_artifact)
    world.register(3)
    decided_anew(world, rules, 3)
    promoted(world, rules, 3)


def promoted_twice(world: World, rules: Policy) -> None:
    """The first version decides, the second, and the first again, by a promotion."""
    promoted(world, rules)
    second_version(world, rules)
    promoted(world, rules, 2)
    promoted(world, rules, 1)


def suspended_and_resumed(world: World, rules: Policy) -> None:
    promoted(world, rules)
    suspend(world.ledger, world.registry, MODEL, world.keys["risk"], "look into it")
    resume(world.ledger, world.registry, MODEL, world.keys["second"], "settled", world.verify_artifact)
    suspend(world.ledger, world.registry, MODEL, world.keys["developer"], "again")


def another_exception(world: World, rules: Policy) -> None:
    """An exception is withdrawn, and a later one lifts the gate."""
    world.decide(rules, performance="failed")
    keys, ends = world.keys["risk"], world.clock() + timedelta(days=30)
    first = sign_exception(world.ledger, keys, rules, MODEL, "performance", "under review", ends)
    withdraw_exception(world.ledger, keys, MODEL, first.seq, "too broad")
    sign_exception(world.ledger, keys, rules, MODEL, "performance", "for this version", ends, version=1)
    world.approve(rules, "validator", "risk")
    promoted(world, rules)
    world.clock.pass_days(40)


def withdrawn_since(world: World, rules: Policy) -> None:
    world.decide(rules, performance="failed")
    ends = world.clock() + timedelta(days=30)
    granted = sign_exception(world.ledger, world.keys["risk"], rules, MODEL, "performance", "under review", ends)
    world.approve(rules, "validator", "risk")
    promoted(world, rules)
    withdraw_exception(world.ledger, world.keys["risk"], MODEL, granted.seq, "settled")


def policy_changed_twice(world: World, rules: Policy) -> None:
    adopt(world.ledger, MODEL, rules)
    promoted(world, rules)
    stricter = policy(exceptions={"roles": ["model-risk"], "max_days": 30}, validity_days=100)
    adopt(world.ledger, MODEL, stricter)
    second_version(world, stricter)
    promoted(world, stricter, 2)
    signed = policy(validity_days=90, adoption={"roles": ["model-risk"]})
    adopt(world.ledger, MODEL, signed, key=world.keys["risk"], rationale="from now on signed")
    decided_anew(world, signed)
    promoted(world, signed, 1)
    back = usual()
    adopt(world.ledger, MODEL, back, key=world.keys["risk"], rationale="the former one was better")
    decided_anew(world, back, 2)
    promoted(world, back, 2)


def changed_mind(world: World, rules: Policy) -> None:
    """A validator rejects, and approves after the gates decided anew; another one's rejection is of former digests."""
    sign_approval(world.ledger, world.keys["second"], MODEL, 1, "not yet", "reject", policy=rules)
    world.decide(rules, performance="failed")
    world.decide(rules)
    sign_approval(world.ledger, world.keys["validator"], MODEL, 1, "not yet", "reject", policy=rules)
    world.approve(rules, "validator", "risk")
    promoted(world, rules)


def finding_closed(world: World, rules: Policy) -> None:
    ends = world.clock() + timedelta(days=9)
    found = record_finding(world.ledger, world.keys["second"], MODEL, "critical", "it leaks", "developer", ends)
    close_finding(world.ledger, world.keys["validator"], MODEL, found.subject, "it does not")
    record_finding(world.ledger, world.keys["second"], MODEL, "low", "names are unclear", "developer", ends)
    promoted(world, rules)


def validated_after_a_rejection(world: World, rules: Policy) -> None:
    ends = world.clock() + timedelta(days=90)
    for outcome in ("rejected", "approved"):
        record_validation(world.ledger, world.keys["second"], rules, MODEL, 1, outcome, "as found", valid_until=ends)
    promoted(world, rules)


def people_changed(world: World, rules: Policy) -> None:
    """One has another key, one has left, one is new, and all that they signed before counts."""
    promoted(world, rules)
    keys, root = world.keys, world.keys["root"]
    keys["risk"] = SigningKey.generate()
    enrol(world.ledger, root, "risk", keys["risk"].public, ["model-risk"])
    revoke(world.ledger, root, "validator", "has left")
    enrol(world.ledger, root, "stranger", keys["stranger"].public, ["validator"])
    second_version(world, rules, approved=False)
    world.approve(rules, "stranger", "risk", version=2)
    promoted(world, rules, 2)


def author_of_another_version(world: World, rules: Policy) -> None:
    """Whoever approved the first version builds none, and the developer of none of them signs a suspension."""
    promoted(world, rules)
    suspend(world.ledger, world.registry, MODEL, world.keys["developer"], "my own mistake")
    resume(world.ledger, world.registry, MODEL, world.keys["validator"], "it was none", world.verify_artifact)
    second_version(world, rules)
    promoted(world, rules, 2)


def suspended_by_policy(world: World, rules: Policy) -> None:
    suspended_for("critical", "concept_drift")(world, rules)


def suspended_overdue(world: World, rules: Policy) -> None:
    """Nobody has validated the champion in time, and later somebody rejects it."""
    letting = policy(
        exceptions={"roles": ["model-risk"], "max_days": 90},
        automation={"suspend": True},
        response={"validation_expired": ["incident", "suspend"]},
        validity_days=30,
        validation={"rejection_term_days": 5},
    )
    adopt(world.ledger, MODEL, letting)
    decided_anew(world, letting)
    promoted(world, letting)
    service = SigningKey.generate()
    enrol(world.ledger, world.keys["root"], "automation", service.public, ["automation"])
    world.clock.pass_days(31)
    suspended_at_once(world, letting, service)
    resume(world.ledger, world.registry, MODEL, world.keys["validator"], "in a week", world.verify_artifact)
    ends = world.clock() + timedelta(days=20)
    record_validation(world.ledger, world.keys["second"], letting, MODEL, 1, "rejected", "as found", valid_until=ends)
    world.clock.pass_days(6)
    suspended_at_once(world, letting, service)


def suspended_at_once(world: World, rules: Policy, service: SigningKey) -> None:
    """What the policy calls for now is a suspension, and the service key does it."""
    (opening,) = (o for o in due(world.ledger.state(), rules, MODEL, world.clock()) if o.act == "suspension")
    assert act(world.ledger, world.registry, rules, MODEL, opening, service, world.verify_artifact) is not None


HISTORIES = (
    retired, reverted_and_followed, promoted_twice, suspended_and_resumed, another_exception, withdrawn_since, policy_changed_twice,
    changed_mind, finding_closed, validated_after_a_rejection, people_changed, author_of_another_version, suspended_by_policy,
    suspended_overdue,
)  # fmt: skip


@pytest.mark.parametrize("history", HISTORIES, ids=[history.__name__ for history in HISTORIES])
def test_a_history_in_order_is_whole(unpromoted: World, tmp_path: Path, history: Callable[[World, Policy], None]):
    world = unpromoted.copy(tmp_path)
    world.keys = dict(world.keys)
    history(world, usual())
    assert audit_promotions(world.ledger, model=MODEL) == []
    found = write_packet(tmp_path / "p.zip", world.ledger, MODEL, "1", parts_of(world))
    assert found["ok"]
    assert found["remarks"] == []
