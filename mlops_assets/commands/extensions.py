"""`mlops extensions`: what is registered by name, and where."""

from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import json_option, print_json, print_table
from mlops_assets.errors import NOT_WELL
from mlops_assets.project import Project
from mlops_assets.registration import KINDS, ExtensionError, Registration, loaded, registrations


@click.command()
@click.option("--kind", type=click.Choice(KINDS), help="Only this kind.")
@click.option("--own", is_flag=True, help="Only what does not belong to this package.")
@json_option
@click.pass_context
def extensions(context: click.Context, kind: str | None, own: bool, as_json: bool) -> int:
    """List gates, statistics, sources, notifiers and whatever else is registered by name, with the digest of its code.

    Exits with 1 when one of them cannot be imported or used.
    """
    # The project is found, not opened: one extension that cannot be imported must not keep the others from being shown.
    Project.find(Path(context.obj or Path()))
    rows = [_row(line) for line in registrations() if kind in (None, line.kind) and not (own and line.built_in)]
    if as_json:
        print_json(rows)
    else:
        shown = [{**row, "code": str(row["code"])[:12] if row["code"] else None} for row in rows]
        print_table(shown, ["kind", "name", "target", "where", "code", "error"])
    return NOT_WELL if any(row["error"] for row in rows) else 0


def _row(line: Registration) -> dict[str, Any]:
    row = {
        "kind": line.kind,
        "name": line.name,
        "target": line.target,
        "where": line.place,
        "code": None,
        "error": None,
    }
    try:
        return {**row, "code": loaded(line)[1]}
    except ExtensionError as error:
        return {**row, "error": str(error)}
