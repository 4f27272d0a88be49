"""Sources are searched unattended where some are declared, and nowhere else."""

from pathlib import Path

import dagster as dg
import pytest

from mlops_assets.discovery.settings import DiscoverySettings
from mlops_assets.orchestration.discovering import DISCOVERY_JOB, discovery_definitions, fleet_discovery
from mlops_assets.orchestration.resource import platform_resource
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import SNAPSHOT, write_project


def test_nothing_is_searched_that_nobody_has_named() -> None:
    found = discovery_definitions(DiscoverySettings())
    assert (found.assets, found.jobs, found.schedules) == (None, None, None)


@pytest.mark.parametrize(("every", "cron"), [("hour", "45 * * * *"), ("day", "45 6 * * *"), ("week", "45 6 * * 1")])
def test_a_schedule_that_runs_by_itself(every: str, cron: str) -> None:
    settings = DiscoverySettings.model_validate({"every": every, "at": "06:45", "sources": [{"folder": "work"}]})
    (schedule,) = list(discovery_definitions(settings).schedules or [])
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.job_name) == (cron, DISCOVERY_JOB)
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING


def test_a_source_that_cannot_be_searched_opens_an_incident_and_stops_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(name, raising=False)
    defs = write_project(tmp_path, SNAPSHOT, rows=10)
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "m.sas").write_text("proc logistic; run;")
    config = defs.parent / "config" / "discovery.yaml"
    config.write_text("sources: [{mlflow: 'http://127.0.0.1:9'}, {folder: work}]")

    def run() -> dg.MaterializeResult:
        made = fleet_discovery(platform=platform_resource(defs))
        assert isinstance(made, dg.MaterializeResult)
        return made

    with pytest.raises(dg.Failure, match="nobody answers there"):
        run()
    fleet = Platform.load(defs).ledger.state().fleet
    assert [found.place for found in fleet.discovered.values()] == ["work/m.sas"]
    assert [(i.kind, i.severity) for i in fleet.open_incidents] == [("discovery_failed", "watch")]
    config.write_text("sources: [{folder: work}]")
    assert run().metadata == {
        "coverage": "0 of 1 known models are governed (0%); 0 ignored with a signed reason, 1 open.",
        "sources": dg.MetadataValue.md(
            "| source | found | new | changed | gone | not read |\n| --- | --- | --- | --- | --- | --- |\n| work | 1 | 0 | 0 | 0 | 0 |"
        ),
    }
