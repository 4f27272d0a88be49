"""The real daemon: it starts a code server, the sensors tick, and a window's run goes through the queue to success."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from mlops_assets_tests.integration.lives import Champions, live
from mlops_assets_tests.integration.small_project import TIMED, WINDOWS, package_of, write_project

pytestmark = pytest.mark.integration
BIN = Path(sys.executable).parent
SECONDS = 600
"""After which a daemon that has done nothing is given up; a run that succeeds ends the waiting."""


@pytest.fixture(scope="module")
def champion(tmp_path_factory):
    """A project whose model has a champion and no window."""
    root = tmp_path_factory.mktemp("daemon")
    sys.path.insert(0, str(root))
    yield root, live(write_project(root, TIMED), Champions)
    sys.path.remove(str(root))


def children_of(pid: int) -> list[int]:
    """Every process below `pid`."""
    found, parents = [], {pid}
    table = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                table.append((int(entry.name), int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])))
            except OSError:
                continue
    while parents:
        below = {child for child, parent in table if parent in parents}
        found += sorted(below)
        parents = below
    return found


def listening(pids: list[int]) -> set[str]:
    """Addresses on which these processes listen for TCP, in the kernel's notation."""
    sockets = set()
    for pid in pids:
        try:
            links = [os.readlink(link) for link in Path(f"/proc/{pid}/fd").iterdir()]
        except OSError:
            continue
        sockets |= {link[8:-1] for link in links if link.startswith("socket:[")}
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                addresses.add(fields[1].split(":")[0])
    return addresses


LOOPBACK = {
    socket.inet_pton(socket.AF_INET, "127.0.0.1")[::-1].hex().upper(),
    "00000000000000000000000001000000",
    "0000000000000000FFFF00000100007F",
}


def test_the_daemon_judges_the_window_that_has_come(champion, tmp_path):
    root, lived = champion
    home = lived.platform.home
    workspace = root / "workspace.yaml"
    workspace.write_text(f"load_from:\n  - python_module:\n      module_name: {package_of(root)}.definitions\n")
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        "PYTHONPATH": os.pathsep.join([str(root), str(Path(__file__).parents[2])]),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": "ignore",
    }
    log = (tmp_path / "daemon.log").open("w+")
    daemon = subprocess.Popen(
        [str(BIN / "dagster-daemon"), "run", "-w", str(workspace)],
        cwd=root, env=environment, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
    )  # fmt: skip
    addresses: set[str] = set()
    started: list[int] = []
    try:
        instance = dg.DagsterInstance.from_config(str(home.dagster))
        run = None
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and daemon.poll() is None:
            started = children_of(daemon.pid)
            addresses |= listening([daemon.pid, *started])
            runs = instance.get_runs(dg.RunsFilter(job_name=f"{TIMED}__monitoring"))
            run = next((r for r in runs if r.tags.get("dagster/partition") == WINDOWS[0]), None)
            if run is not None and run.is_finished:
                break
            time.sleep(0.5)
    finally:
        started = children_of(daemon.pid)
        daemon.send_signal(signal.SIGTERM)
        try:
            daemon.wait(120)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait(120)
        end(started)
    log.seek(0)
    said = log.read()[-4000:]
    assert run is not None, said
    assert run.status is dg.DagsterRunStatus.SUCCESS, said
    assert run.tags["dagster/sensor_name"] == "arrivals"
    assert run.tags["mlops/model"] == TIMED
    assert addresses <= LOOPBACK, f"listens beyond this machine: {addresses - LOOPBACK}"
    verdict = lived.ledger.latest("health_verdict", model=TIMED, subject=WINDOWS[0])
    assert verdict is not None
    assert verdict.body["severity"] == "none"


def end(pids: list[int]) -> None:
    """End what the daemon left, by id."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        alive = [pid for pid in pids if Path(f"/proc/{pid}").exists()]
        if not alive:
            return
        time.sleep(0.2)
    for pid in alive:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
