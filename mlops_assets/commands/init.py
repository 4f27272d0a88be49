"""`mlops init`: the start of a project of one's own."""

from pathlib import Path

import click


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--name", help="Name of the Python package; default: the folder's.")
def init(folder: Path, name: str | None) -> None:
    """Start a project of your own in FOLDER: policy, requirement profiles, and a place for models."""
    from mlops_assets.new_project import NewProjectError, write_project

    package = name or folder.resolve().name.replace("-", "_")
    try:
        written = write_project(folder, package)
    except NewProjectError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{len(written)} files in {folder}: policy is in {package}/config/policy, one file a risk tier")
    click.echo(
        "next\n"
        f"  cd {folder}\n"
        "  dg scaffold defs mlops_assets.GovernedModel models/my_model --source data/my_table.parquet --target paid\n"
        "  dg check defs        names file, line and field of every mistake\n"
        "  mlops demo           a trial on this machine, with keys made here: train, sign, release, watch\n"
        "  mlops dev            Dagster and MLflow\n"
        "before a model of the high tier\n"
        "  pip freeze --exclude-editable > requirements.lock    its artifact gate requires pinned software\n"
        f"  {package}/config/policy/high.yaml, adoption.roles: who must sign a change of policy"
    )
