"""How grave the changes of a window's outcomes are, in words.

Belongs here: severity and sentences. An alarm needs evidence (a p-value, adjusted over the tests of the window) and size.
Not here: the measurement (`performance.py`), and which kind of change it is (`verdict/`).
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlops_assets.monitoring.outcomes.group_changes import GroupChange
from mlops_assets.monitoring.outcomes.outcome_changes import BaseRateChange, CalibrationChange
from mlops_assets.monitoring.outcomes.ranking_change import RankingChange
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance
from mlops_assets.monitoring.outcomes.relation import Relation
from mlops_assets.monitoring.severity import Severity, worst
from mlops_assets.monitoring.wording import metric_name, shown_p
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

AREAS = ("roc_auc", "macro_auc")
WEIGHT: dict[Severity, str] = {
    "none": "too little to matter",
    "watch": "worth watching",
    "act": "worth acting on",
    "critical": "critical",
    "not_measurable": "not measurable",
}


@dataclass(frozen=True)
class Changes:
    """What the tests of a window's outcomes found; `p_adjusted` by test (ranking, calibration, relation), after Holm."""

    ranking: RankingChange
    base_rate: BaseRateChange
    calibration: CalibrationChange
    relation: Relation
    p_adjusted: dict[str, float]


def judge(
    reference: ReferencePerformance, changes: Changes, groups: Sequence[GroupChange], thresholds: MonitoringThresholds
) -> tuple[Severity, list[str]]:
    """Severity of the worst change, and one clause a change; without any, the smallest changes that would have been found."""
    found = [
        _ranking(reference, changes, thresholds),
        _calibration(reference, changes, thresholds),
        _relation(reference, changes, thresholds),
    ]
    severities: list[Severity] = [severity for severity, _ in found]
    reasons = [reason for _, reason in found if reason]
    if not reasons:
        reasons.append(_no_change(reference, changes, groups))
    unseen = too_coarse(reference, changes.ranking, thresholds)
    if unseen and worst(severities) == "none":
        return "not_measurable", [unseen, *reasons]
    if reference.task == "binary":
        reasons += _contradicted_grades(changes.calibration, thresholds.jeffreys_alpha)
    return worst(severities), reasons


def _ranking(
    reference: ReferencePerformance, changes: Changes, thresholds: MonitoringThresholds
) -> tuple[Severity, str]:
    ranking, name = changes.ranking, metric_name(reference.quality_metric)
    if ranking.drop is None:
        return "none", f"{name} is not measurable: {ranking.reason}"
    if changes.p_adjusted["ranking"] >= thresholds.alpha:
        return "none", ""
    severity = _watch_or_act(ranking.drop, thresholds.performance_drop_watch, thresholds.performance_drop_act)
    chance = 0.5 if reference.quality_metric in AREAS else 0.0
    if severity == "act" and ranking.high is not None and ranking.high <= chance:
        severity = "critical"  # certainly no better than predicting a constant
    return severity, (
        f"model performance fell: {name} {ranking.window:.3f} against {ranking.reference:.3f} in the reference, "
        f"{WEIGHT[severity]} ({shown_p(changes.p_adjusted['ranking'])})"
    )


def too_coarse(reference: ReferencePerformance, ranking: RankingChange, thresholds: MonitoringThresholds) -> str:
    """Why a critical loss, twice what is worth acting on, would rather be missed than seen, and what would make it measurable;
    empty where it would be seen."""
    least, act = ranking.smallest_in_a_run, thresholds.performance_drop_act
    if ranking.drop is None or least is None or ranking.own_error is None or least <= 2 * act:
        return ""
    name = metric_name(reference.quality_metric)
    between, of_reference = ranking.between_error, ranking.reference_error or 0.0
    sampling = math.sqrt(max(0.0, ranking.own_error**2 - between**2))
    largest = max(between, of_reference, sampling)
    if largest == between:
        why = "the reference's own periods differ by that much: compare with a reference of the same season, or a longer one"
    elif largest == of_reference:
        why = f"the reference has {reference.n} rows: more held-out rows are needed"
    else:
        why = f"windows of about {(least / act / 2) ** 2:.1f} times as many outcomes are needed"
    return f"a loss of {name} below {least:.3f} would rather be missed than seen, and {2 * act:g} is critical; {why}"


def _calibration(
    reference: ReferencePerformance, changes: Changes, thresholds: MonitoringThresholds
) -> tuple[Severity, str]:
    calibration = changes.calibration
    if calibration.p_value is None or changes.p_adjusted["calibration"] >= thresholds.alpha:
        return "none", ""
    regression = reference.task == "regression"
    act = thresholds.bias_act if regression else thresholds.calibration_act
    watch = thresholds.bias_watch if regression else thresholds.calibration_watch
    severity = _watch_or_act(calibration.size, watch, act)
    size = (
        f"{calibration.size:.2f} standard deviations of the target"
        if regression
        else f"{calibration.size:.0%} of the base rate"
    )
    return severity, (
        f"outcomes are {calibration.direction} than predicted, by {size} more than in the reference, {WEIGHT[severity]} "
        f"({shown_p(changes.p_adjusted['calibration'])})"
    )


def _relation(
    reference: ReferencePerformance, changes: Changes, thresholds: MonitoringThresholds
) -> tuple[Severity, str]:
    relation = changes.relation
    if relation.p_beyond is None or relation.unexplained is None:
        return "none", ""
    if changes.p_adjusted["relation"] >= thresholds.alpha:
        return "none", ""
    size = relation.unexplained / (reference.outcome_spread or 1.0)
    severity = _watch_or_act(size, thresholds.relation_watch, thresholds.relation_act)
    return severity, (
        f"the same scores have other outcomes than in the reference, by {size:.2f} standard deviations beyond a common "
        f"shift, {WEIGHT[severity]} ({shown_p(changes.p_adjusted['relation'])})"
    )


def judge_groups(groups: Sequence[GroupChange], thresholds: MonitoringThresholds) -> tuple[Severity, list[str]]:
    """Severity of groups that are further from the others than in the reference, and a clause for each, widest first."""
    watch, act = thresholds.fairness_watch, thresholds.fairness_act
    changed: list[tuple[GroupChange, Severity]] = [
        (g, _watch_or_act(g.widened or 0.0, watch, act))
        for g in sorted(groups, key=lambda g: -(g.widened or 0.0))
        if g.p_adjusted is not None and g.p_adjusted < thresholds.alpha and (g.widened or 0.0) >= watch
    ]
    reasons = [
        f"{g.attribute} = {g.group} is further from the other groups: difference in {g.measure.replace('_', ' ')} "
        f"{g.window_gap:+.3f} against {g.reference_gap:+.3f} in the reference, {WEIGHT[severity]} "
        f"({shown_p(g.p_adjusted)}, {g.n} rows)"
        for g, severity in changed[:4]
    ]
    severities: list[Severity] = ["none", *(severity for _, severity in changed)]
    return worst(severities), reasons


def new_classes_verdict(
    new_classes: Mapping[str, int], measured: int, thresholds: MonitoringThresholds
) -> tuple[Severity, list[str]]:
    """Severity of outcomes whose class the reference does not have, and the clause that names them."""
    rows = sum(new_classes.values())
    if not rows:
        return "none", []
    share = rows / (rows + measured)
    severity: Severity = "act" if share > thresholds.max_new_category_share else "watch"
    return severity, [new_classes_text(new_classes, measured)]


def new_classes_text(new_classes: Mapping[str, int], measured: int) -> str:
    """Clause for outcomes whose class the reference does not have."""
    rows = sum(new_classes.values())
    names = ", ".join(f"{label!r}" for label in list(new_classes)[:4])
    return (
        f"the outcome has {'a class' if len(new_classes) == 1 else 'classes'} that the reference does not have, {names}, in "
        f"{rows} of {rows + measured} rows ({rows / (rows + measured):.1%}); the other rows are measured"
    )


def _watch_or_act(size: float, watch: float, act: float) -> Severity:
    return "act" if size >= act else "watch" if size >= watch else "none"


def _contradicted_grades(calibration: CalibrationChange, alpha: float) -> list[str]:
    found = [grade for grade in calibration.grades if grade["p_adjusted"] < alpha]
    if not found:
        return []
    under = sum(grade["observed"] > grade["mean_score"] for grade in found)
    return [
        f"{len(found)} of {len(calibration.grades)} grades have other outcomes than their scores predict: {under} more "
        f"often, {len(found) - under} less often (Jeffreys)"
    ]


def _no_change(reference: ReferencePerformance, changes: Changes, groups: Sequence[GroupChange]) -> str:
    """No change, with the smallest changes that the tests find: nothing is known of smaller ones."""
    least = {
        f"loss of {metric_name(reference.quality_metric)}": changes.ranking.smallest_detectable,
        "outcomes against predictions": changes.calibration.smallest_detectable,
        "outcomes by grade": changes.relation.smallest_detectable,
        "a group against the others": max((g.smallest_detectable or 0.0 for g in groups), default=None),
    }
    known = ", ".join(f"{name} {value:.3f}" for name, value in least.items() if value)
    return f"no change in outcomes (smallest detectable: {known})" if known else "no change in outcomes"
