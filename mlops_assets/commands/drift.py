"""`mlops drift`: compare two tables, without a declaration."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlops_assets.commands.common import json_option, print_json, print_table, shown
from mlops_assets.errors import NOT_WELL

if TYPE_CHECKING:
    from mlops_assets.monitoring.two_tables.comparison import TableComparison
    from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

COLUMNS = ["name", "severity", "statistic", "value", "p_value", "effect", "reason"]


@click.command()
@click.argument("reference")
@click.argument("current")
@click.option("--engine", type=click.Choice(["polars", "duckdb", "spark"]), default="polars", show_default=True,
              help="What counts the rows: here, in DuckDB, or on a Spark cluster.")  # fmt: skip
@click.option("--target", help="Column of the outcome, to judge base rate, relation and performance. '' for none.")
@click.option("--score", help="Column with the predictions of a deployed model.")
@click.option("--id", "identifier", help="Identifier column; a value that repeats in CURRENT is a fault.")
@click.option(
    "--time",
    help="Column with the time of each row. Variation between periods of REFERENCE is then not reported as a change.",
)
@click.option(
    "--in-order/--any-order",
    default=None,
    help="Rows are in time order without a time column, or their order has no meaning. Default: decided from the "
    "variation between stretches of REFERENCE.",
)
@click.option("--ignore", multiple=True, help="Column to leave out; repeat for several.")
@click.option("--policy", help="Use the thresholds of a tier (high, medium, low) or of a policy file.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write an HTML page to this file.")
@json_option
@click.pass_context
def drift(
    context: click.Context,
    reference: str,
    current: str,
    engine: str,
    target: str | None,
    score: str | None,
    identifier: str | None,
    time: str | None,
    in_order: bool | None,
    ignore: tuple[str, ...],
    policy: str | None,
    page: Path | None,
    as_json: bool,
) -> int:
    """Compare two Parquet, CSV or Delta tables, and judge what changed.

    The exit code is 1 when the severity is `act` or worse, and when CURRENT is too small to be measured.
    """
    from mlops_assets.monitoring.severity import at_least
    from mlops_assets.monitoring.two_tables.comparison import compare_tables
    from mlops_assets.monitoring.two_tables.page import write_page

    found = compare_tables(
        reference,
        current,
        "pyspark" if engine == "spark" else engine,
        thresholds_of(context, policy),
        ignore=ignore,
        identifier=identifier,
        target=target,
        score=score,
        time=time,
        in_order=in_order,
    )
    if page is not None:
        write_page(found, page)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)
    severity = found.health.severity
    return NOT_WELL if at_least(severity, "act") or severity == "not_measurable" else 0


def thresholds_of(context: click.Context, policy: str | None) -> "MonitoringThresholds | None":
    """Thresholds of a policy file or of a tier of the project; None when no policy is named.

    Raises:
        PolicyError: `policy` is neither a readable policy file nor a tier.
    """
    if policy is None:
        return None
    from mlops_assets.policy.policy import PolicyError, read_policy
    from mlops_assets.project import Project

    path = Path(policy)
    if path.suffix not in (".yaml", ".yml"):
        path = Project.find(Path(context.obj or Path())).config / "policy" / f"{policy}.yaml"
    if not path.is_file():
        raise PolicyError(f"{policy}: found no file {path}, expected a policy file or the name of a tier")
    return read_policy(path).monitoring


def _print(found: "TableComparison") -> None:
    from mlops_assets.monitoring.two_tables.outcomes import metric_rows

    content = found.to_dict()
    print_table(content["columns"], COLUMNS)
    if found.outcomes is not None and found.outcomes.performance is not None:
        click.echo()
        judged = found.outcomes
        by = f"by {judged.score}" if judged.score else "by a relation learned from the reference"
        title = f"{judged.target} {by}, {judged.rows} of {judged.reference_rows} rows"
        print_table(metric_rows(judged), ["metric", "reference", "value", "low", "high"], title)
    click.echo(f"\n{found.health.severity.replace('_', ' ')}, {found.health.kind.replace('_', ' ')}")
    click.echo(shown(" ".join(found.health.reasons)))
    for cause in found.health.causes[1:]:
        click.echo(shown(f"Also {cause.kind.replace('_', ' ')} ({cause.severity}): {cause.evidence}."))
    for remark in found.remarks:
        click.echo(shown(f"Remark: {remark}."))
