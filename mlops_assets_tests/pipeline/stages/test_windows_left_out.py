"""Rows of a window with a broken feed are not learned from, until somebody says that nothing was broken."""

from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.data import outside, windows_left_out
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incidents import close, incidents, open_incident
from mlops_assets_tests.governance.world import MODEL, World, build
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.pipeline.desk import Desk
from mlops_assets_tests.training.test_history import declared, rows

JULY, AUGUST, REQUEST = "2024-07-01", "2024-08-01", "r-1"


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)


def judge(world: World, window: str, *actions: str) -> None:
    kind = "data_quality" if "quarantine_window" in actions else "none"
    severity = "act" if actions else "none"
    body = {"severity": severity, "kind": kind, "columns": ["a"], "alarm_rules": [], "raw": {}, "action": list(actions)}
    world.ledger.append(raw("health_verdict", body), model=MODEL, subject=window)
    if actions:
        open_incident(
            world.ledger, MODEL, kind=kind, severity=severity, summary="a is missing", window=window, columns=("a",)
        )


def left_out(world: World, request: str | None = None) -> tuple[str, ...]:
    desk = Desk(SimpleNamespace(ledger=world.ledger), declared(), request, MODEL)
    return windows_left_out(cast(StageContext, desk))


def test_a_quarantined_window_is_left_out_and_the_others_are_not(world: World) -> None:
    assert left_out(world) == ()
    judge(world, JULY, "incident", "quarantine_window")
    judge(world, AUGUST)
    assert left_out(world) == (JULY,)


@pytest.mark.parametrize(
    ("disposition", "expected"),
    [("true", (JULY,)), ("false", ()), ("expected", ())],
    ids=["it was broken", "a false alarm", "a change that was wanted"],
)
def test_who_closes_the_incident_decides_whether_it_is_learned_from(
    world: World, disposition: Any, expected: tuple[str, ...]
) -> None:
    judge(world, JULY, "incident", "quarantine_window")
    incident = incidents(world.ledger)[0]
    close(world.ledger, world.keys["validator"], IncidentRule(), incident.id, disposition, "looked at it")
    assert left_out(world) == expected


def test_repaired_rows_are_learned_from_after_a_new_verdict(world: World) -> None:
    judge(world, JULY, "incident", "quarantine_window")
    judge(world, JULY)
    assert left_out(world) == ()


def test_what_is_known_only_after_the_request_changes_nothing(world: World) -> None:
    # A training that is run again after a crash must take the same rows.
    judge(world, JULY, "incident", "quarantine_window")
    world.ledger.append(
        raw("retraining_request", {"window": AUGUST, "until": "2025-01-01"}), model=MODEL, subject=REQUEST
    )
    judge(world, AUGUST, "incident", "quarantine_window")
    for incident in incidents(world.ledger):
        close(world.ledger, world.keys["validator"], IncidentRule(), incident.id, "false", "looked at it")
    assert left_out(world, REQUEST) == (JULY,)
    assert left_out(world) == ()


def test_rows_of_the_window_go_and_all_others_stay() -> None:
    table = rows(flipped=False, n=1200)
    monthly = declared(monitoring={"cadence": "month"})
    kept = outside(table, monthly, [JULY])
    days = kept["when"].dt.date()
    assert kept.height == table.height - table.filter(pl.col("when").dt.month() == 7).height
    assert not days.is_between(pl.date(2024, 7, 1), pl.date(2024, 7, 31)).any()
    assert {d.month for d in days} == set(range(1, 13)) - {7}


def test_nothing_left_out_leaves_the_rows_as_they_are() -> None:
    table = rows(flipped=False, n=50)
    assert outside(table, declared(), []) is table
