"""`mlops check`: declarations, and declarations against their data."""

from collections.abc import Callable
from pathlib import Path

import click

from mlops_assets.commands.common import json_option, one_line, print_json, shown
from mlops_assets.discovery.settings import read_settings as read_sources
from mlops_assets.errors import NOT_WELL
from mlops_assets.governance.copies import copies
from mlops_assets.notification.channels import unusable_channels
from mlops_assets.notification.routes import read_settings
from mlops_assets.platform import Platform, hold_to_policy
from mlops_assets.policy.reading import PolicyError
from mlops_assets.project import DeclaredModel, Project
from mlops_assets.registration import unusable


@click.command()
@click.argument("model", required=False)
@click.option(
    "--data", "with_data", is_flag=True, help="Read each model's source as well, and compare it with the declaration."
)
@json_option
@click.pass_context
def check(context: click.Context, model: str | None, with_data: bool, as_json: bool) -> int:
    """Check the declarations of all models, or of MODEL, and report every mistake at once.

    With --data the command also finds a source that is missing or cannot be read, columns that are missing, an event time
    that is written in another format than declared, a positive value that never occurs, and a model file that is not imported.
    Without MODEL it also imports what the project registers, and checks who is told of what and where models are looked for. A model with the rows and the
    target of one that was retired or rejected is named as its copy. What is no mistake and may not be meant, such as rows to train
    on without an outcome, is printed as a remark.
    The exit code is 1 when it finds a mistake.
    """
    from mlops_assets.datasets.declared_data import check_data
    from mlops_assets.training.importing import imported_mistakes

    project = hold_to_policy(Project.find(Path(context.obj or Path())))
    if model is not None and model not in project.broken:
        project.declaration(model)
    copies_of = _known_copies(project)
    rows = []
    for one in project.models:
        if model is not None and one.name != model:
            continue
        mistakes, remarks = one.error.splitlines() if one.declaration is None else [], ()
        if one.declaration is not None and with_data:
            found = check_data(one, project.root)
            mistakes = [*found.mistakes, *imported_mistakes(one, project.root, project.home)]
            remarks = found.remarks
        rows.append({"model": one.name, "mistakes": mistakes, "remarks": list(remarks), "copies": copies_of(one)})
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            click.echo(shown("\n".join(row["mistakes"])) if row["mistakes"] else f"{row['model']}: no mistake found")
            for text in (*row["remarks"], *row["copies"]):
                click.echo(shown(f"{row['model']}: {text}"))
    broken = [*unusable(), *_notification_mistakes(project), *_discovery_mistakes(project)] if model is None else []
    for line in broken:
        click.echo(f"mlops: {line}", err=True)
    return NOT_WELL if broken or any(row["mistakes"] for row in rows) else 0


def _notification_mistakes(project: Project) -> list[str]:
    """What is wrong with `config/notification.yaml`, and with what its channels need."""
    try:
        settings = read_settings(project.config)
    except PolicyError as error:
        return str(error).splitlines()
    return unusable_channels(settings, project.root)


def _discovery_mistakes(project: Project) -> list[str]:
    """What is wrong with `config/discovery.yaml`."""
    try:
        read_sources(project.config)
    except PolicyError as error:
        return str(error).splitlines()
    return []


def _known_copies(project: Project) -> Callable[[DeclaredModel], list[str]]:
    """What says of which ended models a declared one is a copy, in words; nothing where the project has no ledger yet."""
    url = project.home.ledger_url
    if url.startswith("sqlite:///") and not Path(url.removeprefix("sqlite:///")).is_file():
        return lambda model: []
    try:
        state = Platform(project).ledger.state()
    except Exception as error:  # declarations are checked whatever the state of the ledger
        click.echo(f"mlops: whether a model is a copy of an ended one is not known: {one_line(error)}", err=True)
        return lambda model: []

    def texts(model: DeclaredModel) -> list[str]:
        if model.declaration is None:
            return []
        return [copy.text for copy in copies(state, model.name, model.declaration.model_dump(mode="json"))]

    return texts
