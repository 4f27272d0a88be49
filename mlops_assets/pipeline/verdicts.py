"""Verdicts as they are recorded: which window one is about, those before it, and those of other models in its period.

A model whose cadence was changed has verdicts on windows of two lengths, some of which begin on the same day. So a verdict is
on a window when start (the record's subject) and end (in the body) are the window's.
"""

from collections.abc import Mapping
from datetime import date

from mlops_assets.datasets.windows import Window, window_of_key, window_start
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.monitoring.verdict.fleet_control import FleetControl, over_fleet
from mlops_assets.monitoring.verdict.persistence import Earlier


def is_verdict_of(record: Record[HealthVerdict], cadence: Cadence) -> bool:
    """Whether a verdict is about a window of that cadence."""
    return is_window_of(record.subject, record.event.window_end, cadence)


def is_window_of(start: str, end: date, cadence: Cadence) -> bool:
    """Whether start and end are those of a window of that cadence."""
    try:
        return window_of_key(start, cadence).end == end
    except ValueError:
        return False


def earlier_windows(model: ModelState, window: Window, version: int) -> list[Earlier]:
    """Verdicts of the windows before this one under the same version, oldest first, the last verdict of each."""
    found = [v for v in model.verdicts.values() if v.window < window.key and v.version == str(version)]
    last = {verdict.window: verdict for verdict in sorted(found, key=lambda v: v.seq)}
    return [Earlier(key, v.raw, v.accumulates, v.arrived) for key, v in sorted(last.items())]


def among_the_fleet(
    state: LedgerState, declared: Mapping[str, Declaration], model: str, window: Window, p_value: float | None
) -> FleetControl:
    """The window among those of the same cadence and start.

    Args:
        state: of the ledger; of each window the last verdict counts.
        declared: every model of the fleet by name.
        model: name of the model whose window it is.
        window: which.
        p_value: of this window.
    """
    cadence = declared[model].monitoring.cadence
    members = {name for name, d in declared.items() if has_window(d, window, cadence)} - {model}
    key = f"{window.key}/{window.end.isoformat()}"
    verdicts = [state.model(name).verdicts.get(key) for name in sorted(members)]
    return over_fleet(p_value, [v.p_value for v in verdicts if v is not None], len(members) + 1)


def has_window(declaration: Declaration, window: Window, cadence: Cadence) -> bool:
    """Whether a model is monitored by windows of that length, and this is one of them."""
    if not declaration.has_time or declaration.monitoring.cadence is not cadence:
        return False
    first: date | None = declaration.monitoring.start or declaration.training.until
    end = declaration.monitoring.end
    assert first is not None  # the declaration refuses a timed model without `until`
    return window_start(first, cadence) <= window.start and (end is None or window.start < end)
