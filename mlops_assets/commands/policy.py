"""`mlops policy`: show, adopt and compare policies."""

from dataclasses import asdict
from pathlib import Path

import click
import yaml

from mlops_assets.commands.common import (
    json_option,
    key_option,
    open_platform,
    print_json,
    print_table,
    rationale_option,
)
from mlops_assets.errors import NOT_WELL
from mlops_assets.governance.adoption import adopt, adoption
from mlops_assets.governance.policy_replay import diff
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.policy.policy import load_policies


@click.group()
def policy() -> None:
    """Show, adopt and compare policies."""


@policy.command("show")
@click.argument("model")
@json_option
@click.pass_context
def policy_show(context: click.Context, model: str, as_json: bool) -> None:
    """Show the policy of MODEL, with its digest and the date since which it is in force."""
    platform = open_platform(context)
    found = platform.policy(model)
    adopted = adoption(platform.ledger.state().model(model), found)
    since = adopted.record.recorded_at.isoformat() if adopted.record else None
    if as_json:
        print_json({"digest": found.digest, "in_force_since": since, **found.model_dump(mode="json")})
        return
    waiting = f"waits for a signature as {' or '.join(adopted.roles)}"
    state = f"in force since {since}" if since else waiting if adopted.waiting else "in force from the next run on"
    click.echo(f"digest {found.digest}\n{state}")
    click.echo(yaml.safe_dump(found.model_dump(mode="json"), sort_keys=False).rstrip())


@policy.command("adopt")
@click.argument("model")
@key_option
@rationale_option
@click.pass_context
def policy_adopt(context: click.Context, model: str, key_file: Path, rationale: str) -> None:
    """Sign the policy declared for MODEL, so that it comes into force."""
    platform = open_platform(context)
    found = platform.policy(model)
    developers = platform.project.declaration(model).developers
    key = SigningKey.load(key_file)
    record = adopt(platform.ledger, model, found, key=key, rationale=rationale, developers=developers)
    number = record.seq if record else "–"
    click.echo(f"{model}: policy {found.digest[:12]} in force (record {number})")


@policy.command("diff")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@json_option
@click.pass_context
def policy_diff(context: click.Context, folder: Path, as_json: bool) -> int:
    """Replay recorded gate decisions and verdicts under the policies in FOLDER, and list those that would differ.

    Nothing is measured again. A record whose evidence is not enough for a replay is listed as `cannot_replay`, with the
    reason. The exit code is 1 when a version would be blocked or a verdict would be graver.
    """
    from mlops_assets.inspection.verdict_replay import verdict_changes

    platform = open_platform(context)
    proposed, declarations = load_policies(folder), platform.project.declarations
    decisions = diff(platform.ledger, platform.policies, proposed, declarations)
    verdicts = verdict_changes(platform.ledger, platform.home, platform.policies, proposed, declarations)
    rows = [{**asdict(change), "effect": change.effect} for change in decisions]
    windows = [asdict(change) for change in verdicts]
    worse = any(row["effect"] in ("blocks", "raises") for row in (*rows, *windows))
    if as_json:
        print_json([*rows, *windows])
        return NOT_WELL if worse else 0
    if rows:
        print_table(rows, ["model", "version", "gate", "before", "after", "effect", "reason"])
    if windows:
        click.echo("" if rows else "No gate decision would differ.")
        print_table(windows, ["model", "window", "before", "after", "effect", "reason"])
    if not rows and not windows:
        click.echo("No gate decision and no verdict would differ.")
    return NOT_WELL if worse else 0
