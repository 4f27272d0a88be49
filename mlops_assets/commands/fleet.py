"""`mlops status`, `mlops inventory` and `mlops asof`: the fleet now, and at an earlier time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from mlops_assets import clock
from mlops_assets.commands.common import (
    json_option,
    known_model,
    ledger_holds,
    open_platform,
    print_json,
    print_table,
    shown,
)
from mlops_assets.errors import NOT_WELL, WRONG_CALL
from mlops_assets.evidence.as_of import as_of, as_of_text
from mlops_assets.evidence.attention import fleet_attention
from mlops_assets.evidence.coverage import NO_DATA
from mlops_assets.evidence.inventory import TRIAL
from mlops_assets.evidence.inventory import status as status_rows
from mlops_assets.fleet_files import fleet_rows, inventory_dict, known_coverage

COLUMNS = (
    *("model", "state", "severity", "kind", "window", "champion", "tier", "owner"),
    *("incidents", "findings", "exceptions", "missing"),
)
INVENTORY = (
    "model",
    "state",
    "tier",
    "owner",
    "vendor",
    "technique",
    "champion",
    "champion_since",
    "valid_until",
    "purpose",
)
COUNTED = {
    "incidents": "open_incidents",
    "findings": "open_findings",
    "exceptions": "exceptions",
    "missing": "evidence_missing",
}
"""Column of the table to the list that it counts."""
DAY, TIMES = "%Y-%m-%d", ("%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")


@click.command()
@click.argument("model", required=False)
@json_option
@click.pass_context
def status(context: click.Context, model: str | None, as_json: bool) -> int:
    """Show the state of the fleet or of MODEL, and what needs attention.

    The state is development, in use, suspended, retired or broken. `missing` counts missing evidence. The exit code is 1
    when a model is broken or the ledger cannot be relied on.
    """
    platform = open_platform(context)
    rows = status_rows(fleet_rows(platform))
    if model is not None:
        rows = [row for row in rows if row["model"] == model]
        if not rows:
            known = ", ".join(m.name for m in platform.project.models) or "none"
            click.echo(f"mlops: {model}: no such model; declared are: {known}", err=True)
            return WRONG_CALL
    if as_json:
        print_json(rows if model is None else rows[0])
    else:
        found, now = known_coverage(platform), platform.ledger.clock()
        fleet = fleet_attention(platform.ledger.state(), found, now) if model is None else []
        print_status(rows, [item.to_dict() for item in fleet], every=model is not None)
    intact = ledger_holds(platform)
    return NOT_WELL if not intact or any(row["error"] for row in rows) else 0


def print_status(
    rows: Sequence[Mapping[str, Any]], fleet: Sequence[Mapping[str, Any]] = (), every: bool = False
) -> None:
    """Print the table of states and the list of what needs attention.

    Args:
        rows: as `mlops status --json` prints them.
        fleet: items about no single model.
        every: whether open items without an urgent date are listed, too.
    """
    print_states(rows)
    own = [item for row in rows for item in row["needs_attention"] if item["kind"] != "declaration"]
    # An incident of the fleet is one item here, and an item of each model that it names where one model is looked at.
    said = {item["incident"] for item in fleet if item.get("incident")}
    items = [*fleet, *(item for item in own if item.get("incident") not in said)]
    listed = [item for item in items if every or item["urgency"] != "open"]
    for row in rows if every else ():
        _print_ladder(row)
    click.echo("\nNeeds attention" if listed else "\nNothing needs attention.")
    for item in sorted(listed, key=lambda item: (item["urgency"] != "now", item["model"])):
        due = f" (due {item['due']})" if item["due"] else ""
        click.echo(shown(f"  {item['model']}: {item['title']}{due}. {item['detail']}"))
        who = f"    # {item['who']}" if item["who"] else ""
        if item["command"]:
            click.echo(shown(f"    {item['command']}{who}"))


def _print_ladder(row: Mapping[str, Any]) -> None:
    """Print where the newest version stands on the ladder, and what was tested of it."""
    (*_, newest) = (None, *row["version_status"])
    if newest is None or not newest["tests"] or newest["status"] in ("champion", "former champion"):
        return
    click.echo(shown(f"\nVersion {newest['version']} is {newest['status']}. {newest['reason']}"))
    for test in newest["tests"]:
        head = f"Window {test['window']} beside version {test['champion']}: {test['outcome']} (record {test['record']})"
        click.echo(shown(f"  {head}"))
        for check in test["checks"]:
            click.echo(shown(f"    {check['name']}: {check['outcome']}, {check['reason']}"))


def print_states(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the table of states, and why a model is broken."""
    print_table([_counted(row) for row in rows], COLUMNS)
    for row in rows:
        if row["error"]:
            click.echo(f"\n{row['model']} is broken: {shown(row['error'])}")


def _counted(row: Mapping[str, Any]) -> dict[str, Any]:
    counts = {column: len(row[field]) for column, field in COUNTED.items()}
    unjudged = len(row["unjudged_windows"])
    window = row["window"]
    if unjudged:
        window = f"{window or 'none'} ({unjudged} not judged)"
    # Without a judged window there is no severity to show; the JSON says `not_measurable`.
    severity = row["severity"] if row["window"] else None
    state = "broken" if row["error"] else row["lifecycle"]
    return {**row, **counts, "window": window, "severity": severity, "state": state}


class Moment(click.ParamType):
    """A day, which means its end, or a time of day in UTC."""

    name = "DATE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment as a UTC time; of a day that has not ended, now."""
        if isinstance(value, datetime):
            return value
        now = clock.now()
        expected = "expected a day such as 2026-06-30 or a UTC time such as 2026-06-30T14:05"
        start, whole_day = _read_moment(str(value).removesuffix("Z"))
        if start is None:
            raise click.BadParameter(f"found {value!r}, {expected}", ctx, param)
        if start > now:
            raise click.BadParameter(f"{value} is in the future; expected now or an earlier time", ctx, param)
        return min(start + timedelta(days=1) - timedelta(microseconds=1) if whole_day else start, now)


def _read_moment(text: str) -> tuple[datetime | None, bool]:
    """The start of the day, or the time, that a text names, and whether it is a day; None where it is neither."""
    for pattern in (DAY, *TIMES):
        try:
            return datetime.strptime(text, pattern).replace(tzinfo=UTC), pattern == DAY
        except ValueError:
            continue
    return None, False


@click.command()
@click.option("--at", type=Moment(), metavar="DATE", help="Earlier day (its end) or UTC time; default: now.")
@json_option
@click.pass_context
def inventory(context: click.Context, at: datetime | None, as_json: bool) -> int:
    """Show every model, who owns and supplies it, and how many of the models that are known to exist are governed.

    Known are the models that `mlops discover` has found. Declarations are those of today. The exit code is 1 when a model is
    broken or the ledger cannot be relied on.
    """
    platform = open_platform(context)
    rows, found = [r for r in fleet_rows(platform, at) if r["lifecycle"] != TRIAL], known_coverage(platform, at)
    if as_json:
        print_json(inventory_dict(rows, found))
    else:
        print_table([{**row, "state": "broken" if row["error"] else row["lifecycle"]} for row in rows], INVENTORY)
        click.echo(f"\n{found.text if found else NO_DATA}")
        if found:
            click.echo(shown(f"Searched: {found.searched}"))
    intact = ledger_holds(platform)
    return NOT_WELL if not intact or any(row["error"] for row in rows) else 0


@click.command()
@click.argument("at", type=Moment(), metavar="DATE")
@click.argument("model", required=False)
@json_option
@click.pass_context
def asof(context: click.Context, at: datetime, model: str | None, as_json: bool) -> int:
    """Show the fleet or MODEL at an earlier time: champion, evidence, approvers, policy and open incidents.

    DATE is a day (its end; for today: now) or a UTC time such as 2026-06-30T14:05.
    """
    platform = open_platform(context)
    rows = as_of(platform.ledger, at, known_model(platform, model))
    if as_json:
        print_json([row.to_dict() for row in rows])
    else:
        click.echo(shown(as_of_text(rows, at)))
    return 0 if ledger_holds(platform) and rows else NOT_WELL
