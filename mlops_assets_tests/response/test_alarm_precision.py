"""Dispositions that people sign, joined to the verdicts that raised the alarms, on a real ledger."""

from datetime import timedelta

import pytest

from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.alarm_precision import alarm_precision, fleet_precision, judged_windows, rules_of
from mlops_assets.response.incident_acts import close
from mlops_assets.response.incidents import alarms, incidents, open_incident
from mlops_assets_tests.governance.world import MODEL, World
from mlops_assets_tests.ledger.made import health_verdict

WINDOWS = [f"2021-0{month}-01" for month in range(1, 8)]


def verdict(
    world: World, window: str, severity="act", kind="concept_drift", rules=("ranking",), columns=(), raw=None
) -> None:
    """A verdict as the stage records it, with its incident."""
    event = health_verdict(
        window, severity=severity, kind=kind, alarm_rules=rules, columns=columns, raw={kind: raw or severity}
    )
    world.ledger.append(event, model=MODEL, subject=window, key=f"{window}/{severity}/{kind}")
    if severity in ("act", "critical"):
        open_incident(
            world.ledger,
            MODEL,
            kind=kind,
            severity=severity,
            summary="something",
            window=window,
            columns=columns,
            cause="" if kind == "data_quality" else kind,
            rule="+".join(rules),
        )


def close_as(world: World, window: str, disposition: str) -> None:
    incident = next(i for i in incidents(world.ledger.state()) if i.window == window)
    close(world.ledger, world.keys["validator"], IncidentRule(), incident.id, disposition, "looked at it")


def windows_of(world: World):
    state = world.ledger.state()
    return judged_windows(state.model(MODEL).window_verdicts.values(), alarms(state, MODEL))


def precisions(world: World, **which):
    found = alarm_precision(MODEL, alarms(world.ledger.state(), MODEL), windows_of(world))
    return {(p.by, p.name): p for p in found}


def test_each_alarm_gets_the_disposition_of_its_incident(world):
    verdict(world, WINDOWS[0], "none", "none", ())
    verdict(world, WINDOWS[1])
    close_as(world, WINDOWS[1], "false")
    verdict(world, WINDOWS[2], kind="data_quality", rules=("missing_values",), columns=("a",))
    close_as(world, WINDOWS[2], "true")
    verdict(world, WINDOWS[3], "watch")
    found = windows_of(world)
    assert [(w.window, w.disposition) for w in found] == [
        (WINDOWS[0], None),
        (WINDOWS[1], "false"),
        (WINDOWS[2], "true"),
        (WINDOWS[3], None),
    ]
    assert found[2].rules == ("missing_values",)


def test_an_incident_stands_for_every_window_while_it_was_open(world):
    verdict(world, WINDOWS[1])
    verdict(world, WINDOWS[2])
    close_as(world, WINDOWS[1], "expected")
    verdict(world, WINDOWS[3])
    close_as(world, WINDOWS[3], "true")
    assert [w.disposition for w in windows_of(world)] == ["expected", "expected", "true"]
    total = precisions(world)["model", MODEL]
    assert (total.true, total.expected, total.windows) == (1, 1, 3)


def test_a_window_that_persistence_held_back_has_the_disposition_of_the_alarm_it_led_to(world):
    verdict(world, WINDOWS[0], "watch", raw="act")
    verdict(world, WINDOWS[1], "watch")
    verdict(world, WINDOWS[2], "watch", raw="critical")
    verdict(world, WINDOWS[3])
    close_as(world, WINDOWS[3], "true")
    found = windows_of(world)
    assert [w.held for w in found] == [True, False, True, False]
    assert [w.disposition for w in found] == [None, None, "true", "true"]
    assert precisions(world)["model", MODEL].windows == 1


def test_faults_of_other_columns_are_other_alarms(world):
    verdict(world, WINDOWS[1], kind="data_quality", rules=("unit_change",), columns=("a",))
    verdict(world, WINDOWS[2], kind="data_quality", rules=("unit_change",), columns=("b",))
    close_as(world, WINDOWS[1], "false")
    assert [w.disposition for w in windows_of(world)] == ["false", None]


def test_a_window_judged_again_counts_once_by_its_last_verdict(world):
    verdict(world, WINDOWS[1], "none", "none", ())
    verdict(world, WINDOWS[1], "critical")
    (only,) = windows_of(world)
    assert only.severity == "critical"


def test_precision_by_model_kind_and_rule_with_interval(world):
    for window, disposition in zip(WINDOWS, ["true", "true", "false", "expected", None], strict=False):
        verdict(world, window, rules=("ranking", "relation") if disposition == "false" else ("ranking",))
        if disposition:
            close_as(world, window, disposition)
    verdict(world, WINDOWS[5], kind="data_quality", rules=("missing_values",), columns=("a",))
    found = precisions(world)
    ranking = found["rule", "ranking"]
    assert (ranking.true, ranking.false, ranking.expected, ranking.open) == (2, 1, 1, 1)
    assert ranking.precision == pytest.approx(2 / 3)
    assert ranking.low == pytest.approx(0.2077, abs=1e-3)  # Wilson, 2 of 3
    assert found["rule", "relation"].precision == 0
    assert found["kind", "concept_drift"].precision == pytest.approx(2 / 3)
    assert found["rule", "missing_values"].precision is None
    assert found["model", MODEL].open == 2


def test_a_model_without_alarms_has_no_precision(world):
    verdict(world, WINDOWS[0], "none", "none", ())
    open_incident(world.ledger, "other", kind="x", severity="act", summary="s", window="w")
    open_incident(world.ledger, MODEL, kind="alias_moved", severity="act", summary="about no window")
    assert precisions(world) == {}


def test_an_incident_without_a_rule_counts_under_its_kind(world):
    found = open_incident(world.ledger, MODEL, kind="fairness", severity="act", summary="s", window="w")
    assert rules_of(found) == ("fairness",)


def test_the_fleet_as_it_stood_knows_nothing_of_what_was_closed_later(world):
    verdict(world, WINDOWS[0])
    before = world.clock()
    world.clock.pass_days(1)
    close_as(world, WINDOWS[0], "false")
    state = world.ledger.state()
    now, then = fleet_precision(state)[MODEL][0], fleet_precision(state, as_of=before)[MODEL][0]
    assert (now.false, now.open, now.precision) == (1, 0, 0.0)
    assert (then.false, then.open, then.precision) == (0, 1, None)
    assert fleet_precision(world.ledger.state(before))[MODEL][0] == then
    assert fleet_precision(state, as_of=before - timedelta(days=1)) == {}
