"""Causes that outcomes show: a changed relation, lost quality, another base rate.

Belongs here: what measured outcomes (`outcomes/performance.py`) are evidence of. Causes that inputs show are in
`input_causes.py`, the ranking is in `triage.py`.
"""

import math
from collections.abc import Sequence

from mlops_assets.monitoring.inputs.column_drift import BASE_RATE_WATCH
from mlops_assets.monitoring.outcomes.performance import TESTS, WindowPerformance
from mlops_assets.monitoring.outcomes.performance_verdict import new_classes_verdict
from mlops_assets.monitoring.outcomes.segments import Segment
from mlops_assets.monitoring.severity import Severity, severity_of, worst
from mlops_assets.monitoring.verdict.causes import Cause, Loss
from mlops_assets.monitoring.verdict.sentences import (
    Change,
    Outcomes,
    confined_to,
    look_censored,
    new_classes,
    outcomes_apart,
    outcomes_moved,
    quality_fell,
    relation_changed,
)
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

BESIDE_CALIBRATION = 5
"""The base rate's own test has the level over this number: it comes beside the three tests that share the level."""
LEAST_ALIKE, MOST_ALIKE = 0.3, 3.0
"""Shift of log-odds at the same score over that of the base rate, within which both may be one shift of labels."""
CENSORED = 10
"""So many times rarer than in the reference, an outcome looks censored."""
SHIFTED_ALIKE = 0.5
"""Part of the base rate's change in log-odds that the same score must show for it to be more than other inputs."""


def new_class_causes(performance: WindowPerformance, thresholds: MonitoringThresholds) -> list[Cause]:
    """Outcomes of classes that the reference does not have: a fault of the outcome, or a class to be learned."""
    severity, reasons = new_classes_verdict(performance.new_classes, performance.n, thresholds)
    if not reasons:
        return []
    return [Cause("data_quality", severity, (new_classes(performance.new_classes, performance.n),), (), 0.0)]


def relation_causes(
    performance: WindowPerformance,
    thresholds: MonitoringThresholds,
    inputs: Sequence[Cause],
    base_rate_moved: bool,
    segment: Segment | None,
    score: str,
) -> tuple[list[Cause], Loss | None]:
    """A changed relation between inputs and outcome, or quality that was lost without one.

    Lost quality alone is no evidence of a changed relation where inputs have moved: among rows that are more alike a model
    ranks worse, though each score means what it meant. Nor is it where the base rate has moved, unless quality is an AUC,
    which a common shift leaves as it is.

    Args:
        performance: of the window.
        thresholds: of the policy.
        inputs: causes that inputs and score show.
        base_rate_moved: whether outcomes are more or less frequent than predicted.
        segment: the part of the rows that a changed relation is confined to, where there is one.
        score: column of the scores.
    """
    inputs_moved = bool(inputs)
    unchanged_relation = performance.p_adjusted.get("relation", 1.0) >= thresholds.alpha
    loss = _loss(performance, thresholds)
    not_an_area = performance.ranking is not None and performance.ranking.metric != "roc_auc"
    explained = unchanged_relation and (inputs_moved or (base_rate_moved and not_an_area))
    changes: list[Change] = []
    severities: list[Severity] = []
    weights: list[float] = []
    remainder = (
        _unexplained_loss(performance, thresholds, "scores" if all(c.columns == (score,) for c in inputs) else "inputs")
        if inputs_moved and not (base_rate_moved and not_an_area)
        else None
    )
    if loss is not None and remainder is not None:
        # Inputs explain a part of the loss at most: what remains is another relation.
        changes, severities, weights = [remainder.change], [remainder.severity], [remainder.weight]
        loss, explained = None, True
    if loss is not None and not explained:
        changes, severities, weights = [loss.change], [loss.severity], [loss.weight]
        loss = None
    relation = performance.relation
    if relation is not None and relation.unexplained is not None and not unchanged_relation:
        unit = _outcome_spread(performance)
        size = relation.unexplained / unit if unit else 0.0
        severity = severity_of(size, thresholds.relation_watch, thresholds.relation_act)
        if severity != "none":
            severities.append(severity)
            weights.append(size / thresholds.relation_act)
            changes.append(relation_changed(relation.unexplained, relation.p_beyond))
    if not changes:
        return [], loss
    columns: tuple[str, ...] = ()
    if segment is not None:
        changes.append(confined_to(segment.text))
        columns = (segment.column,)
    return [Cause("concept_drift", worst(severities), tuple(changes), columns, max(weights))], loss


def _unexplained_loss(performance: WindowPerformance, thresholds: MonitoringThresholds, moved: str) -> Loss | None:
    """The part of a loss that other inputs do not explain, where it is beyond chance and as large as their part.

    `moved` is what moved, in words: inputs, or scores where no input moved.
    """
    ranking = performance.ranking
    if ranking is None or ranking.expected is None or ranking.p_unexpected is None or ranking.window is None:
        return None
    by_inputs = max(0.0, (ranking.reference or 0.0) - ranking.expected)
    remainder = ranking.expected - ranking.window
    severity = severity_of(remainder, thresholds.performance_drop_watch, thresholds.performance_drop_act)
    if severity == "none" or ranking.p_unexpected >= thresholds.alpha / TESTS or remainder < by_inputs:
        return None
    share = min(1.0, remainder / (remainder + by_inputs))
    change = quality_fell(
        ranking.metric, ranking.window, ranking.reference or 0.0, ranking.p_unexpected, by_inputs=1 - share, moved=moved
    )
    return Loss(severity, change, remainder / thresholds.performance_drop_act)


def _loss(performance: WindowPerformance, thresholds: MonitoringThresholds) -> Loss | None:
    ranking = performance.ranking
    if ranking is None or ranking.drop is None or performance.p_adjusted.get("ranking", 1.0) >= thresholds.alpha:
        return None
    severity = severity_of(ranking.drop, thresholds.performance_drop_watch, thresholds.performance_drop_act)
    if severity == "none":
        return None
    change = quality_fell(ranking.metric, ranking.window or 0.0, ranking.reference or 0.0, ranking.p_value)
    return Loss(severity, change, ranking.drop / thresholds.performance_drop_act)


def base_rate_causes(
    performance: WindowPerformance, thresholds: MonitoringThresholds, inputs: Sequence[Cause], score: str
) -> list[Cause]:
    """Outcomes more or less frequent than the model predicted; a base rate that the model did predict is a shift of inputs.

    Args:
        performance: of the window.
        thresholds: of the policy.
        inputs: causes that inputs and score show.
        score: column of the scores.
    """
    calibration, base = performance.calibration, performance.base_rate
    if calibration is None or calibration.p_value is None:
        return []
    regression = performance.task == "regression"
    act = thresholds.bias_act if regression else thresholds.calibration_act
    watch = thresholds.bias_watch if regression else thresholds.calibration_watch
    not_predicted = performance.p_adjusted.get("calibration", 1.0) < thresholds.alpha
    # A model that ranks well predicts much of a new base rate; where no input moved, a changed base rate is enough evidence,
    # and where only the scores moved, they are evidence of their own.
    inputs_moved = any(c.columns != (score,) for c in inputs)
    level = 0.0 if inputs_moved else thresholds.alpha if inputs else thresholds.alpha / BESIDE_CALIBRATION
    moved = base is not None and base.p_value is not None and base.p_value < level
    whole = label_shift_size(performance) if not_predicted or moved else 0.0
    severity = worst(
        [
            severity_of(calibration.size, watch, act) if not_predicted else "none",
            severity_of(min(whole, act), BASE_RATE_WATCH, act),
        ]
    )
    if severity == "none":
        return []
    if inputs and not moved_with_labels(performance, thresholds.alpha):
        # Other inputs, and outcomes that did not follow as the scores foresaw: the labels did not shift, the relation did.
        change = _outcomes_moved(performance, not_predicted, followed_inputs=False)
        return [Cause("concept_drift", severity, (change,), (), calibration.size / act)]
    changes = (_outcomes_moved(performance, not_predicted), *_censored(performance))
    return [Cause("label_shift", severity, changes, (), max(calibration.size, whole) / act)]


def moved_with_labels(performance: WindowPerformance, alpha: float) -> bool:
    """Whether the base rate itself moved, and outcomes at the same score as far as it did.

    Under a shift of labels alone the log-odds at every score move by those of the base rate (Saerens, Latinne & Decaestecker
    2002). Where the base rate stands still while the same scores have other outcomes, or one moves far more than the other,
    something else changed. Only known for binary outcomes; others are taken to agree. Where too little is known of the same
    scores, as when hardly any of them is in the reference's range, the base rate alone tells.
    """
    base, relation = performance.base_rate, performance.relation
    if performance.task != "binary" or base is None:
        return True
    before, now = base.reference or 0.0, base.window or 0.0
    if base.p_value is None or base.p_value >= alpha or not (0 < before < 1 and 0 < now < 1):
        return False
    if relation is None or relation.common_shift is None:
        return True
    moved = math.log(now / (1 - now)) - math.log(before / (1 - before))
    return moved != 0 and LEAST_ALIKE <= relation.common_shift / moved <= MOST_ALIKE


def _censored(performance: WindowPerformance) -> tuple[Change, ...]:
    """A remark where hardly any outcome of one kind is left, as in windows whose outcomes are not complete yet."""
    base = performance.base_rate
    if performance.task != "binary" or base is None or not base.reference or base.window is None:
        return ()
    for value, rate, before in ((1, base.window, base.reference), (0, 1 - base.window, 1 - base.reference)):
        if rate < before / CENSORED:
            return (look_censored(1 - value),)
    return ()


def _outcomes_moved(performance: WindowPerformance, not_predicted: bool, followed_inputs: bool = True) -> Change:
    calibration, base = performance.calibration, performance.base_rate
    assert calibration is not None
    if calibration.label and base is not None and calibration.label in base.classes:
        share = base.classes[calibration.label]
        found = Outcomes(
            f"share of class {calibration.label!r}",
            share["window"],
            share["window"] - calibration.change,
            share["reference"],
            calibration.p_value,
        )
        return outcomes_moved(found, followed_inputs=followed_inputs)
    p_value = calibration.p_value if not_predicted or base is None else base.p_value
    if base is None or base.reference is None or base.window is None:
        return outcomes_apart(calibration.change, p_value)
    number = performance.task == "regression"
    # By the reference's outcomes at these scores, so that a score that was never calibrated reads right too.
    predicted = base.expected if base.expected is not None else base.window - calibration.change
    name = "mean outcome" if number else "base rate"
    found = Outcomes(name, base.window, predicted, base.reference, p_value, number)
    return outcomes_moved(found, followed_inputs=followed_inputs)


def label_shift_size(performance: WindowPerformance) -> float:
    """Change of the base rate, relative to the rarer outcome's, where inputs do not explain it; 0 otherwise.

    Inputs that are related to the outcome move with a base rate, and scores then predict a part of it: the part they did not
    predict understates the change. Under a shift of the base rate alone the log-odds of every score move as those of the
    base rate do (Saerens, Latinne & Decaestecker 2002); where inputs alone moved, those of a score stay as they are.
    """
    base, relation = performance.base_rate, performance.relation
    if base is None or relation is None or relation.common_shift is None or performance.task != "binary":
        return 0.0
    before, now = base.reference or 0.0, base.window or 0.0
    if not (0 < before < 1 and 0 < now < 1):
        return 0.0
    moved = math.log(now / (1 - now)) - math.log(before / (1 - before))
    alike = moved != 0 and relation.common_shift / moved >= SHIFTED_ALIKE
    return abs(now - before) / min(before, 1 - before) if alike else 0.0


def _outcome_spread(performance: WindowPerformance) -> float:
    """Standard deviation of the reference's outcome, from what the window's result carries."""
    base, calibration = performance.base_rate, performance.calibration
    if performance.task == "binary" and base is not None and base.reference is not None:
        return (base.reference * (1 - base.reference)) ** 0.5
    if calibration is not None and calibration.size and calibration.change:
        return abs(calibration.change) / calibration.size
    return 1.0
