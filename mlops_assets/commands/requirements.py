"""`mlops requirements`: which clauses have their evidence, and what people concluded about them."""

from pathlib import Path

import click

from mlops_assets.commands.common import (
    GroupWithDefault,
    json_option,
    key_option,
    known_model,
    open_platform,
    print_json,
    print_table,
    rationale_option,
)
from mlops_assets.errors import NOT_WELL
from mlops_assets.governance import conclusions
from mlops_assets.ledger.keys import SigningKey

SHOW = "show"


@click.group(cls=GroupWithDefault, default=SHOW)
def requirements() -> None:
    """Show by clause which evidence is present, missing or stale; `mlops requirements [PROFILE] [MODEL]` is `show`."""


@requirements.command(SHOW)
@click.argument("profile", required=False)
@click.argument("model", required=False)
@json_option
@click.pass_context
def requirements_show(context: click.Context, profile: str | None, model: str | None, as_json: bool) -> int:
    """Show the clauses of one PROFILE or all of them, for one MODEL or all.

    What only a person can judge waits for a signed conclusion. The exit code is 1 unless every clause is answered.
    """
    from mlops_assets.inspection.requirement_results import requirement_rows

    platform = open_platform(context)
    rows = requirement_rows(platform, profile, model)
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["model", "profile", "clause", "evidence", "verdict", "judgement", "lacking"])
    return 0 if all(row["answered"] for row in rows) else NOT_WELL


@requirements.command("conclude")
@click.argument("profile")
@click.argument("clause")
@click.argument("model")
@click.option(
    "--outcome",
    type=click.Choice(conclusions.OUTCOMES),
    default="answered",
    show_default=True,
    help="Whether the evidence answers the clause, or the clause is not about this model.",
)
@rationale_option
@key_option
@click.pass_context
def requirements_conclude(
    context: click.Context,
    profile: str,
    clause: str,
    model: str,
    outcome: conclusions.ConclusionOutcome,
    rationale: str,
    key_file: Path,
) -> None:
    """Sign whether the evidence that is there answers CLAUSE of PROFILE for MODEL. It counts while the evidence is the same."""
    from mlops_assets.evidence.requirements.assessment import evidence_digest
    from mlops_assets.inspection.requirement_results import clause_finding

    platform = open_platform(context)
    known_model(platform, model)
    found = clause_finding(platform, profile, clause, model)
    state = platform.ledger.state().model(model)
    if found.by == "automatic":
        raise click.UsageError(f"{profile} {clause} is answered by records alone, and nobody concludes on it")
    if state.subject_version is None:
        raise click.UsageError(f"{model} has no version yet, so there is no evidence to conclude on")
    if outcome == "answered" and (lacking := [*found.missing, *(name for name, _ in found.stale)]):
        raise click.UsageError(
            f"{profile} {clause} cannot be concluded as answered: missing or stale is {', '.join(lacking)}"
        )
    version = state.subject_version.version
    judgement = conclusions.Judgement(profile, clause, outcome, rationale, evidence_digest(found.found))
    record = conclusions.sign_conclusion(platform.ledger, SigningKey.load(key_file), model, version, judgement)
    click.echo(f"{model} version {version}, {profile} {clause}: {outcome.replace('_', ' ')} (record {record.seq})")
