"""Causes that the windows of a version show together, where this window alone does not.

Belongs here: kind, severity and sentence of an accumulated change. Not here: the tests (`accumulated.py`).
"""

from collections.abc import Sequence

from mlops_assets.monitoring.inputs.column_drift import HARDLY_USED
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.severity import Kind, Severity, at_least, severity_of, worst
from mlops_assets.monitoring.verdict.accumulated import Accumulated
from mlops_assets.monitoring.verdict.causes import Cause
from mlops_assets.monitoring.verdict.sentences import (
    Change,
    Span,
    inputs_moved_over,
    outcomes_moved_over,
    quality_fell_over,
    relation_changed_over,
)
from mlops_assets.monitoring.wording import column_name
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds


def accumulated_causes(
    found: Sequence[Accumulated],
    causes: Sequence[Cause],
    drift: DriftVerdict,
    thresholds: MonitoringThresholds,
    metric: str,
    score: str = SCORE_COLUMN,
) -> list[Cause]:
    """Causes that the window itself does not show at the same severity; broken columns are left to their fault.

    Args:
        found: over the windows of the version, this one included.
        causes: that this window shows.
        drift: of this window.
        thresholds: of the policy.
        metric: that quality is measured by.
        score: column of the scores.
    """
    broken = {name for cause in causes if cause.kind == "data_quality" for name in cause.columns}
    moved = [one for one in found if one.test == "distance" and one.column not in broken]
    inputs = [one for one in moved if one.column != score]
    by_test = {one.test: one for one in found if one.test != "distance"}
    named: list[Cause] = []
    shifted = bool(inputs) or any(c.kind == "covariate_shift" and c.columns != (score,) for c in causes)
    if "relation" in by_test:
        one = by_test["relation"]
        severity = _severity(one, thresholds.relation_watch, thresholds.relation_act, thresholds)
        change = relation_changed_over(one.size, _span(one))
        named.append(_cause("concept_drift", severity, change, one, thresholds.relation_act))
    if "ranking" in by_test:
        one = by_test["ranking"]
        severity = _severity(one, thresholds.performance_drop_watch, thresholds.performance_drop_act, thresholds)
        kind: Kind = "covariate_shift" if shifted and "relation" not in by_test else "concept_drift"
        change = quality_fell_over(
            metric, one.size, one.at_least or 0.0, one.against, kind == "covariate_shift", _span(one)
        )
        named.append(_cause(kind, severity, change, one, thresholds.performance_drop_act))
    if "calibration" in by_test:
        named.append(_calibration(by_test["calibration"], thresholds, metric))
    if inputs or (moved and "calibration" not in by_test and not causes):
        named.append(_moved(inputs or moved, drift, thresholds))
    return [one for one in named if not any(c.kind == one.kind and at_least(c.severity, one.severity) for c in causes)]


def _calibration(one: Accumulated, thresholds: MonitoringThresholds, metric: str) -> Cause:
    regression = metric == "r2"
    watch = thresholds.bias_watch if regression else thresholds.calibration_watch
    act = thresholds.bias_act if regression else thresholds.calibration_act
    change = outcomes_moved_over(one.size, one.at_least or 0.0, regression, one.against, _span(one))
    return _cause("label_shift", _severity(one, watch, act, thresholds), change, one, act)


def _moved(moved: Sequence[Accumulated], drift: DriftVerdict, thresholds: MonitoringThresholds) -> Cause:
    importance = {c.name: c.importance for c in drift.columns}
    severities: list[Severity] = []
    for one in moved:
        severity = _severity(one, thresholds.psi_watch, thresholds.psi_act, thresholds)
        used = importance.get(one.column)
        severities.append("watch" if used is not None and used < HARDLY_USED else severity)
    change = inputs_moved_over([(column_name(one.column), one.size) for one in moved], _span(moved[0]))
    columns = tuple(one.column for one in moved)
    weight = sum(importance.get(name) or 0.0 for name in columns)
    return Cause("covariate_shift", worst(severities), (change,), columns, weight, accumulated=True)


def _cause(kind: Kind, severity: Severity, change: Change, one: Accumulated, act: float) -> Cause:
    return Cause(kind, severity, (change,), (), abs(one.size) / act, accumulated=True)


def _span(one: Accumulated) -> Span:
    return Span(one.since, one.windows, one.p_value)


def _severity(one: Accumulated, watch: float, act: float, thresholds: MonitoringThresholds) -> Severity:
    """Of its size; a change that is certain is worth watching at least, and acting on needs as many windows as ever."""
    severity = worst(["watch", severity_of(abs(one.size), watch, act)])
    return severity if one.windows >= thresholds.persistence_k else "watch"
