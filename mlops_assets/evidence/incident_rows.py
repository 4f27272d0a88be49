"""The incidents of a model as lines of a table. Not here: everything about one of them (`incident_facts.py`)."""

from dataclasses import dataclass

from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.response.incident_life import IncidentLife, incident_life
from mlops_assets.response.incidents import concerning


@dataclass(frozen=True)
class IncidentRow:
    """An incident in one line of a table."""

    incident: Incident
    life: IncidentLife

    @property
    def windows(self) -> str:
        """First and last window that show it, or the occasion."""
        shown = self.life.windows
        return (shown[0] if shown[0] == shown[-1] else f"{shown[0]} to {shown[-1]}") if shown else self.incident.window

    @property
    def state(self) -> str:
        """The state in words, with what it turned out to be."""
        found = self.incident
        if found.merged_into:
            return f"goes on in {found.merged_into}"
        said = f"closed, {found.disposition.replace('_', ' ')}" if found.disposition else found.state
        return f"{said}; opened again {len(found.earlier)}×" if found.earlier else said


def incident_rows(state: LedgerState, model: str) -> tuple[IncidentRow, ...]:
    """Every incident about a model, its own and those of the fleet that name it; the last first."""
    return tuple(IncidentRow(one, incident_life(one, state.model)) for one in concerning(state, model)[::-1])
