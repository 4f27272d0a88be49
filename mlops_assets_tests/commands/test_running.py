"""`mlops dev` and the demo's summary: what a person sees before and after, and what is refused at once."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_assets.commands.demo import as_called, summary
from mlops_assets.commands.running import stop_all
from mlops_assets_tests.commands.conftest import Call, refused
from mlops_assets_tests.integration.small_project import FAULTY_COLUMN, MODELS, TIMED

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("option", ["--dagster-port", "--mlflow-port", "--pages-port"])
def test_a_port_that_is_taken_is_named_before_anything_starts(mlops: Call, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(mlops("dev", option, port), 2, f"port {port} is in use; choose another with {option}")


def test_the_summary_says_who_decides_what_happened_and_where_the_pages_are(lived, capsys) -> None:
    summary(lived.platform)
    printed = capsys.readouterr().out
    reports = lived.platform.home.reports
    for model in MODELS:
        assert model in printed
    assert f"{TIMED}: Retraining requested by policy" in printed
    assert FAULTY_COLUMN in printed
    for place in (reports / "fleet.html", reports / "models", reports / "cards"):
        assert str(place) in printed
        assert place.exists()
    assert "mlops dev " in printed


def test_stopping_ends_what_a_server_has_started(tmp_path) -> None:
    script = (
        "import subprocess, sys, time; c = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']); "
    )
    script += "print(c.pid, flush=True); time.sleep(60)"
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=out, start_new_session=True)
    while not (tmp_path / "out").read_text():
        time.sleep(0.05)
    child = int((tmp_path / "out").read_text())
    stop_all([process], patience=60)
    assert process.poll() is not None
    # A process that has ended and was not collected yet is a zombie.
    state = Path(f"/proc/{child}/stat")
    assert not state.exists() or state.read_text().split()[2] == "Z"


@pytest.mark.parametrize(
    ("program", "line"),
    [
        (".venv/bin/mlops", ".venv/bin/mlops status"),
        ("{here}/env/bin/mlops", "env/bin/mlops status"),
        ("/usr/local/bin/mlops", "mlops status"),
    ],
    ids=["as typed", "of an environment in the project", "of the machine"],
)
def test_what_to_type_next_can_be_typed_here(monkeypatch, tmp_path, program: str, line: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", [program.format(here=tmp_path), "demo"])
    assert as_called("status") == line
