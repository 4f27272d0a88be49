"""The other models' windows of the same period, as the verdict needs them to control false discoveries over the fleet."""

from datetime import date

from mlops_assets.datasets.windows import Window, window_start
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.monitoring.verdict.fleet_control import FleetControl, over_fleet
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.window_reports import window_of
from mlops_assets.pipeline.verdicts import is_verdict_of

FLEET = "fleet"
"""Where a verdict's record keeps what the fleet made of it."""


def among_the_fleet(context: StageContext, verdict: str, p_value: float | None) -> FleetControl:
    """The window among those of the same cadence and start; one read of the ledger, whatever the number of models.

    Args:
        context: of the window.
        verdict: kind of the records of verdicts; of each window the last counts.
        p_value: of this window.
    """
    window, cadence = window_of(context), context.declaration.monitoring.cadence
    declared = context.platform.project.declarations
    members = {name for name, d in declared.items() if has_window(d, window, cadence)} - {context.model}
    last: dict[str, float | None] = {}
    for record in context.platform.ledger.records(kind=verdict, subject=window.key):
        if record.model in members and is_verdict_of(record, cadence):
            last[record.model] = record.body.get(FLEET, {}).get("p_value")
    return over_fleet(p_value, last.values(), len(members) + 1)


def has_window(declaration: Declaration, window: Window, cadence: Cadence) -> bool:
    """Whether a model is monitored by windows of that length, and this is one of them."""
    if not declaration.has_time or declaration.monitoring.cadence is not cadence:
        return False
    first: date | None = declaration.monitoring.start or declaration.training.until
    end = declaration.monitoring.end
    assert first is not None  # the declaration refuses a timed model without `until`
    return window_start(first, cadence) <= window.start and (end is None or window.start < end)
