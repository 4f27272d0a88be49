"""`mlops approve`: sign the approval or rejection of a version."""

from pathlib import Path

import click

from mlops_assets.commands.common import key_option, open_platform, rationale_option
from mlops_assets.governance.approvals import approval_state, sign_approval
from mlops_assets.ledger.keys import SigningKey


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@key_option
@rationale_option
@click.option("--reject", is_flag=True, help="Sign a rejection instead of an approval.")
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@click.pass_context
def approve(
    context: click.Context, model: str, version: int, key_file: Path, rationale: str, reject: bool, role: str | None
) -> None:
    """Approve or reject VERSION of MODEL.

    The signature is over the digests of artifact, data, declaration, policy, card and gate decisions. When one of them
    changes, it has to be given again.
    """
    platform = open_platform(context)
    policy = platform.policy(model)
    decision = "reject" if reject else "approve"
    record = sign_approval(
        platform.ledger, SigningKey.load(key_file), model, version, rationale, decision, role=role, policy=policy
    )
    now = approval_state(platform.ledger.state(), policy, model, version, platform.ledger.clock())
    verb = "rejected" if record.event.decision == "reject" else "approved"
    click.echo(
        f"{record.event.person} ({record.event.role}) {verb} {model} version {version} (record {record.seq}). "
        f"The version is {now.status}."
    )
    if now.status == "pending":
        click.echo(f"Still missing:\n{now.command}")
