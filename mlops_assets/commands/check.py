"""`mlops check`: declarations, and declarations against their data."""

from pathlib import Path

import click

from mlops_assets.commands.common import json_option, print_json
from mlops_assets.errors import NOT_WELL
from mlops_assets.platform import hold_to_policy
from mlops_assets.project import Project
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
    that is written in another format than declared, and a positive value that never occurs. Without MODEL it also imports
    what the project registers. The exit code is 1 when it finds a mistake.
    """
    from mlops_assets.datasets.declared_data import data_mistakes

    project = hold_to_policy(Project.find(Path(context.obj or Path())))
    if model is not None and model not in project.broken:
        project.declaration(model)
    rows = []
    for one in project.models:
        if model is not None and one.name != model:
            continue
        mistakes = one.error.splitlines() if one.declaration is None else []
        if one.declaration is not None and with_data:
            mistakes = data_mistakes(one, project.root)
        rows.append({"model": one.name, "mistakes": mistakes})
    if as_json:
        print_json(rows)
    else:
        for row in rows:
            click.echo("\n".join(row["mistakes"]) if row["mistakes"] else f"{row['model']}: no mistake found")
    broken = unusable() if model is None else []
    for line in broken:
        click.echo(f"mlops: {line}", err=True)
    return NOT_WELL if broken or any(row["mistakes"] for row in rows) else 0
