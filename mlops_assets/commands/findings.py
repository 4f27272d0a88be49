"""`mlops finding` and `mlops validation`: what the second line of defence finds and concludes."""

from datetime import UTC, datetime
from pathlib import Path

import click
import yaml

from mlops_assets.commands.common import json_option, key_option, known_model, open_platform, print_json, print_table
from mlops_assets.governance import findings, validations
from mlops_assets.ledger.keys import SigningKey

SEVERITIES = ("low", "medium", "high", "critical")


@click.group()
def finding() -> None:
    """A validator's findings: open ones of a severity that the policy names block promotion."""


@finding.command("record")
@click.argument("model")
@click.option("--severity", type=click.Choice(SEVERITIES), required=True)
@click.option("--summary", required=True)
@click.option("--owner", required=True, help="Who must answer.")
@click.option("--due", type=click.DateTime(["%Y-%m-%d"]), required=True)
@click.option("--version", type=int, help="Concerned; default: the model as such.")
@click.option("--condition", default="", help="What must hold while it is open.")
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
    """Sign a finding."""
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
    click.echo(f"{record.subject} is recorded (record {record.seq})")


@finding.command("respond")
@click.argument("model")
@click.argument("identity", metavar="ID")
@click.option("--response", required=True)
@key_option
@click.pass_context
def finding_respond(context: click.Context, model: str, identity: str, response: str, key_file: Path) -> None:
    """Answer a finding."""
    findings.respond(open_platform(context).ledger, SigningKey.load(key_file), model, identity, response)
    click.echo(f"{identity} is answered")


@finding.command("close")
@click.argument("model")
@click.argument("identity", metavar="ID")
@click.option("--note", required=True)
@key_option
@click.pass_context
def finding_close(context: click.Context, model: str, identity: str, note: str, key_file: Path) -> None:
    """Close a finding: a validator's decision, never an author's."""
    findings.close_finding(open_platform(context).ledger, SigningKey.load(key_file), model, identity, note)
    click.echo(f"{identity} is closed")


@finding.command("list")
@click.argument("model", required=False)
@click.option("--all", "everything", is_flag=True, help="Closed ones too.")
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
            "owner": f.owner,
            "due": f.due.date().isoformat(),
            "overdue": f.overdue(datetime.now(UTC)),
            "response": f.response,
            "closed_at": f.closed_at.isoformat() if f.closed_at else None,
        }
        for f in findings.findings(platform.ledger, model)
        if everything or f.closed_at is None
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["id", "model", "severity", "summary", "owner", "due", "overdue"])


@click.group()
def validation() -> None:
    """A validator's judgement on a version: outcome, conditions, restrictions of use, and until when it holds."""


@validation.command("record")
@click.argument("model")
@click.argument("version", type=int)
@click.option("--outcome", type=click.Choice(validations.OUTCOMES), required=True)
@click.option("--summary", required=True, help="What was examined, and why this outcome.")
@click.option("--condition", "conditions", multiple=True, help="What must hold; may be given several times.")
@click.option(
    "--restriction", "restrictions", multiple=True, help='As YAML, such as \'{column: state, allowed: ["CA", "TX"]}\'.'
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Default and latest: as long as the policy allows.")
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
    """Sign a judgement on VERSION of MODEL."""
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
    click.echo(f"{model} version {version}: {outcome} until {record.body['valid_until']} (record {record.seq})")


@validation.command("list")
@click.argument("model")
@json_option
@click.pass_context
def validation_list(context: click.Context, model: str, as_json: bool) -> None:
    """List the validations of MODEL that count."""
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
        for v in validations.validations(platform.ledger, model)
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["record", "version", "outcome", "summary", "person", "valid_until"])
