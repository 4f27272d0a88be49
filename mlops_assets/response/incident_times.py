"""How long incidents take: from the end of a window to detection, to acknowledgement, to mitigation, and to closure.

Means over a group: time to detect (MTTD), to acknowledge (MTTA), to mitigate (MTTM) and to close (MTTR, to resolution). An incident
that was opened again counts once for each opening, one that was merged not at all. Means hold only the incidents that came so far;
what has not is counted beside them, with its age. Not here: what an incident is (`incidents.py`).
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, time
from typing import Any

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.declaration.terms import Cadence
from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.response import Incident


@dataclass(frozen=True)
class IncidentTimes:
    """Times of one group of incidents, in hours; None where no incident of the group came so far.

    Attributes:
        group: what they have in common.
        incidents: how many.
        detect: mean from the end of the window to the record of the incident, of those about a window; from the model's first
            promotion where that came later, since nothing watched the window before.
        acknowledged: how many somebody acknowledged, or closed at once.
        acknowledge: mean from the record of the incident until then.
        mitigated: how many were mitigated, or closed without it.
        mitigate: mean from the record of the incident until then.
        closed: how many are closed.
        close: mean from the record of the incident to its closure.
        oldest_unacknowledged: age of the oldest that is open and that nobody has acknowledged.
        oldest_open: age of the oldest that is open.
    """

    group: str
    incidents: int
    detect: float | None
    acknowledged: int
    acknowledge: float | None
    mitigated: int
    mitigate: float | None
    closed: int
    close: float | None
    oldest_unacknowledged: float | None
    oldest_open: float | None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def incident_times(
    found: Iterable[Incident],
    group: Callable[[Incident], str],
    now: datetime,
    cadences: Mapping[str, Cadence],
    watched: Mapping[str, datetime],
) -> list[IncidentTimes]:
    """Times of incidents by group, in order of the group's name.

    Args:
        found: the incidents.
        group: what an incident is grouped by.
        now: the time, for the age of those that are open.
        cadences: of the models, by name: when a window ended follows from it.
        watched: by model, since when one of its versions decides.
    """
    groups: dict[str, list[Incident]] = {}
    for incident in found:
        if not incident.merged_into:
            groups.setdefault(group(incident), []).extend(incident.spells)
    return [_times(name, groups[name], now, cadences, watched) for name in sorted(groups)]


def _times(
    name: str,
    found: list[Incident],
    now: datetime,
    cadences: Mapping[str, Cadence],
    watched: Mapping[str, datetime],
) -> IncidentTimes:
    ends = [(one, window_end(one, cadences)) for one in found]
    begun = [(one, max(end, watched.get(first_model(one), end))) for one, end in ends if end is not None]
    looked_at = [(one, one.acknowledged_at or one.closed_at) for one in found]
    seen = [(one, when) for one, when in looked_at if when is not None]
    ended = [(one, one.mitigated_at or one.closed_at) for one in found]
    limited = [(one, when) for one, when in ended if when is not None]
    return IncidentTimes(
        group=name,
        incidents=len(found),
        detect=_mean([one.recorded_at - begin for one, begin in begun]),
        acknowledged=len(seen),
        acknowledge=_mean([when - one.recorded_at for one, when in seen]),
        mitigated=len(limited),
        mitigate=_mean([when - one.recorded_at for one, when in limited]),
        closed=sum(not one.is_open for one in found),
        close=_mean([one.closed_at - one.recorded_at for one in found if one.closed_at is not None]),
        oldest_unacknowledged=_oldest([one for one in found if one.is_open and one.acknowledged_at is None], now),
        oldest_open=_oldest([one for one in found if one.is_open], now),
    )


def first_promotions(ledger: Ledger) -> dict[str, datetime]:
    """By model, when a version first came to decide."""
    found: dict[str, datetime] = {}
    for record in ledger.of(Promotion):
        found.setdefault(record.model, record.recorded_at)
    return found


def first_model(incident: Incident) -> str:
    """The model that an incident is about; of the fleet, the one that showed it first; empty where there is none."""
    return incident.model or next((n for n, one in incident.models.items() if one.window == incident.window), "")


def window_end(incident: Incident, cadences: Mapping[str, Cadence]) -> datetime | None:
    """When the window of an incident ended; None where it is about no window. Of the fleet, that of the model which showed it first."""
    cadence = cadences.get(first_model(incident))
    if cadence is None or not incident.window:
        return None
    try:
        return datetime.combine(window_of_key(incident.window, cadence).end, time(), UTC)
    except ValueError:
        return None  # what names the occasion is no window


def _mean(spans: list[Any]) -> float | None:
    return sum(span.total_seconds() for span in spans) / len(spans) / 3600 if spans else None


def _oldest(found: list[Incident], now: datetime) -> float | None:
    return max(((now - one.recorded_at).total_seconds() / 3600 for one in found), default=None)
