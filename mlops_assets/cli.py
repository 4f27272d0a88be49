"""`mlops`: the few things that are not done in Dagster.

Every command exits 0 when all is well, 1 when what was asked about is not, and 2 when the call was wrong; an error is
one line on standard error. Commands live in `mlops_assets/commands/`, one file a subject, imported when they are called.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from mlops_assets.stores.home import be_quiet

COMMANDS = {
    "approve": "approvals",
    "asof": "fleet",
    "calibrate": "monitoring",
    "demo": "running",
    "dev": "running",
    "drift": "monitoring",
    "drill": "monitoring",
    "exception": "exceptions",
    "finding": "findings",
    "incident": "incidents",
    "keys": "people",
    "packet": "evidence",
    "people": "people",
    "policy": "policy",
    "replay": "evidence",
    "requirements": "evidence",
    "resume": "operations",
    "retire": "operations",
    "retrain": "operations",
    "rollback": "operations",
    "setup": "running",
    "status": "fleet",
    "suspend": "operations",
    "trace": "evidence",
    "validation": "findings",
    "verify": "evidence",
}


class LateGroup(click.Group):
    """Imports a command's module when the command is called, so that `mlops --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"mlops_assets.commands.{COMMANDS[cmd_name]}"), cmd_name)


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder of the project; default: where you are.",
)
@click.version_option(package_name="mlops_assets")
@click.pass_context
def cli(ctx: click.Context, folder: Path) -> None:
    """Governed models: what runs, who approved it, whether it is still fit, and how to show it."""
    be_quiet()
    ctx.obj = folder


def main(arguments: list[str] | None = None) -> Any:
    """Entry point: turns every expected error into one line and an exit code."""
    try:
        code = cli.main(args=arguments, prog_name="mlops", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"mlops: {error.format_message()}", err=True)
        sys.exit(2)
    except Exception as error:
        from mlops_assets.commands.common import exit_code_of, one_line

        click.echo(f"mlops: {one_line(error)}", err=True)
        sys.exit(exit_code_of(error))
