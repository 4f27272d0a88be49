"""A source that breaks several models is one incident, whichever of them shows it first."""

from datetime import UTC, date, datetime, timedelta

import pytest

from mlops_assets.ledger.events.judgements import REOPEN_DAYS
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incident_acts import close
from mlops_assets.response.incident_life import incident_life
from mlops_assets.response.incidents import alarms, concerning, find, incidents
from mlops_assets.response.quarantined_windows import quarantined_windows
from mlops_assets.response.shared_causes import Sign, raise_incident, related_models
from mlops_assets_tests.ledger.made import health_verdict

KEYS = {f"m{number}": ("source/loans",) for number in range(1, 7)} | {
    "far": ("source/cards",),
    "other_table": ("source/offers", "core/accounts"),
    "same_system": ("source/limits", "core/accounts"),
}
ORIGINS = {model: {key: key for key in keys} for model, keys in KEYS.items()}


@pytest.fixture
def shows(world):
    """A window of a model that shows a change, with what comes of it."""

    def raised(model: str, window: str = "2021-01-01", kind: str = "covariate_shift", columns=("income",)):
        begins = date.fromisoformat(window)
        end = (begins + timedelta(days=31)).replace(day=1)
        event = health_verdict(
            window, window_end=end, severity="act", kind=kind, columns=columns, alarm_rules=("population",),
            raw={kind: "act"}, causes=({"kind": kind, "severity": "act", "evidence": "moved", "columns": columns},),
        )  # fmt: skip
        world.ledger.append(event, model=model, subject=window, key=f"{model}/{window}/{kind}")
        about = f"{kind}:{','.join(columns)}" if kind == "data_quality" else f"{kind}:v1"
        sign = Sign(
            model, kind, "act", f"{model}: it moved.", window, end, tuple(columns), about, "population",
            datetime(end.year, end.month, end.day, tzinfo=UTC),
        )  # fmt: skip
        return raise_incident(world.ledger, sign, related_models(ORIGINS, model))

    return raised


def still_open(world):
    return [i for i in incidents(world.ledger.state()) if i.is_open]


@pytest.mark.parametrize("kind", ["covariate_shift", "data_quality"])
def test_six_models_of_one_source_have_one_incident(world, shows, kind):
    first = shows("m1", kind=kind)
    assert first.model == "m1"
    found = [shows(f"m{number}", kind=kind) for number in range(2, 7)]
    assert {i.id for i in found} == {found[0].id}
    (one,) = still_open(world)
    assert (one.model, sorted(one.models)) == ("", [f"m{number}" for number in range(1, 7)])
    assert find(world.ledger.state(), first.id).merged_into == one.id
    assert [i.id for i in concerning(world.ledger.state(), "m4") if i.is_open] == [one.id]
    assert shows("m3", kind=kind).id == shows("m1", "2021-02-01", kind).id == one.id
    assert incident_life(one, world.ledger.state().model).windows == ("2021-01-01", "2021-02-01")
    assert len(world.ledger.records(kind="incident_opened")) == 2


def test_different_tables_that_are_made_from_one_are_one_cause(world, shows):
    shows("other_table")
    one = shows("same_system")
    assert still_open(world) == [one]
    assert "core/accounts" in one.summary


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"model": "m1"}, {"model": "far"}),
        ({"model": "m1"}, {"model": "m2", "window": "2021-03-01"}),
        ({"model": "m1", "kind": "concept_drift"}, {"model": "m2", "kind": "concept_drift"}),
        ({"model": "m1", "kind": "data_quality"}, {"model": "m2", "kind": "data_quality", "columns": ("age",)}),
        ({"model": "m1", "kind": "data_quality"}, {"model": "m2", "kind": "covariate_shift"}),
    ],
    ids=["another source", "another window", "an answer that changed", "another column", "another kind"],
)
def test_what_does_not_come_with_the_same_rows_stays_apart(world, shows, first, second):
    shows(**first)
    shows(**second)
    assert [i.model for i in still_open(world)] == [first["model"], second["model"]]


def test_what_it_turned_out_to_be_holds_for_each_model(world, shows):
    for number in (1, 2, 3):
        shows(f"m{number}")
    (one,) = still_open(world)
    close(world.ledger, world.keys["validator"], IncidentRule(), one.id, "data_fault", "the feed sent cents")
    state = world.ledger.state()
    for number in (1, 2, 3):
        assert [a.disposition for a in alarms(state, f"m{number}")] == ["data_fault"]
        assert quarantined_windows(state, f"m{number}") == ("2021-01-01",)
    assert shows("m2").state == "closed", "its own window does not open it again"


def test_a_shared_cause_that_shows_again_opens_the_shared_incident_again(world, shows):
    for number in (1, 2):
        shows(f"m{number}")
    (one,) = still_open(world)
    close(world.ledger, world.keys["validator"], IncidentRule(), one.id, "true", "mended")
    alone = shows("m1", "2021-02-01")
    assert alone.model == "m1"
    again = shows("m2", "2021-02-01")
    assert (again.id, again.state, len(again.earlier)) == (one.id, "open", 1)
    assert [i.id for i in still_open(world)] == [one.id]
    close(world.ledger, world.keys["validator"], IncidentRule(), one.id, "true", "mended again")
    world.clock.now += timedelta(days=REOPEN_DAYS + 1)
    shows("m1", "2021-09-01")
    assert shows("m2", "2021-09-01").former == one.id
