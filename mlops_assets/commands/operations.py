"""`mlops advance`, `rollback`, `suspend`, `resume`, `retire` and `retrain`: signed, recorded, effective at once."""

from datetime import datetime
from pathlib import Path

import click

from mlops_assets import clock
from mlops_assets.commands.common import key_option, open_platform, rationale_option
from mlops_assets.errors import NOT_WELL
from mlops_assets.ledger.events.champion import Intervention
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.records import Record
from mlops_assets.platform import Platform
from mlops_assets.release import interventions, segments
from mlops_assets.release.promotion import VerifyArtifact


@click.command()
@click.argument("model")
@click.option("--version", type=int, help="Version to return to; default: the former champion.")
@key_option
@rationale_option
@click.pass_context
def rollback(context: click.Context, model: str, version: int | None, key_file: Path, rationale: str) -> None:
    """Roll MODEL back to a former champion."""
    platform = open_platform(context)
    record = interventions.rollback(
        platform.ledger,
        platform.registry,
        model,
        SigningKey.load(key_file),
        rationale,
        _verify(platform),
        version=version,
    )
    _report(platform, model, record, f"rolled back to version {record.subject}")


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@key_option
@rationale_option
@click.pass_context
def advance(context: click.Context, model: str, version: int, key_file: Path, rationale: str) -> None:
    """Sign that VERSION of MODEL passed its step of the release ladder."""
    from mlops_assets.release.ladder import climb
    from mlops_assets.release.steps import sign_step

    platform = open_platform(context)
    policy = platform.policy(model)
    record = sign_step(platform.ledger, policy, model, version, SigningKey.load(key_file), rationale)
    after = climb(platform.ledger.state().model(model), policy, version)
    now = after.reason if after.waiting else "it may be promoted when nothing else is missing"
    click.echo(f"{model} version {version}: the step {record.event.step} is passed (record {record.seq}). Now: {now}.")


where_option = click.option(
    "--where",
    help="Only rows of this segment, such as \"state == 'TX'\": columns of the declaration, compared with values.",
)


@click.command()
@click.argument("model")
@where_option
@key_option
@rationale_option
@click.pass_context
def suspend(context: click.Context, model: str, where: str | None, key_file: Path, rationale: str) -> None:
    """Suspend MODEL: no version decides until it is resumed.

    With --where, nothing is decided about the rows of a segment, and the other rows go on. A row whose value is missing counts
    as one of the segment.
    """
    platform = open_platform(context)
    if where is not None:
        declaration = platform.project.declaration(model)
        key = SigningKey.load(key_file)
        record = segments.pause(platform.ledger, platform.registry, declaration, where, key, rationale)
        _report(platform, model, record, f"rows where {record.subject} are paused")
        return
    record = interventions.suspend(platform.ledger, platform.registry, model, SigningKey.load(key_file), rationale)
    _report(platform, model, record, "suspended")


@click.command()
@click.argument("model")
@where_option
@key_option
@rationale_option
@click.pass_context
def resume(context: click.Context, model: str, where: str | None, key_file: Path, rationale: str) -> None:
    """Resume the suspended MODEL: its champion decides again; with --where, about the rows of a paused segment."""
    platform = open_platform(context)
    key = SigningKey.load(key_file)
    if where is not None:
        record = segments.resume(platform.ledger, platform.registry, model, where, key, rationale)
        _report(platform, model, record, f"rows where {record.subject} are decided again")
        return
    record = interventions.resume(platform.ledger, platform.registry, model, key, rationale, _verify(platform))
    _report(platform, model, record, "resumed")


@click.command()
@click.argument("model")
@key_option
@rationale_option
@click.pass_context
def retire(context: click.Context, model: str, key_file: Path, rationale: str) -> None:
    """Retire MODEL for good. Its evidence stays."""
    platform = open_platform(context)
    record = interventions.retire(platform.ledger, platform.registry, model, SigningKey.load(key_file), rationale)
    _report(platform, model, record, "retired")


@click.command()
@click.argument("model")
@click.option(
    "--until",
    type=click.DateTime(["%Y-%m-%d"]),
    help="Use training rows before this day; default: the first window that is not judged yet.",
)
@key_option
@rationale_option
@click.pass_context
def retrain(context: click.Context, model: str, until: datetime | None, key_file: Path, rationale: str) -> int:
    """Request a retraining of MODEL. The `retraining` sensor starts it.

    Who signs the request is an author of the version that comes of it, and cannot approve that version.
    """
    from mlops_assets.datasets.windows import window_start
    from mlops_assets.ledger.events.response import RetrainingRequested
    from mlops_assets.ledger.signed_acts import sign_act
    from mlops_assets.pipeline.windows_due import trainable_until
    from mlops_assets.response import retraining

    if until is not None and until.date() > clock.today():
        raise click.BadParameter(
            f"{until:%Y-%m-%d} is in the future; expected today or an earlier day", param_hint="--until"
        )
    platform = open_platform(context)
    declaration, policy = platform.project.declaration(model), platform.policy(model)
    today = clock.today()
    end = until.date() if until else trainable_until(declaration, platform.ledger.state().model(model), today)
    window = window_start(end, declaration.monitoring.cadence)
    about = {"cause": rationale, "kind": "manual", "window": window.isoformat(), "until": end.isoformat()}
    envelope = sign_act(
        platform.ledger,
        SigningKey.load(key_file),
        RetrainingRequested.PURPOSE,
        model,
        {"declaration": declaration.digest, "policy": policy.digest},
        about,
    )
    considered = retraining.consider(
        platform.ledger,
        policy,
        model,
        cause=rationale,
        kind="manual",
        window=window,
        until=end,
        cadence=declaration.monitoring.cadence,
        envelope=envelope["envelope"],
        person=str(envelope["person"]),
    )
    if not considered.requested or considered.request is None:
        click.echo(f"mlops: {model}: {considered.reason}", err=True)
        return NOT_WELL
    click.echo(
        f"{model}: retraining {considered.request.subject} requested (record {considered.request.seq}). "
        f"The `retraining` sensor starts the job {model}__training, on rows before {considered.request.event.until}. "
        f"{envelope['person']} is an author of the version that comes of it, and cannot approve it."
    )
    return 0


def _report(platform: Platform, model: str, record: Record[Intervention], done: str) -> None:
    """Print what an intervention did, or which signatures it waits for."""
    missing = interventions.still_missing(platform.ledger.state().model(model), record)
    if missing:
        click.echo(f"{model}: signed (record {record.seq}); nothing changes until others have signed: {missing}")
    else:
        click.echo(f"{model}: {done} (record {record.seq})")


def _verify(platform: Platform) -> VerifyArtifact:
    from mlops_assets.inspection.versions import verify_artifact

    return lambda model, version: verify_artifact(platform, model, version)
