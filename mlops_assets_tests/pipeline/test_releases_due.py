"""Which versions may be released, from a real ledger for a whole fleet."""

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import event

from mlops_assets.governance.exceptions import sign_exception
from mlops_assets.governance.findings import close_finding, record_finding
from mlops_assets.governance.validations import record_validation
from mlops_assets.ledger.enrolment import enrol
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.pipeline.due import Found
from mlops_assets.pipeline.releases_due import releases_due
from mlops_assets.platform import Platform
from mlops_assets.policy.policy import Policy
from mlops_assets.release.interventions import resume, suspend
from mlops_assets.release.promotion import promote
from mlops_assets_tests.governance.world import World, build, policy
from mlops_assets_tests.ledger.made import registration
from mlops_assets_tests.training.tables import declare

POLICY = policy(release={"shadow_windows": 0, "canary_windows": 0})


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)


def register(world: World, name: str, version: int = 1, request: str | None = None) -> None:
    event = registration(name, request=request, artifact_digest=f"{version:064d}")
    world.ledger.append(event, model=name, subject=str(version))
    world.registry.tags[name, version] = {}


def artifact(model: str, version: int) -> str:
    """The stored artifact is what `register` recorded."""
    return f"{version:064d}"


def found(world: World, *models: str, rules: Policy = POLICY) -> Found:
    declared = {name: declare(name=name) for name in models}
    platform = SimpleNamespace(
        ledger=world.ledger, policy_of=lambda declaration: rules, project=SimpleNamespace(declarations=declared)
    )
    return releases_due(cast(Platform, platform))


def statements(world: World, *models: str) -> int:
    """How many selects a tick sends to the ledger's database."""
    sent: list[str] = []

    def note(*call: object) -> None:
        sent.append(str(call[2]))

    event.listen(world.ledger.database.engine, "before_cursor_execute", note)
    found(world, *models)
    event.remove(world.ledger.database.engine, "before_cursor_execute", note)
    return sum(text.startswith("SELECT") for text in sent)


def test_a_tick_reads_the_ledger_as_often_for_many_versions_as_for_few(world):
    names = [f"m{i}" for i in range(8)]
    for name in names:
        register(world, name)
    found(world, *names)
    few, many = statements(world, *names[:2]), statements(world, *names)
    assert few == many <= 8, "the ledger is read once for the fleet"


def test_what_is_missing_is_named_model_by_model(world):
    register(world, "open")
    register(world, "signed", request="wanted/1")
    register(world, "undecided")
    register(world, "not_declared")
    for name in ("open", "signed"):
        world.decide(POLICY, model=name)
    world.approve(POLICY, "validator", "risk", model="signed")
    tick = found(world, "open", "signed", "undecided")
    waiting = dict(text.split(": ", 1) for text in tick.waiting)
    assert waiting.keys() == {"open version 1", "undecided version 1"}
    assert waiting["open version 1"].startswith("approvals are missing")
    assert "gate contract is missing" in waiting["undecided version 1"]
    (due,) = tick.due
    assert (due.model, due.version, due.request) == ("signed", "1", "wanted/1")


def add_approval(world: World) -> None:
    world.approve(POLICY, "second", model="m")


def add_decision(world: World) -> None:
    world.decide(POLICY, model="m", cost="failed")


def add_exception(world: World) -> None:
    until = world.clock() + timedelta(days=20)
    sign_exception(world.ledger, world.keys["risk"], POLICY, "m", "cost", "it is small", until)


def add_validation(world: World) -> None:
    record_validation(world.ledger, world.keys["validator"], POLICY, "m", "1", "approved", "it was looked at")


def add_window(world: World) -> None:
    world.score("2026-01-01", challenger=1, model="m")


def add_person(world: World) -> None:
    enrol(world.ledger, world.keys["root"], "third", SigningKey.generate().public, ["validator"])


def close_a_finding(world: World) -> None:
    (finding,) = world.ledger.state().model("m").open_findings
    close_finding(world.ledger, world.keys["validator"], "m", finding.id, "corrected")


@pytest.mark.parametrize(
    "change",
    [add_approval, add_decision, add_exception, add_validation, add_window, add_person],
    ids=lambda f: f.__name__,
)
def test_every_record_that_can_unblock_a_release_asks_again(world, change: Callable[[World], None]):
    register(world, "m")
    world.decide(POLICY, model="m")
    world.approve(POLICY, "validator", "risk", model="m")
    due = world.clock() + timedelta(days=30)
    record_finding(world.ledger, world.keys["validator"], "m", "low", "a typing error", "risk", due)
    (before,) = found(world, "m").due
    assert found(world, "m").due[0].state == before.state, "nothing new, and the same state asks"
    change(world)
    states = [due.state for due in found(world, "m").due]
    assert states != [before.state], "another state asks, or nothing does"


def test_a_version_that_waited_while_its_model_was_suspended_is_released_after_it(world):
    register(world, "m")
    world.decide(POLICY, model="m")
    world.approve(POLICY, "validator", "risk", model="m")
    promote(world.ledger, world.registry, POLICY, "m", 1, artifact)
    register(world, "m", 2)
    world.decide(POLICY, version=2, model="m")
    world.approve(POLICY, "validator", "risk", version=2, model="m")
    (before,) = found(world, "m").due
    suspend(world.ledger, world.registry, "m", world.keys["risk"], "a complaint")
    tick = found(world, "m")
    assert not tick.due
    assert "the model is suspended" in tick.waiting[0]
    resume(world.ledger, world.registry, "m", world.keys["risk"], "settled", artifact)
    (after,) = found(world, "m").due
    assert after.state != before.state
