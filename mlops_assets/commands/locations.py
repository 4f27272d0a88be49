"""`mlops locations`: the code locations of a large project."""

from pathlib import Path

import click

from mlops_assets.commands.common import json_option, print_json, print_table


@click.command()
@json_option
@click.pass_context
def locations(context: click.Context, as_json: bool) -> None:
    """Write workspace.yaml with one code location for each folder of models (models/<folder>/<model>/defs.yaml).

    Models directly in models/, the assets over the fleet and whatever else is in defs/ are in a location of their own. Entries
    of other projects, settings and comments in the file stay. Without such folders, everything is in one location.
    """
    from mlops_assets.project import Project
    from mlops_assets.workspace import FILE, written

    project = Project.find(Path(context.obj or Path()))
    found, text = written(project)
    path = project.root / FILE
    same = path.is_file() and path.read_text(encoding="utf-8") == text
    if not same:
        path.write_text(text, encoding="utf-8")
    rows = [{"location": x.name, "attribute": x.attribute or None, "models": x.models} for x in found]
    if as_json:
        print_json(rows)
        return
    print_table(rows, ("location", "attribute", "models"))
    click.echo(f"{path}: {'unchanged' if same else 'written'}")
