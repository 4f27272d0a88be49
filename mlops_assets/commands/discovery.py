"""`mlops discover`: find models that no declaration governs, and say what is to become of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import (
    GroupWithDefault,
    json_option,
    key_option,
    one_line,
    open_platform,
    print_json,
    print_table,
    shown,
)
from mlops_assets.errors import NOT_WELL, MlopsAssetsError
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.platform import Platform
from mlops_assets.project import ProjectError

SEARCH = "search"
COLUMNS = ("id", "standing", "name", "form", "where", "modified", "size", "confidence", "why")
LISTED = ("id", "standing", "form", "place", "said", "why")


@click.group(cls=GroupWithDefault, default=SEARCH)
def discover() -> None:
    """Find models that no declaration governs, and say what is to become of each; `mlops discover SOURCE` is `search`."""


@dataclass(frozen=True)
class _Asked:
    """What a search was asked to do beside searching.

    Attributes:
        folder: where starters are written; None: none are.
        declare: whether they are written as models of the project.
        imported: whether artifacts of registered models are to be imported.
        columns: of a CSV inventory.
        leave_out: folders that are not searched.
    """

    folder: Path | None
    declare: bool
    imported: bool
    columns: Mapping[str, str]
    leave_out: tuple[Path, ...]


@discover.command(SEARCH)
@click.argument("source", required=False)
@click.option("--declare", is_flag=True, help="Write a declaration in this project for each registered model and file.")
@click.option("--imported", is_flag=True, help="Import the artifacts of registered models; default: others run them.")
@click.option(
    "--scaffold",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write a starter declaration for each model to FOLDER/<name>/defs.yaml; existing files are kept.",
)
@click.option("--name-column", help="Column of a CSV inventory with the names of the models.")
@click.option(
    "--leave-out", multiple=True, type=click.Path(path_type=Path), help="Folder that is not searched; may be repeated."
)
@json_option
@click.pass_context
def discover_search(
    context: click.Context,
    source: str | None,
    declare: bool,
    imported: bool,
    folder: Path | None,
    name_column: str | None,
    leave_out: tuple[Path, ...],
    as_json: bool,
) -> int:
    """List models in SOURCE that no declaration governs, and keep in the ledger what is new.

    SOURCE is a folder, a file, the address of an MLflow server or database, or a CSV inventory; without it, every source in
    config/discovery.yaml is searched. In a folder, the command recognises model files (pickle, joblib, skops, ONNX, PMML,
    LightGBM, XGBoost, objects of R), MLflow models, Python, R and SAS programs and notebooks that train or predict, and
    code that calls language models. It never unpickles or runs anything, and only asks an MLflow server. Outside of a
    project nothing is kept. The exit code is 1 when a model is open or a source could not be searched.
    """
    columns = {"name": name_column} if name_column else {}
    asked = _Asked(folder, declare, imported, columns, leave_out)
    platform = _platform(context)
    if platform is None:
        return _without_project(source, asked, as_json)
    sources = [(source, columns, leave_out)] if source is not None else _declared_sources(platform)
    failed: list[str] = []
    rows: list[dict[str, Any]] = []
    for text, of_columns, skipped in sources:
        try:
            rows += _searched(context, platform, text, _Asked(folder, declare, imported, of_columns, skipped), as_json)
        except MlopsAssetsError as error:
            if source is not None:
                raise
            failed.append(one_line(error))
    for line in failed:
        click.echo(f"mlops: {line}", err=True)
    if as_json:
        print_json(rows)
    else:
        _print_coverage(platform)
    return NOT_WELL if failed or any(row["standing"] == "open" for row in rows) else 0


@discover.command("list")
@click.option("--all", "everything", is_flag=True, help="List governed models and those that are gone as well.")
@json_option
@click.pass_context
def discover_list(context: click.Context, everything: bool, as_json: bool) -> int:
    """List what searches have found and no declaration governs, from the ledger; nothing is searched.

    The exit code is 1 when a model is open.
    """
    from mlops_assets.evidence.coverage import listed, row_dict

    platform = open_platform(context)
    rows = listed(platform.ledger.state().fleet, platform.ledger.clock(), _rule(platform))
    shown_rows = [row_dict(row) for row in rows if everything or row.standing in ("open", "ignored")]
    if as_json:
        print_json(shown_rows)
    else:
        if shown_rows:
            table = [{**row, "said": _said(row)} for row in shown_rows]
            print_table(table, [name for name in LISTED if any(row[name] for row in table)])
            click.echo()
        _print_coverage(platform)
    return NOT_WELL if any(row.standing == "open" for row in rows) else 0


@discover.command("ignore")
@click.argument("identity", metavar="ID")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), required=True, help="Last day on which it is ignored.")
@click.option("--reason", required=True, help="Reason; part of the signed statement.")
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@key_option
@click.pass_context
def discover_ignore(
    context: click.Context, identity: str, until: datetime, reason: str, role: str | None, key_file: Path
) -> None:
    """Sign that what was found under ID needs no declaration until a day.

    The roles and the longest time are those of exceptions in the policy of the highest tier. It is open again after that
    day, and as soon as it is another model.
    """
    from mlops_assets.governance.discoveries import sign_ignored

    platform = open_platform(context)
    expires = until.replace(tzinfo=UTC) + timedelta(days=1)
    key = SigningKey.load(key_file)
    record = sign_ignored(platform.ledger, key, _required_rule(platform), identity, reason, expires, role=role)
    click.echo(f"{identity}: ignored until {expires:%Y-%m-%d %H:%M} UTC (record {record.seq})")


@discover.command("assign")
@click.argument("identity", metavar="ID")
@click.argument("model")
@click.option("--reason", required=True, help="Reason; part of the signed statement.")
@click.option("--role", help="Role in which you sign; needed when you hold several.")
@key_option
@click.pass_context
def discover_assign(
    context: click.Context, identity: str, model: str, reason: str, role: str | None, key_file: Path
) -> None:
    """Sign that the declared MODEL governs what was found under ID, such as the notebook it was developed in."""
    from mlops_assets.governance.discoveries import sign_assigned

    platform = open_platform(context)
    platform.project.declaration(model)
    key = SigningKey.load(key_file)
    record = sign_assigned(platform.ledger, key, _required_rule(platform), identity, model, reason, role=role)
    click.echo(f"{identity}: governed by {model} (record {record.seq})")


def _said(row: Mapping[str, Any]) -> str:
    """Which model governs it or who ignores it, and how that is known."""
    if row["standing"] == "ignored":
        return f"until {row['until'][:10]}, {row['how']}"
    return f"{row['governed_by']}: {row['how']}" if row["governed_by"] else row["how"]


def _platform(context: click.Context) -> Platform | None:
    """The surrounding project, if there is one; the search works without."""
    try:
        return open_platform(context)
    except ProjectError:
        return None


def _rule(platform: Platform) -> Any:
    from mlops_assets.governance.discoveries import rule_in

    return rule_in(platform.project.config)


def _required_rule(platform: Platform) -> Any:
    rule = _rule(platform)
    if rule is None:
        raise click.UsageError(
            f"{platform.project.config / 'policy'}: no policy of the highest tier says who may sign this"
        )
    return rule


def _declared_sources(platform: Platform) -> list[tuple[str, Mapping[str, str], tuple[Path, ...]]]:
    from mlops_assets.discovery.settings import FILE, read_settings

    settings = read_settings(platform.project.config)
    if not settings.sources:
        raise click.UsageError(f"found no SOURCE, and none is declared in {platform.project.config / FILE}")
    return [settings.asked(source, platform.project.root) for source in settings.sources]


def _searched(
    context: click.Context, platform: Platform, source: str, asked: _Asked, as_json: bool
) -> list[dict[str, Any]]:
    """Search a source of a project, keep what is new, write declarations, and print what is not governed."""
    from mlops_assets.discovery.recording import search_and_record
    from mlops_assets.evidence.coverage import listed

    kept = search_and_record(platform, source, columns=asked.columns, leave_out=asked.leave_out)
    written: dict[str, Any] = {}
    if asked.declare or asked.folder is not None:
        written = _write(platform, kept.search.found, source, asked)
    if asked.declare and any(one.new for one in written.values()):
        # What was declared just now is governed; nothing is searched twice for that.
        platform = open_platform(context)
        kept = _again(platform, kept)
    known = {row.id: row for row in listed(platform.ledger.state().fleet, platform.ledger.clock(), _rule(platform))}
    rows = []
    for found in kept.search.found:
        row = known[found.id]
        if row.standing in ("open", "ignored") or found.id in written:
            starter = {"starter": str(written[found.id].path)} if found.id in written else {}
            rows.append({**found.to_dict(), "standing": row.standing, "governed_by": row.governed_by, **starter})
    if not as_json:
        _print_found(source, rows, with_starter=bool(written))
        _print_kept(kept, written)
    for place, why in kept.search.unreadable.items():
        click.echo(f"mlops: not read: {shown(place)}: {why}", err=True)
    return rows


def _again(platform: Platform, kept: Any) -> Any:
    """Record which of the models that a search found are governed now; what it said was new stays so."""
    from dataclasses import replace

    from mlops_assets.discovery.recording import declared_of, record_search

    after = record_search(platform.ledger, declared_of(platform), kept.search)
    return replace(kept, incidents=tuple(dict.fromkeys((*kept.incidents, *after.incidents))))


def _write(platform: Platform, found: Sequence[Any], source: str, asked: _Asked) -> dict[str, Any]:
    """Write the starters that were asked for; returns them by id."""
    from mlops_assets.discovery.declaring import declarable, write_starter
    from mlops_assets.discovery.recording import declared_of

    declared = declared_of(platform)
    known = platform.ledger.state().fleet.discovered
    taken = {model.name for model in platform.project.models}
    root, written = platform.project.root, {}
    for one in found:
        if declared.governing(one, known.get(one.id)).by:
            continue
        if asked.declare and not declarable(one, root):
            continue
        folder = platform.project.defs / "models" if asked.declare else asked.folder
        assert folder is not None
        names = taken if asked.declare else ()
        made = write_starter(folder, one, source=source, root=root, taken=names, imported=asked.imported)
        taken.add(made.name)
        written[one.id] = made
    return written


def _without_project(source: str | None, asked: _Asked, as_json: bool) -> int:
    """A search outside of a project: nothing is kept, and nothing is governed."""
    from mlops_assets.discovery.declaring import write_starter
    from mlops_assets.discovery.search import discover as look

    if source is None or asked.declare:
        raise click.UsageError("found no project here; expected SOURCE without --declare, or the folder of a project")
    search = look(source, columns=asked.columns, leave_out=asked.leave_out)
    rows = []
    for found in search.found:
        row = {**found.to_dict(), "standing": "open"}
        if asked.folder is not None:
            made = write_starter(asked.folder, found, source=source, root=None, imported=asked.imported)
            row["starter"] = str(made.path)
        rows.append(row)
    if as_json:
        print_json(rows)
    else:
        _print_found(source, rows, with_starter=asked.folder is not None)
        click.echo("\nNothing was kept: there is no project here.")
    for place, why in search.unreadable.items():
        click.echo(f"mlops: not read: {shown(place)}: {why}", err=True)
    return NOT_WELL if rows else 0


def _print_found(source: str, rows: Sequence[Mapping[str, Any]], *, with_starter: bool) -> None:
    from mlops_assets.discovery.registries import is_registry, shown_address

    if not rows:
        click.echo(f"{shown(shown_address(source) if is_registry(source) else source)}: no model that is not governed")
        return
    table = [{**row, "modified": (row["modified"] or "")[:10], "size": _size(row["size"])} for row in rows]
    # A column that is empty in every row says nothing, such as the size of registered models.
    columns = [name for name in (*COLUMNS, *(("starter",) if with_starter else ())) if any(r.get(name) for r in table)]
    print_table(table, columns)


def _print_kept(kept: Any, written: Mapping[str, Any]) -> None:
    counts = [
        f"{len(ids)} {what}" for ids, what in ((kept.new, "new"), (kept.changed, "changed"), (kept.gone, "gone")) if ids
    ]
    click.echo(f"\n{len(kept.search.found)} found: {', '.join(counts) or 'nothing new'}.")
    for sentence in kept.incidents:
        click.echo(shown(f"Incident: {sentence}"))
    for one in written.values():
        if one.unread:
            click.echo(shown(f"{one.name}: not read: {one.unread}"))
    fresh = [one.name for one in written.values() if one.new]
    if fresh:
        click.echo(
            f"Written: {', '.join(fresh)}. Complete each file (source, id, target, score), then run mlops check {fresh[0]} --data"
        )


def _print_coverage(platform: Platform) -> None:
    from mlops_assets.evidence.coverage import NO_DATA, coverage

    found = coverage(platform.ledger.state().fleet, platform.ledger.clock(), _rule(platform))
    click.echo(found.text if found else NO_DATA)


def _size(size: int | None) -> str | None:
    if size is None:
        return None
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size = round(size / 1000)
    return f"{size:,} GB"
