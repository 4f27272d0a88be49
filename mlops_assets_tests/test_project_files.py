"""Files for people and services around the code: they name what exists."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

import mlops_assets

ROOT = Path(mlops_assets.__file__).parents[1]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def read(path: str) -> dict[Any, Any]:
    return yaml.safe_load((ROOT / path).read_text())


def github() -> list[str]:
    jobs = read(".github/workflows/ci.yml")["jobs"]
    return [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]


def gitlab() -> list[str]:
    return [line for job in read(".gitlab-ci.yml").values() for line in job.get("script", [])]


def own() -> list[str]:
    lines = (ROOT / ".ci" / "run").read_text().splitlines()
    return [line for line in lines if line and not line.startswith(("#", "set ", "cd "))]


@pytest.mark.parametrize(
    ("service", "expected"),
    [(github, {"check", "test", "soak"}), (gitlab, {"check", "test", "soak"}), (own, {"check", "test"})],
    ids=["GitHub", "GitLab", ".ci/run"],
)
def test_continuous_integration_calls_targets_of_make_and_nothing_else(service, expected: set[str]):
    called = set()
    for line in service():
        program, *targets = shlex.split(line)
        assert program == "make", line
        called |= set(targets)
    assert called == expected
    assert called <= TARGETS


def test_every_target_is_listed_by_help_and_is_no_file():
    text = (ROOT / "Makefile").read_text()
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE).group(1).split())  # type: ignore[union-attr]
    listed = set(re.findall(r"^([a-z]+):[^\n]*## \S", text, re.MULTILINE))
    assert phony == TARGETS == listed


def test_hooks_run_tools_that_make_check_runs_as_well():
    check = (ROOT / "Makefile").read_text().split("\ncheck:")[1].split("\n\n")[0]
    hooks = [hook for repository in read(".pre-commit-config.yaml")["repos"] for hook in repository["hooks"]]
    assert len(hooks) >= 3
    for hook in hooks:
        assert hook["language"] == "system", f"{hook['id']} would download something"
        tool = hook["entry"].removeprefix(".venv/bin/").split()
        words = [word for word in tool if not word.startswith("-")]
        assert f"$(BIN)/{' '.join(words)}" in check, f"{hook['id']} is not part of `make check`"


def test_the_package_is_marked_as_typed():
    assert (ROOT / "mlops_assets" / "py.typed").exists()


def test_links_in_the_top_files_lead_somewhere():
    dead = [
        f"{path.name}: {target}"
        for path in ROOT.glob("*.md")
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#]+)", path.read_text())
        if not (ROOT / target).exists()
    ]
    assert dead == []
