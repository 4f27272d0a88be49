"""`mlops drill` and `mlops calibrate`: monitoring tried out on a model."""

from dataclasses import asdict

import click

from mlops_assets.commands.common import NOT_WELL, json_option, open_platform, print_json, print_table


@click.command()
@click.argument("model")
@click.option("--windows", default=2, show_default=True, help="Drill copies of so many of the latest scored windows.")
@json_option
@click.pass_context
def drill(context: click.Context, model: str, windows: int, as_json: bool) -> int:
    """Inject known faults into copies of real windows, and report what was caught. Nothing real is touched."""
    from mlops_assets.graph.recorded_windows import profile_of_champion, scored_windows
    from mlops_assets.monitoring.drills import run_drills

    platform = open_platform(context)
    profile, importance = profile_of_champion(platform, model)
    frames = scored_windows(platform, model, windows)
    rules = platform.policy(model).monitoring
    rows = [asdict(r) for r in run_drills(frames, profile, rules, importance=importance)]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "size", "expected", "windows", "caught", "named", "delay", "note"])
    return 0 if all(row["caught"] == row["windows"] for row in rows if not row["note"]) else NOT_WELL


@click.command()
@click.argument("model")
@click.option("--rows", default=5000, show_default=True, help="Rows of a window.")
@click.option("--false-alarms", default=0.01, show_default=True, help="Share of unchanged windows that may alarm.")
@json_option
@click.pass_context
def calibrate(context: click.Context, model: str, rows: int, false_alarms: float, as_json: bool) -> None:
    """Propose thresholds for a stated rate of false alarms, from the model's own training rows."""
    from mlops_assets.monitoring.calibration import propose_thresholds

    platform = open_platform(context)
    declaration = platform.project.declaration(model)
    reference = platform.lake.read(f"{model}/training_data").select(list(declaration.features))
    roles = {name: feature.role.value for name, feature in declaration.features.items()}
    found = propose_thresholds(
        reference,
        roles,
        platform.policy(model).monitoring,
        rows=min(rows, reference.height // 2),
        false_alarms=false_alarms,
        seed=declaration.training.seed,
    )
    if as_json:
        print_json(found.to_dict())
    else:
        click.echo(found.reason)
        print_table([asdict(delay) for delay in found.delays], ["shift", "detected", "windows"])
