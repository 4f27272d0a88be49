"""Times of incidents, by hand."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.events.response import ConcernedModel
from mlops_assets.ledger.state.response import Incident
from mlops_assets.response.incident_times import incident_times

NOW = datetime(2026, 3, 10, tzinfo=UTC)


def incident(
    kind="data_quality", recorded="2026-03-02", acknowledged=None, closed=None, window="2026-02-01", model="m"
):
    begun = datetime.fromisoformat(recorded).replace(tzinfo=UTC)

    def after(hours):
        return None if hours is None else begun + timedelta(hours=hours)

    state = "closed" if closed is not None else "acknowledged" if acknowledged is not None else "open"
    return Incident(
        "id", model, kind, "act", state, window, "text", (), "cause", begun, begun, "digest", (1,),
        acknowledged_at=after(acknowledged), closed_at=after(closed),
    )  # fmt: skip


def times(*found, watched=None):
    return incident_times(found, lambda one: one.kind, NOW, {"m": Cadence.MONTH}, watched or {})


def test_means_are_of_what_came_and_the_rest_is_counted():
    (found,) = times(incident(acknowledged=2, closed=10), incident(acknowledged=4), incident(recorded="2026-03-03"))
    # The window ended on 1 March; the incidents were recorded one, one and two days later.
    assert found.detect == (24 + 24 + 48) / 3
    assert (found.incidents, found.acknowledged, found.closed) == (3, 2, 1)
    assert (found.acknowledge, found.close) == (3, 10)
    assert (found.oldest_unacknowledged, found.oldest_open) == (7 * 24, 8 * 24)


def test_one_that_was_closed_at_once_was_looked_at():
    (found,) = times(incident(closed=5))
    assert (found.acknowledged, found.acknowledge) == (1, 5)
    assert (found.oldest_unacknowledged, found.oldest_open) == (None, None)


def test_what_is_about_no_window_was_not_detected_late():
    by_kind = {
        one.group: one for one in times(incident(kind="registry", window="record 5"), incident(kind="key", model="n"))
    }
    assert {name: one.detect for name, one in by_kind.items()} == {"registry": None, "key": None}
    assert all(one.acknowledge is None and one.close is None for one in by_kind.values())


def test_a_window_that_ended_before_anything_watched_it_was_not_detected_late():
    backfilled = incident(window="2003-02-01")
    (found,) = times(backfilled, watched={"m": datetime(2026, 3, 1, 23, tzinfo=UTC)})
    assert found.detect == 1


def test_no_incident_has_no_times():
    assert times() == []


def test_each_opening_counts_and_a_merged_incident_does_not():
    again = incident(recorded="2026-03-05", acknowledged=1, window="2026-02-02")
    reopened = replace(again, earlier=(replace(incident(closed=10), mitigated_at=NOW - timedelta(days=8, hours=-3)),))
    (found,) = times(reopened, replace(incident(closed=1), merged_into="another"))
    assert (found.incidents, found.closed, found.close) == (2, 1, 10)
    assert (found.mitigated, found.mitigate) == (1, 3)


def test_one_of_the_fleet_was_seen_when_the_first_of_its_models_showed_it():
    part = {"m": ConcernedModel(model="m", window="2026-02-01")}
    watched = {"m": datetime(2026, 3, 1, 12, tzinfo=UTC)}
    (found,) = times(replace(incident(model=""), models=part), watched=watched)
    assert found.detect == 12
