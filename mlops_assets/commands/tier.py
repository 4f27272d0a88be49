"""`mlops tier`: signed assessments of the risk tier of a model."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import json_option, key_option, open_platform, print_json, print_table
from mlops_assets.errors import NOT_WELL
from mlops_assets.governance.adoption import adopt, adoption
from mlops_assets.governance.tiers import TierStanding, assess, tier_standing
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.platform import Platform
from mlops_assets.policy.tiering import read_answers, starter


@click.group()
def tier() -> None:
    """Assess the risk tier of a model by the bank's questions, signed by somebody who did not build it."""


@tier.command("questions")
@click.argument("model")
@click.pass_context
def tier_questions(context: click.Context, model: str) -> None:
    """Print the questions about MODEL as a file to fill in: `mlops tier questions MODEL > answers.yaml`."""
    platform = open_platform(context)
    click.echo(starter(model, platform.project.declaration(model).purpose, platform.tiering), nl=False)


@tier.command("assess")
@click.argument("model")
@click.option(
    "--answers",
    "answers_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File from `mlops tier questions`, filled in.",
)
@click.option(
    "--until", type=click.DateTime(["%Y-%m-%d"]), help="Last day on which it counts; default: as policy says."
)
@click.option(
    "--policy/--no-policy", "with_policy", default=True, help="Sign a policy that waits for a signature, too."
)
@key_option
@click.pass_context
def tier_assess(
    context: click.Context, model: str, answers_file: Path, until: datetime | None, with_policy: bool, key_file: Path
) -> int:
    """Sign the assessment of MODEL's tier that follows from the answers.

    The tier says which policy applies. Where that policy waits for a signature that you may give, you sign it as well, unless
    the declared tier is lower than the assessed one. The exit code is 1 when it is lower.
    """
    platform, key = open_platform(context), SigningKey.load(key_file)
    declaration, policy = platform.project.declaration(model), platform.policy(model)
    expires = until.replace(tzinfo=UTC) + timedelta(days=1) if until else None
    answers = read_answers(answers_file, model, platform.tiering)
    record = assess(platform.ledger, key, policy, platform.tiering, declaration, answers, expires=expires)
    event = record.event
    click.echo(
        f"{event.person} ({event.role}) assessed {model} as tier {event.tier}, until {event.expires:%Y-%m-%d} "
        f"(record {record.seq})"
    )
    standing = _standing(platform, model)
    if standing.objection:
        click.echo(f"{model} cannot be promoted: {standing.objection}")
        return NOT_WELL
    if with_policy and (signed := _sign_policy(platform.ledger, platform, model, key, event.role)):
        click.echo(signed)
    return 0


def _sign_policy(ledger: Ledger, platform: Platform, model: str, key: SigningKey, role: str) -> str:
    """Take the model's policy into force with the assessor's key, where it waits for that; what was done, in words."""
    policy = platform.policy(model)
    waiting = adoption(ledger.state().model(model), policy)
    if not waiting.waiting:
        return ""
    if role not in waiting.roles:
        roles = " or ".join(waiting.roles)
        return f'its policy waits for a signature as {roles}: mlops policy adopt {model} --key PEM --rationale "…"'
    rationale = f"The policy of tier {policy.tier}, which the model was assessed for."
    developers = platform.project.declaration(model).developers
    record = adopt(ledger, model, policy, key=key, rationale=rationale, developers=developers)
    number = record.seq if record is not None else "–"
    return f"with the same key: policy {policy.digest[:12]} of tier {policy.tier} in force (record {number})"


@tier.command("show")
@click.argument("model", required=False)
@json_option
@click.pass_context
def tier_show(context: click.Context, model: str | None, as_json: bool) -> int:
    """Show declared and assessed tier, answers and expiry of MODEL, or a line for each model.

    The exit code is 1 when a declared tier is lower than the model must have.
    """
    platform = open_platform(context)
    found = [_standing(platform, name) for name in ([model] if model else platform.project.declarations)]
    rows = [{"model": one.model, **one.to_dict()} for one in found]
    wrong = NOT_WELL if any(one.too_low for one in found) else 0
    if as_json:
        print_json(rows[0] if model else rows)
    elif model:
        _print_one(found[0], rows[0], platform)
    else:
        print_table(rows, ["model", "declared", "assessed", "required", "expires", "person", "problem"])
    return wrong


def _print_one(standing: TierStanding, row: dict[str, Any], platform: Platform) -> None:
    click.echo(f"declared tier {standing.declared}; the model must have at least tier {standing.required}")
    if standing.assessment is not None:
        click.echo(
            f"assessed as tier {row['assessed']} by {row['person']} ({row['role']}, record {row['record']}), "
            f"until {row['expires'][:10]}"
        )
        print_table(row["answers"], ["question", "answer", "meaning", "why"])
        if standing.assessment.event.rules_digest != platform.tiering.digest:
            click.echo("The bank's questions or rules have changed since; the assessment counts until it expires.")
    if standing.problem:
        click.echo(standing.problem[:1].upper() + standing.problem[1:] + ".")
    if standing.objection:
        click.echo(f"It cannot be promoted: {standing.objection}.")


def _standing(platform: Platform, model: str) -> TierStanding:
    content = platform.project.declaration(model).model_dump(mode="json")
    ledger = platform.ledger
    return tier_standing(ledger.state().model(model), platform.policy(model), content, ledger.clock())
