"""`mlops lineage`: export a model's lineage to other systems."""

from pathlib import Path

import click

from mlops_assets.commands.common import known_model, open_platform
from mlops_assets.errors import NOT_WELL


@click.command()
@click.argument("model")
@click.option("--version", type=int, help="Only this version; default: all versions.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["openlineage"]),
    default="openlineage",
    show_default=True,
    help="Format of the events.",
)
@click.option("--namespace", default="mlops_assets", show_default=True, help="Namespace of jobs and datasets.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="File to write; default: standard output."
)
@click.pass_context
def lineage(
    context: click.Context, model: str, version: int | None, form: str, namespace: str, output: Path | None
) -> int:
    """Export the lineage of MODEL, from source rows to verdicts, as OpenLineage events (one JSON object per line)."""
    from mlops_assets.evidence.openlineage import events, text_of

    platform = open_platform(context)
    known_model(platform, model)
    found = events(platform.ledger, model, None if version is None else str(version), namespace)
    if not found:
        what = model if version is None else f"{model} version {version}"
        click.echo(f"mlops: {what}: found no training in the ledger", err=True)
        return NOT_WELL
    text = text_of(found)
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
        click.echo(f"{output}: {len(found)} events")
    return 0
