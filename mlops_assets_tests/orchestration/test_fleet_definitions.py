"""The example fleet as Dagster sees it."""

from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import GovernedModel, build_definitions
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.project import Project

DEFS = Path(__file__).parents[2] / "mlops_assets" / "defs"
FLEET = ("acs_employment", "card_default", "census_income", "sba_loan_default")


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(DEFS)


@pytest.fixture(scope="module")
def repository(definitions) -> dg.RepositoryDefinition:
    return definitions.get_repository_def()


@pytest.fixture(scope="module")
def specs(definitions) -> dict[tuple[str, ...], dg.AssetSpec]:
    return {tuple(spec.key.path): spec for spec in definitions.resolve_all_asset_specs()}


@pytest.fixture(scope="module")
def declarations() -> dict[str, Declaration]:
    return Project.load(DEFS).declarations


def test_the_component_tree_finds_every_model():
    tree = dg.ComponentTree.for_project(DEFS)
    found = tree.get_all_components(of_type=GovernedModel)
    assert sorted(c.declaration.name for c in found) == list(FLEET)


def test_nothing_in_the_example_fleet_is_broken(specs):
    assert not [key for key in specs if key[-1] == "broken_declaration"]
    assert {key[0] for key in specs} == {*FLEET, "fleet", "source"}


def test_assets_tell_a_reviewer_what_they_are(specs, declarations):
    for key, spec in specs.items():
        assert spec.description, key
        assert spec.kinds, key
        if key[0] in declarations:
            assert spec.group_name == key[0]
            assert spec.owners == [declarations[key[0]].owner]
            assert spec.tags["mlops/tier"] == declarations[key[0]].tier.value
            assert spec.tags["mlops/task"] == declarations[key[0]].task.value


def test_the_page_is_written_after_the_watch_whose_records_it_shows(specs):
    assert ("fleet", "watch") in {tuple(dep.asset_key.path) for dep in specs[("fleet", "fleet_report")].deps}


def test_assets_lead_to_their_declaration(specs):
    for model in FLEET:
        references = specs[(model, "training_data")].metadata["dagster/code_references"].code_references
        assert [Path(r.file_path).name for r in references] == ["defs.yaml"], model


def test_card_default_has_no_windows(specs):
    assert ("card_default", "champion") in specs
    assert ("card_default", "drift") not in specs


def test_jobs_sensors_and_schedules(repository, declarations):
    expected = {f"{m}__{job}" for m in FLEET for job in ("training", "release")}
    expected |= {f"{m}__monitoring" for m, d in declarations.items() if d.has_time}
    assert expected | {"fleet__report", "fleet__reconcile"} <= set(repository.job_names)
    # As the code server does; it finds names that clash.
    repository.load_all_definitions()
    assert {s.name for s in repository.sensor_defs} == {"arrivals", "retraining", "release", "watch"}
    assert {s.name for s in repository.schedule_defs} >= {"fleet_report", "quarter_windows", "year_windows"}
    running = {s.default_status for s in (*repository.sensor_defs, *repository.schedule_defs)}
    assert {status.value for status in running} == {"RUNNING"}, "unattended from the first start"


def test_the_number_of_sensors_does_not_grow_with_the_fleet(repository):
    assert len(repository.sensor_defs) == 4


def test_each_training_is_one_run_from_rows_to_champion(repository):
    job = repository.get_job("sba_loan_default__training")
    assert job.executor_def.name == "in_process"
    nodes = [node.name for node in job.nodes_in_topological_order]
    assert nodes[0] == "sba_loan_default__training_data"
    assert nodes[-1] == "sba_loan_default__champion"


def test_gates_that_stop_a_run_are_blocking(repository):
    graph = repository.asset_graph
    blocking = {k.name for k in graph.asset_check_keys if graph.get_check_spec(k).blocking}
    assert blocking == {"contract", "volume", "leakage", "artifact"}


def test_the_fleet_report_follows_every_champion(specs):
    above = {tuple(dep.asset_key.path) for dep in specs[("fleet", "inventory")].deps}
    assert {(model, "champion") for model in FLEET} <= above


def test_models_on_one_table_share_its_source(specs, declarations):
    for model, declaration in declarations.items():
        assert declaration.source.key in specs
        assert declaration.source.key in {tuple(d.asset_key.path) for d in specs[(model, "training_data")].deps}
