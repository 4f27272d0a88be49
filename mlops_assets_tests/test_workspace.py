"""`mlops locations`: a project of several folders of models, one code location each."""

import json
from pathlib import Path

import pytest
import yaml

from mlops_assets.cli import cli
from mlops_assets.project import Project
from mlops_assets.workspace import WorkspaceError, written
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, package_of, write_project

MINE = """\
# Ours and another team's.
load_from:
  # The fleet.
  - python_module:
      module_name: MODULE
      working_directory: src
      location_name: bank

  # Another team's, not to be touched.
  - python_file: {relative_path: other.py}
# The end.
"""


@pytest.fixture
def defs(tmp_path) -> Path:
    return write_project(tmp_path / "bank", TIMED, SNAPSHOT, rows=20)


def group(defs: Path, name: str, model: str) -> None:
    (defs / "models" / name).mkdir()
    (defs / "models" / model).rename(defs / "models" / name / model)


def project(defs: Path) -> Project:
    return Project.load(defs)


def entries(text: str) -> list[dict]:
    return yaml.safe_load(text)["load_from"]


def test_a_project_without_folders_of_models_is_one_location(defs):
    locations, text = written(project(defs))
    module = f"{package_of(defs.parents[1])}.definitions"
    assert [(x.attribute, x.models) for x in locations] == [("", 2)]
    assert entries(text) == [{"python_module": {"module_name": module, "location_name": module.partition(".")[0]}}]


def test_each_folder_is_one_and_what_was_written_stays(defs):
    module = f"{package_of(defs.parents[1])}.definitions"
    path = defs.parents[1] / "workspace.yaml"
    path.write_text(MINE.replace("MODULE", module), encoding="utf-8")
    group(defs, "retail", TIMED)
    locations, text = written(project(defs))
    assert [(x.name, x.attribute, x.models) for x in locations] == [("bank", "fleet", 1), ("retail", "retail", 1)]
    shared = {"module_name": module, "working_directory": "src"}
    assert entries(text) == [
        {"python_module": {**shared, "attribute": "fleet", "location_name": "bank"}},
        {"python_module": {**shared, "attribute": "retail", "location_name": "retail"}},
        {"python_file": {"relative_path": "other.py"}},
    ]
    for comment in ("# Ours and another team's.", "# The fleet.", "# Another team's, not to be touched.", "# The end."):
        assert comment in text
    path.write_text(text, encoding="utf-8")
    assert written(project(defs))[1] == text, "the same again changes nothing"


def test_a_setting_of_one_location_stays_with_it_and_a_folder_that_is_gone_goes(defs):
    path = defs.parents[1] / "workspace.yaml"
    group(defs, "retail", TIMED)
    group(defs, "parcels", SNAPSHOT)
    path.write_text(
        written(project(defs))[1].replace(
            "attribute: retail\n", "attribute: retail\n      executable_path: /bin/python\n"
        ),
        encoding="utf-8",
    )
    (defs / "models" / "parcels" / SNAPSHOT).rename(defs / "models" / SNAPSHOT)
    (defs / "models" / "parcels").rmdir()
    found = [entry["python_module"] for entry in entries(written(project(defs))[1])]
    assert [(e["attribute"], e.get("executable_path")) for e in found] == [("fleet", None), ("retail", "/bin/python")]


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("load_from: [{python_file: a.py}]\n", "retail", "each on lines of its own"),
        ("load_from:\n", "retail", "each on lines of its own"),
        ("load_from: [\n", "retail", "not YAML"),
        ("load_from:\n  - python_file: a.py\n", "fleet", "the location of the fleet has this name"),
    ],
    ids=["in one line", "empty", "no YAML", "a folder called fleet"],
)
def test_what_cannot_be_written_is_refused_with_the_reason(defs, text, name, message):
    path = defs.parents[1] / "workspace.yaml"
    path.write_text(text, encoding="utf-8")
    group(defs, name, TIMED)
    with pytest.raises(WorkspaceError, match=message):
        written(project(defs))
    assert path.read_text(encoding="utf-8") == text


def test_a_file_without_this_project_gets_it_at_the_end(defs):
    path = defs.parents[1] / "workspace.yaml"
    path.write_text("load_from:\n- python_file: a.py", encoding="utf-8")
    found = entries(written(project(defs))[1])
    assert [next(iter(entry)) for entry in found] == ["python_file", "python_module"]


def test_the_command_writes_the_file_and_prints_the_locations(defs, capsys):
    root = defs.parents[1]
    group(defs, "retail", TIMED)
    assert cli(["--project", str(root), "locations", "--json"], standalone_mode=False) in (0, None)
    printed = json.loads(capsys.readouterr().out)
    assert [(p["attribute"], p["models"]) for p in printed] == [("fleet", 1), ("retail", 1)]
    assert (root / "workspace.yaml").read_text(encoding="utf-8") == written(project(defs))[1]
    assert cli(["--project", str(root), "locations"], standalone_mode=False) in (0, None)
    assert "unchanged" in capsys.readouterr().out
