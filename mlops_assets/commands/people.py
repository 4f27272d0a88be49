"""`mlops people` and `mlops keys`: who may sign, and with which key."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from mlops_assets.commands.common import cell, json_option, open_platform, print_json, print_table
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.keys import PublicKey, SigningKey, key_path, new_key, public_path


@click.group()
def keys() -> None:
    """Create key pairs."""


@keys.command("new")
@click.argument("name")
@click.pass_context
def keys_new(context: click.Context, name: str) -> None:
    """Create the P-256 key pair NAME in the project's key folder. Only you can read the private key."""
    folder = open_platform(context).home.keys
    key = new_key(name, folder)
    path = key_path(name, folder)
    click.echo(f"private key {path}\npublic key  {public_path(path)}\nkey id      {key.public.key_id}")


@click.group()
def people() -> None:
    """Enrol, revoke and list the people who may sign."""


@people.command("list")
@json_option
@click.pass_context
def people_list(context: click.Context, as_json: bool) -> None:
    """List all enrolments, with roles, models and state."""
    ledger = open_platform(context).ledger
    found, now = ledger.people(), ledger.clock()
    rows = [
        {
            "person": p.person,
            "roles": list(p.roles),
            "models": list(p.models),
            "key_id": p.key.key_id[:12],
            "valid_from": p.valid_from.isoformat(),
            "valid_until": p.valid_until.isoformat() if p.valid_until else None,
            "state": p.state(now),
        }
        for p in found.periods
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["person", "roles", "models", "state", "valid_until", "key_id"])
    for seq, why in found.refused:
        click.echo(f"record {seq} has no effect: {why}", err=True)


@people.command("enrol")
@click.argument("name")
@click.option(
    "--public-key",
    "public_key",
    required=True,
    type=click.Path(path_type=Path, exists=True),
    help="PEM file of the person's public key.",
)
@click.option("--role", "roles", multiple=True, required=True, help="Role; repeat for several.")
@click.option(
    "--model", "models", multiple=True, default=("*",), show_default=True, help="Model or pattern; repeat for several."
)
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day of validity.")
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="PEM file of the root key.")
@click.pass_context
def people_enrol(
    context: click.Context,
    name: str,
    public_key: Path,
    roles: tuple[str, ...],
    models: tuple[str, ...],
    until: datetime | None,
    key_file: Path,
) -> None:
    """Enrol the person NAME, or replace their key, roles or models."""
    record = enrol(
        open_platform(context).ledger,
        SigningKey.load(key_file),
        name,
        PublicKey.from_pem(public_key.read_text()),
        roles,
        models=models,
        valid_until=until.replace(tzinfo=UTC) + timedelta(days=1) if until else None,
    )
    click.echo(f"{name} enrolled as {cell(list(roles))} (record {record.seq})")


@people.command("revoke")
@click.argument("name")
@click.option("--reason", required=True, help="Reason; part of the signed statement.")
@click.option(
    "--compromised-since",
    type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]),
    help="Signatures from then on are void.",
)
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="PEM file of a root key.")
@click.pass_context
def people_revoke(
    context: click.Context, name: str, reason: str, compromised_since: datetime | None, key_file: Path
) -> None:
    """Revoke the key of the person NAME.

    Earlier signatures stay valid, except those made since --compromised-since.
    """
    since = compromised_since.replace(tzinfo=UTC) if compromised_since else None
    record = revoke(open_platform(context).ledger, SigningKey.load(key_file), name, reason, compromised_since=since)
    click.echo(f"key of {name} revoked (record {record.seq})")
