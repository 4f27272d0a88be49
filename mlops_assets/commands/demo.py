"""`mlops demo`: the project's models through their whole lifecycle, on this machine, with trial keys.

Belongs here: the command and what it prints at its end. What is run is in `orchestration/demo/`.
"""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import click

from mlops_assets.commands.common import open_platform
from mlops_assets.errors import NOT_WELL
from mlops_assets.platform import Platform

STOPPED = 130
"""Exit code of an interrupted command."""
PAGE = "fleet.html"


@click.command()
@click.option(
    "--processes",
    type=click.IntRange(min=1),
    default=lambda: min(4, os.cpu_count() or 1),
    show_default="the cores, at most 4",
    help="Models that are worked on at a time.",
)
@click.pass_context
def demo(context: click.Context, processes: int) -> int:
    """Run every declared model through its lifecycle, signed with keys created on this machine. Safe to repeat."""
    import warnings

    # Beta notices of libraries are for developers, not for users.
    warnings.filterwarnings("ignore")
    from mlops_assets.orchestration.demo.lifecycle import Demo
    from mlops_assets.orchestration.demo.processes import interrupted

    platform = open_platform(context)
    started, printing = time.monotonic(), threading.Lock()

    def say(text: str) -> None:
        with printing:
            click.echo(f"{time.monotonic() - started:4.0f} s  {text}")

    introduce(platform, processes)
    run = Demo(platform, say=say, stop=interrupted(), processes=processes)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        run.run()
    except KeyboardInterrupt:
        click.echo("stopped; run the same command to continue", err=True)
        sys.stdout.flush()
        # Python itself would end with the signal instead, if the interrupt came while a library was being imported.
        os._exit(STOPPED)
    click.echo(f"\ndone in {time.monotonic() - started:.0f} s\n")
    summary(platform)
    if run.failures:
        click.echo("\nFailed:\n" + "\n".join(f"  {line}" for line in run.failures), err=True)
        return NOT_WELL
    return 0


def introduce(platform: Platform, processes: int) -> None:
    """Say what is about to happen, before the first seconds of imports."""
    names = list(platform.project.declarations)
    at_a_time = min(processes, len(names))
    click.echo(
        f"Demo: {len(names)} models ({', '.join(names)}), each from its rows to a champion, then through every monitoring "
        f"window\nthat has ended; {at_a_time} at a time. The roles' signatures are made with trial keys. It can be stopped "
        "and started again.\n"
    )


def summary(platform: Platform) -> None:
    """Print the fleet's state, what needs attention, the main events, where the pages are, and the next commands."""
    from mlops_assets.commands.common import shown
    from mlops_assets.commands.fleet import print_status
    from mlops_assets.evidence.inventory import status
    from mlops_assets.evidence.pages.event_text import event_text, is_logged
    from mlops_assets.fleet_files import fleet_rows
    from mlops_assets.ledger.events.champion import Promotion
    from mlops_assets.ledger.events.judgements import ExceptionGranted
    from mlops_assets.ledger.events.response import IncidentOpened, RetrainingRequested

    print_status(status(fleet_rows(platform)))
    click.echo("\nEvents")
    logged = [r for r in platform.ledger.records() if is_logged(r)]
    for event in (RetrainingRequested, Promotion, ExceptionGranted, IncidentOpened):
        for record in (r for r in logged if isinstance(r.event, event)):
            click.echo(f"  {record.model}: {shown(_cut(event_text(record), 220))}")
    reports = platform.home.reports
    click.echo()
    for name, place in (("fleet page", PAGE), ("model pages", "models"), ("cards", "cards"), ("windows", "windows")):
        click.echo(f"{name:<12} {reports / place}")
    click.echo(f"\nnext         {as_called('dev'):<28}  open Dagster, MLflow and the pages")
    for command, what in (("status", "state, and what needs attention"), ("verify", "check everything for tampering")):
        click.echo(f"             {as_called(command):<28}  {what}")


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1].rstrip()}…"


def as_called(command: str) -> str:
    """A command as this one was called, because a project's environment need not be on the PATH."""
    program = Path(sys.argv[0]).absolute()
    here = Path.cwd()
    ours = program.stem == "mlops" and program.is_relative_to(here)
    return f"{program.relative_to(here) if ours else 'mlops'} {command}"
