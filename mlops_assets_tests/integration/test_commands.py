"""The command line in a process of its own, as a shell starts it; each command by itself is tested in `commands/`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mlops_assets_tests.integration.lives import Lived
from mlops_assets_tests.integration.small_project import TIMED

pytestmark = pytest.mark.integration
Run = Callable[..., subprocess.CompletedProcess[str]]


def run_in(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mlops` in a process of its own, in the project at `root`."""
    command = [sys.executable, "-W", "ignore", "-m", "mlops_assets", "--project", str(root), *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("MLOPS_HOME", "DAGSTER_HOME")}
    environment["PYTHONPATH"] = os.pathsep.join([str(root), environment.get("PYTHONPATH", "")])
    return subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)


@pytest.fixture
def mlops(lived: Lived) -> Run:
    """Read-only commands on the shared project."""
    return lambda *arguments: run_in(lived.platform.project.root, *arguments)


@pytest.fixture
def own(lived: Lived, tmp_path: Path) -> Path:
    """A copy of the project with everything it left behind, to be changed by one test."""
    root = tmp_path / "project"
    shutil.copytree(lived.platform.project.root, root)
    return root


def test_an_override_laxer_than_the_tier_breaks_its_model_alone(own: Path) -> None:
    path = next(own.glob(f"*/defs/models/{TIMED}/defs.yaml"))
    path.write_text(path.read_text() + "\n  policy: {gates: {leakage: {max_auc: 0.999}}}\n")
    result = run_in(own, "status", "--json")
    rows = json.loads(result.stdout)
    assert result.returncode == 1
    assert [row["model"] for row in rows if row["error"]] == [TIMED]
    assert "laxer" in next(row["error"] for row in rows if row["error"])


def test_a_broken_declaration_is_listed_and_told(own: Path) -> None:
    path = next(own.glob(f"*/defs/models/{TIMED}/defs.yaml"))
    path.write_text(path.read_text().replace("tier:", "teir:"))
    result = run_in(own, "status", "--json")
    row = next(r for r in json.loads(result.stdout) if r["model"] == TIMED)
    assert result.returncode == 1
    assert "teir: unknown field; did you mean 'tier'?" in row["error"]
    assert f"{path}:" in row["error"]


def test_a_version_is_trained_again_to_the_same_content(mlops: Run) -> None:
    result = mlops("replay", TIMED, "1", "--json")
    found = json.loads(result.stdout)
    assert found["same code"]
    assert found["equal"], found
    assert result.returncode == 0


def test_drift_between_two_tables_sets_the_exit_code(mlops: Run, tmp_path: Path) -> None:
    import numpy as np

    generator = np.random.default_rng(1)
    before = pl.DataFrame({"amount": generator.normal(100, 10, 3000), "kind": generator.choice(["a", "b"], 3000)})
    after = pl.DataFrame({"amount": generator.normal(100, 10, 3000), "kind": generator.choice(["a", "b"], 3000)})
    for name, frame in (("before", before), ("after", after), ("broken", after.with_columns(pl.col("amount") * 1000))):
        frame.write_parquet(tmp_path / f"{name}.parquet")
    same = mlops("drift", str(tmp_path / "before.parquet"), str(tmp_path / "after.parquet"), "--json")
    assert same.returncode == 0, same.stdout
    broken = mlops("drift", str(tmp_path / "before.parquet"), str(tmp_path / "broken.parquet"), "--json")
    found = json.loads(broken.stdout)
    assert broken.returncode == 1
    # The broken column is half of all there is, so the verdict is critical.
    assert (found["verdict"]["severity"], found["verdict"]["kind"]) == ("critical", "data_quality")
    assert {"name", "statistic", "value", "p_value", "effect", "severity"} <= set(found["columns"][0])


def test_help_answers_without_heavy_imports() -> None:
    program = (
        "import sys; from mlops_assets.cli import cli; "
        "cli.main(['--help'], standalone_mode=False); "
        "print(sorted(m for m in ('dagster', 'mlflow', 'sklearn', 'sqlalchemy', 'polars') if m in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip().splitlines()[-1] == "[]"
    assert "status" in result.stdout


def test_a_process_ends_with_the_exit_code_and_one_line(mlops: Run) -> None:
    result = mlops("status", "nosuch")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("mlops: nosuch: no such model")
    assert len(result.stderr.strip().splitlines()) == 1
