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

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
    RankingChange,
    SliceChange,
    base_rate_change,
    calibration_change,
    ranking_change,
    slice_changes,
)
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, fairness_of
from mlops_assets.monitoring.outcomes.relation import Relation, compare_grades
from mlops_assets.monitoring.severity import Severity, worst
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
    """Share of the window's predictions whose outcome is known; the rest is silent."""
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
    seed: int = 20261121,
) -> WindowPerformance:
    """Measure a window on its matured outcomes.

    Args:
        reference: the reference_performance of the model that made the scores.
        y_true: matured outcomes (shapes as in `evaluation.performance.evaluate`).
        score: the scores given then, for the same rows.
        frame: columns of the same rows, for slices and fairness.
        declaration: says which.
        thresholds: the defaults when None.
        matured_share: share of the window's predictions that are among the rows.
        seed: of the bootstrap.

    Raises:
        ValueError: input that does not fit the reference's task.
    """
    thresholds = thresholds or MonitoringThresholds()
    task = Task(reference.task)
    rows = prepare(y_true, score, task, threshold=reference.threshold, classes=list(reference.classes) or None)
    positives = int(rows.y.sum()) if task is Task.BINARY else None
    if rows.n < thresholds.minimum_rows:
        reason = f"{rows.n} matured outcomes, fewer than {thresholds.minimum_rows}"
        return WindowPerformance(
            task.value, rows.n, positives, matured_share, "not_measurable", False, (reason,), {},
            outcome_spread=reference.outcome_spread, reference_digest=reference.digest,
        )  # fmt: skip
    window = tabulate(rows, np.array(reference.grades.edges))
    # Holm asks the smallest of three p-values to be below a third of alpha: what is claimed to be seen allows for it.
    level = thresholds.alpha / TESTS
    ranking = ranking_change(reference, rows, level, thresholds.minimum_outcomes)
    base_rate = base_rate_change(reference, rows, thresholds.alpha)
    y = np.array(rows.classes)[rows.y] if rows.classes else rows.y
    found = calibrate(y, rows.score, task, classes=rows.classes or None, edges=np.array(reference.grades.edges))
    calibration = calibration_change(reference, rows, found, level)
    variation = reference.variation_of(rows.n)
    relation = compare_grades(
        reference.grades, window, binary=task is not Task.REGRESSION, alpha=level,
        variation=variation.relation if variation else 0.0, periods=variation.periods if variation else 0,
    )  # fmt: skip
    slices = slice_changes(reference, rows, frame, declaration, thresholds.minimum_rows, thresholds.alpha)
    fairness = None
    if frame is not None and declaration is not None and declaration.protected:
        fairness = fairness_of(rows, frame, declaration)
    tests = {"ranking": ranking.p_value, "calibration": calibration.p_value, "relation": relation.p_beyond}
    known = {name: p for name, p in tests.items() if p is not None}
    adjusted = dict(zip(known, holm(list(known.values())), strict=True))
    severity, reasons = _judge(reference, ranking, calibration, relation, adjusted, thresholds)
    groups = group_changes(reference.fairness, fairness, alpha=thresholds.alpha, unit=reference.outcome_spread)
    fairness_severity, said_of_groups = _judge_groups(groups, thresholds)
    severity = worst([severity, fairness_severity])
    reasons += said_of_groups
    if not reasons:
        reasons.append(_nothing_seen(reference, ranking, calibration, relation, groups))
    if task is Task.BINARY:
        reasons += _contradicted_grades(calibration, thresholds.jeffreys_alpha)
    if matured_share < 1:
        reasons.append(f"{matured_share:.0%} of the window's outcomes are known; the rest is silent")
    return WindowPerformance(
        task=task.value,
        n=rows.n,
        positives=positives,
        matured_share=matured_share,
        severity=severity,
        measurable=True,
        reasons=tuple(reasons),
        metrics=_metrics(reference, rows),
        ranking=ranking,
        base_rate=base_rate,
        calibration=calibration,
        relation=relation,
        slices=slices,
        fairness=fairness,
        fairness_reference=reference.fairness,
        group_changes=groups,
        fairness_severity=fairness_severity,
        p_adjusted=adjusted,
        outcome_spread=reference.outcome_spread,
        reference_digest=reference.digest,
    )


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


def _judge(
    reference: ReferencePerformance,
    ranking: RankingChange,
    calibration: CalibrationChange,
    relation: Relation,
    adjusted: dict[str, float],
    thresholds: MonitoringThresholds,
) -> tuple[Severity, list[str]]:
    """Severity and its reasons: evidence and size together, for each test; the worst counts."""
    found: list[Severity] = ["none"]
    reasons: list[str] = []
    name = reference.quality_metric

    if ranking.drop is None:
        reasons.append(f"ranking is not measurable: {ranking.reason}")
    elif adjusted["ranking"] < thresholds.alpha:
        severity = _watch_or_act(ranking.drop, thresholds.performance_drop_watch, thresholds.performance_drop_act)
        trivial = 0.5 if name in ("roc_auc", "macro_auc") else 0.0
        if severity == "act" and ranking.high is not None and ranking.high <= trivial:
            severity = "critical"  # certainly no better than predicting a constant
        found.append(severity)
        reasons.append(
            f"{name} fell by {ranking.drop:.3f} to {ranking.window:.3f} (p = {adjusted['ranking']:.2g}), "
            f"{_worth(severity)}"
        )
    if calibration.p_value is not None and adjusted["calibration"] < thresholds.alpha:
        regression = Task(reference.task) is Task.REGRESSION
        watch, act = (
            (thresholds.bias_watch, thresholds.bias_act)
            if regression
            else (thresholds.calibration_watch, thresholds.calibration_act)
        )
        severity = _watch_or_act(calibration.size, watch, act)
        found.append(severity)
        unit = "standard deviations of the target" if regression else "of the base rate"
        amount = f"{calibration.size:.2f} {unit}" if regression else f"{calibration.size:.0%} {unit}"
        reasons.append(
            f"outcomes are {calibration.direction} against the scores by {amount} more than in the reference "
            f"(p = {adjusted['calibration']:.2g}), {_worth(severity)}"
        )
    if relation.p_beyond is not None and relation.unexplained is not None and adjusted["relation"] < thresholds.alpha:
        effect = relation.unexplained / (reference.outcome_spread or 1.0)
        severity = _watch_or_act(effect, thresholds.relation_watch, thresholds.relation_act)
        found.append(severity)
        reasons.append(
            f"the same scores mean other outcomes: by {effect:.2f} standard deviations from grade to grade beyond a "
            f"common shift (p = {adjusted['relation']:.2g}), "
            f"{_worth(severity)}"
        )
    return worst(found), reasons


def _watch_or_act(size: float, watch: float, act: float) -> Severity:
    return "act" if size >= act else "watch" if size >= watch else "none"


def _worth(severity: Severity) -> str:
    return "too little to matter" if severity == "none" else f"worth {severity}"


def _judge_groups(groups: Sequence[GroupChange], thresholds: MonitoringThresholds) -> tuple[Severity, list[str]]:
    """Severity of the groups that stand further from the others than they did, and the reasons, widest first."""
    changed = [
        g
        for g in groups
        if g.p_adjusted is not None
        and g.p_adjusted < thresholds.alpha
        and (g.widened or 0.0) >= thresholds.fairness_watch
    ]
    changed.sort(key=lambda g: -(g.widened or 0.0))
    watch, act = thresholds.fairness_watch, thresholds.fairness_act
    sizes: list[Severity] = ["none", *(_watch_or_act(g.widened or 0.0, watch, act) for g in changed)]
    return worst(sizes), [
        f"{g.attribute} = {g.group}: {g.measure.replace('_', ' ')} against the others went from {g.reference_gap:+.3f} "
        f"to {g.window_gap:+.3f} (p = {g.p_adjusted:.2g}, {g.n} rows), "
        f"worth {'act' if (g.widened or 0.0) >= thresholds.fairness_act else 'watch'}"
        for g in changed[:4]
    ]


def _contradicted_grades(calibration: CalibrationChange, alpha: float) -> list[str]:
    found = [grade for grade in calibration.grades if grade["p_adjusted"] < alpha]
    if not found:
        return []
    under = sum(grade["observed"] > grade["mean_score"] for grade in found)
    return [
        f"{len(found)} of {len(calibration.grades)} grades have other outcomes than their scores say (Jeffreys): "
        f"{under} more often, {len(found) - under} less often"
    ]


def _nothing_seen(
    reference: ReferencePerformance,
    ranking: RankingChange,
    calibration: CalibrationChange,
    relation: Relation,
    groups: Sequence[GroupChange],
) -> str:
    """What would have been seen: silence says nothing about changes smaller than that."""
    least = {
        f"a loss of {reference.quality_metric}": ranking.smallest_detectable,
        "outcomes against scores": calibration.smallest_detectable,
        "outcomes by grade": relation.smallest_detectable,
        "a group against the others": max((g.smallest_detectable or 0.0 for g in groups), default=None),
    }
    known = ", ".join(f"{what} of {value:.3f}" for what, value in least.items() if value)
    return f"no change; would have been seen: {known}" if known else "no change"
