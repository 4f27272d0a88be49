"""What an incident has become since it was opened: the windows that show its change, the worst of them, and who decides now.

It is computed from the verdicts, so a window that is judged again is taken in as it stands. Not here: opening and closing
(`incidents.py`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from mlops_assets.ledger.events.response import ConcernedModel
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.ledger.state.windows import WindowVerdict

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
        quiet: windows after the last of them that were judged and do not show it.
        superseded: by model, the version that decides now where the incident is about another one's verdicts.
    """

    windows: tuple[str, ...]
    worst: str
    quiet: int
    superseded: dict[str, int]

    @property
    def is_past(self) -> bool:
        """Whether another version decides for every model that it concerns."""
        return bool(self.superseded)

    @property
    def text(self) -> str:
        """First and last window, how many, and what changed since, in sentences; empty where it is about no window."""
        if not self.windows:
            return ""
        first, last = self.windows[0], self.windows[-1]
        span = f"Window {first}." if first == last else f"{len(self.windows)} windows from {first} to {last}."
        since = ""
        if self.quiet:
            since = f" Since then {self.quiet} window{' was' if self.quiet == 1 else 's were'} judged without it."
        return span + since


def worst_of(severities: list[str]) -> str:
    """The gravest; a severity of a later release is read as it was written, and ranks below all of this one."""
    return max(severities, key=lambda one: KNOWN.index(one) if one in KNOWN else -1)


def concerned_models(incident: Incident) -> dict[str, ConcernedModel]:
    """The models that an incident concerns, with their part in it; empty for one of the fleet as a whole."""
    if not incident.model:
        return dict(incident.models)
    first = incident.first
    return {incident.model: ConcernedModel(model=incident.model, window=first.window, columns=incident.columns, cause=incident.cause)}  # fmt: skip


def shown_in(kind: str, part: ConcernedModel, model: ModelState) -> dict[str, WindowVerdict]:
    """A model's verdicts that show its part in an incident, by window, in order of time.

    A change other than a broken feed is found against one version's reference (`KIND:vVERSION` is the cause): windows that
    another version decided show nothing of it.
    """
    version, columns = _version(part.cause), set(part.columns)
    return {
        window: verdict
        for window, verdict in sorted(model.window_verdicts.items())
        if window >= part.window
        and verdict.severity in GRAVE
        and kind in (verdict.kind, *verdict.causes)
        and version in (None, verdict.version)
        and (not columns or columns & set(verdict.columns))
    }


def last_shown(incident: Incident, model_of: Callable[[str], ModelState], before: str) -> date | None:
    """End of the last window before `before` that shows the incident; None where it is about no window."""
    ends = [
        verdict.window_end
        for name, part in concerned_models(incident).items()
        for window, verdict in shown_in(incident.kind, part, model_of(name)).items()
        if window < before
    ]
    return max(ends, default=None)


def incident_life(incident: Incident, model_of: Callable[[str], ModelState]) -> IncidentLife:
    """What the verdicts say of an incident now.

    Args:
        incident: of a model or of the fleet.
        model_of: the state of a model by its name.
    """
    windows: set[str] = set()
    severities, superseded, quiet = [one.severity for one in incident.spells], dict[str, int](), list[int]()
    parts = concerned_models(incident)
    for name, part in parts.items():
        model = model_of(name)
        shown = shown_in(incident.kind, part, model)
        windows |= set(shown)
        severities += [verdict.severity for verdict in shown.values()]
        if shown:
            quiet.append(sum(window > max(shown) for window in model.window_verdicts))
        version, deciding = _version(part.cause), model.champion.deciding
        if version is not None and deciding is not None and str(deciding) != version:
            superseded[name] = deciding
    past = superseded if len(superseded) == len(parts) else {}
    return IncidentLife(tuple(sorted(windows)), worst_of(severities), min(quiet, default=0), past)


def _version(cause: str) -> str | None:
    """The version whose verdicts a cause is about."""
    found = re.fullmatch(r".+:v(\d+)", cause)
    return found[1] if found else None
