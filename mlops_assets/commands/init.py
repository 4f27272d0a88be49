"""`mlops init`: start a project."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="Name of the Python package; default: the name of the folder.")
def init(folder: Path, name: str | None) -> None:
    """Start a project in FOLDER, with policies, requirement profiles, and a folder for models."""
    from mlops_assets.new_project import NewProjectError, write_project

    package = name or folder.resolve().name.replace("-", "_")
    try:
        written = write_project(folder, package)
    except NewProjectError as error:
        raise click.ClickException(str(error)) from error
    click.echo(
        f"{len(written)} files written to {folder}. Policies: {package}/config/policy, one file for each risk tier."
    )
    click.echo(
        "Next:\n"
        f"  cd {folder}\n"
        "  dg scaffold defs mlops_assets.GovernedModel models/my_model --source data/my_table.parquet --target paid\n"
        "  dg check defs        check the declarations: every mistake with file, line and field\n"
        "  mlops demo           a trial run with keys created on this machine: train, sign, release, monitor\n"
        "  mlops dev            open Dagster, MLflow and the pages\n"
        "Before the first model of the high tier:\n"
        "  pip freeze --exclude-editable > requirements.lock    the artifact gate requires pinned packages\n"
        f"  {package}/config/policy/high.yaml, adoption.roles    roles that must sign a change of policy"
    )
