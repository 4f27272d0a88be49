"""The command line on a project that has lived: exit codes, JSON shapes, one-line errors, and what tampering does to them."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from mlops_assets.governance.keys import key_path
from mlops_assets_tests.integration.conftest import Lived
from mlops_assets_tests.integration.small_project import TIMED

pytestmark = pytest.mark.integration
STATUS_FIELDS = {
    "model", "tier", "owner", "champion", "window", "severity", "kind", "open_incidents", "exceptions",
    "evidence_missing", "error",
}  # fmt: skip
Run = Callable[..., subprocess.CompletedProcess[str]]


def run_in(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`mlops` in a process of its own, in the project at `root`."""
    command = [sys.executable, "-W", "ignore", "-m", "mlops_assets", "--project", str(root), *arguments]
    environment = {k: v for k, v in os.environ.items() if k not in ("MLOPS_HOME", "DAGSTER_HOME")}
    environment["PYTHONPATH"] = os.pathsep.join([str(root), environment.get("PYTHONPATH", "")])
    return subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment, check=False)


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


def test_status_lists_every_model_with_its_fields(mlops: Run, lived: Lived) -> None:
    result = mlops("status", "--json")
    rows = json.loads(result.stdout)
    assert result.returncode == 0, result.stderr
    assert {row["model"] for row in rows} == set(lived.platform.project.declarations)
    assert all(set(row) == STATUS_FIELDS for row in rows)
    assert all(row["champion"] for row in rows)


def test_a_broken_declaration_is_listed_and_told(own: Path) -> None:
    path = next(own.glob(f"*/defs/models/{TIMED}/defs.yaml"))
    path.write_text(path.read_text().replace("tier:", "teir:"))
    result = run_in(own, "status", "--json")
    row = next(r for r in json.loads(result.stdout) if r["model"] == TIMED)
    assert result.returncode == 1
    assert "teir: unknown field; did you mean 'tier'?" in row["error"]
    assert f"{path}:" in row["error"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("status", "nosuch"), 2, "nosuch: no such model"),
        (("asof", "yesterday"), 2, "yesterday"),
        (("nosuch",), 2, "No such command"),
        (("incident", "list", "nosuch"), 2, "nosuch: no such model"),
        (("trace", "no-id"), 2, "expected a prediction id"),
        (("approve", TIMED, "1", "--key", "/nowhere.pem", "--rationale", "x"), 2, "found no key file"),
        (("policy", "show", "nosuch"), 2, "nosuch: no such model"),
        (("requirements", "nosuch"), 2, "no such requirement profile"),
        (("drift", "/nowhere.parquet", "/nowhere.csv"), 2, "file not found"),
    ],
)
def test_errors_are_one_line_with_the_right_code(mlops: Run, arguments: tuple[str, ...], code: int, said: str) -> None:
    result = mlops(*arguments)
    assert result.returncode == code, result.stderr
    assert said in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert result.stdout == ""


def test_an_incident_is_listed_acknowledged_and_closed_once(own: Path) -> None:
    incident = json.loads(run_in(own, "incident", "list", "--json").stdout)[0]
    key = str(key_path("validator", own / ".mlops" / "keys"))
    assert run_in(own, "incident", "ack", incident["id"], "--key", key).returncode == 0
    assert run_in(own, "incident", "close", incident["id"], "--disposition", "true", "--key", key).returncode == 0
    left = json.loads(run_in(own, "incident", "list", "--json").stdout)
    assert incident["id"] not in {i["id"] for i in left}
    again = run_in(own, "incident", "close", incident["id"], "--disposition", "false", "--key", key)
    assert again.returncode == 1
    assert "already closed as 'true'" in again.stderr


def test_a_prediction_is_traced_and_scored_again_to_the_last_bit(mlops: Run, lived: Lived) -> None:
    table = f"{TIMED}/predictions"
    window = lived.platform.lake.windows(table)[0]
    name = lived.platform.lake.read(table, window=window)["prediction_id"][0]
    traced = json.loads(mlops("trace", name, "--json").stdout)
    assert (traced["model"], traced["version"]) == (TIMED, "1")
    assert traced["decided"] is True
    assert {gate["gate"] for gate in traced["gates"]} >= {"leakage", "performance", "artifact"}
    assert traced["health"]["severity"]
    replayed = mlops("replay", name, "--json")
    assert replayed.returncode == 0, replayed.stdout
    assert json.loads(replayed.stdout)["equal"] is True


def test_a_version_is_trained_again_to_the_same_content(mlops: Run) -> None:
    result = mlops("replay", TIMED, "1", "--json")
    found = json.loads(result.stdout)
    assert found["same code"]
    assert found["equal"], found
    assert result.returncode == 0


def test_a_packet_verifies_with_python_alone_and_not_when_touched(mlops: Run, tmp_path: Path) -> None:
    packet = tmp_path / "audit.zip"
    assert mlops("packet", TIMED, "1", "-o", str(packet)).returncode == 0
    assert mlops("verify", str(packet)).stdout.splitlines() == [f"{packet}: whole"]
    import zipfile

    with zipfile.ZipFile(packet) as archive:
        archive.extract("verify.py", tmp_path)
    alone = subprocess.run([sys.executable, "-I", str(tmp_path / "verify.py"), str(packet)], capture_output=True, text=True, check=False)  # fmt: skip
    assert alone.returncode == 0, alone.stdout + alone.stderr
    touched = bytearray(packet.read_bytes())
    touched[len(touched) // 2] ^= 1
    packet.write_bytes(touched)
    assert mlops("verify", str(packet)).returncode in (1, 2)


def test_the_live_system_is_whole_until_somebody_touches_it(own: Path) -> None:
    whole = run_in(own, "verify")
    assert (whole.returncode, whole.stdout.strip()) == (
        0,
        "ledger, signatures, promotions, registry, artifacts and lake are whole",
    )
    rows = sorted((own / ".mlops" / "lake" / TIMED / "training_data").glob("*.parquet"))[0]
    frame = pl.read_parquet(rows)
    column = next(c for c in frame.columns if frame[c].dtype == pl.Float64)
    frame.with_columns(pl.when(pl.int_range(pl.len()) == 0).then(pl.lit(0.5)).otherwise(pl.col(column)).alias(column)).write_parquet(rows)  # fmt: skip
    result = run_in(own, "verify", "--json")
    found = json.loads(result.stdout)
    assert result.returncode == 1
    assert found[0]["where"] == "lake"
    assert f"{TIMED}/training_data" in found[0]["what"]


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
    assert (found["verdict"]["severity"], found["verdict"]["kind"]) == ("critical", "feed_fault")
    assert {"name", "statistic", "value", "p_value", "effect", "severity"} <= set(found["columns"][0])


def test_suspension_and_resumption_are_signed_and_change_who_decides(own: Path) -> None:
    key = str(key_path("validator", own / ".mlops" / "keys"))
    assert run_in(own, "suspend", TIMED, "--key", key, "--rationale", "a look is needed").returncode == 0
    row = json.loads(run_in(own, "status", TIMED, "--json").stdout)
    assert run_in(own, "suspend", TIMED, "--key", key, "--rationale", "again").returncode == 1
    assert run_in(own, "resume", TIMED, "--key", key, "--rationale", "looked at").returncode == 0
    author = str(key_path("developer", own / ".mlops" / "keys"))
    refused = run_in(own, "retire", TIMED, "--key", str(own / "missing.pem"), "--rationale", "x")
    assert row["model"] == TIMED
    assert refused.returncode == 2
    assert Path(author).exists()


def test_help_answers_without_heavy_imports() -> None:
    program = (
        "import sys; from mlops_assets.cli import cli; "
        "cli.main(['--help'], standalone_mode=False); "
        "print(sorted(m for m in ('dagster', 'mlflow', 'sklearn', 'sqlalchemy', 'polars') if m in sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip().splitlines()[-1] == "[]"
    assert "status" in result.stdout
