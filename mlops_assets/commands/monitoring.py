"""`mlops draw`, `mlops drill` and `mlops calibrate`: look into a window, test and tune the monitoring of a model."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import click

from mlops_assets.commands.common import json_option, open_platform, print_json, print_table
from mlops_assets.errors import NOT_WELL

if TYPE_CHECKING:
    from mlops_assets.monitoring.thresholds.alarm_calibration import Proposal

USUAL_ROWS = 5000
MOST_ROWS = 20_000
"""Larger windows cost more to draw, and their noise is too small to choose thresholds by."""
MOST_REFERENCE = 60_000


@click.command()
@click.argument("model")
@click.argument("window")
@click.pass_context
def draw(context: click.Context, model: str, window: str) -> None:
    """Draw the columns of a scored WINDOW beside the reference, with Evidently, and print where the page is.

    WINDOW is the window's start, such as 2005-01-01. The window's own page then links to it. The verdict is not taken from
    it.
    """
    from mlops_assets.fleet_files import rewrite_window_pages
    from mlops_assets.pipeline.drawing import draw_window

    platform = open_platform(context)
    path = draw_window(platform, model, window)
    rewrite_window_pages(platform, model)
    click.echo(path)


@click.command()
@click.argument("model")
@click.option(
    "--windows",
    default=2,
    show_default=True,
    type=click.IntRange(min=1),
    help="How many of the latest scored windows to copy.",
)
@json_option
@click.pass_context
def drill(context: click.Context, model: str, windows: int, as_json: bool) -> int:
    """Inject known faults into copies of scored windows, and report what is detected, under which name, and when.

    Nothing that is stored changes. The exit code is 1 when a detectable fault was missed.
    """
    from mlops_assets.monitoring.drills.drills import run_drills
    from mlops_assets.monitoring.drills.injected_faults import as_it_is, standard_drills
    from mlops_assets.pipeline.recorded_windows import champion_of, windows_to_drill

    platform = open_platform(context)
    champion = champion_of(platform, model)
    frames, remark = windows_to_drill(champion, windows)
    results = run_drills(
        frames,
        champion.profile,
        platform.policy(model).monitoring,
        drills=[as_it_is(), *standard_drills(champion.declaration.task)],
        importance=champion.importance,
        reference=champion.reference_performance,
        reference_sample=champion.reference_sample,
        rescore=champion.score,
        seed=champion.declaration.training.seed,
    )
    rows = [asdict(r) for r in results]
    rows[0]["note"] = remark
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "size", "expected", "windows", "caught", "acted", "named", "delay", "note"])
        click.echo("delay: windows until the severity is act, persistence included, while the fault lasts")
    return 0 if all(row["caught"] == row["windows"] for row in rows[1:] if not row["note"]) else NOT_WELL


@click.command()
@click.argument("model")
@click.option(
    "--per-year",
    default=1.0,
    show_default=True,
    type=float,
    help="False alarms of this model that are acceptable per year.",
)
@click.option(
    "--rows",
    type=click.IntRange(min=50),
    help="Rows of a drawn window; default: the usual number of the model's windows.",
)
@click.option("--draws", default=60, show_default=True, type=click.IntRange(min=20), help="Number of windows to draw.")
@json_option
@click.pass_context
def calibrate(context: click.Context, model: str, per_year: float, rows: int | None, draws: int, as_json: bool) -> None:
    """Propose thresholds for a given rate of false alarms, and show their effect on recorded windows.

    The proposal rests on the model's own windows where enough of them are unchanged (an alarm closed as false or
    expected counts as unchanged), and otherwise on windows drawn from the reference. Nothing is adopted: the command
    prints the lines for the declaration or the policy.
    """
    found = _proposal(context, model, per_year, rows, draws)
    if as_json:
        print_json(found["proposal"].to_dict() | {"precision": found["precision"], "rows": found["rows"]})
    else:
        _show(found["proposal"], found["precision"])


def _proposal(context: click.Context, model: str, per_year: float, rows: int | None, draws: int) -> dict[str, Any]:
    import numpy as np

    from mlops_assets.monitoring.outcomes.performance import measure
    from mlops_assets.monitoring.thresholds import resampled_windows as drawn
    from mlops_assets.monitoring.thresholds.alarm_calibration import WINDOWS_A_YEAR, check_rate, propose
    from mlops_assets.monitoring.thresholds.life_delays import errors_of, life_delays, tolerated
    from mlops_assets.pipeline.recorded_windows import champion_of, judged, recorded_history, usual_rows
    from mlops_assets.response.alarm_precision import alarm_precision
    from mlops_assets.response.incidents import alarms

    platform = open_platform(context)
    champion = champion_of(platform, model)
    declaration, thresholds = champion.declaration, platform.policy(model).monitoring
    if not declaration.has_time:
        raise click.ClickException(f"{model} has no event time and therefore no windows to calibrate")
    windows_a_year = WINDOWS_A_YEAR[declaration.monitoring.cadence.value]
    check_rate(per_year, windows_a_year)
    history, notes = recorded_history(platform, model)
    seed = declaration.training.seed
    wanted = min(rows or usual_rows(platform, model) or USUAL_ROWS, MOST_ROWS)
    reference = champion.training_rows.select(list(declaration.features))
    if reference.height > MOST_REFERENCE:
        reference = reference.sample(MOST_REFERENCE, seed=seed % 2**32)
    roles = {name: feature.role.value for name, feature in declaration.features.items()}
    held = champion.held_out()
    of_inputs, of_outcomes = min(wanted, reference.height // 2), min(wanted, len(held) // 2)
    if min(of_inputs, of_outcomes) < wanted:
        notes.append(
            f"windows of {wanted} rows are wanted; the reference allows {of_inputs} and its held-out part {of_outcomes}. "
            "Smaller windows are noisier, so the proposed thresholds are higher than necessary"
        )
    unchanged = drawn.unchanged_inputs(reference, roles, thresholds, of_inputs, draws, seed)
    changes = drawn.changed_inputs(reference, roles, thresholds, of_inputs, 20, seed)
    if of_outcomes >= thresholds.minimum_rows:
        unchanged += drawn.unchanged_outcomes(held, thresholds, of_outcomes, draws, seed)
        changes += drawn.changed_outcomes(held, thresholds, of_outcomes, 20, seed)
    else:
        notes.append(f"{len(held)} held-out rows are too few for two windows, so nothing is proposed for outcomes")
    proposal = propose(
        model,
        history,
        unchanged,
        changes,
        thresholds,
        platform.policies[declaration.tier.value].monitoring,
        tier_name=declaration.tier.value,
        windows_a_year=windows_a_year,
        false_alarms=per_year,
        notes=notes,
    )
    if of_outcomes >= thresholds.minimum_rows:
        rows_of = np.random.default_rng(seed % 2**32).permutation(len(held))
        window = rows_of[:of_outcomes]
        one = measure(held.reference(rows_of), held.y[window], held.score[window], thresholds=thresholds)
        lives = life_delays(errors_of(one), thresholds, one.task == "regression")
        limits = "lasting changes up to these sizes are never reported by the evidence of all windows: " + ", ".join(
            tolerated(thresholds, one.task == "regression")
        )
        proposal = replace(proposal, lives=tuple(lives), notes=(*proposal.notes, limits))
    earned = alarm_precision(model, alarms(platform.ledger.state(), model), judged(platform, model))
    return {
        "proposal": proposal,
        "precision": [p.to_dict() for p in earned],
        "rows": {"inputs": of_inputs, "outcomes": of_outcomes},
    }


def _show(found: "Proposal", precision: list[dict[str, Any]]) -> None:
    click.echo(f"{found.model}: at most {found.asked:g} false alarms per year, in {found.windows_a_year} windows\n")
    rows = [
        {
            "threshold": f"{t.name}_act",
            "now": t.now,
            "proposed": t.proposed,
            "side": t.side,
            "false/year now": t.false_now,
            "false/year then": t.false_proposed,
            "from": t.low,
            "to": t.high,
            "on": f"{t.windows} windows, {t.basis}" + (f"; {t.real} real" if t.basis == "resampled" and t.real else ""),
        }
        for t in found.thresholds
    ]
    print_table(rows, list(rows[0]) if rows else ["threshold"], "Thresholds")
    if found.delays:
        click.echo()
        delays = [
            {
                "change": d.change,
                "size": d.size,
                "seen now": d.seen_now,
                "windows now": d.windows_now if d.windows_now is not None else "never",
                "seen then": d.seen,
                "windows then": d.windows if d.windows is not None else "never",
            }
            for d in found.delays
        ]
        print_table(delays, list(delays[0]), "Expected windows until the severity is act")
    if found.lives:
        click.echo()
        lives = [
            {
                "change": one.change,
                "size": one.size or "none",
                "single windows": one.single,
                "windows": one.single_windows if one.single_windows is not None else "-",
                "together": one.together,
                "windows together": one.together_windows if one.together_windows is not None else "-",
            }
            for one in found.lives
        ]
        print_table(
            lives, list(lives[0]),
            "Small lasting changes: share of simulated lives of 60 windows in which one is reported, and median windows until "
            "then, by single windows and by the evidence of all windows together",
        )  # fmt: skip
    history = [asdict(w) for w in found.history if w.now or w.proposed or w.disposition]
    if history:
        click.echo()
        print_table(
            history,
            ["window", "severity", "kind", "disposition", "truth", "now", "proposed", "effect"],
            f"Effect on {len(found.history)} recorded windows (alarms before persistence)",
        )
    if precision:
        click.echo()
        print_table(
            precision,
            ["by", "name", "true", "false", "expected", "open", "windows", "precision", "low", "high"],
            "Outcome of past alarms",
        )
    for note in found.notes:
        click.echo(f"\nNote: {note}.")
    click.echo("\n" + (found.yaml or "The thresholds in force are the ones that would be proposed."))
