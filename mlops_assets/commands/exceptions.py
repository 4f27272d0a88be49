"""`mlops exception`: signed exceptions that expire, for gates that failed."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from mlops_assets import clock
from mlops_assets.commands.common import json_option, key_option, open_platform, print_json, print_table
from mlops_assets.governance import exceptions
from mlops_assets.ledger.events.judgements import ExceptionGranted
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.policy.policy import Policy


@click.group()
def exception() -> None:
    """Grant, withdraw and list exceptions to gates. Each is signed, has a reason, and expires."""


@exception.command("grant")
@click.argument("model")
@click.argument("gate")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until it expires.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it holds; instead of --days.")
@click.option("--reason", required=True, help="Reason; part of the signed statement.")
@click.option("--version", type=int, help="Version it is for; default: every version.")
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@key_option
@click.pass_context
def exception_grant(
    context: click.Context,
    model: str,
    gate: str,
    days: int | None,
    until: datetime | None,
    reason: str,
    version: int | None,
    role: str | None,
    key_file: Path,
) -> None:
    """Grant an exception to GATE for MODEL."""
    if (days is None) == (until is None):
        raise click.UsageError("expected either --days or --until")
    day_after = until.replace(tzinfo=UTC) + timedelta(days=1) if until else None
    expires = day_after or clock.now() + timedelta(days=days or 0)
    platform = open_platform(context)
    record = exceptions.sign_exception(
        platform.ledger,
        SigningKey.load(key_file),
        platform.policy(model),
        model,
        gate,
        reason,
        expires,
        version=version,
        role=role,
    )
    click.echo(f"{model}: exception to gate {gate} granted until {expires:%Y-%m-%d %H:%M} UTC (record {record.seq})")


@exception.command("withdraw")
@click.argument("model")
@click.argument("record", type=int)
@click.option("--reason", required=True, help="Reason; part of the signed statement.")
@key_option
@click.pass_context
def exception_withdraw(context: click.Context, model: str, record: int, reason: str, key_file: Path) -> None:
    """Withdraw the exception of ledger RECORD before it expires."""
    exceptions.withdraw_exception(open_platform(context).ledger, SigningKey.load(key_file), model, record, reason)
    click.echo(f"{model}: exception of record {record} withdrawn")


@exception.command("list")
@click.argument("model", required=False)
@json_option
@click.pass_context
def exception_list(context: click.Context, model: str | None, as_json: bool) -> None:
    """List exceptions with their status."""
    platform = open_platform(context)
    names = [model] if model else list(platform.project.declarations)
    state, now = platform.ledger.state(), platform.ledger.clock()
    rows = [row for name in names for row in exception_rows(state, platform.policy(name), name, now)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["record", "model", "gate", "status", "expires", "person", "reason"])


def exception_rows(state: LedgerState, policy: Policy, model: str, at: datetime) -> list[dict[str, Any]]:
    """Every exception of a model: those that count with their status, and those that do not with the reason."""
    rows = []
    for granted in state.model(model).exceptions:
        why = exceptions.objection(policy, granted)
        rows.append(
            {
                "record": granted.seq,
                "model": model,
                "gate": granted.gate,
                "version": granted.version,
                "status": "refused" if why else granted.status(at),
                "expires": granted.expires.isoformat(),
                "person": granted.person,
                "role": granted.role,
                "reason": granted.reason,
                "why": why,
            }
        )
    for refused in state.refused:
        if (refused.kind, refused.model) == (ExceptionGranted.KIND, model):
            rows.append(
                {
                    **dict.fromkeys(("version", "expires", "role", "reason")),
                    "record": refused.seq,
                    "model": model,
                    "gate": refused.subject,
                    "status": "refused",
                    "person": refused.person,
                    "why": refused.reason,
                }
            )
    return sorted(rows, key=lambda row: row["record"])
