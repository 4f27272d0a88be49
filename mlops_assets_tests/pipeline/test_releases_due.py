"""Which versions may be released, asked of a real ledger for a whole fleet."""

from types import SimpleNamespace
from typing import cast

import pytest
from sqlalchemy import event

from mlops_assets.pipeline.due import Found, releases_due
from mlops_assets.platform import Platform
from mlops_assets_tests.governance.world import World, build, policy
from mlops_assets_tests.ledger.made import registration
from mlops_assets_tests.training.tables import declare

POLICY = policy(release={"shadow_windows": 0, "canary_windows": 0})


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)


def found(world: World, *models: str) -> Found:
    declared = {name: declare(name=name) for name in models}
    platform = SimpleNamespace(
        ledger=world.ledger, policy=lambda model: POLICY, project=SimpleNamespace(declarations=declared)
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
        world.register(model=name)
    found(world, *names)
    few, many = statements(world, *names[:2]), statements(world, *names)
    assert few == many <= 6, "the ledger is read once for the fleet"


def test_what_is_missing_is_said_model_by_model(world):
    world.register(model="open")
    world.ledger.append(registration("signed", request="wanted/1"), model="signed", subject="1")
    for name in ("open", "signed"):
        world.decide(POLICY, model=name)
    world.register(model="undecided")
    world.register(model="nobody_declares")
    world.approve(POLICY, "validator", "risk", model="signed")
    tick = found(world, "open", "signed", "undecided")
    missing = dict(text.split(": ", 1) for text in tick.waiting)
    assert missing.keys() == {"open version 1", "undecided version 1"}
    assert missing["open version 1"].startswith("approvals are missing")
    assert "gate contract is missing" in missing["undecided version 1"]
    (due,) = tick.due
    assert (due.model, list(due.tags.values())) == ("signed", ["wanted/1"])
