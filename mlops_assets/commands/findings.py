"""`mlops finding` and `mlops validation`: findings and conclusions of the second line of defence."""

from datetime import UTC, datetime
from pathlib import Path

import click
import yaml

from mlops_assets import clock
from mlops_assets.commands.common import json_option, key_option, known_model, open_platform, print_json, print_table
from mlops_assets.governance import findings, validations
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.state.judgements import Finding
from mlops_assets.ledger.state.model import LedgerState

SEVERITIES = ("low", "medium", "high", "critical")


@click.group()
def finding() -> None:
    """Record, answer, extend, close and list findings. Open findings from the policy's severity on block promotion."""


@finding.command("record")
@click.argument("model")
@click.option("--severity", type=click.Choice(SEVERITIES), required=True, help="How grave it is.")
@click.option("--summary", required=True, help="What was found; part of the signed statement.")
@click.option("--owner", required=True, help="Person who must answer it; enrolled for the model.")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Day by which it must be answered.")
@click.option("--version", type=int, help="Version it is about; default: the model.")
@click.option("--condition", default="", help="What must hold while the finding is open.")
@key_option
@click.pass_context
def finding_record(
    context: click.Context,
    model: str,
    severity: findings.Severity,
    summary: str,
    owner: str,
    due: datetime,
    version: int | None,
    condition: str,
    key_file: Path,
) -> None:
    """Record a finding about MODEL."""
    record = findings.record_finding(
        open_platform(context).ledger,
        SigningKey.load(key_file),
        model,
        severity,
        summary,
        owner,
        due.replace(tzinfo=UTC),
        version=version,
        condition=condition,
    )
    click.echo(f"finding {record.subject} recorded (record {record.seq})")


@finding.command("respond")
@click.argument("model")
@click.argument("identity", metavar="ID")
@click.option("--response", required=True, help="Answer; part of the signed statement.")
@key_option
@click.pass_context
def finding_respond(context: click.Context, model: str, identity: str, response: str, key_file: Path) -> None:
    """Answer the finding ID."""
    findings.respond(open_platform(context).ledger, SigningKey.load(key_file), model, identity, response)
    click.echo(f"finding {identity} answered")


@finding.command("extend")
@click.argument("model")
@click.argument("identity", metavar="ID")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), required=True, help="New day by which it must be closed.")
@click.option("--reason", required=True, help="Why it may take longer; part of the signed statement.")
@key_option
@click.pass_context
def finding_extend(
    context: click.Context, model: str, identity: str, due: datetime, reason: str, key_file: Path
) -> None:
    """Move the due date of the finding ID to a later day. Only validators can, and never an author of the model."""
    ledger, key = open_platform(context).ledger, SigningKey.load(key_file)
    findings.extend_finding(ledger, key, model, identity, due.replace(tzinfo=UTC), reason)
    click.echo(f"finding {identity} is due on {due:%Y-%m-%d}")


@finding.command("close")
@click.argument("model")
@click.argument("identity", metavar="ID")
@click.option("--note", required=True, help="What settles it; part of the signed statement.")
@key_option
@click.pass_context
def finding_close(context: click.Context, model: str, identity: str, note: str, key_file: Path) -> None:
    """Close the finding ID. Only validators can, and never an author of the model."""
    findings.close_finding(open_platform(context).ledger, SigningKey.load(key_file), model, identity, note)
    click.echo(f"finding {identity} closed")


@finding.command("list")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Include closed findings.")
@json_option
@click.pass_context
def finding_list(context: click.Context, model: str | None, everything: bool, as_json: bool) -> None:
    """List open findings."""
    platform = open_platform(context)
    known_model(platform, model)
    rows = [
        {
            "id": f.id,
            "model": f.model,
            "version": f.version,
            "severity": f.severity,
            "summary": f.summary,
            "condition": f.condition or None,
            "owner": f.owner,
            "due": f.due.date().isoformat(),
            "overdue": f.overdue(clock.now()),
            "extensions": [
                {"due": e.due.date().isoformat(), "reason": e.reason, "person": e.person} for e in f.extensions
            ],
            "response": f.response,
            "closed_at": f.closed_at.isoformat() if f.closed_at else None,
        }
        for f in all_findings(platform.ledger.state(), model)
        if everything or f.closed_at is None
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "model", "severity", "summary", "condition", "owner", "due", "overdue"])


def all_findings(state: LedgerState, model: str | None) -> list[Finding]:
    """Findings of a model, or of all, in order of recording."""
    models = state if model is None else [state.model(model)]
    return sorted((f for one in models for f in one.findings.values()), key=lambda finding: finding.seq)


@click.group()
def validation() -> None:
    """Record and list validations: outcome, conditions, restrictions of use, and end date."""


@validation.command("record")
@click.argument("model")
@click.argument("version", type=int)
@click.option("--outcome", type=click.Choice(validations.OUTCOMES), required=True, help="The judgement.")
@click.option("--summary", required=True, help="What was examined and why this outcome; part of the signed statement.")
@click.option("--condition", "conditions", multiple=True, help="What must hold; repeat for several.")
@click.option(
    "--restriction",
    "restrictions",
    multiple=True,
    help='Rows the model may be used for, as YAML: \'{column: state, allowed: ["CA", "TX"]}\'. Repeat for several.',
)
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Last day of validity; default and latest: what the policy allows.",
)
@key_option
@click.pass_context
def validation_record(
    context: click.Context,
    model: str,
    version: int,
    outcome: validations.ValidationOutcome,
    summary: str,
    conditions: tuple[str, ...],
    restrictions: tuple[str, ...],
    until: datetime | None,
    key_file: Path,
) -> None:
    """Record the validation of VERSION of MODEL."""
    platform = open_platform(context)
    record = validations.record_validation(
        platform.ledger,
        SigningKey.load(key_file),
        platform.policy(model),
        model,
        version,
        outcome,
        summary,
        valid_until=until.replace(tzinfo=UTC) if until else None,
        conditions=conditions,
        restrictions=[yaml.safe_load(text) for text in restrictions],
    )
    text = f"{outcome.replace('_', ' ')}, valid until {record.event.valid_until:%Y-%m-%d}"
    click.echo(f"{model} version {version}: {text} (record {record.seq})")


@validation.command("list")
@click.argument("model")
@json_option
@click.pass_context
def validation_list(context: click.Context, model: str, as_json: bool) -> None:
    """List the valid validations of MODEL."""
    platform = open_platform(context)
    known_model(platform, model)
    rows = [
        {
            "record": v.seq,
            "version": v.version,
            "outcome": v.outcome,
            "summary": v.summary,
            "conditions": list(v.conditions),
            "person": v.person,
            "valid_until": v.valid_until.isoformat(),
        }
        for v in validations.validations(platform.ledger.state().model(model))
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["record", "version", "outcome", "summary", "person", "valid_until"])
