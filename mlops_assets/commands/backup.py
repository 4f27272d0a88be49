"""`mlops backup` and `mlops restore`: everything under the home in one file, and back."""

from pathlib import Path

import click

from mlops_assets.backup import Backup, restore_backup, write_backup
from mlops_assets.commands.common import json_option, open_platform, print_json
from mlops_assets.errors import NOT_WELL
from mlops_assets.governance.verification import verify_all
from mlops_assets.platform import Platform


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--without-keys", is_flag=True, help="Leave out the private keys under keys/.")
@json_option
@click.pass_context
def backup(context: click.Context, file: Path, without_keys: bool, as_json: bool) -> None:
    """Write everything under the home to FILE, while the project may be running, and check the copied ledger.

    The file holds private keys unless --without-keys is given: keep it where you keep keys.
    """
    found = write_backup(open_platform(context), file, keys=not without_keys)
    _print(found, as_json, f"wrote {found.path}")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@json_option
@click.pass_context
def restore(context: click.Context, file: Path, as_json: bool) -> int:
    """Unpack FILE into the empty home of the project, and verify the restored ledger.

    Every file is checked before anything is written. A home that is not empty is left as it is.
    """
    platform = open_platform(context)
    found = restore_backup(file, platform.home)
    # Opened anew: the folder was replaced.
    problems = verify_all(Platform(platform.project).ledger)
    _print(found, as_json, f"restored {platform.home.root}")
    for problem in problems:
        click.echo(f"mlops: the restored ledger: {problem}", err=True)
    return NOT_WELL if problems else 0


def _print(found: Backup, as_json: bool, done: str) -> None:
    if as_json:
        print_json(
            {
                "file": found.path,
                "files": found.files,
                "bytes": found.size,
                "last_record": found.last_record,
                "elsewhere": found.elsewhere,
            }
        )
        return
    click.echo(f"{done}: {found.files} files, {found.size / 1e6:.1f} MB, ledger up to record {found.last_record}")
    for store in found.elsewhere:
        click.echo(f"not in it: {store}; back that database up with its own tools")
