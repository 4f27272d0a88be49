"""A cause whose run failed is asked for again, after a pause and not for ever."""

import time

import dagster as dg
import pytest

from mlops_assets.orchestration.sensors import MOST_ATTEMPTS, PAUSE, RUN_KEY, attempt, requests_of
from mlops_assets.pipeline.due import Due, Found

CAUSE = "loans/2021-01-01/outcomes/abc/after-7"
LATER = PAUSE + 60


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@dg.job
def monitoring() -> None:
    """Whose runs are looked at."""


def run(instance, key: str, status: dg.DagsterRunStatus) -> None:
    made = instance.create_run_for_job(monitoring, tags={RUN_KEY: key}, status=dg.DagsterRunStatus.STARTED)
    match status:
        case dg.DagsterRunStatus.FAILURE:
            instance.report_run_failed(made)
        case dg.DagsterRunStatus.CANCELED:
            instance.report_run_canceled(made)
        case _:
            pass


FAILED, STARTED, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELED


@pytest.mark.parametrize(
    ("runs", "after", "asked"),
    [
        ([], 0.0, ""),
        ([STARTED], LATER, ""),
        ([FAILED], 0.0, ""),
        ([FAILED], LATER, "/again-1"),
        ([CANCELED], LATER, ""),
        ([FAILED, STARTED], LATER, "/again-1"),
        ([FAILED, FAILED], LATER, "/again-2"),
        ([FAILED] * MOST_ATTEMPTS, LATER, None),
    ],
    ids=[
        "no run",
        "running",
        "just failed",
        "failed",
        "cancelled by a person",
        "asked again",
        "failed twice",
        "too often",
    ],
)
def test_the_key_of_the_next_run(instance, runs, after, asked):
    for number, status in enumerate(runs):
        run(instance, CAUSE + (f"/again-{number}" if number else ""), status)
    found = attempt(instance, CAUSE, time.time() + after)
    assert found == (None if asked is None else CAUSE + asked)


def test_what_failed_too_often_is_said_and_the_others_are_asked_for(instance, monkeypatch):
    monkeypatch.setattr("mlops_assets.orchestration.sensors.PAUSE", 0.0)
    for number in range(MOST_ATTEMPTS):
        run(instance, CAUSE + (f"/again-{number}" if number else ""), FAILED)
    waiting: list[str] = []
    due = (
        Due("loans", "monitoring", CAUSE, "the window has other outcomes"),
        Due("parcels", "monitoring", "other", "no verdict"),
    )
    assert [r.run_key for r in requests_of(instance, Found(due, ()), waiting)] == ["other"]
    assert waiting == ["loans: the window has other outcomes, but its run has failed 3 times; see it in Dagster"]
