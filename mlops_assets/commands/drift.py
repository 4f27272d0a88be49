"""`mlops drift`: any two tables compared, without a declaration."""

from pathlib import Path

import click

from mlops_assets.commands.common import NOT_WELL, json_option, print_json, print_table


@click.command()
@click.argument("reference")
@click.argument("current")
@click.option("--engine", type=click.Choice(["polars", "duckdb", "spark"]), default="polars", show_default=True)
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write a page, too.")
@json_option
def drift(reference: str, current: str, engine: str, page: Path | None, as_json: bool) -> int:
    """Compare any two Parquet, CSV or Delta tables; exit code 1 from `act` on."""
    from mlops_assets.monitoring.rules import at_least
    from mlops_assets.monitoring.tables import compare_tables

    found = compare_tables(reference, current, engine)
    if page is not None:
        found.html(page)
    content = found.to_dict()
    if as_json:
        print_json(content)
    else:
        print_table(content["columns"], ["name", "severity", "statistic", "value", "p_value", "effect", "reason"])
        verdict = content["verdict"]
        click.echo(f"\n{verdict['severity']}, {verdict['kind'].replace('_', ' ')}")
        click.echo(" ".join(found.health.reasons))
    return NOT_WELL if at_least(found.health.severity, "act") else 0
