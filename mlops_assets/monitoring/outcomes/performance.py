"""Performance of a window on matured outcomes, against the reference.

Belongs here: what the outcomes say. Not here: estimates without outcomes (`estimate.py`), shifts of inputs
(`drift.py`), and which kind of change it is and what to do about it (`triage.py`), which reads the numbers found here.

Five things are measured, because each sees what the others do not:

- *ranking* (quality): whether the model still orders, or still explains, as well as it did;
- *base rate*: whether outcomes became more or less frequent, with and without what the scores foresaw;
- *calibration*: whether scores are still right on average and by grade (Jeffreys);
- *relation*: whether outcomes by grade changed beyond a shifted base rate;
- *fairness*: whether a protected group stands further from the others than it did.

An alarm needs evidence (p-values, Holm over the tests of the window) and size. Every test prints the smallest change it
could have seen. Rows are taken to be independent but for what periods of the reference differ by themselves.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.calibration import calibrate
from mlops_assets.evaluation.estimators import METRICS, NotMeasurable, Scored, estimate, prepare
from mlops_assets.evaluation.metrics import CATALOGUE
from mlops_assets.evaluation.performance import measure_metric, plain
from mlops_assets.monitoring.outcomes.grades import tabulate
from mlops_assets.monitoring.outcomes.group_changes import GroupChange, group_changes
from mlops_assets.monitoring.outcomes.outcome_changes import (
    BaseRateChange,
    CalibrationChange,
    SliceChange,
    base_rate_change,
    calibration_change,
    slice_changes,
)
from mlops_assets.monitoring.outcomes.performance_verdict import Changes, judge, judge_groups, new_classes_verdict
from mlops_assets.monitoring.outcomes.ranking_change import RankingChange, ranking_change
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, fairness_of
from mlops_assets.monitoring.outcomes.relation import Relation, compare_grades
from mlops_assets.monitoring.severity import TOLERATED, Severity, worst
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.multiplicity import holm

TESTS = 3
"""Ranking, calibration, relation: tested together."""


@dataclass(frozen=True)
class WindowPerformance:
    """What the matured outcomes of one window say; parts are None where they were not measured, and `reasons` say
    why."""

    task: str
    n: int
    positives: int | None
    matured_share: float
    """Share of the window's predictions whose outcome is known."""
    severity: Severity
    measurable: bool
    reasons: tuple[str, ...]
    metrics: dict[str, dict[str, Any]]
    """Name to value, low, high, reference, change (window minus reference) and higher_is_better."""
    ranking: RankingChange | None = None
    base_rate: BaseRateChange | None = None
    calibration: CalibrationChange | None = None
    relation: Relation | None = None
    slices: tuple[SliceChange, ...] = ()
    fairness: dict[str, Any] | None = None
    fairness_reference: dict[str, Any] | None = None
    group_changes: tuple[GroupChange, ...] = ()
    fairness_severity: Severity = "none"
    p_adjusted: dict[str, float] = field(default_factory=dict)
    """Test (ranking, calibration, relation) to its p-value after Holm; group changes have their own."""
    new_classes: dict[str, int] = field(default_factory=dict)
    """Outcomes that are none of the reference's classes: rows by class. They are counted here and measured nowhere else."""
    outcome_spread: float = 0.0
    """Standard deviation of the reference's outcome: the unit of a changed relation."""
    reference_digest: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "WindowPerformance":
        """Read back what `to_dict` wrote; keys it does not know are what others stored beside it."""
        known = {name: stored[name] for name in cls.__dataclass_fields__ if name in stored}
        known["reasons"] = tuple(known["reasons"])
        for name, part in (("ranking", RankingChange), ("base_rate", BaseRateChange), ("relation", Relation)):
            if known.get(name) is not None:
                known[name] = part(**known[name])
        if known.get("calibration") is not None:
            calibration = known["calibration"]
            known["calibration"] = CalibrationChange(**{**calibration, "grades": tuple(calibration["grades"])})
        known["slices"] = tuple(SliceChange(**found) for found in known.get("slices", ()))
        known["group_changes"] = tuple(GroupChange(**found) for found in known.get("group_changes", ()))
        return cls(**known)


def measure(
    reference: ReferencePerformance,
    y_true: np.ndarray,
    score: np.ndarray,
    *,
    frame: pl.DataFrame | None = None,
    declaration: Declaration | None = None,
    thresholds: MonitoringThresholds | None = None,
    matured_share: float = 1.0,
    new_classes: Mapping[str, int] | None = None,
) -> WindowPerformance:
    """Measure a window on its matured outcomes.

    Args:
        reference: performance on held-out rows of the model that made the scores.
        y_true: matured outcomes (shapes as in `evaluation.performance.evaluate`). Classes that the reference does not have
            are counted, and their rows left out of everything else.
        score: the scores given then, for the same rows.
        frame: columns of the same rows, for slices and fairness.
        declaration: says which columns those are.
        thresholds: the defaults when None.
        matured_share: share of the window's predictions that are among the rows.
        new_classes: rows left out before, because their outcome is none that the reference has, by outcome.

    Raises:
        ValueError: input that does not fit the reference's task.
    """
    thresholds = thresholds or MonitoringThresholds()
    task = Task(reference.task)
    known, found = split_classes(y_true, reference)
    new_classes = {**(new_classes or {}), **found}
    if found:
        y_true, score = np.asarray(y_true)[known], np.asarray(score)[known]
        frame = frame.filter(pl.Series(known)) if frame is not None else None
    rows = prepare(y_true, score, task, threshold=reference.threshold, classes=list(reference.classes) or None)
    base = WindowPerformance(
        task=task.value,
        n=rows.n,
        positives=int(rows.y.sum()) if task is Task.BINARY else None,
        matured_share=matured_share,
        severity="not_measurable",
        measurable=False,
        reasons=(f"{rows.n} matured outcomes, fewer than the {thresholds.minimum_rows} that a verdict needs",),
        metrics={},
        new_classes=new_classes,
        outcome_spread=reference.outcome_spread,
        reference_digest=reference.digest,
    )
    if rows.n < thresholds.minimum_rows:
        return base
    changes = _changes(reference, rows, thresholds)
    fairness = None
    if frame is not None and declaration is not None and declaration.protected:
        fairness = fairness_of(rows, frame, declaration)
    groups = group_changes(reference.fairness, fairness, alpha=thresholds.alpha, unit=reference.outcome_spread)
    severity, reasons = judge(reference, changes, groups, thresholds)
    fairness_severity, fairness_reasons = judge_groups(groups, thresholds)
    class_severity, class_reasons = new_classes_verdict(new_classes, rows.n, thresholds)
    reasons += [*fairness_reasons, *class_reasons]
    if matured_share < 1:
        reasons.append(f"{matured_share:.0%} of the window's outcomes are known")
    graver = worst([fairness_severity, class_severity])
    return replace(
        base,
        # A loss that could not be seen is hidden by nothing else that was found to be in order.
        severity=severity if graver == "none" else worst([severity, graver]),
        measurable=True,
        reasons=tuple(reasons),
        metrics=_metrics(reference, rows),
        ranking=changes.ranking,
        base_rate=changes.base_rate,
        calibration=changes.calibration,
        relation=changes.relation,
        slices=slice_changes(reference, rows, frame, declaration, thresholds.minimum_rows, thresholds.alpha),
        fairness=fairness,
        fairness_reference=reference.fairness,
        group_changes=groups,
        fairness_severity=fairness_severity,
        p_adjusted=changes.p_adjusted,
    )


def split_classes(y_true: np.ndarray, reference: ReferencePerformance) -> tuple[np.ndarray, dict[str, int]]:
    """Which outcomes have a class of the reference, shape (n,), and rows by class of the others, most frequent first."""
    if not reference.classes:
        return np.ones(len(y_true), dtype=bool), {}
    labels = np.asarray(y_true).astype(str)
    known = np.isin(labels, np.asarray(reference.classes))
    return known, dict(Counter(labels[~known].tolist()).most_common())


def _changes(reference: ReferencePerformance, rows: Scored, thresholds: MonitoringThresholds) -> Changes:
    """The tests of a window's outcomes, with their p-values adjusted over each other."""
    # Holm requires the smallest of three p-values below a third of alpha: the smallest detectable change allows for it.
    level = thresholds.alpha / TESTS
    edges = np.array(reference.grades.edges)
    y = np.array(rows.classes)[rows.y] if rows.classes else rows.y
    calibration = calibrate(y, rows.score, rows.task, classes=rows.classes or None, edges=edges)
    variation = reference.variation_of(rows.n)
    ranking = ranking_change(
        reference, rows, level, thresholds.minimum_outcomes, run=thresholds.persistence_k, run_alpha=thresholds.alpha
    )
    calibration = calibration_change(reference, rows, calibration, level)
    relation = compare_grades(
        reference.grades,
        tabulate(rows, edges),
        binary=rows.task is not Task.REGRESSION,
        alpha=level,
        variation=variation.relation if variation else 0.0,
        periods=variation.periods if variation else 0,
        tolerance=TOLERATED * thresholds.relation_watch,
    )
    tests = {"ranking": ranking.p_value, "calibration": calibration.p_value, "relation": relation.p_beyond}
    known = {name: p for name, p in tests.items() if p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    base_rate = base_rate_change(reference, rows, thresholds.alpha)
    return Changes(ranking, base_rate, calibration, relation, adjusted)


def _metrics(reference: ReferencePerformance, rows: Scored) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name in METRICS[rows.task]:
        if name not in reference.metrics:
            continue
        try:
            estimate(name, rows)
        except NotMeasurable as why:
            found[name] = {"value": None, "note": str(why)}
            continue
        metric = measure_metric(name, rows)
        before = reference.metrics[name]["value"]
        found[name] = {
            "value": metric.value,
            "low": metric.low,
            "high": metric.high,
            "reference": before,
            "change": metric.value - before if metric.value is not None and before is not None else None,
            "higher_is_better": CATALOGUE[name].higher_is_better,
        }
    return found
