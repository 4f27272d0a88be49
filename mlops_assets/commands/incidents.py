"""`mlops incident`: list, acknowledge and close incidents."""

from pathlib import Path

import click

from mlops_assets.commands.common import json_option, key_option, known_model, open_platform, print_json, print_table
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response import incidents


@click.group()
def incident() -> None:
    """List, acknowledge and close incidents."""


@incident.command("list")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Include closed incidents.")
@json_option
@click.pass_context
def incident_list(context: click.Context, model: str | None, everything: bool, as_json: bool) -> None:
    """List open incidents, oldest first."""
    platform = open_platform(context)
    known_model(platform, model)
    found = [i for i in incidents.incidents(platform.ledger.state(), model) if everything or i.is_open]
    rows = [
        {
            "id": i.id,
            "model": i.model,
            "kind": i.kind,
            "severity": i.severity,
            "state": i.state,
            "window": i.window,
            "columns": list(i.columns),
            "summary": i.summary,
            "opened_at": i.opened_at.isoformat(),
            "acknowledged_by": i.acknowledged_by or None,
            "disposition": i.disposition,
            "closed_by": i.closed_by or None,
            "note": i.note or None,
        }
        for i in found
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "model", "kind", "severity", "state", "window", "summary"])


@incident.command("ack")
@click.argument("identity", metavar="ID")
@key_option
@click.option("--note", default="", help="Part of the signed statement.")
@click.pass_context
def incident_ack(context: click.Context, identity: str, key_file: Path, note: str) -> None:
    """Acknowledge the incident ID: you are working on it."""
    found = incidents.acknowledge(open_platform(context).ledger, SigningKey.load(key_file), identity, note)
    click.echo(f"incident {identity} acknowledged by {found.acknowledged_by}")


@incident.command("close")
@click.argument("identity", metavar="ID")
@key_option
@click.option("--note", required=True, help="Reason; part of the signed statement.")
@click.option(
    "--disposition",
    required=True,
    type=click.Choice(incidents.DISPOSITIONS),
    help="What it turned out to be: a real fault (true), a false alarm (false), or a wanted change (expected).",
)
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@click.pass_context
def incident_close(
    context: click.Context, identity: str, key_file: Path, note: str, disposition: str, role: str | None
) -> None:
    """Close the incident ID with what it turned out to be. The model's policy names the roles that may."""
    platform = open_platform(context)
    model = incidents.find(platform.ledger.state(), identity).model
    rule = platform.policy(model).incidents if model else IncidentRule()
    key = SigningKey.load(key_file)
    found = incidents.close(platform.ledger, key, rule, identity, disposition, note, role=role)
    click.echo(f"incident {identity} closed as {disposition} by {found.closed_by}")
