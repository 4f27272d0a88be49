import os
from pathlib import Path

import pytest

from mlops_assets.project import DeclarationError, Project, ProjectError, read_declaration

GOOD = """\
type: mlops_assets.GovernedModel
attributes:
  purpose: Probability that a loan is charged off.
  owner: team:credit
  developers: [developer]
  tier: low
  task: binary
  source: {path: data/loans.parquet}
  id: loan_id
  target: default
  features:
    employees: numeric
    state: categorical
"""


@pytest.fixture
def defs(tmp_path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "bank"\n')
    folder = tmp_path / "bank" / "defs"
    folder.mkdir(parents=True)
    return folder


def write(defs: Path, model: str, text: str) -> Path:
    path = defs / "models" / model / "defs.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(text, encoding="utf-8")
    return path


def broken(defs: Path, old: str, new: str) -> tuple[Path, str]:
    path = write(defs, "loans", GOOD.replace(old, new))
    with pytest.raises(DeclarationError) as refused:
        read_declaration(path)
    return path, str(refused.value)


@pytest.mark.parametrize(
    ("old", "new", "expected", "why"),
    [
        ("tier: low", "teir: low", "{path}:6: teir: unknown field; did you mean 'tier'?", "a typo, with the line it is on"),
        ("tier: low", "tier: huge", "{path}:6: tier: Input should be 'high', 'medium' or 'low', found 'huge'", "what was found and expected"),
        ("  id: loan_id\n", "", "{path}:2: id: Field required", "what is missing is reported where it belongs"),
        ("state: categorical", "state: {role: categorical, minimum: 1}", "{path}:13: features.state: minimum and maximum are for numeric", "a nested field, at its own line"),
        ("state: categorical", "state: {role: categorical, allow: [1]}", "{path}:13: features.state.allow: unknown field", "a nested typo"),
        ("source: {path: data/loans.parquet}", "source: {}", "{path}:8: source: found neither `path` nor `sql`", "a part that contradicts itself"),
        ("employees: numeric", "default: numeric", "features: 'default' is already the target column", "parts that contradict each other"),
    ],
)  # fmt: skip
def test_a_mistake_is_reported_with_file_line_and_field(defs, old, new, expected, why):
    path, message = broken(defs, old, new)
    assert expected.format(path=path) in message, why


def test_every_mistake_is_reported_at_once(defs):
    _, message = broken(defs, "tier: low\n  task: binary", "tier: huge\n  task: ranking")
    assert [line.split(": ")[1] for line in message.splitlines()] == ["tier", "task"]


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("attributes: [", ":1: not YAML", "no YAML at all"),
        ("", "found no `attributes:` mapping", "an empty file"),
        ("type: mlops_assets.GovernedModel\nattributes: 3\n", "found no `attributes:` mapping", "a number"),
        ("- a\n- b\n", "found no `attributes:` mapping", "a list"),
    ],
)
def test_a_file_that_is_no_declaration(defs, text, expected, why):
    with pytest.raises(DeclarationError, match=r"defs.yaml") as refused:
        read_declaration(write(defs, "loans", text))
    assert expected in str(refused.value), why


def test_the_folder_gives_the_name(defs):
    assert read_declaration(write(defs, "loans", GOOD)).name == "loans"


def test_one_broken_model_does_not_hide_the_others(defs):
    for name in ("first", "third"):
        write(defs, name, GOOD)
    write(defs, "second", GOOD.replace("task: binary", "task: 7"))
    project = Project.load(defs)
    assert list(project.declarations) == ["first", "third"]
    assert list(project.broken) == ["second"]
    assert "defs.yaml:7: task:" in project.broken["second"]
    with pytest.raises(ProjectError, match="second: its declaration cannot be read"):
        project.declaration("second")
    with pytest.raises(ProjectError, match="fourth: no such model; declared are: first, second, third"):
        project.declaration("fourth")


def test_a_name_belongs_to_one_model(defs):
    first = write(defs, "first", GOOD)
    write(defs, "second", GOOD.replace("attributes:", "attributes:\n  name: first"))
    project = Project.load(defs)
    assert list(project.declarations) == ["first"]
    assert f"name: 'first' is the model of {first}" in project.broken["second"]


def test_a_project_without_models_is_one(defs):
    assert Project.load(defs).models == ()


class TestFind:
    def test_from_a_folder_inside(self, defs):
        inside = defs / "models"
        inside.mkdir()
        assert Project.find(inside).defs == defs
        assert Project.find(inside).root == defs.parents[1]

    def test_under_src(self, tmp_path):
        (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "bank"\n')
        (tmp_path / "src" / "bank" / "defs").mkdir(parents=True)
        assert Project.find(tmp_path).defs == tmp_path / "src" / "bank" / "defs"

    def test_outside(self, tmp_path):
        with pytest.raises(ProjectError, match="run this inside a project"):
            Project.find(tmp_path)

    def test_a_module_without_folder(self, tmp_path):
        (tmp_path / "pyproject.toml").write_text('[tool.dg.project]\nroot_module = "bank"\n')
        with pytest.raises(ProjectError, match=r"names the module bank.defs, but there is no such folder"):
            Project.find(tmp_path)

    def test_without_pyproject(self, tmp_path):
        with pytest.raises(ProjectError, match=r"no pyproject.toml in any folder above"):
            Project.load(tmp_path / "defs")


BOMB = "\n".join(
    ["  notes:", "    a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"    a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
)


@pytest.mark.parametrize(
    ("old", "new", "expected", "why"),
    [
        ("tier: low", "tier: high\n  tier: low", "tier: written twice (line 6)", "the second would win in silence"),
        ("tier: low", "tier: low\n  policy: &p {a: *p}", "aliases repeat more than", "it would have no end"),
        ("tier: low\n", f"tier: low\n{BOMB}\n", "aliases repeat more than", "a hundred billion values in twelve lines"),
        ("tier: low", "tier: " + "[" * 3000, "inside of each other", "a parser's stack has an end"),
        (
            "[developer]",
            "[dеveloper]",
            "'d\\u0435veloper'",
            "a Cyrillic letter: its owner could approve their own work",
        ),
        ("[developer]", "[ｄeveloper]", "'\\uff44eveloper'", "a letter of another width"),
    ],
)
def test_a_document_that_would_mislead_or_never_end_is_refused(defs, old, new, expected, why):
    _, message = broken(defs, old, new)
    assert expected in message, why


@pytest.mark.parametrize("what", ["utf-16", "pipe", "device", "folder"])
def test_what_is_no_text_file_breaks_its_model_alone(defs, what):
    write(defs, "good", GOOD)
    path = defs / "models" / "odd" / "defs.yaml"
    path.parent.mkdir(parents=True)
    match what:
        case "utf-16":
            path.write_bytes(GOOD.encode("utf-16"))
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
    project = Project.load(defs)
    assert list(project.declarations) == ["good"]
    assert f"{path}:1:" in project.broken["odd"]
