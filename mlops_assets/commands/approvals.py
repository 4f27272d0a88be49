"""`mlops approve`: signs a decision on a version."""

from pathlib import Path

import click

from mlops_assets.commands.common import key_option, open_platform, rationale_option
from mlops_assets.governance.approvals import sign_approval, state
from mlops_assets.ledger.keys import SigningKey


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@key_option
@rationale_option
@click.option("--reject", is_flag=True, help="Sign a rejection.")
@click.option("--role", help="Role in which you sign, where you hold several.")
@click.pass_context
def approve(
    context: click.Context, model: str, version: int, key_file: Path, rationale: str, reject: bool, role: str | None
) -> None:
    """Sign a decision on VERSION of MODEL, over the digests of artifact, data, policy, card and gate decisions."""
    platform = open_platform(context)
    policy = platform.policy(model)
    decision = "reject" if reject else "approve"
    record = sign_approval(
        platform.ledger, SigningKey.load(key_file), model, version, rationale, decision, role=role, policy=policy
    )
    standing = state(platform.ledger, policy, model, version)
    click.echo(
        f"{record.body['person']} as {record.body['role']}: {record.body['decision']} of {model} version {version} "
        f"(record {record.seq}); the version is {standing.status}"
    )
    if standing.status == "pending":
        click.echo(f"still missing:\n{standing.command}")
