"""Names are registered once, from four places in one way, and what they stand for is imported when it is used."""

import json
import subprocess
import sys
from dataclasses import replace

import dagster as dg
import pytest

from mlops_assets import build_definitions, extensions
from mlops_assets.cli import main
from mlops_assets.extensions import Finding, Report, Written
from mlops_assets.gates import cost
from mlops_assets.gates.registry import GATES
from mlops_assets.registration import (
    BUILT_IN,
    ExtensionError,
    code_digest,
    generation,
    register,
    register_project,
    registered,
    registrations,
)
from mlops_assets_tests.integration.small_project import SNAPSHOT, write_project

MODULE = '''\
from dataclasses import dataclass
from mlops_assets.extensions import Evidence, Finding, Gate, GateRule, LowerInt

class Rule(GateRule):
    """A rule."""
    most: LowerInt = 3
    """Most of it."""

@dataclass(frozen=True)
class Found(Evidence):
    number: int

GATE = Gate("{name}", "Is it few?", Found, Rule, lambda e, r: Finding("passed", "r", "w"), stage="evaluation")
'''


@pytest.fixture(autouse=True)
def _restored():
    with registered():
        yield


def project(folder, lines, **modules):
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pyproject.toml").write_text(lines)
    return folder


def test_everything_built_in_can_be_used_and_is_registered_as_any_other():
    for line in registrations():
        assert line.built_in
        assert line.target == BUILT_IN[line.kind][line.name]
    assert [line.name for line in registrations() if line.kind == "gates"] == list(GATES)
    assert GATES.codes() == {}, "the version of the package names its code"
    assert all(not gate.objections() for gate in GATES.values())


def test_a_project_registers_with_one_line(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    before = generation()
    register_project(
        project(tmp_path, '[tool.mlops_assets.gates]\nfew = "few_gate:GATE"\n', few_gate=MODULE.format(name="few"))
    )
    assert generation() > before
    assert GATES["few"].question == "Is it few?"
    assert GATES.codes() == {"few": code_digest("few_gate")}
    register_project(tmp_path)
    assert list(GATES).count("few") == 1, "the same line again is no second gate"


def test_line_ends_are_no_change_of_code_and_every_other_change_is(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    path = tmp_path / "ends_of_lines.py"
    digests = []
    for text in (b"A = 1\nB = 2\n", b"A = 1\r\nB = 2\r\n", b"A = 1\nB = 3\n"):
        path.write_bytes(text)
        digests.append(code_digest("ends_of_lines"))
    assert digests[0] == digests[1] != digests[2]


def test_a_name_twice_is_refused_with_both_places(tmp_path):
    folder = project(tmp_path, '[tool.mlops_assets.gates]\ncost = "my_bank.cost:GATE"\n')
    with pytest.raises(ExtensionError) as refused:
        register_project(folder)
    text = str(refused.value)
    assert "mlops_assets.gates.cost:GATE, registered in mlops_assets" in text
    assert f"my_bank.cost:GATE, registered in [tool.mlops_assets.gates] of {folder / 'pyproject.toml'}" in text


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ('[tool.mlops_assets.gate]\nx = "a:b"\n', "expected tables gates"),
        ('[tool.mlops_assets]\ngates = "a:b"\n', "expected tables gates"),
        ('[tool.mlops_assets.gates]\nx = "a"\n', "found 'a', expected 'module:attribute'"),
        ("[tool.mlops_assets.gates]\nx = 3\n", "found 3, expected 'module:attribute'"),
        ('[tool.mlops_assets.gates]\n"Not a name" = "a:b"\n', "expected lower-case letters"),
    ],
)
def test_a_line_of_another_form_is_refused(tmp_path, lines, expected):
    with pytest.raises(ExtensionError, match=expected):
        register_project(project(tmp_path, lines))


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("no_such_module_at_all:GATE", "cannot be imported"),
        ("wrong_ones:MISSING", "cannot be imported"),
        ("wrong_ones:NUMBER", "is of type int"),
        ("wrong_ones:OTHER_NAME", "its name is 'other'"),
        ("wrong_ones:UNMARKED", "field most of Unmarked needs a default and a docstring below it and a type of"),
        ("wrong_ones:NO_STAGE", "its stage is 'nowhere', expected one of training_data"),
    ],
)
def test_an_object_that_cannot_be_used_is_named_with_its_place(tmp_path, monkeypatch, target, expected):
    monkeypatch.syspath_prepend(str(tmp_path))
    text = MODULE.format(name="other") + (
        "NUMBER = 3\nOTHER_NAME = GATE\n\nclass Unmarked(GateRule):\n    most: int\n\n"
        "from dataclasses import replace\nUNMARKED = replace(GATE, name='x', rule=Unmarked)\n"
        "NO_STAGE = replace(GATE, name='x', stage='nowhere')\n"
    )
    register_project(project(tmp_path, f'[tool.mlops_assets.gates]\nx = "{target}"\n', wrong_ones=text))
    with pytest.raises(ExtensionError, match=expected) as refused:
        GATES["x"]
    assert "pyproject.toml" in str(refused.value)


def test_objects_are_registered_as_they_are():
    with pytest.raises(ExtensionError, match="found str, expected objects of the classes"):
        register(["cost"], "a test")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ExtensionError, match="found 'cost' twice"):
        register([cost.GATE], "a test")


def test_the_command_lists_them_with_the_digest_of_their_code(tmp_path, monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "bank" / "defs").mkdir(parents=True)
    lines = (
        '[tool.dg.project]\nroot_module = "bank"\n'
        '[tool.mlops_assets.gates]\nlisted_gate = "listed_gate:GATE"\nbroken_gate = "no_such_module_at_all:GATE"\n'
    )
    project(tmp_path, lines, listed_gate=MODULE.format(name="listed_gate"))
    with pytest.raises(SystemExit) as ended:
        main(["--project", str(tmp_path), "extensions", "--own", "--json"])
    assert ended.value.code == 1, "one of them cannot be used"
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows["listed_gate"]["code"] == code_digest("listed_gate")
    assert rows["listed_gate"]["error"] is None
    assert "cannot be imported" in rows["broken_gate"]["error"]
    with pytest.raises(SystemExit) as checked:
        main(["--project", str(tmp_path), "check"])
    assert checked.value.code == 1
    assert "broken_gate: no_such_module_at_all:GATE" in capsys.readouterr().err


def test_the_base_classes_are_imported_without_the_heavy_libraries():
    names = "Gate, GateRule, Statistic, Source, Notifier, Candidate, CardSection, Report"
    heavy = ("dagster", "mlflow", "sklearn", "scipy", "pandas", "evidently", "matplotlib", "deltalake")
    code = f"from mlops_assets.extensions import {names}; import sys; print([n for n in {heavy} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_everything_offered_can_be_imported():
    for name in extensions.__all__:
        assert getattr(extensions, name) is not None
    assert set(extensions.__all__) == set(extensions._HOME)


def test_an_argument_of_build_definitions_registers_objects(tmp_path, monkeypatch):
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.syspath_prepend(str(tmp_path))
    defs = write_project(tmp_path, SNAPSHOT)
    gate = replace(cost.GATE, name="own_gate", decide=lambda e, r: Finding("passed", "r", "w"))
    report = Report("own_report", "One of the bank's own.", lambda given: Written())
    repository = build_definitions(defs, extensions=[gate, report]).get_repository_def()
    assert dg.AssetKey(["fleet", "own_report"]) in repository.asset_graph.materializable_asset_keys
    key = dg.AssetCheckKey(dg.AssetKey([SNAPSHOT, "evaluation"]), "own_gate")
    assert key in repository.asset_graph.asset_check_keys
    with pytest.raises(ExtensionError, match="found 'cost' twice"):
        build_definitions(defs, extensions=[cost.GATE])
