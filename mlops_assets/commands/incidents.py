"""`mlops incident`: list, acknowledge and close."""

import click

from mlops_assets.commands.common import json_option, known_model, open_platform, print_json, print_table
from mlops_assets.governance.keys import SigningKey
from mlops_assets.governance.people import load_people
from mlops_assets.platform import Platform
from mlops_assets.response import incidents


@click.group()
def incident() -> None:
    """What somebody must look at."""


@incident.command("list")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
@json_option
@click.pass_context
def incident_list(context: click.Context, model: str | None, everything: bool, as_json: bool) -> None:
    """List open incidents, oldest first."""
    platform = open_platform(context)
    known_model(platform, model)
    found = [i for i in incidents.incidents(platform.ledger, model=model) if everything or i.is_open]
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
            "disposition": i.disposition,
        }
        for i in found
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "model", "kind", "severity", "state", "window", "summary"])


@incident.command("ack")
@click.argument("identity", metavar="ID")
@click.option("--key", "key_file", required=True, help="PEM file of your private key.")
@click.option("--note", default="")
@click.pass_context
def incident_ack(context: click.Context, identity: str, key_file: str, note: str) -> None:
    """Say that you look at it."""
    platform = open_platform(context)
    found = incidents.find(platform.ledger, identity)
    incidents.acknowledge(platform.ledger, identity, _person(platform, key_file, found.model), note)
    click.echo(f"{identity} is acknowledged")


@incident.command("close")
@click.argument("identity", metavar="ID")
@click.option(
    "--disposition", required=True, type=click.Choice(incidents.DISPOSITIONS), help="What it turned out to be."
)
@click.option("--key", "key_file", required=True, help="PEM file of your private key.")
@click.option("--note", default="")
@click.pass_context
def incident_close(context: click.Context, identity: str, disposition: str, key_file: str, note: str) -> None:
    """Close it with what it turned out to be: true, false, or expected."""
    platform = open_platform(context)
    found = incidents.find(platform.ledger, identity)
    incidents.close(platform.ledger, identity, disposition, _person(platform, key_file, found.model), note)
    click.echo(f"{identity} is closed as {disposition}")


def _person(platform: Platform, key_file: str, model: str) -> str:
    key = SigningKey.load(key_file)
    return load_people(platform.ledger).signer(key.public, model, platform.ledger.clock()).person
