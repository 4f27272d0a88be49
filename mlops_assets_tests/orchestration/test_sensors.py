"""A cause whose run failed is asked for again, after a pause and not for ever."""

import shutil
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import dagster as dg
import pytest

from mlops_assets import clock
from mlops_assets.orchestration.resource import PlatformResource, platform_resource
from mlops_assets.orchestration.sensors import PAUSE, RUN_KEY, Exhausted, attempt, requests_of, run_key, watch
from mlops_assets.orchestration.watching import LAST_RECORD, WATCH_KEY, last_watched
from mlops_assets.pipeline.due import Due, Found
from mlops_assets.pipeline.failures import MOST_ATTEMPTS
from mlops_assets.pipeline.watch import Reason
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import SNAPSHOT, declare, write_project

CAUSE = "loans/2021-01-01/outcomes/abc/after-7"
NOW, LATER = timedelta(0), PAUSE + timedelta(minutes=1)


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
        ([], NOW, ""),
        ([STARTED], LATER, ""),
        ([FAILED], NOW, ""),
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
    found = attempt(instance, CAUSE, clock.now() + after)
    assert isinstance(found, Exhausted) if asked is None else found == CAUSE + asked


def test_what_failed_too_often_is_given_up_and_the_others_are_asked_for(instance, monkeypatch):
    monkeypatch.setattr("mlops_assets.orchestration.sensors.PAUSE", timedelta(0))
    given_up: list[Due] = []

    def give_up(platform, due: Due, reason: str):
        given_up.append(due)
        return SimpleNamespace(id="loans-7")

    monkeypatch.setattr("mlops_assets.pipeline.failures.give_up", give_up)
    failing = Due("loans", "monitoring", "the window has other outcomes", "2021-01-01/abc", "2021-01-01")
    other = Due("parcels", "training", "it drifted", "r-1/abc", request="r-1")
    for number in range(MOST_ATTEMPTS):
        run(instance, run_key(failing) + (f"/again-{number}" if number else ""), FAILED)
    waiting: list[str] = []
    (asked,) = requests_of(instance, cast(Platform, None), Found((failing, other), ()), waiting)
    assert given_up == [failing]
    assert (asked.run_key, asked.job_name) == ("training/parcels/r-1/abc", "parcels__training")
    assert asked.tags["mlops/retraining_request"] == "r-1"
    assert waiting == ["loans: the window has other outcomes, but its run failed too often; close incident loans-7"]


class TestTheWatch:
    """A run where there is something to do, and none where nothing is new."""

    @pytest.fixture
    def reasons(self, monkeypatch) -> list[Reason | None]:
        found: list[Reason | None] = [None]
        monkeypatch.setattr("mlops_assets.pipeline.watch.reason_to_watch", lambda platform, since: found[0])
        return found

    def look(self, instance):
        context = dg.build_sensor_context(instance=instance, resources={"platform": Opened()})
        return watch(context)

    def looked(self, instance, record: int) -> None:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(WATCH_KEY, metadata={LAST_RECORD: dg.MetadataValue.int(record)})
        )

    def test_the_first_look_is_a_run(self, instance, reasons):
        assert isinstance(self.look(instance), dg.RunRequest)
        assert last_watched(instance) is None

    def test_nothing_new_is_no_run(self, instance, reasons):
        self.looked(instance, 7)
        assert last_watched(instance).record == 7
        assert isinstance(self.look(instance), dg.SkipReason)

    def test_a_reason_is_one_run_until_it_was_looked_at(self, instance, reasons):
        self.looked(instance, 7)
        reasons[0] = Reason("records up to 9 are new", again=True)
        first, second = self.look(instance), self.look(instance)
        assert first.run_key == second.run_key
        assert first.tags["mlops/why"] == "records up to 9 are new"
        self.looked(instance, 9)
        assert self.look(instance).run_key == first.run_key, "reported without a run, it has the same run id"
        reasons[0] = Reason("the registry differs from the ledger for loans", again=True)
        assert self.look(instance).run_key != first.run_key


class Opened(PlatformResource):
    """A resource that opens nothing."""

    defs = Path()

    def at_a_tick(self) -> Platform:
        return cast(Platform, None)


class TestAPlatformAtATick:
    """Dagster makes a resource for each tick; what is known of the stores outlives it."""

    @pytest.fixture
    def defs(self, tmp_path, monkeypatch) -> Path:
        monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
        monkeypatch.delenv("MLOPS_LEDGER_URL", raising=False)
        return write_project(tmp_path / "bank", SNAPSHOT, rows=20)

    def test_it_has_the_stores_of_the_tick_before_and_declarations_as_they_are(self, defs):
        first = platform_resource(defs).at_a_tick()
        text = (defs / "models" / SNAPSHOT / "defs.yaml").read_text(encoding="utf-8")
        declare(defs, "another", text)
        second = platform_resource(defs).at_a_tick()
        assert second.ledger is first.ledger
        assert set(second.project.declarations) == {SNAPSHOT, "another"}

    @pytest.mark.parametrize("what", ["the ledger was restored", "the head key is another one"])
    def test_other_stores_are_opened_anew(self, defs, tmp_path, what):
        first = platform_resource(defs).at_a_tick()
        first.ledger.close()
        home = tmp_path / "home"
        named = home / "ledger.db" if "ledger" in what else home / "keys" / "ledger.pem"
        assert named.is_file()
        named.rename(tmp_path / "kept")
        shutil.copy(tmp_path / "kept", named)
        assert platform_resource(defs).at_a_tick().ledger is not first.ledger
