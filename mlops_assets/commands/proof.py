"""`mlops proof`: the proof metrics of a trial, each from records."""

from datetime import UTC, datetime
from pathlib import Path

import click

from mlops_assets.commands.common import json_option, open_platform, print_json, print_table
from mlops_assets.errors import NOT_WELL

SHOWN = 5
"""Cases of a figure that the terminal lists; `--json` and the page have more."""


@click.command()
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%d"]),
    help="First day of the period; default: the day of the first record.",
)
@click.option(
    "--html", "page", type=click.Path(path_type=Path, dir_okay=False), help="Write the figures as a page to this file."
)
@json_option
@click.pass_context
def proof(context: click.Context, since: datetime | None, page: Path | None, as_json: bool) -> int:
    """Show what share of the inventory, lineage, windows, alerts, retrainings and cards is as it should be.

    Each figure has a definition and names the cases that do not meet it. The exit code is 1 when there is such a case.
    """
    from mlops_assets.evidence.pages.proof import render
    from mlops_assets.evidence.proof import span
    from mlops_assets.inspection.proof_inputs import proof_metrics

    platform = open_platform(context)
    begin = since.replace(tzinfo=UTC) if since else None
    if begin is not None and begin > platform.ledger.clock():
        raise click.UsageError(f"found --since {begin:%Y-%m-%d}, expected a day that is not after today")
    period, metrics = proof_metrics(platform, begin)
    if page is not None:
        page.write_text(render(metrics, period), encoding="utf-8")
    lacking = {metric.name: [case for case in metric.cases if case.met is False] for metric in metrics}
    if as_json:
        print_json({"period": period.to_dict(), "metrics": [metric.to_dict() for metric in metrics]})
    else:
        click.echo(f"From {period.since:%Y-%m-%d} to {period.now:%Y-%m-%d}")
        print_table(
            [
                {
                    "figure": metric.title,
                    "met": metric.text,
                    "median time": "" if metric.median_hours is None else span(metric.median_hours),
                }
                for metric in metrics
            ],
            ["figure", "met", "median time"],
        )
        for metric in metrics:
            if cases := lacking[metric.name]:
                click.echo(f"\n{metric.title}: not met")
                for case in cases[:SHOWN]:
                    click.echo(f"  {case.what}: {case.why or 'not met'}")
                if len(cases) > SHOWN:
                    click.echo(f"  and {len(cases) - SHOWN} more: --json has all of them")
        if page is not None:
            click.echo(f"\n{page}")
    return NOT_WELL if any(lacking.values()) else 0
