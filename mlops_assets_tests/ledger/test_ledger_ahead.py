from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import event

from mlops_assets.governance.adoption import adopt, in_force
from mlops_assets.ledger.ledger_ahead import LedgerAhead
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.raw import raw

KINDS = ("seen", "done")


@pytest.fixture
def ledger(world):
    for number in range(4):
        world.ledger.append(raw(KINDS[number % 2], {"n": number}), model=f"m{number // 2}", subject=str(number))
    world.ledger.append(raw("other", {}), model="m0")
    return world.ledger


def test_it_answers_as_the_ledger_does(ledger):
    ahead, third = LedgerAhead(ledger, KINDS), ledger.records(model="m1")[0]
    questions: tuple[dict[str, Any], ...] = (
        {"kind": "seen", "model": "m0"},
        {"kind": ("done", "seen"), "model": "m1"},
        {"kind": "seen"},
        {"kind": "seen", "subject": "2"},
        {"kind": KINDS, "known_at": third.recorded_at - timedelta(microseconds=1)},
        {"kind": KINDS, "happened_until": third.happened_at},
        {"kind": "seen", "model": "nobody"},
        {"kind": ("seen", "other"), "model": "m0"},
        {"model": "m0"},
    )
    for asked in questions:
        assert ahead.records(**asked) == ledger.records(**asked), asked
    assert ahead.latest(KINDS, model="m0") == ledger.latest(KINDS, model="m0")
    assert ahead.latest("other", model="m0") == ledger.latest("other", model="m0")
    assert ahead.latest("seen", model="nobody") is None


def test_the_number_of_queries_does_not_grow_with_the_models(ledger):
    asked = []
    event.listen(ledger.database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    ahead = LedgerAhead(ledger, KINDS)
    for model in range(50):
        ahead.records(kind="seen", model=f"m{model}")
        ahead.latest(KINDS, model=f"m{model}")
    assert len([text for text in asked if text.startswith("SELECT")]) == 1
    with ledger.database.reading() as connection:
        assert connection.execute(sa.text("SELECT 1")).scalar() == 1, "the connections are the ledger's own"


def test_what_is_written_through_it_is_seen_and_stands_in_the_ledger(ledger):
    ahead = LedgerAhead(ledger, KINDS)
    assert len(ahead.records(kind="seen", model="m0")) == 1
    written = ahead.append(raw("seen", {"n": 9}), model="m0", key="once")
    assert ahead.append(raw("seen", {"n": 9}), model="m0", key="once") == written
    assert ahead.records(kind="seen", model="m0") == ledger.records(kind="seen", model="m0")
    ledger.append(raw("seen", {"n": 10}), model="m0")
    assert len(ahead.records(kind="seen", model="m0")) == 2, "it stands where it was read"


def test_policies_are_adopted_through_it(world):
    ahead = LedgerAhead(world.ledger, ("policy_adopted", "person_enrolled", "key_revoked"))
    first = adopt(ahead, MODEL, policy())
    assert adopt(ahead, MODEL, policy()) == first == in_force(world.ledger, MODEL)
