"""Verdicts as they are recorded: which window one is about, those before it, and those of other models in its period.

A model whose cadence was changed has verdicts on windows of two lengths, some of which begin on the same day. So a verdict is
on a window when start (the record's subject) and end (in the body) are the window's.
"""

from collections.abc import Mapping
from datetime import date

from mlops_assets.datasets.windows import Window, window_of_key, window_start
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.monitoring.verdict.fleet_control import FleetControl, over_fleet
from mlops_assets.monitoring.verdict.triage import Earlier

VERDICT = "health_verdict"
END = "window_end"
"""Where a verdict's record has the end of its window (excluded)."""
FLEET = "fleet"
"""Where a verdict's record has the control of false discoveries over the fleet."""


def is_verdict_of(record: Record, cadence: Cadence) -> bool:
    """Whether a verdict is about a window of that cadence; where the record has no end, its start has to fit."""
    try:
        end = window_of_key(record.subject, cadence).end.isoformat()
    except ValueError:
        return False
    return record.body.get(END, end) == end


def earlier_windows(ledger: Ledger, model: str, window: Window, version: int) -> list[Earlier]:
    """Verdicts of the windows before this one under the same version, oldest first, the last verdict of each."""
    found: dict[str, Record] = {}
    for record in ledger.records(kind=VERDICT, model=model):
        if record.subject < window.key and record.body["version"] == str(version):
            found[record.subject] = record
    return [Earlier(key, found[key].body["raw"]) for key in sorted(found)]


def among_the_fleet(
    ledger: Ledger, declared: Mapping[str, Declaration], model: str, window: Window, p_value: float | None
) -> FleetControl:
    """The window among those of the same cadence and start; one read of the ledger, whatever the number of models.

    Args:
        ledger: with the verdicts; of each window the last counts.
        declared: every model of the fleet by name.
        model: whose window it is.
        window: which.
        p_value: of this window.
    """
    cadence = declared[model].monitoring.cadence
    members = {name for name, d in declared.items() if has_window(d, window, cadence)} - {model}
    last: dict[str, float | None] = {}
    for record in ledger.records(kind=VERDICT, subject=window.key):
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
