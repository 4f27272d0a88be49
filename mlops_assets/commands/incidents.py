"""`mlops incident`: list, acknowledge and close incidents."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import click

from mlops_assets.commands.common import json_option, key_option, known_model, open_platform, print_json, print_table
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.state.response import Incident
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response import incidents
from mlops_assets.response.incident_times import incident_times as times_of


@click.group()
def incident() -> None:
    """List, acknowledge, close and time incidents."""


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


@incident.command("times")
@click.option("--by", type=click.Choice(["kind", "model", "tier"]), default="kind", show_default=True, help="Group by.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="Only incidents recorded on this day or later.")
@json_option
@click.pass_context
def incident_times(context: click.Context, by: str, since: datetime | None, as_json: bool) -> None:
    """Mean hours until incidents were detected, acknowledged and closed, and the age of those that are not.

    Detection counts from the end of the window that an incident is about, or from the model's first promotion where that came
    later; acknowledgement and closure from its record.
    """
    platform = open_platform(context)
    declared = platform.project.declarations
    groups: dict[str, Callable[[Incident], str]] = {
        "kind": lambda one: one.kind,
        "model": lambda one: one.model or "fleet",
        "tier": lambda one: declared[one.model].tier.value if one.model in declared else "fleet",
    }
    found = [
        one
        for one in incidents.incidents(platform.ledger.state(), None)
        if since is None or one.recorded_at.date() >= since.date()
    ]
    cadences = {name: one.monitoring.cadence for name, one in declared.items() if one.has_time}
    promoted: dict[str, datetime] = {}
    for record in platform.ledger.of(Promotion):
        promoted.setdefault(record.model, record.recorded_at)
    rows = [one.to_dict() for one in times_of(found, groups[by], platform.ledger.clock(), cadences, promoted)]
    if as_json:
        print_json(rows)
    elif rows:
        shown = [{name: _hours(value) for name, value in row.items()} for row in rows]
        print_table(shown, list(rows[0]))
    else:
        click.echo("no incident was recorded")


def _hours(value: object) -> object:
    return f"{value:.1f}" if isinstance(value, float) else value


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
