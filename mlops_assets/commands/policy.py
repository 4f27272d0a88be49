"""`mlops policy`: what is asked of a model, and what another policy would have decided."""

from dataclasses import asdict
from pathlib import Path

import click

from mlops_assets.commands.common import json_option, open_platform, print_json, print_table
from mlops_assets.gates.replay import diff
from mlops_assets.governance.policy import load_policies


@click.group()
def policy() -> None:
    """Policies of the risk tiers."""


@policy.command("show")
@click.argument("model")
@click.pass_context
def policy_show(context: click.Context, model: str) -> None:
    """The policy in force for MODEL, with its digest, as JSON."""
    found = open_platform(context).policy(model)
    print_json({"digest": found.digest, **found.model_dump(mode="json")})


@policy.command("diff")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
@click.pass_context
def policy_diff(context: click.Context, folder: Path, as_json: bool) -> int:
    """Replay every recorded decision under the policies in FOLDER; lists what would have been decided otherwise."""
    platform = open_platform(context)
    changes = diff(platform.ledger, platform.policies, load_policies(folder), platform.project.declarations)
    rows = [{**asdict(change), "effect": change.effect} for change in changes]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ["model", "version", "gate", "before", "after", "effect", "reason"])
    else:
        click.echo("no decision would have been different")
    return 0
