"""What loading costs, and what Dagster's own command line makes of the project."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.integration
ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
HEAVY = ("mlflow", "sklearn", "evidently", "pandas", "scipy", "matplotlib", "pandera", "deltalake", "fairlearn")
PROBE = """
import json, sys
import dagster
from mlops_assets_tests.orchestration.work import calls, load_plain
before = set(sys.modules)
from mlops_assets.definitions import defs
repository = defs().get_repository_def()
keys = repository.asset_graph.get_all_asset_keys()
repository.get_all_jobs()
new = {name.split(".")[0] for name in set(sys.modules) - before}
print(json.dumps({
    "assets": len(keys),
    "new": sorted(new),
    "calls": calls(lambda: defs().get_repository_def().get_all_jobs()),
    "plain": calls(lambda: load_plain(1, len(keys))),
}))
"""


def run(*command: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_definitions_cost_a_few_trivial_assets_each_and_import_nothing_heavy(tmp_path):
    found = json.loads(
        run(sys.executable, "-W", "ignore", "-c", PROBE, MLOPS_HOME=str(tmp_path)).stdout.splitlines()[-1]
    )
    assert found["assets"] > 50
    assert found["calls"] < 4 * found["plain"], "calls of functions, which no machine changes"
    assert not set(found["new"]) & set(HEAVY)
    assert not list(tmp_path.iterdir()), "loading writes nothing"


def test_the_command_line_starts_without_dagster():
    probe = "import sys, mlops_assets.cli; print(sorted({m.split('.')[0] for m in sys.modules} & {'dagster', 'mlflow', 'pandas'}))"
    assert run(sys.executable, "-c", probe).stdout.strip() == "[]"


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The project without its environment, to write into."""
    target = tmp_path_factory.mktemp("copy")
    shutil.copytree(ROOT / "mlops_assets", target / "mlops_assets", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "dagster.yaml", "workspace.yaml"):
        shutil.copyfile(ROOT / name, target / name)
    return target


def environment_of(copy: Path) -> dict[str, str]:
    return {"PYTHONPATH": str(copy), "MLOPS_HOME": str(copy / "home"), "DAGSTER_HOME": "", "DO_NOT_TRACK": "1"}


def test_dg_scaffolds_a_model_that_loads(copy):
    made = run("dg", "scaffold", "defs", "mlops_assets.GovernedModel", "models/fifth", cwd=copy, **environment_of(copy))
    starter = copy / "mlops_assets" / "defs" / "models" / "fifth" / "defs.yaml"
    assert starter.is_file(), made.stdout + made.stderr
    probe = (
        "from mlops_assets.definitions import defs\n"
        "print([s.key.to_user_string() for s in defs().resolve_all_asset_specs() if s.key.path[0] == 'fifth'])"
    )
    found = run(sys.executable, "-W", "ignore", "-c", probe, cwd=copy, **environment_of(copy))
    assert "fifth/champion" in found.stdout, found.stderr
    assert "fifth/broken_declaration" not in found.stdout
    assert starter.read_text().count("#") > 8, "the starter explains itself"
    shutil.rmtree(starter.parent)


def test_dg_check_fails_with_file_and_line(copy):
    path = copy / "mlops_assets" / "defs" / "models" / "card_default" / "defs.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("  tier: high", "  teir: high"), encoding="utf-8")
    line = text[: text.index("  tier: high")].count("\n") + 1
    try:
        bad = run("dg", "check", "defs", cwd=copy, **environment_of(copy))
    finally:
        path.write_text(text, encoding="utf-8")
    assert bad.returncode != 0
    # Dagster's own check of the YAML comes first, for one declaration of a component type: the one that the file system lists
    # last. It says it in other words than the project's check, which sees all declarations.
    said = "".join((bad.stdout + bad.stderr).split())
    assert re.search(
        rf"card_default/defs\.yaml:{line}(:teir:unknownfield|-mlops_assets\.GovernedModelattributes\.teir)", said
    ), bad.stdout + bad.stderr
