"""`mlops erase` and `mlops retention`: rows that leave the lake, with a signed record of what and why."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import json_option, known_model, open_platform, print_json, print_table
from mlops_assets.errors import NOT_WELL
from mlops_assets.ledger.keys import SigningKey

COLUMNS = ["model", "table", "part", "rows", "of"]
KEY_HELP = "PEM file of your private key; with --enforce."


@click.command()
@click.argument("subject")
@click.option("--model", help="Only in the tables of this model; default: every model.")
@click.option("--column", help="Column that holds SUBJECT; default: the declared identifier of each model.")
@click.option("--enforce", is_flag=True, help="Remove the rows; without it, only print what would be removed.")
@click.option("--reason", default="", help="Reason, without the person's name; part of the signed record.")
@click.option("--basis", default="", help="Legal basis, such as 'GDPR Article 17(1)(a)'; part of the signed record.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help=KEY_HELP)
@json_option
@click.pass_context
def erase(
    context: click.Context,
    subject: str,
    model: str | None,
    column: str | None,
    enforce: bool,
    reason: str,
    basis: str,
    key_file: Path | None,
    as_json: bool,
) -> int:
    """Remove the rows of SUBJECT, an identifier, from every table of the lake.

    Without --enforce nothing is changed. Remove the person from the source first: what the source still holds comes back with the
    next training or window.
    """
    from mlops_assets.privacy.erasure import erase as take_out
    from mlops_assets.privacy.erasure import new_id, rows_of

    if enforce and (key_file is None or not reason.strip() or not basis.strip()):
        raise click.UsageError("--enforce needs --key, --reason and --basis")
    if subject.strip() and subject.strip() in f"{reason} {basis}".split():
        raise click.UsageError("--reason and --basis stay on record for ever: leave SUBJECT out of them")
    platform = open_platform(context)
    known = known_model(platform, model)
    models = [known] if known else sorted(platform.ledger.state().models)
    found = {name: rows_of(platform, name, subject, column) for name in models}
    found = {name: theirs for name, theirs in found.items() if theirs}
    rows = [
        {
            "model": name,
            "table": one.part.table,
            "part": one.part.words,
            "rows": one.removed.removed,
            "of": one.removed.rows,
        }
        for name, theirs in found.items()
        for one in theirs
    ]
    erased: list[dict[str, Any]] = []
    if enforce and found:
        assert key_file is not None
        key, name_of_it = SigningKey.load(key_file), new_id()
        for name, theirs in found.items():
            done = take_out(platform, name, theirs, key, reason, basis, name_of_it)
            erased.append({"model": name, "record": done.record.seq, "files deleted": done.files, "id": name_of_it})
    if as_json:
        print_json({"found": rows, "erased": erased})
    else:
        if rows:
            print_table(rows, COLUMNS, "Erased" if erased else "Would be erased (nothing was changed)")
        else:
            click.echo("no table of the lake has rows of this subject")
        for one in erased:
            click.echo(f"{one['model']}: record {one['record']} ({one['id']}), {one['files deleted']} files deleted")
        if rows:
            click.echo(
                "Not removed here: the source, backups, packets that were handed out, and what a model has learned from the "
                "rows (mlops retrain)."
            )
    return 0 if found else NOT_WELL


@click.command()
@click.option("--model", help="Only of this model; default: every model.")
@click.option("--dry-run", is_flag=True, help="Print what is past its date, and remove nothing. This is the default.")
@click.option("--enforce", is_flag=True, help="Remove what is past its date.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="Show what will be past its date on this day.")
@click.option("--key", "key_file", type=click.Path(path_type=Path), help=KEY_HELP)
@json_option
@click.pass_context
def retention(
    context: click.Context,
    model: str | None,
    dry_run: bool,
    enforce: bool,
    at: datetime | None,
    key_file: Path | None,
    as_json: bool,
) -> None:
    """Remove the data of versions that ended longer ago than the policy's `retention_days`."""
    from mlops_assets.privacy.retention import due
    from mlops_assets.privacy.retention import enforce as remove

    if enforce and (dry_run or at is not None or key_file is None):
        raise click.UsageError("--enforce needs --key, and goes with neither --dry-run nor --at")
    platform = open_platform(context)
    known = known_model(platform, model)
    when = at.replace(tzinfo=UTC) if at is not None else platform.ledger.clock()
    state = platform.ledger.state()
    models = [known] if known else [m.name for m in state if m.policy is not None]
    found = {name: due(platform, name, when) for name in models}
    rows = [{"model": name, **one.to_dict()} for name, parts in found.items() for one in parts]
    removed: list[dict[str, Any]] = []
    if enforce:
        assert key_file is not None
        key = SigningKey.load(key_file)
        for name, parts in found.items():
            if parts:
                done = remove(platform, name, parts, key)
                removed.append({"model": name, "record": done.record.seq, "files deleted": done.files})
    if as_json:
        print_json({"due": rows, "removed": removed})
        return
    if not rows:
        click.echo("nothing is past its date")
        return
    title = "Removed" if removed else "Past its date (nothing was changed)"
    print_table(rows, ["model", "table", "part", "rows", "since", "why"], title)
    for one in removed:
        click.echo(f"{one['model']}: record {one['record']}, {one['files deleted']} files deleted")
