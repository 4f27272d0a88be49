"""`mlops incident`: list, show, acknowledge, mitigate, merge, close, time and report incidents."""

import hashlib
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import json_option, key_option, known_model, open_platform, print_json, print_table
from mlops_assets.evidence.incident_facts import incident_facts
from mlops_assets.evidence.incident_report import incident_report as report_text
from mlops_assets.evidence.reading import minute
from mlops_assets.inspection.kept_files import signed_report, signed_reports
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.state.response import Incident
from mlops_assets.pipeline.notices import runbook_place
from mlops_assets.plain_text import shown
from mlops_assets.platform import Platform
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response import incident_acts as acts
from mlops_assets.response import incidents
from mlops_assets.response.incident_times import first_model, first_promotions, window_end
from mlops_assets.response.incident_times import incident_times as times_of


@click.group()
def incident() -> None:
    """List, show, acknowledge, mitigate, merge, close, time and report incidents."""


@incident.command("list")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Include closed incidents.")
@json_option
@click.pass_context
def incident_list(context: click.Context, model: str | None, everything: bool, as_json: bool) -> None:
    """List open incidents, oldest first."""
    platform = open_platform(context)
    known_model(platform, model)
    state = platform.ledger.state()
    known = incidents.incidents(state) if model is None else incidents.concerning(state, model)
    found = [i for i in known if everything or i.is_open]
    rows = [
        {
            "id": i.id,
            "model": i.model,
            "kind": i.kind,
            "severity": i.severity,
            "state": i.state,
            "window": i.window,
            "columns": list(i.columns),
            "models": sorted(i.models),
            "summary": i.summary,
            "opened_at": i.opened_at.isoformat(),
            "acknowledged_by": i.acknowledged_by or None,
            "mitigated_by": i.mitigated_by or None,
            "tickets": list(i.tickets),
            "merged_into": i.merged_into or None,
            "former": i.former or None,
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
    promoted = first_promotions(platform.ledger)
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


@incident.command("show")
@click.argument("identity", metavar="ID")
@json_option
@click.pass_context
def incident_show(context: click.Context, identity: str, as_json: bool) -> None:
    """Show the incident ID: what it is, its windows, what people did, and its runbook."""
    platform = open_platform(context)
    found = incident_facts(platform.ledger, identity)
    facts = found.to_dict() | {"runbook": runbook_place(platform, found.incident.kind, found.incident.model) or None}
    if as_json:
        print_json(facts)
        return
    click.echo(shown(f"{found.incident.id}: {found.incident.summary}"))
    for name, value in facts.items():
        if name not in ("id", "summary", "events") and value not in (None, "", 0, [], {}):
            click.echo(shown(f"  {name.replace('_', ' ')}: {_fact(name, value)}"))
    click.echo("  what happened:")
    for when, what in found.events:
        click.echo(shown(f"    {minute(when)}  {what}"))


def _fact(name: str, value: Any) -> str:
    """One of the facts of an incident in words."""
    if name == "reports":
        return ", ".join(f"{one['digest'][:12]} signed by {one['person']} at {minute(one['at'])}" for one in value)
    if name == "superseded_by":
        return ", ".join(f"{model} version {version}" for model, version in value.items())
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return minute(value) if name.endswith("_at") else str(value)


@incident.command("ack")
@click.argument("identity", metavar="ID")
@key_option
@click.option("--note", default="", help="Part of the signed statement.")
@click.pass_context
def incident_ack(context: click.Context, identity: str, key_file: Path, note: str) -> None:
    """Acknowledge the incident ID: you are working on it."""
    found = acts.acknowledge(open_platform(context).ledger, SigningKey.load(key_file), identity, note)
    click.echo(f"incident {identity} acknowledged by {found.acknowledged_by}")


@incident.command("mitigate")
@click.argument("identity", metavar="ID")
@key_option
@click.option("--note", required=True, help="What was done; part of the signed statement.")
@click.pass_context
def incident_mitigate(context: click.Context, identity: str, key_file: Path, note: str) -> None:
    """Record that the harm of the incident ID was stopped or limited. Its cause may remain."""
    found = acts.mitigate(open_platform(context).ledger, SigningKey.load(key_file), identity, note)
    click.echo(f"incident {identity} mitigated by {found.mitigated_by}")


@incident.command("merge")
@click.argument("identity", metavar="ID")
@click.argument("into", metavar="INTO")
@key_option
@click.option("--note", required=True, help="Why they are one; part of the signed statement.")
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@click.pass_context
def incident_merge(
    context: click.Context, identity: str, into: str, key_file: Path, note: str, role: str | None
) -> None:
    """Let the incident ID go on in INTO, because they have one cause. Who may close ID may merge it."""
    platform = open_platform(context)
    rule = _rule(platform, incidents.find(platform.ledger.state(), identity).model)
    acts.merge(platform.ledger, SigningKey.load(key_file), rule, identity, into, note, role=role)
    click.echo(f"incident {identity} goes on in {into}")


@incident.command("ticket")
@click.argument("identity", metavar="ID")
@click.option("--reference", required=True, help="Of the ticket in your issue tracker, such as JIRA-123.")
@click.pass_context
def incident_ticket(context: click.Context, identity: str, reference: str) -> None:
    """Note the reference of a ticket about the incident ID."""
    try:
        found = acts.add_ticket(open_platform(context).ledger, identity, reference)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--reference") from error
    click.echo(f"incident {identity} has the tickets {', '.join(found.tickets)}")


@incident.command("close")
@click.argument("identity", metavar="ID")
@key_option
@click.option("--note", required=True, help="Reason; part of the signed statement.")
@click.option(
    "--disposition",
    required=True,
    type=click.Choice(acts.DISPOSITIONS),
    help="What it turned out to be: a real fault (true), a false alarm (false), a wanted change (expected), or wrong data "
    "(data_fault), whose windows are then left out of trainings.",
)
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@click.pass_context
def incident_close(
    context: click.Context, identity: str, key_file: Path, note: str, disposition: str, role: str | None
) -> None:
    """Close the incident ID with what it turned out to be. The model's policy names the roles that may."""
    platform = open_platform(context)
    rule = _rule(platform, incidents.find(platform.ledger.state(), identity).model)
    found = acts.close(platform.ledger, SigningKey.load(key_file), rule, identity, disposition, note, role=role)
    click.echo(f"incident {identity} closed as {disposition} by {found.closed_by}")


@incident.command("report")
@click.argument("identity", metavar="ID")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Default: reports/incidents/ID.md of the home.",
)
@click.option("--force", is_flag=True, help="Write over the file, if there is one.")
@click.pass_context
def incident_report(context: click.Context, identity: str, output: Path | None, force: bool) -> None:
    """Write the report on the incident ID as Markdown, filled in from the records.

    Answer the questions at its end in the file, then sign it with `mlops incident sign`.
    """
    platform = open_platform(context)
    facts = incident_facts(platform.ledger, identity)
    path = output or signed_reports(platform.home.reports) / f"{identity}.md"
    if path.exists() and not force:
        raise click.ClickException(f"{path} is there already; expected a new file: give another one, or --force")
    cadences = {name: one.monitoring.cadence for name, one in platform.project.declarations.items() if one.has_time}
    runbook = runbook_place(platform, facts.incident.kind, facts.incident.model)
    path.parent.mkdir(parents=True, exist_ok=True)
    ended = window_end(facts.incident.first, cadences)
    watched = first_promotions(platform.ledger).get(first_model(facts.incident.first))
    begun = max(ended, watched) if ended is not None and watched is not None else ended
    path.write_text(report_text(facts, begun, runbook), encoding="utf-8")
    click.echo(f"report on incident {identity} written to {path}")


@incident.command("sign")
@click.argument("identity", metavar="ID")
@click.argument("report", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@key_option
@click.option("--note", default="", help="Part of the signed statement.")
@click.pass_context
def incident_sign(context: click.Context, identity: str, report: Path, key_file: Path, note: str) -> None:
    """Sign REPORT as the report on the incident ID: its digest is recorded, and a copy is kept with the reports."""
    platform = open_platform(context)
    content = report.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    found = acts.sign_report(platform.ledger, SigningKey.load(key_file), identity, digest, note)
    kept = signed_report(platform.home.reports, identity, digest)
    kept.parent.mkdir(parents=True, exist_ok=True)
    kept.write_bytes(content)
    click.echo(f"report {digest[:12]} on incident {identity} signed by {found.reports[-1].person}; kept as {kept}")


def _rule(platform: Platform, model: str) -> IncidentRule:
    return platform.policy(model).incidents if model in platform.project.declarations else IncidentRule()
