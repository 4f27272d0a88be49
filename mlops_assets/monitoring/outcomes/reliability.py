"""How good the estimates of performance turned out to be, once the truth had arrived.

Belongs here: estimate against measurement, window by window, and what the record of a model's estimates says about the
next one. Not here: making an estimate (`estimate.py`), or keeping the record (the stage `performance`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlops_assets.evaluation.performance import plain
from mlops_assets.monitoring.outcomes.estimate import PerformanceEstimate
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.statistics.intervals import wilson_interval

FEWEST_WINDOWS = 4


@dataclass(frozen=True)
class Checked:
    """One window: what was estimated and what was measured."""

    window: str
    metric: str
    estimated: float
    low: float
    high: float
    measured: float
    error: float
    """Estimate minus measurement."""
    covered: bool
    """Whether the intervals of estimate and measurement meet."""
    right_direction: bool | None
    """Whether both lie on the same side of the reference; None when there is none."""


@dataclass(frozen=True)
class Reliability:
    """The record of a model's estimates of one metric."""

    metric: str
    windows: tuple[Checked, ...]
    abstained: int
    mean_error: float | None
    """Positive: estimates were too high."""
    mean_absolute_error: float | None
    coverage: float | None
    coverage_low: float | None
    direction: float | None
    """Share of windows in which the estimate fell or rose as the truth did."""
    trusted: bool
    """At least four windows, four of five intervals holding the truth, and errors below the spread of the truth."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def check_window(window: str, estimate: PerformanceEstimate, truth: WindowPerformance) -> list[Checked]:
    """What one estimate turned out to be worth, metric by metric; empty where it abstained or nothing was measured."""
    checked: list[Checked] = []
    for name, found in estimate.metrics.items():
        measured = _measured(truth, name)
        if measured is None:
            continue
        value, low, high = measured
        same = None
        if found.reference is not None:
            same = bool((found.value >= found.reference) == (value >= found.reference))
        meets = found.low <= high and low <= found.high
        checked.append(
            Checked(window, name, found.value, found.low, found.high, value, found.value - value, meets, same)
        )
    return checked


def reliability_of(found: Sequence[Checked], metric: str | None = None, *, abstained: int = 0) -> Reliability:
    """The record of one metric's estimates, from windows in order of time.

    Args:
        found: of any metrics.
        metric: default: that of the first, the quality.
        abstained: windows in which nothing was estimated.
    """
    name = metric or (found[0].metric if found else "quality")
    checked = [one for one in found if one.metric == name]
    if not checked:
        return Reliability(
            metric=name,
            windows=(),
            abstained=abstained,
            mean_error=None,
            mean_absolute_error=None,
            coverage=None,
            coverage_low=None,
            direction=None,
            trusted=False,
            reason="no estimate has met its outcomes yet",
        )
    errors = np.array([c.error for c in checked])
    covered = sum(c.covered for c in checked)
    directions = [c.right_direction for c in checked if c.right_direction is not None]
    truth_spread = float(np.std([c.measured for c in checked]))
    error = float(np.abs(errors).mean())
    faults = []
    if len(checked) < FEWEST_WINDOWS:
        faults.append(f"fewer than {FEWEST_WINDOWS} are no record to rely on")
    if covered / len(checked) < 0.8:
        faults.append("fewer than four of five held")
    if error > max(truth_spread, 0.01):
        faults.append(f"the mean error is above the spread of the truth ({truth_spread:.3f})")
    record = f"of {len(checked)} estimates of {name} {covered} held the truth, mean error {error:.3f}"
    return Reliability(
        metric=name,
        windows=tuple(checked),
        abstained=abstained,
        mean_error=float(errors.mean()),
        mean_absolute_error=error,
        coverage=covered / len(checked),
        coverage_low=wilson_interval(covered, len(checked)).low,
        direction=float(np.mean(directions)) if directions else None,
        trusted=not faults,
        reason="; ".join([record, *faults]),
    )


def _measured(truth: WindowPerformance, name: str) -> tuple[float, float, float] | None:
    """Value and interval of the same number, measured."""
    if name == "base_rate" and truth.base_rate is not None and truth.base_rate.window is not None:
        rate = truth.base_rate.window
        interval = wilson_interval(rate * truth.n, truth.n)
        return rate, interval.low, interval.high
    if truth.ranking is not None and name == truth.ranking.metric and truth.ranking.window is not None:
        found = truth.ranking
        return found.window, found.low, found.high  # pyright: ignore[reportReturnType]
    metric = truth.metrics.get(name) or {}
    if metric.get("value") is None or metric.get("low") is None:
        return None
    return metric["value"], metric["low"], metric["high"]
