"""Which rows a training learns from: read from the verdicts that were known when it was requested."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.pipeline.context import StageError
from mlops_assets.pipeline.stages.training_rows import (
    ENOUGH_ROWS,
    history_choice,
    outside,
    request_record,
    since_change,
    training_period,
    windows_left_out,
)
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incident_acts import close
from mlops_assets.response.incidents import incidents, open_incident
from mlops_assets_tests.governance.world import MODEL, World, build
from mlops_assets_tests.ledger.made import health_verdict, retraining_request
from mlops_assets_tests.training.test_history import declared, rows

ORDERS = "orders"
JULY, AUGUST, REQUEST = "2024-07-01", "2024-08-01", "r-1"
SHIFTED = {"2024-08-01": [], "2024-09-01": ["covariate_shift"], "2024-10-01": ["concept_drift"]}


def judged(folder: Path, kinds: dict[str, list[str]]) -> Ledger:
    """A ledger with a verdict a window, and a request that answers the last."""
    ledger = Ledger(f"sqlite:///{folder}/ledger.db")
    for window, found in kinds.items():
        event = health_verdict(window, causes=[{"kind": kind} for kind in found])
        ledger.append(event, model=ORDERS, subject=window)
    ledger.append(retraining_request("2024-10-01", "2025-01-01"), model=ORDERS, subject=REQUEST)
    return ledger


class TestHowFarBack:
    @pytest.fixture
    def ledger(self, tmp_path) -> Ledger:
        return judged(tmp_path, {**SHIFTED, "2024-08-01": ["covariate_shift"], "2024-09-01": ["concept_drift"]})

    def test_training_begins_where_the_run_of_verdicts_began(self, ledger):
        found = history_choice(ledger, declared(), request_record(ledger, ORDERS, REQUEST), rows(flipped=True))
        assert found is not None
        assert found.changed_since == found.since == date(2024, 9, 1)

    def test_a_verdict_after_the_request_changes_nothing(self, ledger):
        # A training that is run again after a crash must take the same rows.
        ledger.append(health_verdict("2024-10-01"), model=ORDERS, subject="2024-10-01")
        found = history_choice(ledger, declared(), request_record(ledger, ORDERS, REQUEST), rows(flipped=True))
        assert found is not None
        assert found.changed_since == date(2024, 9, 1)

    def test_a_first_training_answers_no_change(self, ledger):
        assert history_choice(ledger, declared(), None, rows(flipped=True)) is None

    def test_a_request_that_was_never_recorded_is_refused(self, ledger):
        with pytest.raises(StageError, match="'r-2'"):
            request_record(ledger, ORDERS, "r-2")

    def test_the_request_names_the_end_of_the_period(self, ledger):
        assert training_period(declared(), request_record(ledger, ORDERS, REQUEST)).until == date(2025, 1, 1)
        assert training_period(declared(), None).until == declared().training.until


def held_out(rows_since: int) -> pl.DataFrame:
    """Rows of July 2024, and so many of October."""
    time = declared().event_time
    assert time is not None
    days = [date(2024, 7, 1) + timedelta(days=i % 30) for i in range(2000)]
    return pl.DataFrame({time.column: days + [date(2024, 10, 5)] * rows_since})


@pytest.mark.parametrize(
    ("kinds", "request_", "rows_since", "kept", "why"),
    [
        (SHIFTED, REQUEST, ENOUGH_ROWS, ENOUGH_ROWS, "what came before is another world"),
        (SHIFTED, REQUEST, ENOUGH_ROWS - 1, 2000 + ENOUGH_ROWS - 1, "too few rows since to be held to alone"),
        (SHIFTED, None, ENOUGH_ROWS, 2000 + ENOUGH_ROWS, "a first training answers no change"),
        ({"2024-10-01": ["data_quality"]}, REQUEST, ENOUGH_ROWS, 2000 + ENOUGH_ROWS, "a broken feed is no other world"),
        ({"2024-06-01": ["covariate_shift"], **{f"2024-{m:02}-01": ["covariate_shift"] for m in (7, 8, 9, 10)}},
         REQUEST, ENOUGH_ROWS, 2000 + ENOUGH_ROWS, "it began before the rows held out"),
    ],
)  # fmt: skip
def test_rows_a_version_is_held_to(tmp_path, kinds, request_, rows_since, kept, why):
    ledger = judged(tmp_path, kinds)
    found = since_change(ledger, declared(), request_record(ledger, ORDERS, request_), held_out(rows_since))
    assert found.height == kept, why


@pytest.fixture
def world(tmp_path) -> World:
    return build(tmp_path)


def judge(world: World, window: str, *actions: str) -> None:
    kind = "data_quality" if "quarantine_window" in actions else "none"
    severity = "act" if actions else "none"
    event = health_verdict(window, severity=severity, kind=kind, columns=["a"], action=actions)
    world.ledger.append(event, model=MODEL, subject=window)
    if actions:
        open_incident(
            world.ledger, MODEL, kind=kind, severity=severity, summary="a is missing", window=window, columns=("a",)
        )


def left_out(world: World, request: str | None = None) -> tuple[str, ...]:
    return windows_left_out(world.ledger, MODEL, request_record(world.ledger, MODEL, request))


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
    incident = incidents(world.ledger.state())[0]
    close(world.ledger, world.keys["validator"], IncidentRule(), incident.id, disposition, "looked at it")
    assert left_out(world) == expected


def test_repaired_rows_are_learned_from_after_a_new_verdict(world: World) -> None:
    judge(world, JULY, "incident", "quarantine_window")
    judge(world, JULY)
    assert left_out(world) == ()


def test_what_is_known_only_after_the_request_changes_nothing(world: World) -> None:
    # A training that is run again after a crash must take the same rows.
    judge(world, JULY, "incident", "quarantine_window")
    world.ledger.append(retraining_request(AUGUST, "2025-01-01"), model=MODEL, subject=REQUEST)
    judge(world, AUGUST, "incident", "quarantine_window")
    for incident in incidents(world.ledger.state()):
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
