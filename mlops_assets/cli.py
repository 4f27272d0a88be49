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
    "approve": ("approvals", "Sign a decision on a version."),
    "asof": ("fleet", "The fleet as it stood at the end of a day."),
    "calibrate": ("monitoring", "Propose thresholds for a stated rate of false alarms."),
    "demo": ("running", "Run the example fleet through its whole lifecycle."),
    "dev": ("running", "Open Dagster, MLflow and the pages on what the demo left behind."),
    "discover": ("discovery", "Models that exist and are not governed."),
    "drift": ("drift", "Compare any two tables."),
    "drill": ("monitoring", "Inject known faults into copies of windows, and report what was caught."),
    "exception": ("exceptions", "Signed, expiring permissions to pass a gate."),
    "finding": ("findings", "A validator's findings."),
    "incident": ("incidents", "What somebody must look at."),
    "init": ("init", "Start a project of your own."),
    "keys": ("people", "Make keys."),
    "lineage": ("lineage", "A model's lineage as OpenLineage events."),
    "packet": ("evidence", "Write the audit packet of a version."),
    "people": ("people", "Who may sign what."),
    "policy": ("policy", "What is asked of a model, and what another policy would have decided."),
    "replay": ("evidence", "Train a version, or score a prediction, again from the record."),
    "requirements": ("evidence", "Evidence present, missing or stale, clause by clause."),
    "resume": ("operations", "Let a suspended champion decide again."),
    "retire": ("operations", "End a model for ever; its evidence stays."),
    "retrain": ("operations", "Sign a request to train again."),
    "rollback": ("operations", "Let a former champion decide again."),
    "setup": ("running", "Make folders, databases and the root key."),
    "status": ("fleet", "The fleet, or one model, as it stands."),
    "suspend": ("operations", "Stop the champion until it is resumed."),
    "trace": ("evidence", "From a prediction to everything it rests on."),
    "validation": ("findings", "A validator's judgement on a version."),
    "verify": ("evidence", "Check a packet, or the live system."),
}
"""Name to module and one line of help, so that the list of commands imports none of them."""


class LateGroup(click.Group):
    """Imports a command's module when the command is called, so that `mlops --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"mlops_assets.commands.{COMMANDS[cmd_name][0]}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list in the help text, from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


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
