"""False discoveries over the fleet: thirty models that each alarm falsely once in a hundred windows alarm every third.

Each window has one p-value, that nothing at all changed in it. Over the windows of one period, one a governed model, the
false discovery rate is controlled (Benjamini & Hochberg 1995): an alarm that does not survive is watched and not acted on.

A model that has not been judged yet counts with a p-value of 1. A verdict is therefore never more daring than it would be
if all were known, need not wait for the others, and what it says of itself can only become smaller as they arrive: each
adjusted value is a minimum of `p(i) · models / i` over the ordered p-values, and no p-value rises.

Belongs here: the p-value of a window, and what the fleet makes of it. Not here: whose windows they are (the stage).
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from typing import Any

from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.accumulated import Accumulated
from mlops_assets.monitoring.verdict.sentences import chance_in_the_fleet
from mlops_assets.monitoring.verdict.triage import Health
from mlops_assets.statistics.multiplicity import benjamini_hochberg


@dataclass(frozen=True)
class FleetControl:
    """A window among those of the same period.

    Attributes:
        p_value: that nothing changed in this window; None where nothing was measured.
        adjusted: the same, controlled over the fleet.
        models: governed models with a window of this period, this one included.
        judged: of these, the ones with a p-value by now, this one included.
    """

    p_value: float | None
    adjusted: float
    models: int
    judged: int

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def window_p_value(
    drift: DriftVerdict, performance: WindowPerformance | None, accumulated: Iterable[Accumulated] = ()
) -> float | None:
    """The p-value that nothing changed in a window; None where nothing was measured.

    What earlier windows add (`accumulated`) is a family of its own where it shows anything; otherwise four families of tests: columns (Simes 1986: the smallest p-value that Benjamini and Hochberg adjust to), columns
    together, outcomes against scores, and groups (each by its smallest adjusted value). They depend on each other in ways
    nobody knows, so the smallest of them is taken as often as there are families (Bonferroni).
    """
    families = [
        [c.p_value for c in drift.columns],
        [drift.joint.p_value if drift.joint else None],
        [*performance.p_adjusted.values()] if performance else [],
        [g.p_adjusted for g in performance.group_changes] if performance else [],
        [one.p_value for one in accumulated],
    ]
    smallest = [min(p for p in family if p is not None) for family in families if any(p is not None for p in family)]
    return min(1.0, min(smallest) * len(smallest)) if smallest else None


def over_fleet(p_value: float | None, others: Iterable[float | None], models: int) -> FleetControl:
    """Adjust a window's p-value over the windows of its period.

    Args:
        p_value: of the window.
        others: of the other models' windows that were judged; None where nothing was measured.
        models: governed models with a window of the period, judged or not, this one included.

    Raises:
        ValueError: more windows than models.
    """
    known = [p for p in others if p is not None]
    if len(known) + 1 > models:
        raise ValueError(f"found {len(known) + 1} windows of {models} models, expected at most one each")
    own = 1.0 if p_value is None else p_value
    waiting = [1.0] * (models - 1 - len(known))
    adjusted = benjamini_hochberg([own, *known, *waiting])[0]
    return FleetControl(p_value, adjusted, models, len(known) + (p_value is not None))


def hold_to_fleet(health: Health, control: FleetControl, alpha: float) -> Health:
    """The verdict with the fleet considered: an alarm that it explains as chance is watched, and the reasons say so.

    Exempt are feeds that are broken for certain: a missing column is no matter of chance. So is a fleet of one.
    """
    certain = any(cause.certain for cause in health.causes)
    if not at_least(health.severity, "act") or certain or control.models < 2 or control.adjusted < alpha:
        return health
    why = chance_in_the_fleet(control.models, control.judged, control.adjusted, alpha)
    return replace(health, severity="watch", actions=(), reasons=(health.reasons[0], why))
