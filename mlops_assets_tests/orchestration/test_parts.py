"""Each model is a part of its own, whose jobs cost the same in a fleet of any size."""

from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import GovernedModel, load_definitions
from mlops_assets.orchestration import parts
from mlops_assets.orchestration.parts import Folders, Part, is_plain, resolved, specs_by_key
from mlops_assets.orchestration.resource import project_resources
from mlops_assets.pipeline.stage_table import STAGES
from mlops_assets.project import Project
from mlops_assets_tests.declaration.test_declaration import declared
from mlops_assets_tests.integration.small_project import TIMED, declare, write_project
from mlops_assets_tests.orchestration.work import calls, load_plain

ORIGIN = "dagster/component_origin"
"""Metadata by which Dagster remembers the component that it made from a file itself; nothing reads it."""


@pytest.fixture
def defs(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return write_project(tmp_path, TIMED, rows=20)


def declared_often(defs: Path, times: int) -> None:
    text = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    for number in range(times - 1):
        declare(defs, f"model_{number}", text)


class TestWork:
    def fleet(self, tmp_path, monkeypatch, models: int) -> int:
        root = tmp_path / f"of-{models}"
        monkeypatch.syspath_prepend(str(root))
        folder = write_project(root, TIMED, rows=20)
        declared_often(folder, models)
        return calls(lambda: load_definitions(folder).get_repository_def().get_all_jobs())

    def test_it_grows_with_the_number_of_models_and_no_faster(self, tmp_path, monkeypatch):
        self.fleet(tmp_path / "first", monkeypatch, 1)  # what is done once in a process
        four, eight, sixteen = (self.fleet(tmp_path, monkeypatch, models) for models in (4, 8, 16))
        assert (sixteen - eight) / (eight - four) == pytest.approx(2, rel=0.1)

    def test_it_is_a_few_times_that_of_as_many_trivial_assets(self, tmp_path, monkeypatch):
        self.fleet(tmp_path / "first", monkeypatch, 1)
        load_plain(1, 1)
        # Three jobs a model, fifteen checks and their metadata are what a trivial asset has not.
        assert self.fleet(tmp_path, monkeypatch, 8) < 2.7 * calls(lambda: load_plain(8, len(STAGES)))


def test_what_is_read_here_is_what_dagster_would_read(defs, monkeypatch):
    project = Project.load(defs)
    assert is_plain(project.models[0].path)
    ours = {spec.key: spec for spec in Folders(project).model(project.models[0]).specs()}
    monkeypatch.setattr(parts, "is_plain", lambda path: False)
    theirs = {spec.key: spec for spec in Folders(project).model(project.models[0]).specs()}
    assert ours.keys() == theirs.keys()
    for key, spec in ours.items():
        expected = {name: value for name, value in theirs[key].metadata.items() if name != ORIGIN}
        assert spec.metadata == expected
        assert spec.replace_attributes(metadata={}) == theirs[key].replace_attributes(metadata={})


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("type: mlops_assets.GovernedModel\nattributes:\n  tier: low\n", True),
        ("# why\ntype: mlops_assets.GovernedModel  # ours\n\nattributes:\n  tier: low\n", True),
        ("type: bank.OwnModel\nattributes:\n  tier: low\n", False),
        ("type: mlops_assets.GovernedModel\nattributes:\n  tier: '{{ env.TIER }}'\n", False),
        ("type: mlops_assets.GovernedModel\nattributes:\n  tier: low\npost_processing:\n  assets: []\n", False),
        ("type: mlops_assets.GovernedModel\nattributes:\n  tier: low\n---\ntype: bank.Other\n", False),
        ("type: mlops_assets.GovernedModel\nattributes: {tier: low}\n", False),
    ],
    ids=["plain", "comments", "another type", "a template", "another key", "two documents", "one line"],
)
def test_whatever_dagster_knows_beside_a_declaration_is_read_by_dagster(tmp_path, text, plain):
    path = tmp_path / "defs.yaml"
    path.write_text(text, encoding="utf-8")
    assert is_plain(path) is plain


def test_python_beside_a_declaration_is_read_by_dagster(defs):
    path = defs / "models" / TIMED / "defs.yaml"
    (path.parent / "more.py").write_text("", encoding="utf-8")
    assert not is_plain(path)


class TestJobs:
    RESOURCES = project_resources(Path("unused"))

    def part(self, **changes) -> Part:
        declaration = declared(**changes)
        return Part(declaration.name, GovernedModel(declaration).definitions())

    def test_a_job_has_its_model_and_what_is_directly_upstream(self):
        part = self.part()
        jobs = {job.name: job for job in resolved(part, {}, self.RESOURCES).definitions.jobs or ()}
        assert set(jobs) == {"loans__training", "loans__release", "loans__monitoring"}
        assert all(isinstance(job, dg.JobDefinition) for job in jobs.values())
        assert {k.path[0] for k in jobs["loans__training"].asset_layer.selected_asset_keys} == {"loans"}

    def test_an_upstream_asset_keeps_its_partitions(self):
        weekly = dg.WeeklyPartitionsDefinition(start_date="2020-01-06")
        upstream = dg.AssetSpec(dg.AssetKey(["warehouse", "loans"]), partitions_def=weekly)
        part = self.part(source={"asset": "warehouse/loans", "path": "data/loans.parquet"})
        assert part.upstream() == {upstream.key}
        other = Part("warehouse", dg.Definitions(assets=[upstream]))
        found = resolved(part, specs_by_key([part, other]), self.RESOURCES)
        training = next(job for job in found.definitions.jobs or () if job.name == "loans__training")
        assert isinstance(training, dg.JobDefinition)
        assert training.asset_layer.asset_graph.get(upstream.key).partitions_def == weekly

    def test_a_sensor_of_a_component_keeps_the_job_it_names(self):
        part = self.part()
        job = next(iter(part.definitions.jobs or ()))
        schedule = dg.ScheduleDefinition(job=job, cron_schedule="0 0 * * *")
        own = Part(part.name, dg.Definitions.merge(part.definitions, dg.Definitions(schedules=[schedule])))
        found = resolved(own, {}, self.RESOURCES)
        assert job in list(found.definitions.jobs or ())
        whole = dg.Definitions.merge(found.definitions, dg.Definitions(resources=self.RESOURCES))
        assert whole.get_repository_def().has_job(job.name)
