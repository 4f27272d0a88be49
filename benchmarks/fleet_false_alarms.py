"""False alarms of a fleet: the share of periods in which any of 30 unchanged models is alarmed, alone and controlled.

Run: `PYTHONPATH=. python benchmarks/fleet_false_alarms.py [--models 30] [--periods 100] [--rows 500] [--columns 8] [--seed 3107]`.
Every model has a reference of 1,000 rows of its own, and a window drawn afresh each period; columns are also looked at together, as
the product does. Three lines for nothing changed:
evidence alone (any adjusted p-value below alpha, whatever its size), the same over the fleet in the order in which the
verdicts come, and verdicts of at least `act` after evidence, size and fleet. Then one model of each period does change, in one
column by a third of its standard deviation: how often that is seen alone, as the first verdict of its period, and as the last.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
from unchanged_tables import draw_rows, roles

from mlops_assets.monitoring.inputs.drift import DriftVerdict, compare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.fleet_control import over_fleet, window_p_value
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile, build_profile

RULES = MonitoringThresholds()
REFERENCE_ROWS = 1000


def main() -> int:
    """Print the shares; 1 when the controlled one is above the level by more than chance."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=30)
    parser.add_argument("--periods", type=int, default=100)
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--columns", type=int, default=8)
    parser.add_argument("--seed", type=int, default=3107)
    options = parser.parse_args()
    models, alpha = options.models, RULES.alpha
    alone = controlled = acted = seen = first = last = 0
    for period in range(options.periods):
        p_values: list[float] = []
        alarmed = over = grave = False
        for model in range(models):
            draw = np.random.default_rng([options.seed, period, model])
            reference = draw_rows(REFERENCE_ROWS, options.columns, draw)
            profile, window = build_profile(reference, roles(reference)), draw_rows(options.rows, options.columns, draw)
            verdict = judge(profile, reference, window)
            p = window_p_value(verdict, None)
            assert p is not None
            fleet = over_fleet(p, p_values, models)
            p_values.append(p)
            alarmed |= p < alpha
            over |= fleet.adjusted < alpha
            grave |= fleet.adjusted < alpha and at_least(verdict.severity, "act")
            if model == models - 1:
                moved = window_p_value(judge(profile, reference, shifted(window)), None)
                seen += moved is not None and moved < alpha
                first += over_fleet(moved, [], models).adjusted < alpha
                last += over_fleet(moved, p_values[:-1], models).adjusted < alpha
        alone, controlled, acted = alone + alarmed, controlled + over, acted + grave
    n = options.periods
    print(
        f"{n} periods of {models} models, windows of {options.rows} rows and {options.columns} columns, alpha {alpha:g}"
    )
    print(f"nothing changed: any evidence, each model alone    {alone}/{n}")
    print(f"nothing changed: any evidence, over the fleet      {controlled}/{n}")
    print(f"nothing changed: any verdict of at least act       {acted}/{n}")
    print(f"one model changed: seen alone {seen}/{n}, as the first verdict {first}/{n}, as the last {last}/{n}")
    return 0 if controlled <= n * alpha + 3 * (n * alpha) ** 0.5 else 1


def judge(profile: Profile, reference: pl.DataFrame, window: pl.DataFrame) -> DriftVerdict:
    """The window's verdict before persistence."""
    return compare(profile, count_window(window, profile), RULES, sample=window, reference_sample=reference)


def shifted(window: pl.DataFrame) -> pl.DataFrame:
    """The window with its first numeric column moved by a third of its standard deviation."""
    name = next(n for n, dtype in window.schema.items() if dtype.is_float())
    return window.with_columns(pl.col(name) + pl.col(name).std() / 3)


if __name__ == "__main__":
    sys.exit(main())
