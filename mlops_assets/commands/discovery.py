"""`mlops discover`: find models that no declaration governs."""

from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import json_option, print_json, print_table
from mlops_assets.errors import NOT_WELL
from mlops_assets.project import Project, ProjectError


@click.command()
@click.argument("source")
@click.option(
    "--scaffold",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a starter declaration for each model to FOLDER/<name>/defs.yaml; existing files are kept.",
)
@json_option
@click.pass_context
def discover(context: click.Context, source: str, folder: Path | None, as_json: bool) -> int:
    """List models in SOURCE that no declaration governs.

    SOURCE is a folder or the address of an MLflow registry. In a folder, the command recognises pickle, joblib, skops
    and ONNX files, MLflow models, and notebooks that train or predict. It never unpickles or runs anything. The exit
    code is 1 when it finds a model.
    """
    from mlops_assets.discovery.search import discover as look

    project = _project(context)
    looked = look(
        source,
        governed=[m.name for m in project.models] if project else (),
        own_registry=project.home.tracking_uri if project else "",
        leave_out=[project.home.root] if project else (),
    )
    rows: list[dict[str, Any]] = [found.to_dict() for found in looked.found]
    if folder is not None:
        for row, found in zip(rows, looked.found, strict=True):
            row["starter"] = str(_scaffold(folder, found, project.root if project else None))
    if as_json:
        print_json(rows)
    elif rows:
        shown = [{**row, "modified": (row["modified"] or "")[:10], "size": _size(row["size"])} for row in rows]
        columns = ["name", "kind", "where", "modified", "size", "confidence", "why"]
        print_table(shown, columns if folder is None else [*columns, "starter"])
    else:
        click.echo(f"{source}: every model found is governed")
    for reason in looked.unreadable:
        click.echo(f"mlops: not read: {reason}", err=True)
    if looked.governed and not as_json:
        click.echo(f"\nGoverned already, not listed: {', '.join(looked.governed)}")
    return NOT_WELL if rows else 0


def _project(context: click.Context) -> Project | None:
    """The surrounding project, if there is one; the search works without."""
    try:
        return Project.find(Path(context.obj or Path()))
    except ProjectError:
        return None


def _scaffold(folder: Path, found: Any, root: Path | None) -> Path:
    from mlops_assets.discovery.starter import starter

    path = folder / found.name / "defs.yaml"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        origin = f"Found at {found.where}: {found.signs.why}."
        artifact = _importable(found.where, root)
        signs = found.signs
        text = starter(found.name, origin=origin, task=signs.task, inputs=signs.inputs, artifact=artifact)
        path.write_text(text, encoding="utf-8")
    return path


def _importable(where: str, root: Path | None) -> str:
    """The file of a found model that can be imported, from the project's root if it is below it; empty for any other finding."""
    from mlops_assets.declaration.imported import SUFFIXES

    path = Path(where)
    if path.suffix.lower() not in SUFFIXES or not path.is_file():
        return ""
    found = path.resolve()
    return str(found.relative_to(root) if root is not None and found.is_relative_to(root) else found)


def _size(size: int | None) -> str | None:
    if size is None:
        return None
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size = round(size / 1000)
    return f"{size:,} GB"
