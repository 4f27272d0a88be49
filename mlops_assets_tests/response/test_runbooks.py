"""Every kind of incident has a runbook, and a bank's own file replaces the one that is shipped."""

import ast
import re
from pathlib import Path

import pytest

import mlops_assets
from mlops_assets.ledger.events.registry import BY_KIND
from mlops_assets.monitoring.verdict.triage import ANSWERED
from mlops_assets.notification.routes import Settings
from mlops_assets.release import loosening, opening, oversight
from mlops_assets.response.runbooks import OF_NOTICES, RETRAINING, RUNBOOK_OF, runbook_files, runbook_of

PACKAGE = Path(mlops_assets.__file__).parent
OPENERS = ("open_incident", "Sign", "Opening")


def kinds_opened() -> set[str]:
    """The kinds that some call in the package opens an incident of, and those that the modules on oversight name."""
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in PACKAGE.rglob("*.py")}
    constants = {name: value for tree in trees.values() for name, value in _constants(tree)}
    found: set[str] = set(ANSWERED)
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in OPENERS:
                for value in (word.value for word in node.keywords if word.arg == "kind"):
                    if isinstance(value, ast.Constant):
                        found.add(str(value.value))
                    elif isinstance(value, ast.Name) and value.id in constants:
                        found.add(constants[value.id])
    for module in (oversight, loosening, opening):
        named = _constants(trees[Path(str(module.__file__))])
        found |= {value for name, value in named if value == name.lower()}
    return found


def _constants(tree: ast.Module) -> list[tuple[str, str]]:
    return [
        (target.id, node.value.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for target in node.targets
        if isinstance(target, ast.Name)
    ]


def test_every_kind_of_incident_has_a_runbook():
    kinds = kinds_opened()
    assert {"data_quality", "page_stale", "stage_failed", "probation_failed", "vendor_version"} <= kinds
    assert not sorted(kinds - set(RUNBOOK_OF))


def test_every_runbook_is_a_file_that_says_what_one_sees_and_when_it_is_over():
    files = runbook_files()
    assert set(files) == {*RUNBOOK_OF.values(), *OF_NOTICES.values()}
    assert RETRAINING in files
    for path in files.values():
        text = path.read_text(encoding="utf-8")
        assert text.startswith("# "), path
        assert text.count("**What you see.**") == text.count("**It is over when**") == 1, path
        assert re.search(r"^1\. ", text, re.MULTILINE), path


def test_every_notice_that_has_a_runbook_is_of_a_kind_that_is_sent():
    assert set(OF_NOTICES) - set(BY_KIND) == {"signature_needed", "ledger_tampered"}


def test_a_banks_own_file_takes_the_place_of_the_one_that_is_shipped(tmp_path):
    own = tmp_path / "runbooks" / "data_quality.md"
    own.parent.mkdir()
    own.write_text("# Ours\n", encoding="utf-8")
    files = runbook_files(tmp_path)
    assert files["data_quality"] == own
    assert files["label_shift"] == runbook_files()["label_shift"]
    assert runbook_of("nothing that is known") == ""


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ({}, ""),
        ({"pages": "https://a.example/r/"}, "https://a.example/r/runbooks/data_quality.html"),
        ({"pages": "https://a.example", "runbooks": "https://b.example/x/"}, "https://b.example/x/data_quality"),
        ({"runbooks": "https://b.example", "runbook_links": {"data_quality": "https://c.example/1"}}, "https://c.example/1"),
    ],
    ids=["nothing", "served with the pages", "in the bank's folder", "the bank's own page"],
)  # fmt: skip
def test_messages_link_to_the_banks_own_first(given, address):
    assert Settings.model_validate(given).places.runbook("data_quality") == address


def test_a_link_for_a_runbook_that_does_not_exist_is_a_mistake():
    with pytest.raises(ValueError, match="found 'dataquality', expected one of"):
        Settings.model_validate({"runbook_links": {"dataquality": "https://c.example/1"}})
