"""What all commands share: opening the project, printing, and turning errors into exit codes."""

import json
import os
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from mlops_assets.ledger.signatures import is_hidden
from mlops_assets.platform import Platform, hold_to_policy
from mlops_assets.project import Project

NOT_WELL = 1
WRONG_CALL = 2
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
"""Words that a terminal shows in colour; they are never said by colour alone."""


def open_platform(context: click.Context) -> Platform:
    """The platform of the project that the command is about."""
    return Platform(hold_to_policy(Project.find(Path(context.obj or Path()))))


def known_model(platform: Platform, model: str | None) -> str | None:
    """`model` itself, when it is declared or the ledger knows it.

    Raises:
        ProjectError: neither.
    """
    if model is not None and not platform.ledger.records(model=model):
        platform.project.declaration(model)
    return model


def ledger_holds(platform: Platform) -> bool:
    """Whether the ledger ends under a head of a key that counts; says what is wrong with it, where anything is."""
    from mlops_assets.ledger.ledger import LedgerTampered

    try:
        platform.ledger.sealed_head()
    except LedgerTampered as error:
        click.echo(f"mlops: do not rely on this: {one_line(error)}", err=True)
        return False
    return True


def json_option(command: Any) -> Any:
    """`--json`: print a list of objects, or one object, instead of a table."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")(command)


def key_option(command: Any) -> Any:
    """`--key`: the private key that signs."""
    return click.option(
        "--key", "key_file", required=True, type=click.Path(path_type=Path), help="PEM file of your private key."
    )(command)


def rationale_option(command: Any) -> Any:
    """`--rationale`: why; part of what is signed."""
    return click.option("--rationale", required=True, help="Why; part of what is signed.")(command)


def print_json(value: Any) -> None:
    """Print a value as JSON; dates as ISO text."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def print_table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], title: str = "") -> None:
    """Print rows as a table as wide as the terminal; colours only where there is one."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in rows:
        # As `Text`, because rich would read brackets in a name or a reason as markup and swallow them.
        table.add_row(
            *(Text(cell(v), style=STYLES.get(v, "") if isinstance(v, str) else "") for v in map(row.get, columns))
        )
    # A terminal knows its width; a pipe or a log does not, and 80 columns would break every line.
    Console(width=None if os.isatty(1) else 160, highlight=False).print(table)


def cell(value: Any) -> str:
    """A value as a table shows it."""
    if value is None or value == [] or value == "":
        return "–"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, list | tuple):
        return ", ".join(cell(v) for v in value)
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {cell(v)}" for k, v in value.items())
    return shown(str(value))


def shown(text: str) -> str:
    """Text for a terminal: what would steer it, or turn the direction of writing, as its code."""
    return "".join(f"\\u{ord(c):04x}" if is_hidden(c) else c for c in text)


def one_line(error: BaseException) -> str:
    """An error in one line; its kind is named where the text alone would not say enough."""
    text = " ".join(str(error).split())
    return shown(text) or type(error).__name__


def exit_code_of(error: BaseException) -> int:
    """2 where the call was wrong (no such model, key, file), 1 where what was asked about is not well."""
    wrong_call = (
        *("ProjectError", "KeyRefused", "NotRegistered", "SourceError", "PolicyError", "FileNotFoundError"),
        *("ValueError", "RestrictionError", "ParserError", "ScannerError"),
        *("SourceNotFound", "RegistryUnreadable"),
    )
    # By name, so that no error's module is imported only to tell that it was not raised.
    return WRONG_CALL if type(error).__name__ in wrong_call else NOT_WELL


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
