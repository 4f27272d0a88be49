"""What became of an incident since it was opened: the windows that show the same, the gravest of them, and a later champion.

Read from the verdicts; the record of the incident stays as it was written. Not here: what people signed about it
(`ledger.state.response`).
"""

import re
from dataclasses import dataclass

from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Incident

GRAVE = ("act", "critical")
"""Severities of a verdict that show the change of an incident."""
KNOWN = ("none", "watch", *GRAVE)
"""Severities, the gravest last."""


@dataclass(frozen=True)
class IncidentLife:
    """An incident over the windows.

    Attributes:
        windows: that show its change, by their start, oldest first; empty where it is about no window.
        worst: the gravest severity among them, or that of the incident.
        superseded: the version that decides now, where the incident is about another one's verdicts; None where it is not.
    """

    windows: tuple[str, ...]
    worst: str
    superseded: int | None


def incident_life(incident: Incident, model: ModelState) -> IncidentLife:
    """What the verdicts say of an incident now.

    A change other than a broken feed is found against one version's reference (`KIND:vVERSION` is the cause): windows that
    another version decided show nothing of it.
    """
    found = re.fullmatch(r".+:v(\d+)", incident.cause)
    version = found[1] if found else None
    columns = set(incident.columns)
    shown = {
        window: verdict.severity
        for window, verdict in sorted(model.window_verdicts.items())
        if window >= incident.window
        and verdict.severity in GRAVE
        and incident.kind in (verdict.kind, *verdict.causes)
        and version in (None, verdict.version)
        and (not columns or columns & set(verdict.columns))
    }
    deciding = model.champion.deciding
    other = version is not None and deciding is not None and str(deciding) != version
    return IncidentLife(
        windows=tuple(shown),
        # A severity of a later release is read as it was written, and ranks below all of this one.
        worst=max([incident.severity, *shown.values()], key=lambda one: KNOWN.index(one) if one in KNOWN else -1),
        superseded=deciding if other else None,
    )
