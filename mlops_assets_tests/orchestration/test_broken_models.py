"""One wrong declaration: loud where it is checked, alone where the fleet is served."""

import shutil
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets import build_definitions
from mlops_assets.orchestration.build import VALIDATING
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, declare, write_project

KEY = dg.AssetKey(["broken", "broken_declaration"])
# Each case: what is wrong, what the reviewer must read, and where it is found.
BROKEN = [
    ("tier: medium", "teir: medium", "defs.yaml:7: teir: unknown field; did you mean 'tier'?", "while reading"),
    ("attributes:", "attributes: [", "not YAML", "before there is anything to read"),
    ("type: mlops_assets.GovernedModel", "type: mlops_assets.GovernModel", "GovernModel", "by Dagster, when it loads"),
]


@pytest.fixture
def defs(tmp_path, monkeypatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    return write_project(tmp_path, TIMED, SNAPSHOT, rows=20)


def break_one(defs: Path, old: str, new: str) -> Path:
    good = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    assert old in good
    return declare(defs, "broken", good.replace(old, new, 1))


@pytest.mark.parametrize(("old", "new", "message", "found"), BROKEN, ids=[f for *_, f in BROKEN])
def test_it_is_shown_and_the_others_stay(defs, monkeypatch, old, new, message, found):
    monkeypatch.delenv(VALIDATING, raising=False)
    path = break_one(defs, old, new)
    definitions = build_definitions(defs)
    specs = {spec.key: spec for spec in definitions.resolve_all_asset_specs()}
    assert str(path) in specs[KEY].metadata["reason"]
    assert message in specs[KEY].metadata["reason"], found
    assert message in (specs[KEY].description or "")
    assert {k.path[0] for k in specs} == {"broken", TIMED, SNAPSHOT, "fleet", "source"}
    assert definitions.get_repository_def().has_job(f"{TIMED}__training")


@pytest.mark.parametrize(("old", "new", "message", "found"), BROKEN, ids=[f for *_, f in BROKEN])
def test_checking_fails_with_every_reason(defs, monkeypatch, old, new, message, found):
    monkeypatch.setenv(VALIDATING, "1")
    path = break_one(defs, old, new)
    with pytest.raises(dg.DagsterInvalidDefinitionError) as refused:
        build_definitions(defs)
    assert str(path) in str(refused.value)
    assert message in str(refused.value), found


def test_a_broken_list_of_sources_is_shown_and_checking_fails(defs, monkeypatch):
    monkeypatch.delenv(VALIDATING, raising=False)
    (defs.parent / "config" / "discovery.yaml").write_text("every: minute\n")
    specs = {spec.key: spec for spec in build_definitions(defs).resolve_all_asset_specs()}
    assert "discovery.yaml:1: every" in specs[dg.AssetKey(["Discovery", "broken_declaration"])].metadata["reason"]
    assert dg.AssetKey([TIMED, "champion"]) in specs
    monkeypatch.setenv(VALIDATING, "1")
    with pytest.raises(dg.DagsterInvalidDefinitionError, match=r"discovery\.yaml:1: every"):
        build_definitions(defs)


def test_checking_finds_a_model_file_that_is_not_imported(defs, monkeypatch):
    monkeypatch.setenv(VALIDATING, "1")
    facts = "origin: imported\n  imported: {artifact: group.skops, supplier: Group}"
    good = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    lines = [line for line in good.splitlines() if not line.startswith("  candidates")]
    path = declare(defs, "imported", "\n".join(lines).replace("task: binary", f"task: binary\n  {facts}"))
    with pytest.raises(dg.DagsterInvalidDefinitionError) as error:
        build_definitions(defs)
    assert str(error.value).startswith(str(path))
    assert str(error.value).endswith("imported: there is no file group.skops")


def test_checking_finds_what_only_the_data_show(defs, monkeypatch):
    monkeypatch.setenv(VALIDATING, "1")
    good = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    wrong = good.replace("    größe: categorical", "    grösse: categorical").replace(
        'positive: "yes"', 'positive: "ja"'
    )
    path = declare(defs, TIMED, wrong)
    missing = declare(
        defs, SNAPSHOT, (defs / "models" / SNAPSHOT / "defs.yaml").read_text().replace("parcels.csv", "x.csv")
    )
    with pytest.raises(dg.DagsterInvalidDefinitionError) as error:
        build_definitions(defs)
    lines = str(error.value).splitlines()
    assert any(line.startswith(str(path)) and "did you mean 'größe'" in line for line in lines)
    assert any(line.startswith(str(path)) and "the positive value 'ja' never occurs" in line for line in lines)
    assert any(line.startswith(str(missing)) and "file not found" in line for line in lines)
    assert len(lines) == 3


def test_materializing_it_fails_with_the_reason(defs, monkeypatch):
    monkeypatch.delenv(VALIDATING, raising=False)
    break_one(defs, *BROKEN[0][:2])
    asset = next(
        a for a in build_definitions(defs).assets or () if isinstance(a, dg.AssetsDefinition) and KEY in a.keys
    )
    result = dg.materialize([asset], raise_on_error=False)
    assert not result.success
    failure = result.get_step_failure_events()[0].step_failure_data
    assert "unknown field; did you mean 'tier'?" in str(failure.user_failure_data or failure.error)


def test_a_policy_that_is_made_laxer_breaks_its_own_model_only(defs, monkeypatch):
    monkeypatch.delenv(VALIDATING, raising=False)
    text = (defs / "models" / TIMED / "defs.yaml").read_text(encoding="utf-8")
    head, _ = text.split("  policy:")
    path = declare(defs, "broken", head + "  policy: {gates: {performance: {min_auc: 0.1}}}\n")
    specs = {spec.key: spec for spec in build_definitions(defs).resolve_all_asset_specs()}
    reason = specs[KEY].metadata["reason"]
    assert reason.startswith(f"{path}:{head.count(chr(10)) + 1}: policy: ")
    assert "0.1" in reason, "what was found"
    assert "0.57" in reason, "what the tier asks"
    assert dg.AssetKey([TIMED, "champion"]) in specs


def test_policies_that_cannot_be_read_break_every_model(defs, monkeypatch):
    monkeypatch.delenv(VALIDATING, raising=False)
    (defs.parent / "config" / "policy" / "low.yaml").write_text("tier: low\n")
    found = {tuple(s.key.path) for s in build_definitions(defs).resolve_all_asset_specs()}
    assert {(TIMED, "broken_declaration"), (SNAPSHOT, "broken_declaration")} <= found


def test_an_empty_project_has_definitions(defs, monkeypatch):
    monkeypatch.delenv(VALIDATING, raising=False)
    shutil.rmtree(defs / "models")
    found = {tuple(spec.key.path) for spec in build_definitions(defs).resolve_all_asset_specs()}
    assert found == {("fleet", name) for name in ("inventory", "roi_report", "proof_report", "fleet_report", "watch")}


def test_a_banks_own_definitions_beside_the_models(defs, monkeypatch):
    monkeypatch.delenv(VALIDATING, raising=False)
    folder = defs / "warehouse"
    folder.mkdir()
    (folder / "assets.py").write_text(
        "import dagster as dg\n\n\n@dg.asset(key=['warehouse', 'parcels'])\ndef parcels():\n    return None\n"
    )
    keys = {tuple(spec.key.path) for spec in build_definitions(defs).resolve_all_asset_specs()}
    assert ("warehouse", "parcels") in keys
