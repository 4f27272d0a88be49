"""Which rules raised a verdict, by short names that stay the same from window to window, so that each earns a record."""

from collections.abc import Sequence

from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.causes import Cause


def alarm_rules(
    cause: Cause,
    drift: DriftVerdict,
    performance: WindowPerformance | None,
    batch: Sequence[Fault],
    alpha: float,
) -> list[str]:
    """Rules behind a cause, in alphabetical order.

    A broken feed names the signs that were found (`missing_values`, `unit_change`, `stale_batch`, ...); a shifted population
    `input_psi`, `score_psi` or `joint`; what outcomes show `ranking`, `relation` or `calibration`.
    """
    if cause.kind == "data_quality":
        signs = {c.fault for c in drift.columns if c.fault and c.name in cause.columns}
        return sorted(signs or {fault.sign for fault in batch})
    if cause.kind == "covariate_shift" or cause.estimated:
        shifted = {c.name for c in drift.columns if c.name in cause.columns and at_least(c.severity, "watch")}
        found = {"score_psi" if name == SCORE_COLUMN else "input_psi" for name in shifted}
        return sorted(found) or ["joint"]
    if cause.kind == "label_shift":
        return ["calibration"]
    adjusted = performance.p_adjusted if performance else {}
    return [test for test in ("ranking", "relation") if adjusted.get(test, 1.0) < alpha] or ["relation"]
