"""`mlops dev`: what is refused at once, and how servers end."""

import os
import signal
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


def server(command: list[str]) -> subprocess.Popen[bytes]:
    """A server, in a group of its own."""

    # A shell starts a background job with SIGINT ignored, Dagster then has SIGTERM ignored as well, and processes inherit it.
    def listen() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    return subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True, preexec_fn=listen)


CHILD = "import signal, time; {first}; print('ready', flush=True); time.sleep(600)"
SERVER = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
child.stdout.readline()
print(child.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize(
    ("first", "patience"),
    [("pass", 60), ("signal.signal(signal.SIGTERM, signal.SIG_IGN)", 1)],
    ids=["a child that stops when it is asked to", "a child that does not"],
)
def test_stopping_ends_what_a_server_has_started(tmp_path, first, patience) -> None:
    script = CHILD.format(first=first)
    command = [sys.executable, "-c", SERVER, script]
    with server(command) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        stop_all([process], patience=patience)
        assert process.poll() is not None
    # The kernel ends a killed process in its own time; one that has ended and was not collected yet is a zombie.
    state = Path(f"/proc/{child}/stat")
    deadline = time.monotonic() + 60
    while runs(state) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not runs(state)


LEFT = """
import os, subprocess, sys, time
ended = subprocess.Popen([sys.executable, "-c", "import time; print('ready', flush=True); time.sleep(600)"], stdout=subprocess.PIPE)
ended.stdout.readline()
os.setsid()
print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_stopping_does_not_wait_for_what_has_ended_and_nobody_collects(tmp_path: Path) -> None:
    patience = 60
    # The child leaves the server's group, stays, and never asks after its own child, which is still in the group.
    command = [sys.executable, "-c", SERVER, LEFT]
    with server(command) as process:
        assert process.stdout is not None
        left = int(process.stdout.readline())
        try:
            started = time.monotonic()
            stop_all([process], patience=patience)
            assert time.monotonic() - started < patience
            os.killpg(process.pid, 0)  # the group is still there
        finally:
            os.kill(left, signal.SIGKILL)


def runs(state: Path) -> bool:
    try:
        return state.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
