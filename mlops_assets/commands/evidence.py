"""`mlops trace`, `packet`, `verify` and `replay`: evidence for examiners and validators."""

from pathlib import Path
from typing import Any

import click

from mlops_assets.commands.common import json_option, open_platform, print_json, print_table, shown
from mlops_assets.errors import NOT_WELL, WRONG_CALL


@click.command()
@click.argument("prediction", metavar="PREDICTION_ID")
@json_option
@click.pass_context
def trace(context: click.Context, prediction: str, as_json: bool) -> None:
    """Show what PREDICTION_ID rests on: version, data, policy, gates, approvals, reason codes, and health at that time."""
    from mlops_assets.evidence.trace import trace as follow
    from mlops_assets.evidence.trace import trace_text
    from mlops_assets.inspection.lookup import prediction_row

    platform = open_platform(context)
    found = follow(platform.ledger, prediction_row(platform, prediction))
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(shown(trace_text(found)))


@click.command()
@click.argument("model")
@click.argument("version", type=int)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="ZIP file to write.")
@click.option(
    "--prediction",
    "predictions",
    multiple=True,
    help="Show this prediction and the row that was scored, provably and without other rows. Repeat for several.",
)
@click.pass_context
def packet(context: click.Context, model: str, version: int, output: Path, predictions: tuple[str, ...]) -> None:
    """Write the audit packet of VERSION: evidence, signatures, and a verifier that needs only Python."""
    from mlops_assets.inspection.packets import make_packet

    make_packet(open_platform(context), model, version, output, predictions)
    click.echo(f"{output}\nto check it:  unzip -p {output} verify.py > verify.py && python3 -I verify.py {output}")


NOT_COMPARED = (
    "the root key was compared with none: anybody can make a packet that is whole under a root key of their own. "
    "Give the bank's with --root"
)


def own_root_key(context: click.Context) -> str | None:
    """Key id of the root key in the ledger of the project around; None where there is no project or no ledger yet."""
    from mlops_assets.project import Project, ProjectError

    try:
        home = Project.find(Path(context.obj or Path())).home
    except ProjectError:
        return None
    if home.ledger_url.startswith("sqlite:///") and not Path(home.ledger_url.removeprefix("sqlite:///")).is_file():
        return None
    people = open_platform(context).ledger.state().people
    return people.periods[0].key.key_id if people.periods else None


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--root",
    envvar="MLOPS_ROOT_KEY",
    help="PEM file or key id of the root key, obtained from a trusted source (MLOPS_ROOT_KEY). For a packet that is "
    "checked inside a project, the default is the root key of the project's ledger.",
)
@click.option(
    "--anchor",
    "anchors",
    multiple=True,
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A ledger head kept elsewhere: an anchor file or an earlier packet. Repeat for several.",
)
@json_option
@click.pass_context
def verify(
    context: click.Context, file: Path | None, root: str | None, anchors: tuple[Path, ...], as_json: bool
) -> int:
    """Check the packet FILE, or without FILE the live ledger, registry, lake and artifacts.

    Every problem is named. The exit code is 1 when there is one.
    """
    from mlops_assets.ledger.anchors import kept_anchor
    from mlops_assets.ledger.keys import key_id_of

    # An empty --root is a mistake of a script, and no wish to compare with nothing.
    root_id = key_id_of(root) if root is not None else None
    kept = [kept_anchor(path) for path in anchors]
    if file is not None:
        from mlops_assets.evidence.packet.verifier import report
        from mlops_assets.evidence.packet.verifier import verify as verify_packet

        own = None if root_id else own_root_key(context)
        found = verify_packet(file, root=root_id or own, anchors=[anchor.to_dict() for anchor in kept])
        compared = "the given one" if root_id else "that of this project's ledger" if own else ""
        found["root_compared_with"] = compared or None
        if as_json:
            print_json(found)
        elif found.get("unreadable"):
            click.echo(f"mlops: {file}: {found['problem']}", err=True)
        else:
            click.echo(f"{file}: intact" if found["ok"] else f"{file}: {shown(found['problem'])}")
            for line in report(found) if found["ok"] else found["remarks"]:
                click.echo(f"  {shown(line)}")
            if found["ok"]:
                click.echo(f"  the root key is {compared}" if compared else f"  {NOT_COMPARED}")
        return 0 if found["ok"] else WRONG_CALL if found.get("unreadable") else NOT_WELL
    from mlops_assets.inspection.lake_check import removed_rows
    from mlops_assets.inspection.live_check import check_everything

    platform = open_platform(context)
    platform.ledger.root = root_id or platform.ledger.root
    problems = check_everything(platform, anchors=kept)
    head, simulated = platform.ledger.head(), platform.ledger.is_simulated
    address = platform.ledger.database.url.render_as_string(hide_password=True)
    if as_json:
        print_json(problems)
    elif problems:
        print_table(problems, ["where", "what"])
        click.echo(f"\n{len(problems)} problems in {address} and {platform.home.root}. What each means and what to do: "
                   "docs/how-to/runbooks.md, section \"`mlops verify` names a problem\"", err=True)  # fmt: skip
    elif head is not None:
        click.echo(
            "Ledger, signatures, promotions, registry, artifacts, evidence and lake are intact.\n"
            f"{head.seq} records in {address}; digest of the last one: {head.digest}"
            + ("\nThey were written under a simulated clock: nothing happened when they say." if simulated else "")
        )
        removed = list(removed_rows(platform))
        if removed:
            print_table(removed, ["model", "table", "what"], "\nRemoved from the lake by signed records")
    return NOT_WELL if problems else 0


@click.command()
@click.argument("subject", metavar="MODEL|PREDICTION_ID")
@click.argument("version", type=int, required=False)
@json_option
@click.pass_context
def replay(context: click.Context, subject: str, version: int | None, as_json: bool) -> int:
    """Train VERSION of MODEL again, or score PREDICTION_ID again, from what was recorded, and compare the results."""
    from mlops_assets.inspection.replay import replay_prediction, replay_version

    platform = open_platform(context)
    found: dict[str, Any]
    found = replay_prediction(platform, subject) if version is None else replay_version(platform, subject, version)
    if as_json:
        print_json(found)
    else:
        for name, value in found.items():
            click.echo(shown(f"{name:12} {value}"))
    return 0 if found["equal"] else NOT_WELL
