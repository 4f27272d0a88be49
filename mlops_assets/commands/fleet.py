"""`mlops status` and `mlops asof`: the fleet as it stands, and as it stood."""

from datetime import UTC, datetime, timedelta

import click

from mlops_assets.commands.common import (
    NOT_WELL,
    WRONG_CALL,
    json_option,
    known_model,
    ledger_holds,
    open_platform,
    print_json,
    print_table,
    shown,
)
from mlops_assets.evidence.as_of import as_of, as_of_text
from mlops_assets.evidence.inventory import inventory
from mlops_assets.evidence.inventory import status as status_rows
from mlops_assets.fleet_files import effective_policies

COLUMNS = ("model", "tier", "owner", "champion", "window", "severity", "kind", "incidents", "exceptions", "missing")


@click.command()
@click.argument("model", required=False)
@json_option
@click.pass_context
def status(context: click.Context, model: str | None, as_json: bool) -> int:
    """The fleet, or one MODEL: champion, last window, severity, kind, incidents, exceptions, evidence missing."""
    platform = open_platform(context)
    rows = status_rows(inventory(platform.ledger, platform.project.models, effective_policies(platform)))
    if model is not None:
        rows = [row for row in rows if row["model"] == model]
        if not rows:
            known = ", ".join(m.name for m in platform.project.models) or "none"
            click.echo(f"mlops: {model}: no such model; declared are: {known}", err=True)
            return WRONG_CALL
    if as_json:
        print_json(rows if model is None else rows[0])
    else:
        counted = [
            {
                **row,
                "incidents": len(row["open_incidents"]),
                "exceptions": len(row["exceptions"]),
                "missing": len(row["evidence_missing"]),
            }
            for row in rows
        ]
        print_table(counted, COLUMNS)
        for row in rows:
            if row["error"]:
                click.echo(f"\n{row['model']} is broken: {row['error']}")
    whole = ledger_holds(platform)
    return NOT_WELL if not whole or any(row["error"] for row in rows) else 0


@click.command()
@click.argument("day", type=click.DateTime(["%Y-%m-%d"]), metavar="DATE")
@click.argument("model", required=False)
@json_option
@click.pass_context
def asof(context: click.Context, day: datetime, model: str | None, as_json: bool) -> int:
    """The fleet as it stood at the end of DATE (of today: now): champion, evidence, approvers, policy, open incidents."""
    if day.date() > datetime.now(UTC).date():
        raise click.BadParameter(f"{day:%Y-%m-%d} is yet to come; expected today or a day before it", param_hint="DATE")
    # Of a day that has not ended, what there is of it.
    at = min(day.replace(tzinfo=UTC) + timedelta(days=1) - timedelta(microseconds=1), datetime.now(UTC))
    platform = open_platform(context)
    rows = as_of(platform.ledger, at, known_model(platform, model))
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        click.echo(shown(as_of_text(rows, at)))
    return 0 if ledger_holds(platform) and rows else NOT_WELL
