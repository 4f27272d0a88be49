"""A project split over code locations: each has its models, the fleet is in one, and the lineage crosses."""

import importlib
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import build_definitions, code_locations
from mlops_assets.project import ProjectError
from mlops_assets_tests.integration.small_project import NUMBER, SNAPSHOT, TIMED, package_of, write_project

PLACES = {TIMED: "retail", NUMBER: "branches"}


@pytest.fixture
def defs(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    found = write_project(tmp_path, rows=20)
    for model, folder in PLACES.items():
        (found / "models" / folder).mkdir()
        (found / "models" / model).rename(found / "models" / folder / model)
    return found


def loaded(defs: Path, name: str) -> dg.RepositoryDefinition:
    """A location as Dagster loads it: an attribute of the module, called."""
    return code_locations(defs)(name)().get_repository_def()


def keys(repository: dg.RepositoryDefinition) -> set[str]:
    return {key.path[0] for key in repository.asset_graph.executable_asset_keys}


def test_each_has_its_own_models_and_together_they_have_everything_once(defs):
    found = {name: loaded(defs, name) for name in ("fleet", "retail", "branches")}
    assert {name: keys(repository) for name, repository in found.items()} == {
        "fleet": {SNAPSHOT, "fleet"},
        "retail": {TIMED},
        "branches": {NUMBER},
    }
    whole = build_definitions(defs).get_repository_def()
    executable = [key for repository in found.values() for key in repository.asset_graph.executable_asset_keys]
    assert sorted(executable) == sorted(whole.asset_graph.executable_asset_keys)
    jobs = [name for repository in found.values() for name in repository.job_names if not name.startswith("__")]
    assert sorted(jobs) == sorted(name for name in whole.job_names if not name.startswith("__"))


def test_sensors_start_the_jobs_of_their_location_and_the_fleet_is_watched_once(defs):
    fleet, retail = loaded(defs, "fleet"), loaded(defs, "retail")
    targets = {s.name: {job.name for job in s.jobs} for s in retail.sensor_defs}
    assert targets == {
        "arrivals": {f"{TIMED}__monitoring"},
        "retraining": {f"{TIMED}__training"},
        "release": {f"{TIMED}__release"},
    }
    assert {s.name for s in fleet.sensor_defs} == {"watch", "retraining", "release"}
    assert not retail.schedule_defs
    assert {s.name for s in fleet.schedule_defs} == {"fleet_report", "month_windows", "quarter_windows"}


def test_lineage_crosses(defs):
    graph = loaded(defs, "fleet").asset_graph
    above = graph.get(dg.AssetKey(["fleet", "inventory"])).parent_keys
    assert {dg.AssetKey([model, "champion"]) for model in (TIMED, NUMBER, SNAPSHOT)} <= above
    assert dg.AssetKey([TIMED, "champion"]) in loaded(defs, "retail").asset_graph.executable_asset_keys


def test_the_module_of_a_project_has_an_attribute_for_each(defs):
    module = importlib.import_module(f"{package_of(defs.parents[1])}.definitions")
    assert keys(module.retail().get_repository_def()) == {TIMED}
    with pytest.raises(AttributeError, match="expected one of fleet, branches, retail"):
        module.corporate  # noqa: B018


def test_a_location_that_does_not_exist_is_refused(defs):
    with pytest.raises(ProjectError, match="expected one of fleet, branches, retail"):
        build_definitions(defs, location="corporate")


def test_a_folder_that_takes_the_name_of_the_fleet_is_refused(defs):
    (defs / "models" / "retail").rename(defs / "models" / "fleet")
    with pytest.raises(ProjectError, match="taken by the fleet"):
        build_definitions(defs, location="fleet")
