"""`mlops init` and `dg scaffold --source`: from an empty folder and a table to a project that Dagster loads."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from mlops_assets.cli import cli
from mlops_assets.fleet_files import effective_policies
from mlops_assets.new_project import NewProjectError, instance_settings, write_project
from mlops_assets.platform import Platform
from mlops_assets.project import Project
from mlops_assets_tests.integration.small_project import ROOT

BIN = Path(sys.executable).parent


def dg(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MLOPS_", "MLFLOW_", "DAGSTER_"))}
    environment |= {"PATH": f"{BIN}{os.pathsep}{environment['PATH']}", "DAGSTER_DISABLE_TELEMETRY": "1"}
    return subprocess.run(
        [str(BIN / "dg"), *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=600, check=False
    )  # fmt: skip


@pytest.fixture(scope="module")
def bank(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "my-bank"
    made = CliRunner().invoke(cli, ["init", str(folder)])
    assert made.exit_code == 0, made.output
    (folder / "data" / "loans.parquet").symlink_to(ROOT / "data" / "sba_loans.parquet")
    return folder


@pytest.mark.integration
def test_a_table_becomes_a_model_that_loads(bank):
    command = ("scaffold", "defs", "mlops_assets.GovernedModel", "models/loans", "--source")
    wrong = dg(bank, *command, "data/loan.parquet")
    assert "Near: loans.parquet" in wrong.stderr, wrong.stdout
    assert "Traceback" not in wrong.stderr
    made = dg(bank, *command, "data/loans.parquet")
    assert made.returncode == 0, made.stderr
    text = (bank / "my_bank" / "defs" / "models" / "loans" / "defs.yaml").read_text()
    said = yaml.safe_load(text)["attributes"]
    assert (said["id"], said["event_time"], said["target"]["column"]) == ("loan_id", "approval_date", "default")
    assert said["source"] == {"path": "data/loans.parquet"}
    checked = dg(bank, "check", "defs")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    platform = Platform(Project.find(bank))
    assert platform.project.declaration("loans").training.until is not None
    assert effective_policies(platform)["loans"].tier == "medium"


def test_the_policy_is_the_banks_own_to_change(bank):
    assert {p.name for p in (bank / "my_bank" / "config" / "policy").iterdir()} == {
        "high.yaml",
        "medium.yaml",
        "low.yaml",
    }
    assert (bank / "dagster.yaml").read_text() == instance_settings().read_text() == (ROOT / "dagster.yaml").read_text()
    assert ".mlops/" in (bank / ".gitignore").read_text(), "private keys stay out of the repository"


def test_nothing_is_written_over(bank, tmp_path):
    again = CliRunner().invoke(cli, ["init", str(bank)])
    assert again.exit_code != 0
    (tmp_path / "dagster.yaml").write_text("mine")
    with pytest.raises(NewProjectError, match=r"found .*dagster\.yaml already"):
        write_project(tmp_path, "bank")
    assert [p.name for p in tmp_path.iterdir()] == ["dagster.yaml"]


def test_a_name_that_is_no_package_is_refused(tmp_path):
    with pytest.raises(NewProjectError, match="found the name '2nd bank'"):
        write_project(tmp_path, "2nd bank")
