"""How many windows pass until a small lasting change is reported: by single windows, and by the evidence of all of them.

Belongs here: simulated lives of a version, from the errors of a window's numbers alone; no rows are drawn. Not here: the
tests (`verdict/accumulated.py`), and delays until somebody must act (`alarm_calibration.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_assets.monitoring.outcomes.performance import TESTS, WindowPerformance
from mlops_assets.monitoring.severity import TOLERATED
from mlops_assets.monitoring.verdict.accumulated import LEVEL, OUTCOME_TESTS, mean_evidence
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.intervals import normal_quantile

WINDOWS = 60
LOSSES = (0.0, 0.01, 0.02, 0.03, 0.04, 0.05)
MISCALIBRATIONS = (0.0, 0.05, 0.1, 0.15, 0.2)


@dataclass(frozen=True)
class Errors:
    """Standard errors of one number of a window, in units of the policy's thresholds.

    Attributes:
        own: of the window itself, a period's difference among it.
        reference: shared by all windows.
        between: a period's difference.
    """

    own: float
    reference: float
    between: float = 0.0


@dataclass(frozen=True)
class LifeDelay:
    """When a change of a given size, there from the first window on, is first reported.

    Attributes:
        change: `loss of quality` or `miscalibration`.
        size: in units of the policy's thresholds; 0: nothing changed, and what is found is a false alarm.
        single: share of lives in which a single window reports it, within 60 windows.
        single_windows: median number of windows until then; None where it is not found in half of them.
        together, together_windows: the same for the evidence of all windows.
    """

    change: str
    size: float
    single: float
    single_windows: float | None
    together: float
    together_windows: float | None


def errors_of(performance: WindowPerformance) -> dict[str, Errors]:
    """Errors of the quality and calibration of a measured window, by name."""
    found: dict[str, Errors] = {}
    ranking, calibration = performance.ranking, performance.calibration
    if ranking is not None and ranking.own_error and ranking.reference_error is not None:
        found["loss of quality"] = Errors(ranking.own_error, ranking.reference_error, ranking.between_error)
    if (
        calibration is not None
        and calibration.own_error
        and calibration.unit
        and calibration.reference_error is not None
    ):
        unit = calibration.unit
        found["miscalibration"] = Errors(
            calibration.own_error / unit, calibration.reference_error / unit, calibration.between_error / unit
        )
    return found


def life_delays(
    errors: dict[str, Errors],
    thresholds: MonitoringThresholds,
    regression: bool,
    *,
    lives: int = 200,
    seed: int = 20261128,
) -> list[LifeDelay]:
    """Simulate lives of 60 windows for changes of each size."""
    rng = np.random.default_rng(seed)
    half = "bias" if regression else "calibration"
    found = []
    for change, limits, sizes in (
        ("loss of quality", "performance_drop", LOSSES),
        ("miscalibration", half, MISCALIBRATIONS),
    ):
        if change not in errors:
            continue
        watch, act = getattr(thresholds, f"{limits}_watch"), getattr(thresholds, f"{limits}_act")
        for size in sizes:
            shown = drawn_lives(rng, errors[change], size, lives)
            two_sided = change == "miscalibration"
            alone = single_windows(shown, errors[change], watch, thresholds.alpha, two_sided)
            together = first_evidence(shown, errors[change], watch, act, two_sided)
            found.append(LifeDelay(change, size, *_summary(alone), *_summary(together)))
    return found


def drawn_lives(
    rng: np.random.Generator, errors: Errors, size: float, lives: int, windows: int = WINDOWS, onset: int = 0
) -> np.ndarray:
    """Changes that windows show; shape (lives, windows).

    Args:
        rng: to draw with.
        errors: of a window.
        size: of the change.
        lives: number of versions.
        windows: of each.
        onset: number of windows before the change.
    """
    reference = rng.normal(0, errors.reference, (lives, 1))
    return size * (np.arange(windows) >= onset) + reference + rng.normal(0, errors.own, (lives, windows))


def single_windows(shown: np.ndarray, errors: Errors, watch: float, alpha: float, two_sided: bool) -> np.ndarray:
    """Number of the first window that reports a change by itself, 1 for the first; infinite where none does."""
    level = alpha / TESTS / (2 if two_sided else 1)
    needed = max(watch, normal_quantile(1 - level) * math.hypot(errors.own, errors.reference))
    return _first((np.abs(shown) if two_sided else shown) >= needed)


def first_evidence(shown: np.ndarray, errors: Errors, watch: float, act: float, two_sided: bool) -> np.ndarray:
    """Number of the window with which the evidence of all of them suffices; infinite where none does."""
    needed = -math.log(LEVEL / 2 / OUTCOME_TESTS)
    variance, between = np.array(errors.own**2), np.array(errors.between**2)
    shared = errors.reference**2 + between
    hits = np.zeros(shown.shape, dtype=bool)
    for last in range(1, shown.shape[1] + 1):
        for sign in (1, -1) if two_sided else (1,):
            given = sign * shown[:, :last]
            tests = mean_evidence(given, np.broadcast_to(variance, given.shape), shared, between, watch, act)
            for test in tests:
                hits[:, last - 1] |= test.surest >= needed
    return _first(hits)


def _first(hits: np.ndarray) -> np.ndarray:
    return np.where(hits.any(axis=1), hits.argmax(axis=1) + 1.0, np.inf)


def _summary(first: np.ndarray) -> tuple[float, float | None]:
    median = float(np.median(first))
    return float(np.isfinite(first).mean()), median if np.isfinite(median) else None


def tolerated(thresholds: MonitoringThresholds, regression: bool) -> Sequence[str]:
    """The sizes that are no change, in words."""
    half = thresholds.bias_watch if regression else thresholds.calibration_watch
    unit = "standard deviations of the target" if regression else "of the base rate"
    return (
        f"loss of quality {TOLERATED * thresholds.performance_drop_watch:g}",
        f"miscalibration {TOLERATED * half:g} {unit}",
    )
