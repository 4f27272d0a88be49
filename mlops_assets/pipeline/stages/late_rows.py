"""Rows that come for a window which was scored before: noticed by the look at arrivals, and whenever a window is scored.

Belongs here: when they are looked for, and the incident. Counting them is `pipeline/stages/delivery.py`'s. A window is not
scored again because of them: what was decided stays.
"""

from collections.abc import Callable, Mapping

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.gates import contract
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.pipeline.stages.delivery import Delivery, late_rows
from mlops_assets.platform import Platform
from mlops_assets.response.incidents import Incident, open_incident

_LOOKED_AT: dict[str, tuple[str, int]] = {}
"""By model: digest of the source, and the last record of a scoring, at the last look; the sensor looks every minute."""


def notice_late_rows(
    platform: Platform,
    declaration: Declaration,
    source_digest: str,
    model: ModelState,
    opened: Callable[[], Delivery],
) -> list[Incident]:
    """Open the incidents about late rows of a source that was changed since the last look.

    Args:
        platform: the project.
        declaration: that the deciding version was made under.
        source_digest: of the source's content now.
        model: its state.
        opened: opens the source.
    """
    last = model.latest.get(WindowScored.KIND, 0)
    place, state = f"{platform.project.defs}/{declaration.name}", (source_digest, last)
    if not last or _LOOKED_AT.get(place) == state:
        return []
    now = opened()
    found = late_rows(model, platform.lake, declaration, now, now.contents.ids)
    incidents: list[Incident] = []
    if found:
        limit = platform.policy(declaration.name).gates.of(contract.GATE).max_late_share
        incidents = late_incidents(platform.ledger, model, found, limit)
    _LOOKED_AT[place] = state
    return incidents


def late_incidents(
    ledger: Ledger, model: ModelState, late_by_window: Mapping[str, int], limit: float
) -> list[Incident]:
    """Incidents about windows of which a larger share of rows than `limit` came after they were scored.

    Args:
        ledger: to write to.
        model: its state.
        late_by_window: late rows by the start of their window.
        limit: largest share of a window's rows that may be late.
    """
    found = []
    for window, late in late_by_window.items():
        rows = model.scored[window].rows + late
        if late <= limit * rows:
            continue
        summary = (
            f"Data quality: {late} of {rows} rows ({late / rows:.1%}) of the window {window} came after it was scored; at "
            f"most {limit:.1%} may. Find out why they were late, and score the window again if its decisions matter."
        )
        found.append(
            open_incident(
                ledger,
                model.name,
                kind="data_quality",
                severity="act",
                summary=summary,
                window=window,
                cause=f"data_quality:late_rows:{window}",
                rule="late_rows",
            )
        )
    return found
