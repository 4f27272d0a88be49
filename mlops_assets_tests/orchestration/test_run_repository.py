"""The process of a run builds the model that it runs; whatever is not clear is taken from all definitions."""

from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import build_definitions, load_definitions
from mlops_assets.orchestration import run_repository
from mlops_assets.orchestration.run_repository import EVERY_ASSET, NAME, RunRepository, is_run
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, declare, package_of, write_project
from mlops_assets_tests.orchestration.work import calls

APPROVAL, CHAMPION = dg.AssetKey([TIMED, "approval"]), dg.AssetKey([TIMED, "champion"])


class Whole:
    """Builds all definitions, and knows whether anybody has asked."""

    def __init__(self, defs: Path) -> None:
        self.defs, self.asked = defs, 0

    def __call__(self) -> dg.RepositoryDefinition:
        self.asked += 1
        return build_definitions(self.defs).get_repository_def()


@pytest.fixture
def defs(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return write_project(tmp_path, TIMED, SNAPSHOT, rows=20)


@pytest.fixture
def whole(defs) -> Whole:
    return Whole(defs)


def repository(whole: Whole) -> RunRepository:
    return run_repository.run_repository(whole.defs, {}, whole)


@pytest.mark.parametrize(
    "name", [f"{TIMED}__training", f"{SNAPSHOT}__release", f"{TIMED}__monitoring", "fleet__report"]
)
def test_a_job_is_the_one_of_all_definitions_without_building_them(whole, name):
    found = repository(whole).get_maybe_subset_job_def(name)
    assert whole.asked == 0
    expected = whole().get_job(name)
    assert found.asset_layer.selected_asset_keys == expected.asset_layer.selected_asset_keys
    assert {node.name for node in found.nodes} == {node.name for node in expected.nodes}, "steps have the same names"
    assert found.dependencies == expected.dependencies
    assert (found.partitions_def, found.run_tags) == (expected.partitions_def, expected.run_tags)


def test_the_assets_that_a_person_chose_are_of_their_model(whole):
    found = repository(whole).get_maybe_subset_job_def(EVERY_ASSET, asset_selection={APPROVAL, CHAMPION})
    assert whole.asked == 0
    assert found.asset_layer.selected_asset_keys == {APPROVAL, CHAMPION}


@pytest.mark.parametrize(
    "chosen",
    [{APPROVAL, dg.AssetKey([SNAPSHOT, "approval"])}, {APPROVAL, dg.AssetKey(["fleet", "inventory"])}],
    ids=["of two models", "of a model and of the fleet"],
)
def test_assets_of_several_come_from_all_definitions(whole, chosen):
    found = repository(whole).get_maybe_subset_job_def(EVERY_ASSET, asset_selection=chosen)
    assert whole.asked == 1
    assert found.asset_layer.selected_asset_keys == chosen


def test_a_model_that_reads_another_asset_comes_from_all_definitions(whole):
    text = (whole.defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    path = "{path: data/late payments.parquet}"
    assert path in text
    declare(whole.defs, "reader", text.replace(path, "{asset: warehouse/payments, path: data/late payments.parquet}"))
    assert repository(whole).get_maybe_subset_job_def("reader__training").name == "reader__training"
    assert whole.asked == 1


def test_a_job_of_nobody_is_looked_for_in_all_definitions(whole):
    with pytest.raises(dg.DagsterInvariantViolationError, match="unheard_of"):
        repository(whole).get_maybe_subset_job_def("unheard_of")
    assert whole.asked == 1


def test_what_is_no_job_comes_from_all_definitions(whole):
    found, expected = repository(whole), Whole(whole.defs)()
    assert {s.name for s in found.sensor_defs} == {s.name for s in expected.sensor_defs}
    assert {s.name for s in found.schedule_defs} == {s.name for s in expected.schedule_defs}
    assert set(found.job_names) == set(expected.job_names)
    assert found.assets_defs_by_key.keys() == expected.assets_defs_by_key.keys()
    assert found.asset_graph.get_all_asset_keys() == expected.asset_graph.get_all_asset_keys()
    assert set(found.get_top_level_resources()) == set(expected.get_top_level_resources())


class TestDagster:
    """What is used of Dagster beside its public interface: each of these fails when an upgrade changes it."""

    def test_it_names_a_repository_and_the_job_over_all_assets_so(self, whole):
        found = whole()
        assert found.name == NAME
        assert EVERY_ASSET in found.job_names

    def test_a_process_of_a_run_is_known_and_asks_for_one_job(self, defs, monkeypatch):
        module = f"{package_of(defs.parents[1])}.definitions"
        asked: list[str] = []
        real = RunRepository.get_maybe_subset_job_def
        monkeypatch.setattr(
            RunRepository,
            "get_maybe_subset_job_def",
            lambda self, name, *rest: asked.append(name) or real(self, name, *rest),
        )
        assert not is_run()
        assert isinstance(load_definitions(defs), dg.Definitions)
        # What the default launcher hands to the process of a run.
        from dagster._core.definitions.definitions_load_context import DefinitionsLoadContext
        from dagster._core.definitions.reconstruct import ReconstructableRepository

        monkeypatch.setattr(DefinitionsLoadContext, "_instance", None)
        pointer = ReconstructableRepository.for_module(module, "defs", str(defs.parents[1]))
        job = pointer.get_reconstructable_job(f"{TIMED}__release").get_definition()
        assert asked == [job.name] == [f"{TIMED}__release"]


class TestWork:
    def run_of(self, root: Path, monkeypatch, models: int) -> int:
        monkeypatch.syspath_prepend(str(root))
        folder = write_project(root, TIMED, rows=20)
        text = (folder / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
        for number in range(models - 1):
            declare(folder, f"model_{number}", text)
        whole = Whole(folder)
        return calls(lambda: repository(whole).get_maybe_subset_job_def(f"{TIMED}__release"))

    def test_it_hardly_depends_on_the_size_of_the_fleet(self, tmp_path, monkeypatch):
        self.run_of(tmp_path / "first", monkeypatch, 1)  # what is done once in a process
        one = self.run_of(tmp_path / "one", monkeypatch, 1)
        many = self.run_of(tmp_path / "many", monkeypatch, 21)
        assert (many - one) / 20 < one / 10, "another model is another declaration to read, and no more"
