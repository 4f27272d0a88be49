"""What runs while nobody looks: the code server and the daemon, started again when they die, as a service manager does."""

import contextlib
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import dagster as dg

from mlops_assets.commands.running import stop_all
from mlops_assets_tests.soak.bank import PACKAGE, Bank, CommandFailed

LOOPBACK = "127.0.0.1"
WORKSPACE = """\
load_from:
  - grpc_server: {{host: 127.0.0.1, port: {port}, location_name: {name}}}
"""
ACTIVE = [
    *(dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTING),
    *(dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.MANAGED),
]
PATIENCE = 1500.0
"""Seconds in which the fleet must come to rest after each step."""
SENSORS = ("arrivals", "retraining", "release", "watch")


def free_port() -> int:
    """A port of this machine that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]


def below(pid: int) -> list[int]:
    """Processes that `pid` has started, and theirs."""
    table: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            table.setdefault(int(path.read_text(errors="replace").rpartition(")")[2].split()[1]), []).append(
                int(path.parent.name)
            )
    found, look = [], [pid]
    while look:
        children = table.get(look.pop(), [])
        found += children
        look += children
    return found


@dataclass
class Servers:
    """Code server and daemon of one project.

    Attributes:
        bank: whose project.
        log: file that both write to.
        port: of the code server.
        running: processes by name.
        restarts: how often one of them was started again.
        attempts: how often a job that a person starts is tried.
        beneath: keeps running what they stand on, such as a database.
    """

    bank: Bank
    log: Path
    port: int = field(default_factory=free_port)
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    restarts: int = 0
    attempts: int = 1
    beneath: Callable[[], None] = lambda: None

    def commands(self) -> dict[str, list[str]]:
        """The command line of each server."""
        dagster = [sys.executable, "-W", "ignore", "-m", "dagster"]
        served = [*dagster, "api", "grpc", "-m", f"{PACKAGE}.definitions", "-h", LOOPBACK, "-p", str(self.port)]
        return {
            "code server": served,
            "daemon": [str(Path(sys.executable).parent / "dagster-daemon"), "run", "-w", str(self.workspace)],
        }

    @property
    def workspace(self) -> Path:
        """The file that tells the daemon where the code server is."""
        return self.bank.root / "workspace.soak.yaml"

    def keep_running(self) -> None:
        """Start what does not run."""
        self.beneath()
        self.workspace.write_text(WORKSPACE.format(port=self.port, name=PACKAGE), encoding="utf-8")
        for name, command in self.commands().items():
            before = self.running.get(name)
            if before is not None and before.poll() is None:
                continue
            self.restarts += before is not None
            with self.log.open("ab") as log:
                self.running[name] = subprocess.Popen(
                    command,
                    cwd=self.bank.root,
                    env=self.bank.environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            if name == "code server":
                self._await_port()

    def launch(self, job: str) -> None:
        """Run a job, as a person or a schedule would start it."""
        for attempt in range(self.attempts):
            try:
                self.bank.run("dg", "launch", "--job", job)
                return
            except CommandFailed:
                if attempt == self.attempts - 1:
                    raise
                self.keep_running()
                time.sleep(5)

    def reload(self) -> None:
        """Start the code server again, as after a change of the declarations."""
        stop_all([self.running.pop("code server")])
        self.keep_running()

    @cached_property
    def instance(self) -> dg.DagsterInstance:
        """The project's Dagster, for looking at it."""
        return dg.DagsterInstance.from_config(self.bank.environment["DAGSTER_HOME"])

    def wait(self, look: Callable[[], object]) -> None:
        """Return when there is nothing left to do: no run in flight, and every sensor has looked since.

        Args:
            look: called at each look.

        Raises:
            AssertionError: it did not come to rest in time; says what still runs.
        """
        since, deadline = time.time(), time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            self.keep_running()
            look()
            with contextlib.suppress(Exception):  # the database may be away for a moment: it is killed, too
                if self.instance.get_runs(dg.RunsFilter(statuses=ACTIVE), limit=1):
                    since = time.time()
                elif all(self._looked(name, since) for name in SENSORS):
                    return
            time.sleep(0.5)
        runs = self.instance.get_runs(dg.RunsFilter(statuses=ACTIVE))
        raise AssertionError(
            f"not at rest after {PATIENCE:.0f} seconds: "
            f"{[(run.job_name, run.status.value, dict(run.tags).get('dagster/partition')) for run in runs]}"
        )

    def _looked(self, sensor: str, since: float) -> bool:
        """Whether the sensor has begun and ended a look since, and found nothing to start."""
        for state in self.instance.all_instigator_state():
            if state.name == sensor:
                ticks = self.instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=3)
                for tick in ticks:
                    if tick.timestamp >= since and tick.status.value in ("SKIPPED", "SUCCESS") and not tick.run_ids:
                        return True
        return False

    def stop(self) -> None:
        """End both, and what they started."""
        stop_all(list(self.running.values()))

    def _await_port(self) -> None:
        deadline = time.monotonic() + 300
        while time.monotonic() < deadline and self.running["code server"].poll() is None:
            with socket.socket() as probe:
                probe.settimeout(0.5)
                if probe.connect_ex((LOOPBACK, self.port)) == 0:
                    return
            time.sleep(0.2)
        raise AssertionError(f"the code server did not start: {self.log.read_text(errors='replace')[-3000:]}")
