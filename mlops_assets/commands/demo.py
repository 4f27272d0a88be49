"""`mlops demo`: the project's models through their whole lifecycle, on this machine, with trial keys.

Belongs here: the command and what it prints at its end. What is run is in `orchestration/demo/`.
"""

import os
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
LONGEST_EVENT = 130
"""Characters of an event that the summary prints; `mlops status` and the pages have all of it."""


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
    from mlops_assets.orchestration.demo.processes import interrupted, stop_when_asked

    platform = open_platform(context)
    started, printing = time.monotonic(), threading.Lock()

    def say(text: str) -> None:
        with printing:
            click.echo(f"{time.monotonic() - started:4.0f} s  {text}")

    introduce(platform, processes)
    run = Demo(platform, say=say, stop=interrupted(), processes=processes)
    stop_when_asked()
    reported = sys.unraisablehook
    sys.unraisablehook = lambda unraisable: None if is_interrupt(unraisable.exc_type) else reported(unraisable)
    try:
        run.run()
    except KeyboardInterrupt:
        click.echo("stopped; run the same command to continue", err=True)
        sys.stdout.flush()
        # Python itself would end with the signal instead, if the interrupt came while a library was being imported.
        os._exit(STOPPED)
    finally:
        sys.unraisablehook = reported
    click.echo(f"\ndone in {time.monotonic() - started:.0f} s\n")
    summary(platform)
    if run.failures:
        click.echo("\nFailed:\n" + "\n".join(f"  {line}" for line in run.failures), err=True)
        return NOT_WELL
    return 0


def is_interrupt(kind: type[BaseException]) -> bool:
    """Whether an exception that Python could only report is an interrupt.

    One that arrives while an object is being collected cannot be raised. Python would print a traceback; the run hears of the
    wish to stop by the signal's file descriptor.
    """
    return issubclass(kind, KeyboardInterrupt)


def introduce(platform: Platform, processes: int) -> None:
    """Say what is about to happen, before the first seconds of imports."""
    names = list(platform.project.declarations)
    several = len(names) > 1
    which = f"{len(names)} models ({', '.join(names)}), each" if several else f"the model {', '.join(names)},"
    at_once = f"; {min(processes, len(names))} at a time" if several else ""
    click.echo(
        f"Demo: {which} from its rows to a champion, then through every monitoring window\nthat has ended{at_once}. The "
        "roles' signatures are made with trial keys. It can be stopped and started again.\n"
    )


def summary(platform: Platform) -> None:
    """Print the fleet's state, the main events, where the pages are, and the next commands."""
    from mlops_assets.commands.fleet import print_states
    from mlops_assets.evidence.inventory import status
    from mlops_assets.fleet_files import fleet_rows

    rows = status(fleet_rows(platform))
    print_states(rows)
    print_events(platform)
    urgent = sum(1 for row in rows for item in row["needs_attention"] if item["urgency"] != "open")
    if urgent:
        items = "1 item needs" if urgent == 1 else f"{urgent} items need"
        click.echo(f"\n{items} attention: `{as_called('status')}` lists what is open, with the commands.")
    reports = platform.home.reports
    click.echo("\nPages")
    for name, place in (("fleet", PAGE), ("models", "models"), ("cards", "cards"), ("windows", "windows")):
        click.echo(f"  {name:<8} {reports / place}")
    click.echo("\nNext")
    for command, what in next_commands(platform):
        click.echo(f"  {as_called(command)}\n      {what}")


def print_events(platform: Platform) -> None:
    """Print retrainings, promotions, exceptions and incidents of each model, a line each, in the order of their records."""
    from mlops_assets.commands.common import shown
    from mlops_assets.evidence.pages.event_text import event_text, is_logged
    from mlops_assets.ledger.events.champion import Promotion
    from mlops_assets.ledger.events.judgements import ExceptionGranted
    from mlops_assets.ledger.events.response import IncidentOpened, RetrainingRequested

    told = (RetrainingRequested, Promotion, ExceptionGranted, IncidentOpened)
    records = [r for r in platform.ledger.records() if isinstance(r.event, told) and is_logged(r)]
    if not records:
        return
    # Models were worked on at the same time.
    records.sort(key=lambda record: (record.model, record.seq))
    width = max(len(record.model) for record in records)
    click.echo("\nEvents")
    for record in records:
        click.echo(shown(f"  {record.model:<{width}}  {_cut(event_text(record), LONGEST_EVENT)}"))


def next_commands(platform: Platform) -> list[tuple[str, str]]:
    """What to try next, each with what it shows; examples are of what is there."""
    found = [
        ("dev", "opens Dagster, MLflow and the pages for a browser on this machine"),
        ("verify", "checks ledger, registry, data and pages for tampering"),
    ]
    worst = _worst_window(platform)
    if worst is not None:
        model, window = worst
        example = prediction_of(platform, model, window)
        if example is not None:
            found.append((f"trace {example}", "one prediction, back to its version, data, gates and approvals"))
        found.append((f"draw {model} {window}", "the distributions of that window, drawn by Evidently"))
    return found


def _worst_window(platform: Platform) -> tuple[str, str] | None:
    """The first window at `act` or worse; None where there is none."""
    from mlops_assets.ledger.events.windows import HealthVerdict

    records = platform.ledger.of(HealthVerdict)
    return next(((r.model, r.subject) for r in records if r.event.severity in ("act", "critical")), None)


def prediction_of(platform: Platform, model: str, window: str) -> str | None:
    """Id of one prediction of a window; None where there is none."""
    rows = platform.lake.read(f"{model}/predictions", window=window, columns=["prediction_id"])
    return rows["prediction_id"][0] if rows.height else None


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[:length].rsplit(' ', 1)[0].rstrip(',;:')} …"


def as_called(command: str) -> str:
    """A command as this one was called, because a project's environment need not be on the PATH."""
    program = Path(sys.argv[0]).absolute()
    here = Path.cwd()
    ours = program.stem == "mlops" and program.is_relative_to(here)
    return f"{program.relative_to(here) if ours else 'mlops'} {command}"
