"""Fire drills: known faults put into copies of windows, to see what is caught, under which name, and when.

Belongs here: judging the faulty copies, and the report; the faults are in `injected_faults.py`. A drill works on frames in
memory and writes nothing: nothing real is touched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.monitoring.drills.injected_faults import OUTCOME, Drill, NotApplicable, standard_drills
from mlops_assets.monitoring.inputs.batches import content_digest, find_batch_faults
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, compare
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.persistence import Earlier
from mlops_assets.monitoring.verdict.triage import Health, triage
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile

SAMPLE_ROWS = 5000
"""Of a window and of the reference, for what counts cannot tell."""


@dataclass(frozen=True)
class DrillResult:
    """What came of one drill over all windows.

    Attributes:
        name, size, expected: of the drill.
        windows: drilled.
        caught: of them, with severity `watch` or more.
        acted: of them, with severity `act` or more in the first window.
        named: of them, with the right kind first, and the right columns among those concerned.
        delay: windows until `act`, on average over the windows that got there; 1 is at once. None where none did.
        note: why it could not be run, or what is to be known.
    """

    name: str
    size: str
    expected: str
    windows: int
    caught: int
    acted: int
    named: int
    delay: float | None
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


@dataclass(frozen=True)
class _Watch:
    """What windows are judged with."""

    profile: Profile
    thresholds: MonitoringThresholds
    importance: Mapping[str, float] | None
    reference: ReferencePerformance | None
    reference_sample: pl.DataFrame | None
    rescore: Callable[[pl.DataFrame], np.ndarray] | None


def run_drills(
    windows: Sequence[pl.DataFrame],
    profile: Profile,
    thresholds: MonitoringThresholds,
    *,
    drills: Sequence[Drill] | None = None,
    importance: Mapping[str, float] | None = None,
    reference: ReferencePerformance | None = None,
    reference_sample: pl.DataFrame | None = None,
    rescore: Callable[[pl.DataFrame], np.ndarray] | None = None,
    seed: int = 20261121,
) -> list[DrillResult]:
    """Drill every fault on a copy of every window.

    Args:
        windows: rows with the profile's columns, in order of time; `SCORE_COLUMN` (see `with_scores`) and, as known, `OUTCOME`
            (0 or 1; a label; a number) beside.
        profile: of the reference.
        thresholds: thresholds.
        drills: None: all of `standard_drills` for two classes.
        importance: of the features.
        reference: performance reference_performance; without it, or without an `OUTCOME`, drills on outcomes cannot be seen.
        reference_sample: rows of the reference; with them, columns that changed only together are looked for.
        rescore: the model; gives the scores of a faulty copy. None: scores stay what they were.
        seed: of what is random in the faults.
    """
    watch = _Watch(profile, thresholds, importance, reference, reference_sample, rescore)
    results = []
    for drill in standard_drills() if drills is None else drills:
        generator = np.random.default_rng(seed)
        verdicts: list[tuple[Health, tuple[str, ...]]] = []
        delays: list[int] = []
        try:
            for window in windows:
                found, columns, delay = _drill(drill, window, watch, generator)
                verdicts.append((found, columns))
                if delay is not None:
                    delays.append(delay)
        except NotApplicable as why:
            results.append(DrillResult(drill.name, drill.size, drill.kind, 0, 0, 0, 0, None, str(why)))
            continue
        blind = drill.needs_outcomes and (reference is None or any(OUTCOME not in w.columns for w in windows))
        results.append(
            DrillResult(
                name=drill.name,
                size=drill.size,
                expected=drill.kind,
                windows=len(verdicts),
                caught=sum(at_least(health.severity, "watch") for health, _ in verdicts),
                acted=sum(at_least(health.severity, "act") for health, _ in verdicts),
                named=sum(_named(drill, health, columns) for health, columns in verdicts),
                delay=float(np.mean(delays)) if delays else None,
                note="cannot be seen without outcomes" if blind else "",
            )
        )
    return results


def with_scores(rows: pl.DataFrame, scores: np.ndarray, classes: Sequence[str] = ()) -> pl.DataFrame:
    """The rows with the model's scores: of several classes, the probability of the likeliest, and each one's beside."""
    if scores.ndim == 1:
        return rows.with_columns(pl.Series(SCORE_COLUMN, scores))
    each = [pl.Series(f"{SCORE_COLUMN}:{label}", scores[:, i]) for i, label in enumerate(classes)]
    return rows.with_columns(pl.Series(SCORE_COLUMN, scores.max(axis=1)), *each)


def _drill(
    drill: Drill, window: pl.DataFrame, watch: _Watch, generator: np.random.Generator
) -> tuple[Health, tuple[str, ...], int | None]:
    """First verdict, the columns it should name, and the number of windows until `act`."""
    profile, thresholds = watch.profile, watch.thresholds
    faulty, columns = drill.inject(window, profile, generator)
    if watch.rescore is not None and drill.kind == "data_quality":
        classes = watch.reference.classes if watch.reference else ()
        faulty = with_scores(faulty, watch.rescore(faulty), classes)
    drift = compare(
        profile,
        count_window(faulty, profile),
        thresholds,
        importance=watch.importance,
        sample=faulty if faulty.height <= SAMPLE_ROWS else faulty.sample(SAMPLE_ROWS, seed=SAMPLE_ROWS),
        reference_sample=watch.reference_sample,
    )
    performance = _performance(faulty, watch)
    names = [n for n in profile.columns if n in faulty.columns and n != SCORE_COLUMN]
    earlier_rows = {"the window before": content_digest(window, names)} if drill.name == "stale batch" else {}
    batch = find_batch_faults(faulty, names, earlier=earlier_rows)
    # The fault stays: each further window looks like this one, and only persistence is different.
    earlier: list[Earlier] = []
    first = triage(drift, performance, earlier, thresholds, {}, batch=batch)
    found, count = first, 1
    while not at_least(found.severity, "act") and count < thresholds.persistence_n:
        earlier.append(Earlier(str(count), found.raw))
        found = triage(drift, performance, earlier, thresholds, {}, batch=batch)
        count += 1
    return first, columns, count if at_least(found.severity, "act") else None


def _performance(rows: pl.DataFrame, watch: _Watch) -> WindowPerformance | None:
    reference = watch.reference
    if reference is None:
        return None
    scored = [f"{SCORE_COLUMN}:{label}" for label in reference.classes] or [SCORE_COLUMN]
    if not {OUTCOME, *scored} <= set(rows.columns):
        return None
    scores = rows.select(scored).to_numpy()
    return measure(
        reference, rows[OUTCOME].to_numpy(), scores if reference.classes else scores[:, 0], thresholds=watch.thresholds
    )


def _named(drill: Drill, health: Health, columns: tuple[str, ...]) -> bool:
    return health.kind == drill.kind and set(columns) <= set(health.columns)
