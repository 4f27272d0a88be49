"""`mlops people` and `mlops keys`: who may sign what."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import click

from mlops_assets.commands.common import cell, json_option, open_platform, print_json, print_table
from mlops_assets.ledger.enrolment import enrol, revoke
from mlops_assets.ledger.keys import PublicKey, SigningKey, key_path, new_key, public_path


@click.group()
def keys() -> None:
    """Make keys."""


@keys.command("new")
@click.argument("name")
@click.pass_context
def keys_new(context: click.Context, name: str) -> None:
    """Make a P-256 key pair under the project's keys; the private half is readable by you alone."""
    folder = open_platform(context).home.keys
    key = new_key(name, folder)
    path = key_path(name, folder)
    click.echo(f"private key {path}\npublic key  {public_path(path)}\nkey id      {key.public.key_id}")


@click.group()
def people() -> None:
    """Who is enrolled, in which roles, for which models."""


@people.command("list")
@json_option
@click.pass_context
def people_list(context: click.Context, as_json: bool) -> None:
    """List everybody who was ever enrolled."""
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
        click.echo(f"record {seq} counts for nothing: {why}", err=True)


@people.command("enrol")
@click.argument("name")
@click.option("--public-key", "public_key", required=True, type=click.Path(path_type=Path, exists=True))
@click.option("--role", "roles", multiple=True, required=True, help="May be given several times.")
@click.option("--model", "models", multiple=True, default=("*",), show_default=True)
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
    """Enrol a person, or give one another key, other roles or other models."""
    record = enrol(
        open_platform(context).ledger,
        SigningKey.load(key_file),
        name,
        PublicKey.from_pem(public_key.read_text()),
        roles,
        models=models,
        valid_until=until.replace(tzinfo=UTC) + timedelta(days=1) if until else None,
    )
    click.echo(f"{name} is enrolled as {cell(list(roles))} (record {record.seq})")


@people.command("revoke")
@click.argument("name")
@click.option("--reason", required=True)
@click.option("--compromised-since", type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]))
@click.option("--key", "key_file", required=True, type=click.Path(path_type=Path), help="PEM file of a root key.")
@click.pass_context
def people_revoke(
    context: click.Context, name: str, reason: str, compromised_since: datetime | None, key_file: Path
) -> None:
    """Revoke a person's key: what it signed before stands, unless the key was in wrong hands by then."""
    since = compromised_since.replace(tzinfo=UTC) if compromised_since else None
    record = revoke(open_platform(context).ledger, SigningKey.load(key_file), name, reason, compromised_since=since)
    click.echo(f"the key of {name} is revoked (record {record.seq})")
