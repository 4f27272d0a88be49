"""`mlops dev`: what is refused at once, and how servers end."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mlops_assets.commands.running import stop_all
from mlops_assets_tests.commands.conftest import Call, refused

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("option", ["--dagster-port", "--mlflow-port", "--pages-port"])
def test_a_port_that_is_taken_is_named_before_anything_starts(mlops: Call, option: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused(mlops("dev", option, port), 2, f"port {port} is in use; choose another with {option}")


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
