"""`mlops setup`, `mlops demo` and `mlops dev`: making a project ready, running the example, opening the pages."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import NOT_WELL, open_platform
from mlops_assets.platform import Platform

DAGSTER_PORT = 3000
MLFLOW_PORT = 5000
PAGES_PORT = 3001
LOOPBACK = "127.0.0.1"
PAGE = "fleet.html"
STOPPED = 130
"""What a shell gives a command that was interrupted."""


@click.command()
@click.option("--service-key", is_flag=True, help="Make and enrol the key that does what policy leaves to it.")
@click.pass_context
def setup(context: click.Context, service_key: bool) -> None:
    """Make folders, databases and the root key; safe to call again."""
    from mlops_assets.setup import enrol_service, prepare, service_key_path

    platform = open_platform(context)
    prepare(platform)
    if service_key:
        added = enrol_service(platform)
        click.echo(f"service key {'made and enrolled' if added else 'enrolled already'}: {service_key_path(platform)}")
    click.echo(f"ready: {platform.home.root}")


@click.command()
@click.pass_context
def demo(context: click.Context) -> int:
    """Run every declared model through its whole lifecycle, with signers' keys made here; safe to run twice."""
    import warnings

    # Beta notices of libraries are for those who write the project, not for those who run it.
    warnings.filterwarnings("ignore")
    from mlops_assets.orchestration.demo import Demo

    platform = open_platform(context)
    started = time.monotonic()
    run = Demo(platform, say=lambda text: click.echo(text), stop=interrupted())
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run.run()
    except KeyboardInterrupt:
        click.echo("stopped; the same command goes on from here", err=True)
        return STOPPED
    click.echo(f"\ndone in {time.monotonic() - started:.0f} s\n")
    summary(platform)
    if run.failures:
        click.echo("\nwhat failed:\n" + "\n".join(f"  {line}" for line in run.failures), err=True)
        return NOT_WELL
    return 0


def interrupted() -> Callable[[], bool]:
    """Whether the process was asked to stop, by Ctrl-C or politely, since the last time that this was asked.

    Told by the operating system's own note of a signal, which stays whatever became of the exception of its handler.
    """
    read, write = os.pipe()
    os.set_blocking(read, False)
    os.set_blocking(write, False)
    signal.set_wakeup_fd(write, warn_on_full_buffer=False)

    def asked() -> bool:
        try:
            return not {signal.SIGINT, signal.SIGTERM}.isdisjoint(os.read(read, 4096))
        except BlockingIOError:
            return False

    return asked


def summary(platform: Platform) -> None:
    """The fleet's table, what happened and why, where the pages are, and what to type next."""
    from mlops_assets.commands.common import print_table, shown
    from mlops_assets.evidence.inventory import inventory, status
    from mlops_assets.evidence.pages.event_text import sentence, worth_telling
    from mlops_assets.fleet_files import effective_policies

    rows: list[dict[str, Any]] = status(
        inventory(platform.ledger, platform.project.models, effective_policies(platform))
    )
    for row in rows:
        for name in ("open_incidents", "exceptions", "evidence_missing"):
            row[name] = len(row[name])
    print_table(rows, ["model", "tier", "champion", "window", "severity", "kind", "open_incidents", "exceptions"])
    click.echo("\nwhat happened and why")
    told = [r for r in platform.ledger.records() if worth_telling(r)]
    for kind in ("retraining_request", "promotion", "exception_granted", "incident_opened"):
        for record in (r for r in told if r.kind == kind):
            click.echo(f"  {record.model}: {shown(sentence(record)[:220])}")
    reports = platform.home.reports
    click.echo(
        f"\nfleet page   {reports / PAGE}\nmodel pages  {reports / 'models'}\ncards        {reports / 'cards'}\nwindows      {reports / 'windows'}\n"
        f"\nnext         {as_called('dev'):<28}  Dagster, MLflow and the pages on this history\n"
        f"             {as_called('status'):<28}  the fleet\n"
        f"             {as_called('verify'):<28}  the ledger, the registry, the lake and the artifacts"
    )


def as_called(command: str) -> str:
    """A command of `mlops` as this one was called: a project's own environment need not be on the PATH."""
    program = Path(sys.argv[0]).absolute()
    here = Path.cwd()
    ours = program.stem == "mlops" and program.is_relative_to(here)
    return f"{program.relative_to(here) if ours else 'mlops'} {command}"


@click.command()
@click.option("--dagster-port", default=DAGSTER_PORT, show_default=True)
@click.option("--mlflow-port", default=MLFLOW_PORT, show_default=True)
@click.option("--pages-port", default=PAGES_PORT, show_default=True, help="Of the fleet page, model pages and cards.")
@click.pass_context
def dev(context: click.Context, dagster_port: int, mlflow_port: int, pages_port: int) -> int:
    """Open Dagster, MLflow and the pages on what the demo left behind, on this machine only."""
    from mlops_assets.setup import prepare

    platform = open_platform(context)
    for option, port in (("dagster", dagster_port), ("mlflow", mlflow_port), ("pages", pages_port)):
        if _taken(port):
            raise click.UsageError(f"port {port} of this machine is taken; choose another with --{option}-port")
    prepare(platform)
    home = platform.home
    home.reports.mkdir(parents=True, exist_ok=True)
    pages = f"http://{LOOPBACK}:{pages_port}"
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(home.dagster),
        "MLOPS_HOME": str(home.root),
        # A page in a browser may not open files: assets in Dagster link to the reports where they are served.
        "MLOPS_PAGES_URL": pages,
    }
    commands = [
        [
            # Notices of Dagster to those who type its own commands.
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
        f"fleet page {pages}/{PAGE}   (Ctrl-C ends all)"
    )
    processes = [subprocess.Popen(c, env=environment, cwd=platform.project.root) for c in commands]
    # It logs every request; what matters is in the browser.
    served = [sys.executable, "-m", "http.server", str(pages_port), "--bind", LOOPBACK, "-d", str(home.reports)]
    processes.append(subprocess.Popen(served, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
    try:
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
    except KeyboardInterrupt:
        return 0
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)
    return NOT_WELL


def _taken(port: int) -> bool:
    """Whether something listens on that port of this machine."""
    with socket.socket() as probe:
        probe.settimeout(0.5)
        return probe.connect_ex((LOOPBACK, port)) == 0
