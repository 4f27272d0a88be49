"""Windows drawn from a model's own reference: without any change, and with a change of known size.

Belongs here: what calibration and its expected delays are made of where the model's history is too short. Rows drawn at
random know no seasons and no slow change: thresholds found on them are as low as chance alone allows, and real windows
differ more. A history of real windows is the better judge.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Task
from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.monitoring.thresholds.alarm_statistics import input_statistics, outcome_statistics
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile, build_profile

Statistics = dict[str, float | None]
SHIFTS = (0.1, 0.2, 0.3, 0.5, 1.0)
ODDS = (1.25, 1.5, 2.0)
FLIPS = (0.05, 0.1, 0.2)
BIASES = (0.1, 0.25, 0.5)


@dataclass(frozen=True)
class HeldOut:
    """Rows a model was not fitted on, with its scores: what changes of outcomes are drawn from.

    Attributes:
        y: outcomes; 0 and 1 (binary), numbers (regression) or labels (multiclass).
        score: shape (n,), or (n, classes).
        task: of the model.
        classes: multiclass: labels in the order of the scores' columns.
    """

    y: np.ndarray
    score: np.ndarray
    task: Task
    classes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    def reference(self, rows: np.ndarray) -> ReferencePerformance:
        """The reference_performance of some of the rows."""
        return build_reference(self.y[rows], self.score[rows], self.task, classes=self.classes or None)


@dataclass(frozen=True)
class Change:
    """A change of known size, and the statistics of windows that have it."""

    what: str
    size: str
    windows: tuple[Statistics, ...]


def unchanged_inputs(
    reference: pl.DataFrame,
    columns: Mapping[str, str],
    thresholds: MonitoringThresholds,
    rows: int,
    windows: int,
    seed: int,
) -> list[Statistics]:
    """Each round parts the reference at random into rows to profile and a window, which is new to the profile.

    Raises:
        ValueError: the reference has fewer than twice a window's rows.
    """
    if reference.height < 2 * rows:
        raise ValueError(f"the reference has {reference.height} rows, expected {2 * rows}: twice a window of {rows}")
    found = []
    for order in _orders(reference.height, windows, seed):
        profile = build_profile(reference[order[rows:]], columns)
        found.append(_inputs(profile, reference[order[:rows]], thresholds))
    return found


def changed_inputs(
    reference: pl.DataFrame,
    columns: Mapping[str, str],
    thresholds: MonitoringThresholds,
    rows: int,
    windows: int,
    seed: int,
) -> list[Change]:
    """Windows in which one numeric feature after another is moved by so many of its standard deviations.

    Only that feature is counted, and its p-value held against a level shared among all of them: what its adjusted
    p-value is where no other changed.
    """
    numeric = [n for n, role in columns.items() if role == "numeric" and reference[n].dtype.is_numeric()]
    if not numeric:
        return []
    order = next(_orders(reference.height, 1, seed))
    fresh = reference[order[:rows]]
    profile = build_profile(reference[order[rows:]], columns)
    generator = np.random.default_rng(seed + 1)
    changes = []
    for size in SHIFTS:
        found = []
        for i in range(windows):
            name = numeric[i % len(numeric)]
            column = profile.columns[name]
            values = fresh[name][generator.choice(rows, rows)].cast(pl.Float64) + size * (column.std or 0.0)
            alone = Profile(profile.rows, {name: column})
            found.append(_inputs(alone, values.to_frame(), thresholds, level=thresholds.alpha / len(columns)))
        changes.append(Change("one numeric feature moved", f"{size:g} standard deviations", tuple(found)))
    return changes


def unchanged_outcomes(
    held: HeldOut, thresholds: MonitoringThresholds, rows: int, windows: int, seed: int
) -> list[Statistics]:
    """Each round parts the held-out rows at random into a reference_performance and a window.

    Raises:
        ValueError: there are fewer held-out rows than twice a window's.
    """
    if len(held) < 2 * rows:
        raise ValueError(f"there are {len(held)} held-out rows, expected {2 * rows}: twice a window of {rows}")
    return [
        _outcomes(held, held.reference(order[rows:]), order[:rows], held.y[order[:rows]], thresholds)
        for order in _orders(len(held), windows, seed)
    ]


def changed_outcomes(
    held: HeldOut, thresholds: MonitoringThresholds, rows: int, windows: int, seed: int
) -> list[Change]:
    """Windows whose outcomes changed at the same scores: more of them, or others than before."""
    generator = np.random.default_rng(seed + 2)
    half = next(_orders(len(held), 1, seed))
    reference_performance, fresh = held.reference(half[rows:]), half[:rows]

    def draw(what: str, size: str, change: Callable[[np.ndarray], np.ndarray], weights: np.ndarray | None) -> Change:
        found = []
        for _ in range(windows):
            chosen = fresh[generator.choice(len(fresh), rows, p=weights)]
            found.append(_outcomes(held, reference_performance, chosen, change(held.y[chosen]), thresholds))
        return Change(what, size, tuple(found))

    if held.task is Task.REGRESSION:
        spread = float(held.y.std())
        return [
            draw("outcomes moved", f"{size:g} standard deviations", lambda y, size=size: y + size * spread, None)
            for size in BIASES
        ]
    changes = []
    if held.task is Task.BINARY:
        for factor in ODDS:
            weights = np.where(held.y[fresh] == 1, factor, 1.0)
            changes.append(draw("odds of the outcome", f"times {factor:g}", lambda y: y, weights / weights.sum()))
    labels = np.unique(held.y)

    def flip(y: np.ndarray, share: float) -> np.ndarray:
        # The next label instead: of two, the other one.
        other = labels[(np.searchsorted(labels, y) + 1) % len(labels)]
        return np.where(generator.random(len(y)) < share, other, y)

    changes += [draw("labels flipped", f"in {s:.0%} of rows", lambda y, s=s: flip(y, s), None) for s in FLIPS]
    return changes


def _inputs(
    profile: Profile, window: pl.DataFrame, thresholds: MonitoringThresholds, level: float | None = None
) -> Statistics:
    # Only sizes by column have a threshold: what is looked for in rows (broken feeds, pairs) is left out.
    verdict = compare(profile, count_window(window, profile), thresholds)
    return input_statistics(verdict, level or thresholds.alpha)


def _outcomes(
    held: HeldOut,
    reference_performance: ReferencePerformance,
    rows: np.ndarray,
    y: np.ndarray,
    thresholds: MonitoringThresholds,
) -> Statistics:
    return outcome_statistics(
        measure(reference_performance, y, held.score[rows], thresholds=thresholds), thresholds.alpha
    )


def _orders(rows: int, times: int, seed: int) -> Iterator[np.ndarray]:
    generator = np.random.default_rng(seed)
    for _ in range(times):
        yield generator.permutation(rows)
