"""Shared by all commands: opening the project, common options, and printing.

Not here: anything that one command alone needs.
"""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from mlops_assets import clock
from mlops_assets.plain_text import shown
from mlops_assets.platform import Platform, hold_to_policy
from mlops_assets.project import Project

STYLES = {
    "watch": "yellow",
    "act": "red",
    "critical": "bold red",
    "failed": "red",
    "missing": "red",
    "stale": "yellow",
    "none": "green",
    "passed": "green",
    "present": "green",
    "revoked": "dim",
    "replaced": "dim",
    "expired": "dim",
}
"""Words that a terminal colours; the word itself is always printed."""


class GroupWithDefault(click.Group):
    """A group whose arguments go to one of its commands unless the first one names another.

    Attributes:
        default: name of that command.
    """

    def __init__(self, *given: Any, default: str, **named: Any) -> None:
        super().__init__(*given, **named)
        self.default = default

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default before the arguments where no command is named."""
        return super().parse_args(ctx, self.with_default(args, ctx.help_option_names))

    def with_default(self, args: list[str], options: Sequence[str] = ()) -> list[str]:
        """The arguments with the name of a command before them; `options` are those of the group itself."""
        named = bool(args) and (args[0] in self.commands or args[0] in options)
        return args if named else [self.default, *args]


def open_platform(context: click.Context) -> Platform:
    """The platform of the project that the command is about; says on standard error that a clock is simulated."""
    if clock.simulated() is not None:
        click.echo(
            f"mlops: simulated clock ({clock.SIMULATED}): it is {clock.now():%Y-%m-%d %H:%M} UTC there", err=True
        )
    return Platform(hold_to_policy(Project.find(Path(context.obj or Path()))))


def known_model(platform: Platform, model: str | None) -> str | None:
    """Return `model` when it is declared or the ledger has records of it.

    Raises:
        ProjectError: the model is neither declared nor recorded.
    """
    if model is not None and not platform.ledger.records(model=model):
        platform.project.declaration(model)
    return model


def ledger_holds(platform: Platform) -> bool:
    """Whether the ledger ends under a head signed by an enrolled key; prints what is wrong where it does not."""
    from mlops_assets.ledger.ledger import LedgerTampered

    try:
        platform.ledger.sealed_head()
    except LedgerTampered as error:
        click.echo(f"mlops: this output cannot be relied on: {one_line(error)}", err=True)
        return False
    return True


def json_option(command: Any) -> Any:
    """Add `--json`: print a list of objects, or one object, instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def key_option(command: Any) -> Any:
    """Add `--key`: the private key that signs."""
    return click.option(
        "--key", "key_file", required=True, type=click.Path(path_type=Path), help="PEM file of your private key."
    )(command)


def rationale_option(command: Any) -> Any:
    """Add `--rationale`: the reason, which is part of the signed statement."""
    return click.option("--rationale", required=True, help="Reason; part of the signed statement.")(command)


def print_json(value: Any) -> None:
    """Print a value as JSON; dates as ISO text, and characters that steer a terminal by their codes, which JSON reads back."""
    click.echo(shown(json.dumps(value, indent=2, ensure_ascii=False, default=_plain)))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """Print rows as a table that fits the terminal; coloured only on a terminal."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # As `Text`, because rich reads brackets in a name or a reason as markup and drops them.
        table.add_row(
            *(Text(cell(v), style=STYLES.get(v, "") if isinstance(v, str) else "") for v in map(row.get, columns))
        )
    # A pipe or a log has no width, and the default of 80 columns would break every line.
    Console(width=None if os.isatty(1) else 160, highlight=False).print(table)


def cell(value: Any) -> str:
    """A value as text for a table cell."""
    if hasattr(value, "tolist"):  # numpy's numbers and arrays
        value = value.tolist()
    if value is None or value == [] or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {cell(v)}" for k, v in value.items())
    return shown(str(value))


def one_line(error: BaseException) -> str:
    """An error in one line; its type where it has no message."""
    text = " ".join(str(error).split())
    return shown(text) or type(error).__name__


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
