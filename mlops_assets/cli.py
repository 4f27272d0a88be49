"""`mlops`: the command line.

Every command exits with 0 when all is well, 1 when what it reports on is not, and 2 when the call was wrong. An error is
one line on standard error. Not here: the commands, which live in `commands/`, one file for each subject, and are
imported when they are called.
"""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from mlops_assets.errors import WRONG_CALL, exit_code_of
from mlops_assets.stores.home import be_quiet

COMMANDS = {
    "advance": ("operations", "Sign that a challenger passed its step of the ladder."),
    "approve": ("approvals", "Approve or reject a version."),
    "asof": ("fleet", "Show the fleet at an earlier day or time."),
    "backup": ("backup", "Write everything under the home to one file."),
    "calibrate": ("monitoring", "Propose thresholds for a given rate of false alarms."),
    "check": ("check", "Check declarations, and with --data compare them with their data."),
    "demo": ("demo", "Run every declared model through its lifecycle."),
    "dev": ("running", "Open Dagster, MLflow and the pages on this machine."),
    "discover": ("discovery", "Find models that no declaration governs."),
    "draw": ("monitoring", "Draw the columns of a window with Evidently."),
    "drift": ("drift", "Compare two tables."),
    "drill": ("monitoring", "Inject known faults into copies of windows and report what is detected."),
    "erase": ("privacy", "Remove a person's rows from the lake, with a signed record."),
    "exception": ("exceptions", "Grant, withdraw and list exceptions to gates."),
    "extensions": ("extensions", "List gates, statistics, sources, notifiers and whatever else is registered by name."),
    "finding": ("findings", "Record, answer, close and list findings."),
    "incident": ("incidents", "List, acknowledge, close and time incidents."),
    "init": ("init", "Start a project of your own."),
    "inventory": ("fleet", "Show every model, and how many of those known to exist are governed."),
    "keys": ("people", "Create a key pair."),
    "lineage": ("lineage", "Export a model's lineage as OpenLineage events."),
    "locations": ("locations", "Split a large project over code locations."),
    "notice": ("notices", "List, try and send again what people are told."),
    "packet": ("evidence", "Write the audit packet of a version."),
    "people": ("people", "Enrol, revoke and list the people who may sign."),
    "policy": ("policy", "Show, adopt and compare policies."),
    "proof": (
        "proof",
        "Show what share of inventory, lineage, windows, alerts, retrainings and cards is as it should be.",
    ),
    "replay": ("evidence", "Train a version or score a prediction again, and compare."),
    "requirements": ("requirements", "Show by clause which evidence is present, missing or stale, and conclude on it."),
    "restore": ("backup", "Restore a backup into an empty home."),
    "resume": ("operations", "Resume a suspended model."),
    "retention": ("privacy", "Remove what is past its date, with a signed record."),
    "retire": ("operations", "Retire a model for good; its evidence stays."),
    "retrain": ("operations", "Request a retraining."),
    "rollback": ("operations", "Roll back to a former champion."),
    "setup": ("running", "Create folders, databases and the root key."),
    "signer": ("signer", "Hold the machine's keys as another account, and sign what the rules allow."),
    "status": ("fleet", "Show the fleet or one model, and what needs attention."),
    "suspend": ("operations", "Suspend a model at once."),
    "tier": ("tier", "Assess the risk tier of a model, with a signature, and show it."),
    "trace": ("evidence", "Trace a prediction to the evidence behind it."),
    "validation": ("findings", "Record and list validations."),
    "verify": ("evidence", "Check a packet or the live system for tampering."),
}
"""Command to module and one line of help, so that `mlops --help` imports no command."""


class LateGroup(click.Group):
    """Imports the module of a command when the command is called, so that `mlops --help` is fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names of all commands."""
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name."""
        if cmd_name not in COMMANDS:
            return None
        return getattr(import_module(f"mlops_assets.commands.{COMMANDS[cmd_name][0]}"), cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from the table."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(cls=LateGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--project",
    "folder",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    default=Path(),
    help="Folder of the project; default: the current folder.",
)
@click.version_option(package_name="mlops_assets")
@click.pass_context
def cli(ctx: click.Context, folder: Path) -> None:
    """Operate governed models: what decides, who approved it, whether it is still fit for use, and the evidence."""
    be_quiet()
    ctx.obj = folder


def main(arguments: list[str] | None = None) -> Any:
    """Entry point: turns an error into one line and an exit code."""
    try:
        code = cli.main(args=arguments, prog_name="mlops", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        click.echo(f"mlops: {error.format_message()}", err=True)
        sys.exit(WRONG_CALL)
    except Exception as error:
        from mlops_assets.commands.common import one_line

        click.echo(f"mlops: {one_line(error)}", err=True)
        sys.exit(exit_code_of(error))
