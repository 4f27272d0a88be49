"""Thresholds for a stated rate of false alarms, found by drawing windows without change from the reference itself.

Belongs here: the proposal and what it would cost in delay. Not here: adopting it; a policy is changed by people.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.monitoring.drift import DriftVerdict, compare
from mlops_assets.monitoring.rules import Rules
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

LEAST_WINDOWS = 50
STEPS = (0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25)
SHIFTS = (0.1, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class Delay:
    """How soon a shift of a given size is seen under the proposed thresholds.

    Attributes:
        shift: of one numeric feature, in its standard deviations.
        detected: share of windows in which it is seen.
        windows: expected number of windows until it first is; None where it was never seen.
    """

    shift: float
    detected: float
    windows: float | None


@dataclass(frozen=True)
class Proposal:
    """Thresholds and what they are worth.

    Attributes:
        psi_watch, alpha: proposed.
        psi_act: proposed: as far above `psi_watch` as the policy's own.
        asked: rate of false alarms that was asked for, a window.
        measured: at the proposed thresholds, on windows the proposal was not made with.
        measured_low, measured_high: 95 % interval of that.
        current: rate at the thresholds now in force, on the same windows.
        windows: drawn for either half.
        rows: of each.
        delays: by size of shift.
        reason: in words.
    """

    psi_watch: float
    psi_act: float
    alpha: float
    asked: float
    measured: float
    measured_low: float
    measured_high: float
    current: float
    windows: int
    rows: int
    delays: tuple[Delay, ...]
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def propose_thresholds(
    reference: pl.DataFrame,
    columns: Mapping[str, str],
    rules: Rules,
    *,
    rows: int,
    false_alarms: float = 0.01,
    windows: int = 100,
    seed: int = 20261121,
) -> Proposal:
    """Draw windows from the reference and propose the smallest sizes that keep to the asked rate.

    Each round parts the reference at random into rows to profile and a window: the window is new to the profile. Half
    the rounds choose the thresholds, the other half measure them.

    Args:
        reference: rows the profile would be made of.
        columns: role by column.
        rules: thresholds in force.
        rows: of a window.
        false_alarms: highest share of windows without change that may raise any alarm; "one a model and year" of
            monthly windows is 1 / 12.
        windows: drawn to choose, and again to measure.
        seed: of the draws.

    Raises:
        ValueError: fewer than 50 windows, a rate outside (0, 1), or a reference with fewer than twice a window's rows.
    """
    if windows < LEAST_WINDOWS or not 0 < false_alarms < 1:
        raise ValueError(
            f"found {windows} windows and a rate of {false_alarms}, expected 50 or more and a rate in (0, 1)"
        )
    if reference.height < 2 * rows:
        raise ValueError(f"the reference has {reference.height} rows, expected {2 * rows}: twice a window of {rows}")
    generator = np.random.default_rng(seed)
    drawn = [_unchanged(reference, columns, rules, rows, generator) for _ in range(2 * windows)]
    chosen_on, measured_on = drawn[:windows], drawn[windows:]
    # Faults have no size to choose: what they alarm on stays in every rate.
    steps = sorted({*STEPS, rules.psi_watch})
    fitting = [step for step in steps if _rate(chosen_on, step, rules.alpha) <= false_alarms]
    watch = fitting[0] if fitting else steps[-1]
    measured = _rate(measured_on, watch, rules.alpha)
    low, high = _interval(round(measured * windows), windows)
    delays = tuple(_delay(reference, columns, rules, rows, watch, shift, generator) for shift in SHIFTS)
    kept = watch >= rules.psi_watch
    reason = (
        f"with psi_watch {watch:g} (now {rules.psi_watch:g}) {measured:.1%} of {windows} windows of {rows} rows without "
        f"change raise an alarm; {false_alarms:.1%} was asked for. "
        + ("Smaller shifts cannot be seen at this rate." if kept else "A smaller threshold sees smaller shifts.")
    )
    if not fitting:
        reason += " No threshold tried keeps to the rate: larger windows are needed."
    return Proposal(
        psi_watch=watch,
        psi_act=max(rules.psi_act, watch * rules.psi_act / rules.psi_watch) if kept else rules.psi_act,
        alpha=rules.alpha,
        asked=false_alarms,
        measured=measured,
        measured_low=low,
        measured_high=high,
        current=_rate(measured_on, rules.psi_watch, rules.alpha),
        windows=windows,
        rows=rows,
        delays=delays,
        reason=reason,
    )


def _unchanged(
    reference: pl.DataFrame, columns: Mapping[str, str], rules: Rules, rows: int, generator: np.random.Generator
) -> DriftVerdict:
    order = generator.permutation(reference.height)
    window, rest = reference[order[:rows]], reference[order[rows:]]
    profile = build_profile(rest, columns)
    return compare(profile, count_window(window, profile), rules, sample=window.head(5000))


def _alarms(verdict: DriftVerdict, watch: float, alpha: float) -> bool:
    return any(
        c.fault or c.group or (c.p_value is not None and c.p_value < alpha and (c.effect or 0.0) >= watch)
        for c in verdict.columns
    )


def _rate(verdicts: list[DriftVerdict], watch: float, alpha: float) -> float:
    return sum(_alarms(v, watch, alpha) for v in verdicts) / len(verdicts)


def _interval(hits: int, of: int) -> tuple[float, float]:
    """Clopper-Pearson."""
    from scipy.stats import beta

    low = float(beta.ppf(0.025, hits, of - hits + 1)) if hits else 0.0
    high = float(beta.ppf(0.975, hits + 1, of - hits)) if hits < of else 1.0
    return low, high


def _delay(
    reference: pl.DataFrame,
    columns: Mapping[str, str],
    rules: Rules,
    rows: int,
    watch: float,
    shift: float,
    generator: np.random.Generator,
) -> Delay:
    """Shift one numeric feature after another in fresh windows, and count how often it is seen."""
    numeric = [n for n, role in columns.items() if role == "numeric" and reference[n].dtype.is_numeric()]
    if not numeric:
        return Delay(shift, 0.0, None)
    repeats, seen = 20, 0
    order = generator.permutation(reference.height)
    profile = build_profile(reference[order[rows:]], columns)
    for i in range(repeats):
        name = numeric[i % len(numeric)]
        spread = profile.columns[name].std or 0.0
        window = reference[generator.choice(order[:rows], rows)]
        moved = window.with_columns(pl.col(name).cast(pl.Float64) + shift * spread)
        found = compare(profile, count_window(moved, profile), rules).column(name)
        small = found.p_value is None or found.p_value >= rules.alpha or (found.effect or 0.0) < watch
        seen += not small or bool(found.fault)
    return Delay(shift, seen / repeats, repeats / seen if seen else None)
