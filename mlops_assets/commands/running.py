"""`mlops setup` and `mlops dev`: prepare a project, open the servers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from mlops_assets.commands.common import open_platform
from mlops_assets.errors import NOT_WELL

DAGSTER_PORT = 3000
MLFLOW_PORT = 5000
PAGES_PORT = 3001
LOOPBACK = "127.0.0.1"
PAGE = "fleet.html"


@click.command()
@click.option(
    "--service-key", is_flag=True, help="Create and enrol the service key, which acts where the policy lets it."
)
@click.pass_context
def setup(context: click.Context, service_key: bool) -> None:
    """Create folders, databases and the root key. Safe to repeat."""
    from mlops_assets.setup import enrol_service, prepare, service_key_path

    platform = open_platform(context)
    prepare(platform)
    if service_key:
        added = enrol_service(platform)
        click.echo(
            f"service key {'created and enrolled' if added else 'is enrolled already'}: {service_key_path(platform)}"
        )
    click.echo(f"ready: {platform.home.root}")


@click.command()
@click.option("--dagster-port", default=DAGSTER_PORT, show_default=True, help="Port of Dagster.")
@click.option("--mlflow-port", default=MLFLOW_PORT, show_default=True, help="Port of MLflow.")
@click.option(
    "--pages-port", default=PAGES_PORT, show_default=True, help="Port of the fleet page, model pages and cards."
)
@click.pass_context
def dev(context: click.Context, dagster_port: int, mlflow_port: int, pages_port: int) -> int:
    """Open Dagster, MLflow and the pages, reachable from this machine only."""
    from mlops_assets.setup import prepare

    platform = open_platform(context)
    for option, port in (("dagster", dagster_port), ("mlflow", mlflow_port), ("pages", pages_port)):
        if _taken(port):
            raise click.UsageError(f"port {port} is in use; choose another with --{option}-port")
    prepare(platform)
    home = platform.home
    home.reports.mkdir(parents=True, exist_ok=True)
    pages = f"http://{LOOPBACK}:{pages_port}"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        "MLOPS_HOME": str(home.root),
        # A browser opens no local files from a page, so assets in Dagster link to where the reports are served.
        "MLOPS_PAGES_URL": pages,
    }
    commands = [
        [
            # Deprecation notices are for people who type the commands of Dagster.
            *(sys.executable, "-W", "ignore", "-m", "dagster", "dev", "-w", "workspace.yaml"),
            *("-h", LOOPBACK, "-p", str(dagster_port)),
        ],
        [
            *(sys.executable, "-m", "mlflow", "server", "--host", LOOPBACK, "--port", str(mlflow_port)),
            *("--backend-store-uri", home.tracking_uri, "--workers", "1"),
        ],
    ]
    click.echo(
        f"Dagster http://{LOOPBACK}:{dagster_port}   MLflow http://{LOOPBACK}:{mlflow_port}   "
        f"fleet page {pages}/{PAGE}   (Ctrl-C stops all)"
    )
    served = [sys.executable, "-m", "mlops_assets.evidence.pages.server", str(pages_port), str(home.reports)]
    # SIGTERM ends the servers as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes += [start(command, environment, platform.project.root) for command in commands]
        processes.append(start(served, environment, platform.project.root))
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        stop_all(processes)
    return NOT_WELL


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, quiet: bool = False
) -> subprocess.Popen[bytes]:
    """Start a server in a process group of its own, so that `stop_all` reaches the processes that it starts."""
    output = subprocess.DEVNULL if quiet else None
    return subprocess.Popen(
        list(command), env=dict(environment), cwd=folder, stdout=output, stderr=output, start_new_session=True
    )


def stop_all(processes: Sequence[subprocess.Popen[bytes]], patience: float = 20.0) -> None:
    """End servers and everything that they started; what does not end in time is killed."""
    for process in processes:
        _signal_group(process, signal.SIGTERM)
    deadline = time.monotonic() + patience
    for process in processes:
        # A server may end before the processes that it started.
        while _group_runs(process) and time.monotonic() < deadline:
            time.sleep(0.05)
        _signal_group(process, signal.SIGKILL)
        process.wait()


def _signal_group(process: subprocess.Popen[bytes], number: int) -> bool:
    """Send a signal to a server and what it started; returns whether any of them was there."""
    try:
        os.killpg(process.pid, number)
    except (ProcessLookupError, PermissionError):
        # macOS says "not permitted" of a group in which only ended processes are left.
        return False
    return True


def _group_runs(process: subprocess.Popen[bytes]) -> bool:
    """Whether a server, or anything that it started, still runs."""
    if process.poll() is None:
        return True
    with contextlib.suppress(ChildProcessError):
        # As the first process of a container this one inherits what the server leaves, and has to collect it.
        os.waitpid(-process.pid, os.WNOHANG)
    return _signal_group(process, 0) and not _all_ended(process.pid)


def _all_ended(group: int) -> bool:
    """Whether every process of a group has ended and only waits for its parent to collect it; False where nothing tells.

    A signal reaches these, too. In a container whose first process collects nothing they stay.
    """
    states = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # After the name in brackets, which may hold anything: state, parent, group.
            state, _, of_group = path.read_text(errors="replace").rpartition(")")[2].split()[:3]
            if of_group == str(group):
                states.append(state)
    return bool(states) and set(states) <= {"Z", "X"}


def _taken(port: int) -> bool:
    """Whether something listens on that port."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0
