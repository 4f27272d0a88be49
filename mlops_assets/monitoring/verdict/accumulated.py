"""Changes that are too small for one window, found over the windows of a version.

Each window adds what it shows (`window_evidence`, kept in the ledger with its verdict) to sequential tests
(`statistics/sequential.py`) of quality, calibration, relation and each column's distance. Quality and calibration are
compared with the reference and, since that has an error of its own, with the version's earlier windows.

The level, 5 % over the whole life of a version whenever one looks, is shared: one half among the tests of outcomes, the
other among the columns. Windows count in the order in which their outcomes arrived. Where outcomes arrive later or are
corrected, the window's new numbers take the place of the old ones.

Belongs here: what a window adds, and what all of them show. Not here: the causes in a verdict (`triage.py`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mlops_assets.ledger.events.windows import Distance, MeanChange, WindowEvidence
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.severity import TOLERATED
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.sequential import (
    Sums,
    least_change,
    log_e_above,
    log_onset_weights,
    most_evidence,
    sums_since,
)

LEVEL = 0.05
"""Probability that a version without any change ever shows one here, however many windows it decides."""
OUTCOME_TESTS = 7
"""Quality (against the reference, and against earlier windows), calibration (the same, up and down), relation."""
REFERENCE, BEFORE = "the reference", "the windows before"
MOST_WINDOWS = 500
"""The last windows that are looked at."""


@dataclass(frozen=True)
class Judged:
    """A window of the version with its evidence.

    Attributes:
        window: its key.
        evidence: that it adds.
        arrived: rises with the order in which outcomes were first known; None where none are.
    """

    window: str
    evidence: WindowEvidence
    arrived: int | None = None


@dataclass(frozen=True)
class Accumulated:
    """A change that several windows show together.

    Attributes:
        test: `ranking`, `calibration`, `relation`, or `distance`.
        since: key of the window with which it began.
        windows: that it was seen in, the present one included.
        size: mean change over these windows, in units of the policy's thresholds; calibration: negative where outcomes are
            fewer than predicted.
        at_least: lower end of the confidence sequence of the size; None for distances.
        p_value: that there is no change, over all tests and windows of the version, whenever one looks.
        against: what windows are compared with: `the reference` or `the windows before`.
        column: whose distance it is, or empty.
    """

    test: str
    since: str
    windows: int
    size: float
    at_least: float | None
    p_value: float
    against: str = REFERENCE
    column: str = ""


def window_evidence(drift: DriftVerdict, performance: WindowPerformance | None) -> WindowEvidence:
    """What one window adds."""
    inputs = {
        c.name: Distance(log_e=round(c.log_e, 4), size=round(c.effect or 0.0, 4))
        for c in drift.columns
        if c.log_e is not None and not c.fault
    }
    if performance is None or not performance.measurable:
        return WindowEvidence(inputs=inputs)
    ranking, calibration, relation = performance.ranking, performance.calibration, performance.relation
    found = WindowEvidence(inputs=inputs)
    changes: dict[str, MeanChange | Distance | None] = {}
    if ranking is not None and ranking.drop is not None:
        changes["ranking"] = _mean(ranking.drop, ranking.own_error, ranking.reference_error, ranking.between_error, 1.0)
    if calibration is not None:
        changes["calibration"] = _mean(
            calibration.change,
            calibration.own_error,
            calibration.reference_error,
            calibration.between_error,
            calibration.unit or 0.0,
        )
    if relation is not None and relation.log_e is not None and performance.outcome_spread > 0:
        size = (relation.unexplained or 0.0) / performance.outcome_spread
        changes["relation"] = Distance(log_e=round(relation.log_e, 4), size=round(size, 4))
    return found.model_copy(update=changes)


def _mean(change: float, own: float | None, reference: float | None, between: float, unit: float) -> MeanChange | None:
    if own is None or reference is None or own <= 0 or unit <= 0:
        return None
    return MeanChange(
        change=round(change / unit, 8),
        variance=round((own / unit) ** 2, 10),
        shared=round((reference**2 + between**2) / unit**2, 10),
        between=round((between / unit) ** 2, 10),
    )


def accumulate(windows: Sequence[Judged], thresholds: MonitoringThresholds, regression: bool) -> list[Accumulated]:
    """Changes that the windows of a version show together, surest first.

    Args:
        windows: of one version in order of time, the present one last.
        thresholds: of the policy; sizes up to a fifth of `_watch` (distances: half) are no change.
        regression: the outcome is a number, and calibration is measured in its standard deviations.
    """
    if not windows:
        return []
    recent = list(windows)[-MOST_WINDOWS:]
    last = len(recent)
    arrived = sorted(
        (w for w in recent if w.evidence.of_outcomes), key=lambda w: (w.arrived is None, w.arrived or 0, w.window)
    )
    half = "bias" if regression else "calibration"
    found: list[Accumulated | None] = []
    for name, limits in (("ranking", "performance_drop"), ("calibration", half)):
        known = [w for w in arrived if getattr(w.evidence, name) is not None]
        watch, act = getattr(thresholds, f"{limits}_watch"), getattr(thresholds, f"{limits}_act")
        for sign in (1, -1) if name == "calibration" else (1,):
            found.append(_mean_test(name, known, sign, watch, act))
    of_relation = [(w.window, w.evidence.relation) for w in arrived if w.evidence.relation is not None]
    found.append(_distance_test("relation", "", of_relation, LEVEL / 2 / OUTCOME_TESTS))
    columns = list(recent[last - 1].evidence.inputs)
    for column in columns:
        known = [(w.window, w.evidence.inputs[column]) for w in recent if column in w.evidence.inputs]
        found.append(_distance_test("distance", column, known, LEVEL / 2 / len(columns)))
    return sorted((one for one in found if one is not None), key=lambda one: one.p_value)


@dataclass(frozen=True)
class MeanEvidence:
    """One test of a mean at the last window; arrays have one value a life.

    Attributes:
        against: what windows are compared with.
        sums: since each beginning.
        at: position of the beginning with the most evidence.
        surest: logarithm of its weighted e-value.
    """

    against: str
    sums: Sums
    at: np.ndarray
    surest: np.ndarray


def mean_evidence(
    changes: np.ndarray, variances: np.ndarray, shared: np.ndarray, between: np.ndarray, watch: float, act: float
) -> tuple[MeanEvidence, MeanEvidence]:
    """Evidence of a mean above its tolerance: against the reference, and against the windows before each beginning.

    Args:
        changes, variances: of windows in order of arrival, shape (..., windows).
        shared: variance that all windows share.
        between: part of it that is a period's difference: a run of windows may share it.
        watch, act: sizes of the policy.
    """
    tolerance = TOLERATED * watch
    absolute = sums_since(changes, variances, shared)
    relative = sums_since(changes, variances, shared, against_earlier=2 * between)
    found = []
    for against, sums in ((REFERENCE, absolute), (BEFORE, relative)):
        log_e = np.where(sums.precision > 0, log_e_above(sums, tolerance, act - tolerance), -np.inf)
        if against == BEFORE:
            # Windows that are worse than those before, and no worse than the reference, are a return to it.
            log_e = np.where(absolute.estimate > tolerance, log_e, -np.inf)
        at, surest = most_evidence(log_e)
        found.append(MeanEvidence(against, sums, at, surest))
    return found[0], found[1]


def _mean_test(name: str, known: Sequence[Judged], sign: int, watch: float, act: float) -> Accumulated | None:
    """Against the reference and against earlier windows; the surer of the two."""
    if not known:
        return None
    parts = [getattr(w.evidence, name) for w in known]
    changes, variances, shared, between = (
        np.array([getattr(one, field) for one in parts]) for field in ("change", "variance", "shared", "between")
    )
    level = LEVEL / 2 / OUTCOME_TESTS
    best = max(
        mean_evidence(sign * changes, variances, shared, between, watch, act), key=lambda test: float(test.surest)
    )
    surest, at = float(best.surest), int(best.at)
    if surest < -math.log(level):
        return None
    needed = -math.log(level) - log_onset_weights(len(known))
    tolerance = TOLERATED * watch
    with np.errstate(divide="ignore", invalid="ignore"):
        least, size = least_change(best.sums, needed, act - tolerance)[at], best.sums.estimate[at]
    return Accumulated(
        test=name,
        since=known[at].window,
        windows=len(known) - at,
        size=sign * float(size),
        at_least=float(max(least, tolerance)),
        p_value=min(1.0, math.exp(-surest) / level * LEVEL),
        against=best.against,
    )


def _distance_test(test: str, column: str, known: Sequence[tuple[str, Distance]], level: float) -> Accumulated | None:
    if not known:
        return None
    log_e = np.array([one.log_e for _, one in known])
    at, surest = most_evidence(np.cumsum(log_e[::-1])[::-1])
    if surest < -math.log(level):
        return None
    sizes = [one.size for _, one in known[int(at) :]]
    return Accumulated(
        test=test,
        since=known[int(at)][0],
        windows=len(sizes),
        size=float(np.mean(sizes)),
        at_least=None,
        p_value=min(1.0, math.exp(-float(surest)) / level * LEVEL),
        column=column,
    )
