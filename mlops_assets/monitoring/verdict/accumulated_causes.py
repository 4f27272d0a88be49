"""Causes that the windows of a version show together, where this window alone does not.

Belongs here: kind, severity and sentence of an accumulated change. Not here: the tests (`accumulated.py`).
"""

from collections.abc import Sequence

from mlops_assets.monitoring.inputs.column_drift import HARDLY_USED
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.severity import Kind, Severity, at_least, severity_of, worst
from mlops_assets.monitoring.verdict.accumulated import Accumulated
from mlops_assets.monitoring.verdict.causes import Cause
from mlops_assets.monitoring.wording import metric_name, shown_p
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

MOST_SHIFTED = 4


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
        clause = f"the same scores have other outcomes than in the reference, by {one.size:.2f} standard deviations"
        named.append(_cause("concept_drift", severity, f"{clause} beyond a common shift", one, thresholds.relation_act))
    if "ranking" in by_test:
        one = by_test["ranking"]
        severity = _severity(one, thresholds.performance_drop_watch, thresholds.performance_drop_act, thresholds)
        clause = (
            f"model performance is lower than in {one.against}: {metric_name(metric)} by {one.size:.3f}, at least "
            f"{one.at_least:.3f}"
        )
        kind: Kind = "covariate_shift" if shifted and "relation" not in by_test else "concept_drift"
        if kind == "covariate_shift":
            clause += ", while inputs moved"
        named.append(_cause(kind, severity, clause, one, thresholds.performance_drop_act))
    if "calibration" in by_test:
        named.append(_calibration(by_test["calibration"], thresholds, metric))
    if inputs or (moved and "calibration" not in by_test and not causes):
        named.append(_moved(inputs or moved, drift, thresholds))
    return [one for one in named if not any(c.kind == one.kind and at_least(c.severity, one.severity) for c in causes)]


def _calibration(one: Accumulated, thresholds: MonitoringThresholds, metric: str) -> Cause:
    regression = metric == "r2"
    watch = thresholds.bias_watch if regression else thresholds.calibration_watch
    act = thresholds.bias_act if regression else thresholds.calibration_act
    least = one.at_least or 0.0
    if regression:
        size, unit = f"{abs(one.size):.3f}, at least {least:.3f}", "standard deviations of the target"
    else:
        size, unit = f"{abs(one.size):.0%}, at least {least:.0%}", "of the base rate"
    clause = f"outcomes are {'higher' if one.size > 0 else 'lower'} than predicted, by {size}, {unit}"
    if one.against != "the reference":
        clause += f" more than in {one.against}"
    return _cause("label_shift", _severity(one, watch, act, thresholds), clause, one, act)


def _moved(moved: Sequence[Accumulated], drift: DriftVerdict, thresholds: MonitoringThresholds) -> Cause:
    importance = {c.name: c.importance for c in drift.columns}
    severities: list[Severity] = []
    for one in moved:
        severity = _severity(one, thresholds.psi_watch, thresholds.psi_act, thresholds)
        used = importance.get(one.column)
        severities.append("watch" if used is not None and used < HARDLY_USED else severity)
    examples = "; ".join(f"{one.column} by PSI {one.size:.2f} on average" for one in moved[:MOST_SHIFTED])
    more = f"; and {len(moved) - MOST_SHIFTED} more" if len(moved) > MOST_SHIFTED else ""
    many = f"{len(moved)} columns are" if len(moved) > 1 else "1 column is"
    cause = _cause(
        "covariate_shift", worst(severities), f"{many} distributed otherwise ({examples}{more})", moved[0], 1.0
    )
    columns = tuple(one.column for one in moved)
    weight = sum(importance.get(name) or 0.0 for name in columns)
    return Cause(cause.kind, cause.severity, cause.evidence, columns, weight, accumulated=True)


def _cause(kind: Kind, severity: Severity, clause: str, one: Accumulated, act: float) -> Cause:
    many = f", over {one.windows} windows" if one.windows > 1 else ""
    text = f"{clause}, since {one.since}{many} ({shown_p(one.p_value)} over the life of the version)"
    return Cause(kind, severity, text, (), abs(one.size) / act, accumulated=True)


def _severity(one: Accumulated, watch: float, act: float, thresholds: MonitoringThresholds) -> Severity:
    """Of its size; a change that is certain is worth watching at least, and acting on needs as many windows as ever."""
    severity = worst(["watch", severity_of(abs(one.size), watch, act)])
    return severity if one.windows >= thresholds.persistence_k else "watch"
