"""Causes that outcomes tell of: a changed relation, lost quality, another base rate.

Belongs here: what measured outcomes (`performance.py`) are evidence of. What inputs tell, and the ranking, is in `triage.py`.
"""

import math
from collections.abc import Sequence

from mlops_assets.monitoring.inputs.drift import BASE_RATE_WATCH
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.outcomes.segments import Segment
from mlops_assets.monitoring.severity import Severity, severity_of, worst
from mlops_assets.monitoring.verdict.causes import Cause, Loss
from mlops_assets.monitoring.verdict.shown import shown_p
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

BESIDE_CALIBRATION = 5
"""The base rate's own test may use such a part of the level: it comes beside the three that share it."""
SHIFTED_ALIKE = 0.5
"""Part of the base rate's change in log-odds that the same score must show for it to be more than other inputs."""


def relation_causes(
    performance: WindowPerformance,
    thresholds: MonitoringThresholds,
    shifted: bool,
    moved: bool,
    segment: Segment | None,
) -> tuple[list[Cause], Loss | None]:
    """Inputs that mean something else than they did, or quality that was lost without that.

    Lost quality alone is no evidence of one where the population has shifted: among rows that are more alike a model ranks
    worse, though each score means what it meant. Nor is it where outcomes have moved as a whole, unless quality is an area,
    which a common shift leaves as it is.
    """
    adjusted = performance.p_adjusted
    relation_evidence: list[str] = []
    relation_severity: Severity = "none"
    relation_weight = 0.0
    loss = _loss(performance, thresholds)
    moved = moved and performance.ranking is not None and performance.ranking.metric != "roc_auc"
    explained = (shifted or moved) and adjusted.get("relation", 1.0) >= thresholds.alpha
    if loss is not None and not explained:
        relation_severity, relation_weight = loss.severity, loss.weight
        relation_evidence.append(loss.text)
        loss = None
    relation = performance.relation
    if relation is not None and relation.unexplained is not None and adjusted.get("relation", 1.0) < thresholds.alpha:
        unit = _outcome_spread(performance)
        size = relation.unexplained / unit if unit else 0.0
        severity = severity_of(size, thresholds.relation_watch, thresholds.relation_act)
        if severity != "none":
            relation_severity = worst([relation_severity, severity])
            relation_weight = max(relation_weight, size / thresholds.relation_act)
            relation_evidence.append(
                f"outcomes at the same score differ by {relation.unexplained:.3f} beyond a common shift "
                f"({shown_p(relation.p_beyond)})"
            )
    if relation_evidence:
        columns: tuple[str, ...] = ()
        if segment is not None:
            relation_evidence.append(f"most of all {segment.text}")
            columns = (segment.column,)
        evidence = "; ".join(relation_evidence)
        return [Cause("concept_drift", relation_severity, evidence, columns, relation_weight)], loss
    return [], loss


def _loss(performance: WindowPerformance, thresholds: MonitoringThresholds) -> Loss | None:
    ranking = performance.ranking
    if ranking is None or ranking.drop is None or performance.p_adjusted.get("ranking", 1.0) >= thresholds.alpha:
        return None
    severity = severity_of(ranking.drop, thresholds.performance_drop_watch, thresholds.performance_drop_act)
    if severity == "none":
        return None
    text = f"{ranking.metric} fell from {ranking.reference:.3f} to {ranking.window:.3f} ({shown_p(ranking.p_value)})"
    return Loss(severity, text, ranking.drop / thresholds.performance_drop_act)


def base_rate_causes(
    performance: WindowPerformance, thresholds: MonitoringThresholds, population: Sequence[Cause], score: str
) -> list[Cause]:
    """Outcomes more or less frequent than the scores foresaw; one the scores did foresee is the population's."""
    calibration, base = performance.calibration, performance.base_rate
    if calibration is None or calibration.p_value is None:
        return []
    regression = performance.task == "regression"
    watch, act = (
        (thresholds.bias_watch, thresholds.bias_act)
        if regression
        else (thresholds.calibration_watch, thresholds.calibration_act)
    )
    unforeseen = performance.p_adjusted.get("calibration", 1.0) < thresholds.alpha
    # Scores that tell much of the outcome foresee much of a new base rate; where no input moved, that it did is enough,
    # and where the scores did, they are evidence of their own.
    inputs_moved = any(c.columns != (score,) for c in population)
    level = 0.0 if inputs_moved else thresholds.alpha if population else thresholds.alpha / BESIDE_CALIBRATION
    surely = base is not None and base.p_value is not None and base.p_value < level
    whole = label_shift_size(performance) if unforeseen or surely else 0.0
    severity = worst(
        [
            severity_of(calibration.size, watch, act) if unforeseen else "none",
            severity_of(min(whole, act), BASE_RATE_WATCH, act),
        ]
    )
    if severity == "none":
        return []
    weight = max(calibration.size, whole) / act
    if calibration.label and base is not None and calibration.label in base.classes:
        share = base.classes[calibration.label]
        text = (
            f"the share of {calibration.label!r} went from {share['reference']:.3f} to {share['window']:.3f}, "
            f"the scores foresaw {share['window'] - calibration.change:.3f} ({shown_p(calibration.p_value)})"
        )
        return [Cause("label_shift", severity, text, (), weight)]
    rates = ""
    if base is not None and base.reference is not None and base.window is not None:
        rates = f"the outcome's mean went from {base.reference:.3f} to {base.window:.3f}"
        rates += f", the scores foresaw {base.foreseen:.3f}; " if base.foreseen is not None else "; "
    if unforeseen or base is None:
        text = f"{rates}outcomes are {calibration.direction} than the scores say by {abs(calibration.change):.3f} "
        text += f"({shown_p(calibration.p_value)})"
    else:
        text = f"{rates}the same scores moved as one ({shown_p(base.p_value)})"
    return [Cause("label_shift", severity, text, (), weight)]


def _outcome_spread(performance: WindowPerformance) -> float:
    """Standard deviation of the reference's outcome, from what the window's result carries."""
    base, calibration = performance.base_rate, performance.calibration
    if performance.task == "binary" and base is not None and base.reference is not None:
        return (base.reference * (1 - base.reference)) ** 0.5
    if calibration is not None and calibration.size and calibration.change:
        return abs(calibration.change) / calibration.size
    return 1.0


def label_shift_size(performance: WindowPerformance) -> float:
    """Change of the base rate, relative to the rarer outcome's, where inputs do not explain it; 0 otherwise.

    Inputs that tell of the outcome move with a base rate, and the scores then foresee a part of it: what they did not
    foresee understates it. Under a shift of the base rate alone the log-odds of every score move as those of the base rate
    do (Saerens, Latinne & Decaestecker 2002); where other inputs are all there is, those of a score stay as they are.
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
