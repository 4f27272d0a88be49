"""Every record is read as a typed event, or kept and reported as one that this release cannot read."""

import pytest

from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.events.base import UnknownEvent
from mlops_assets.ledger.events.registry import BY_KIND, EVENTS, read_event
from mlops_assets.ledger.ledger import Entry
from mlops_assets_tests.governance.world import MODEL, registration
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.ledger.state.acts import ACTS, settle

BODY = registration().body()


def test_each_kind_has_one_class():
    assert len(BY_KIND) == len(EVENTS)
    assert "" not in BY_KIND


@pytest.mark.parametrize(
    ("kind", "body", "newer", "why"),
    [
        ("weather", BODY, True, "of kind 'weather', which this release does not know"),
        ("version_registered", {**BODY, "schema_version": 2}, True, "of schema version 2; this release reads up to 1"),
        ("version_registered", {**BODY, "colour": "red"}, False, "colour: Extra inputs are not permitted"),
        ("version_registered", {**BODY, "developers": None}, False, "developers: Input should be a valid tuple"),
        ("version_registered", {}, False, "algorithm: Field required"),
    ],
)
def test_what_cannot_be_read_is_kept_and_reported(world, kind, body, newer, why):
    written = world.ledger.append(raw(kind, body), model=MODEL, subject="1")
    event = written.event
    assert isinstance(event, UnknownEvent)
    assert (event.newer, event.body(), event.record_kind) == (newer, written.body, kind)
    assert why in event.reason
    state = world.ledger.state()
    assert why in state.refusals[written.seq].reason
    assert state.model(MODEL).versions == {}
    assert state.model(MODEL).last_seq(kind) == written.seq
    assert world.ledger.of(type(registration())) == []
    with pytest.raises(ValueError, match="cannot read"):
        world.ledger.append_all([Entry(event)])


def test_every_event_of_a_ledger_is_read_as_it_was_written(world):
    """Each signed kind, and what their setting needs: body and event say the same, field by field."""
    settle(world)
    for make in ACTS.values():
        act = make(world)
        act.write(world, act.body(world))
    for record in world.ledger.records():
        event = record.event
        assert not isinstance(event, UnknownEvent), event
        assert read_event(record.kind, event.body()) == event
        assert canonical_json(event.body()) == canonical_json({**event.body(), **record.body})
