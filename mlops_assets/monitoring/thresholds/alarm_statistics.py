"""The numbers that thresholds are held against, one a window: what calibration counts alarms with.

A number is 0 where there is no evidence for a change (its p-value is not below the policy's `alpha`): size alone never
alarms. It is None where it was not measured. How far apart groups of people may stand is no such threshold: it is decided
by people, whatever chance would bring.
"""

from dataclasses import dataclass

from mlops_assets.monitoring.inputs.column_drift import HARDLY_USED
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.verdict.outcome_causes import BESIDE_CALIBRATION, label_shift_size


@dataclass(frozen=True)
class Statistic:
    """One number that has thresholds in a policy's `monitoring`: `<name>_watch` and `<name>_act`.

    Attributes:
        name: first part of the fields' names.
        grid: thresholds that calibration tries, rising.
        meaning: what it measures, with its unit.
    """

    name: str
    grid: tuple[float, ...]
    meaning: str


STATISTICS: tuple[Statistic, ...] = (
    Statistic(
        "psi", (0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0), "largest PSI of an input"
    ),
    Statistic("performance_drop", (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3), "loss of quality"),
    Statistic(
        "calibration",
        (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1.0, 2.0),
        "outcomes against scores, share of the base rate",
    ),
    Statistic(
        "bias", (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.5, 0.75, 1.0), "mean error, standard deviations of the target"
    ),
    Statistic(
        "relation",
        (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3),
        "outcomes at the same score, standard deviations",
    ),
)


def input_statistics(drift: DriftVerdict, alpha: float) -> dict[str, float | None]:
    """Of a window's inputs and score; broken columns alarm at any threshold and take no part."""
    compared = [c for c in drift.columns if not c.fault and c.effect is not None]
    if drift.severity == "not_measurable" or not compared:
        return {"psi": None}
    sure = [
        c.effect or 0.0
        for c in compared
        if (c.p_value if c.p_value is not None else 1.0) < alpha
        and (c.importance is None or c.importance >= HARDLY_USED)
    ]
    return {"psi": max(sure, default=0.0)}


def outcome_statistics(performance: WindowPerformance, alpha: float) -> dict[str, float | None]:
    """Of a window's matured outcomes."""
    level = "bias" if performance.task == "regression" else "calibration"
    found: dict[str, float | None] = dict.fromkeys(("performance_drop", level, "relation"))
    if not performance.measurable:
        return found
    adjusted = performance.p_adjusted
    ranking, calibration, relation = performance.ranking, performance.calibration, performance.relation
    if ranking is not None and ranking.drop is not None:
        found["performance_drop"] = max(0.0, ranking.drop) if adjusted.get("ranking", 1.0) < alpha else 0.0
    if calibration is not None and calibration.p_value is not None:
        unexpected = adjusted.get("calibration", 1.0) < alpha
        base = performance.base_rate
        # A base rate that the scores foresaw in part is judged by its whole size, as `triage` does where no input moved.
        surely = base is not None and base.p_value is not None and base.p_value < alpha / BESIDE_CALIBRATION
        found[level] = max(
            calibration.size if unexpected else 0.0, label_shift_size(performance) if unexpected or surely else 0.0
        )
    if relation is not None and relation.unexplained is not None and performance.outcome_spread > 0:
        size = relation.unexplained / performance.outcome_spread
        found["relation"] = size if adjusted.get("relation", 1.0) < alpha else 0.0
    return found
