from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import GovernedModel
from mlops_assets.orchestration.assets import owners_of
from mlops_assets.orchestration.resource import project_resources
from mlops_assets.pipeline.stage_table import STAGES, question
from mlops_assets_tests.declaration.test_declaration import declared

WINDOWED = {"predictions", "outcomes", "drift", "performance", "health"}


def graph(**changes):
    """The asset graph of one model."""
    platform = dg.Definitions(resources=project_resources(Path("unused")))
    return dg.Definitions.merge(GovernedModel(declared(**changes)).definitions(), platform).resolve_asset_graph()


def test_every_stage_of_a_timed_model():
    assert {k.path[1] for k in graph().materializable_asset_keys} == {s.name for s in STAGES}
    assert {k.path[0] for k in graph().materializable_asset_keys} == {"loans"}


def test_a_snapshot_has_no_windows():
    found = graph(event_time=..., training={}, monitoring={})
    assert {k.path[1] for k in found.materializable_asset_keys} == {s.name for s in STAGES} - WINDOWED


def test_every_gate_is_a_check_with_a_question():
    checks = {(k.asset_key.path[1], k.name) for k in graph().asset_check_keys}
    assert checks == {(stage.name, gate) for stage in STAGES for gate in stage.gates}
    assert all(question(gate).endswith("?") for _, gate in checks)


def test_only_windowed_assets_have_partitions():
    found = graph()
    partitioned = {k.path[1] for k in found.materializable_asset_keys if found.get(k).partitions_def is not None}
    assert partitioned == WINDOWED


@pytest.mark.parametrize(
    ("cadence", "keys"),
    [
        ("year", ["2020-01-01", "2021-01-01"]),
        ("quarter", ["2020-01-01", "2020-04-01"]),
        ("month", ["2020-01-01", "2020-02-01"]),
        ("week", ["2019-12-30", "2020-01-06"]),
        ("day", ["2020-01-01", "2020-01-02"]),
    ],
)
def test_a_partition_key_is_the_start_of_its_window(cadence, keys):
    found = graph(monitoring={"cadence": cadence})
    partitions = found.get(dg.AssetKey(["loans", "health"])).partitions_def
    assert partitions is not None
    assert partitions.get_partition_keys()[:2] == keys


def test_a_closed_history_ends():
    found = graph(monitoring={"cadence": "quarter", "start": "2020-01-01", "end": "2020-07-01"})
    partitions = found.get(dg.AssetKey(["loans", "health"])).partitions_def
    assert partitions is not None
    assert partitions.get_partition_keys() == ["2020-01-01", "2020-04-01"]


@pytest.mark.parametrize(
    ("owner", "expected", "why"),
    [
        ("team:credit", ["team:credit"], "as declared"),
        ("a@bank.example", ["a@bank.example"], "an address"),
        ("Retail credit", ["team:Retail-credit"], "Dagster takes nothing else"),
    ],
)
def test_owner(owner, expected, why):
    assert owners_of(declared(owner=owner)) == expected, why


def test_lineage_reaches_from_the_source_to_the_verdict():
    found = graph()
    upstream = found.get(dg.AssetKey(["loans", "health"])).parent_keys
    assert {k.path[1] for k in upstream} == {"drift", "performance"}
    ancestors = {tuple(k.path) for k in found.get_ancestor_asset_keys(dg.AssetKey(["loans", "health"]))}
    assert ("source", "data", "loans") in ancestors
    assert ("loans", "champion") in ancestors


def test_a_subclass_may_change_stages_and_specs():
    class Short(GovernedModel):
        def stages(self):
            return super().stages()[:2]

        def asset_spec(self, spec):
            return spec.merge_attributes(tags={"bank/unit": "retail"})

    definitions = Short(declared()).definitions()
    found = {spec.key.path[1]: spec for asset in definitions.assets or () for spec in asset.specs}  # type: ignore[union-attr]
    assert set(found) == {"training_data", "features"}
    assert found["features"].tags["bank/unit"] == "retail"


def test_the_docstring_shows_a_declaration_that_works():
    import textwrap

    import yaml

    from mlops_assets.declaration.declaration import Declaration

    text = textwrap.dedent((GovernedModel.__doc__ or "").split("```yaml\n")[1].split("```")[0])
    assert Declaration.model_validate(yaml.safe_load(text)["attributes"]).has_time


def test_the_starter_is_a_declaration():
    import yaml

    from mlops_assets.declaration.declaration import Declaration
    from mlops_assets.discovery.starter import starter

    assert not Declaration.model_validate(yaml.safe_load(starter("fifth"))["attributes"]).has_time


def test_a_target_that_the_table_has_not_may_come_from_elsewhere(tmp_path):
    from click import ClickException
    from dagster.components import ScaffoldRequest

    from mlops_assets.orchestration.component import ModelScaffolder, ScaffoldParameters

    (tmp_path / "a.csv").write_text("id,age\n1,30\n2,40\n")
    folder = tmp_path / "models" / "cards"
    folder.mkdir(parents=True)
    request = ScaffoldRequest(
        type_name="mlops_assets.GovernedModel", target_path=folder, scaffold_format="yaml", project_root=tmp_path,
        params=ScaffoldParameters(source="a.csv", target="bad"), append=False,
    )  # fmt: skip
    with pytest.raises(ClickException, match="leave out --target, and declare `target` and `outcomes`"):
        ModelScaffolder().scaffold(request)
    assert not folder.exists(), "the next try finds no folder in its way"


def test_every_field_is_described():
    """What `dg list components` and an editor show."""
    schema = GovernedModel.get_model_cls().model_json_schema()
    bare = [
        f"{part}.{name}"
        for part, content in [("Declaration", schema), *schema["$defs"].items()]
        for name, field in content.get("properties", {}).items()
        # A part describes itself, a column's name is its meaning, and a period is written as text.
        if not field.get("description") and "$ref" not in field and name != "column" and part != "Period"
    ]
    assert bare == []
