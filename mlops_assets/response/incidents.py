"""Incidents: what somebody must look at, opened once for one cause, and which of them there are.

While one is open, the same cause opens no other. A cause that shows again soon after its incident was closed opens that one
again; later it opens another, which names the former. The system opens. Not here: what people sign about an incident
(`incident_acts.py`), and one cause that several models share (`shared_causes.py`).
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.judgements import REOPEN_DAYS
from mlops_assets.ledger.events.response import ConcernedModel, IncidentOpened, IncidentReopened
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.response.incident_life import last_shown


class IncidentError(MlopsAssetsError, LookupError):
    """No such incident, or it cannot be changed that way."""


def open_incident(
    ledger: Ledger,
    model: str,
    *,
    kind: str,
    severity: str,
    summary: str,
    window: str = "",
    columns: Iterable[str] = (),
    cause: str = "",
    rule: str = "",
    happened_at: datetime | None = None,
    models: Iterable[ConcernedModel] = (),
) -> Incident:
    """Open an incident, unless its cause has one open, or this window had opened one for it before.

    Args:
        ledger: to read and write.
        model: concerned, or empty.
        kind: of the change or event, such as `data_quality`.
        severity: watch, act or critical.
        summary: in a sentence.
        window: start of the window, or whatever names the occasion.
        columns: concerned.
        cause: what it is about; default: kind and columns. Incidents of one cause are one while open.
        rule: what raised it.
        happened_at: default now.
        models: that share the cause, of an incident of the fleet.

    Returns:
        The incident that stands for this cause: the new one, the one that was opened again, or the one there was. One that was
        merged stands for itself while the other one is open.
    """
    named = tuple(sorted(set(columns)))
    cause = cause or (f"{kind}:{','.join(named)}" if named else kind)
    state = ledger.state()
    same = [one for one in state.model(model).incidents.values() if one.cause == cause]
    for incident in same:
        known = any(spell.window == window for spell in incident.spells)
        if known or incident.is_open or (incident.merged_into and merged_with(state, incident).is_open):
            return incident
    former = same[-1] if same else None
    if former is not None and _opens_again(ledger, state, former, window):
        again = IncidentReopened(kind=kind, severity=severity, window=window, summary=summary, rule=rule)
        key = f"incident-reopened/{former.id}/{former.seqs[-1]}"
        ledger.append(again, model=model, subject=former.id, happened_at=happened_at, key=key)
        return find(ledger.state(), former.id)
    identity = f"{model or 'fleet'}-{digest([model, cause, window])[:8]}"
    event = IncidentOpened(
        kind=kind, severity=severity, window=window, summary=summary, columns=named, cause=cause, rule=rule,
        models=tuple(models), former=former.id if former is not None else "",
    )  # fmt: skip
    key = f"incident/{model}/{digest([cause])[:16]}/{window}"
    ledger.append(event, model=model, subject=identity, happened_at=happened_at, key=key)
    return find(ledger.state(), identity)


def _opens_again(ledger: Ledger, state: LedgerState, former: Incident, window: str) -> bool:
    """Whether the cause of a closed incident shows again within the policy's time: by the calendar, and by the windows."""
    if former.state != "closed" or former.closed_at is None:
        return False
    policy = state.model(former.model).policy
    days = policy.event.authority.incidents.reopen_days if policy is not None else REOPEN_DAYS
    if ledger.clock() - former.closed_at > timedelta(days=days) or days == 0:
        return False
    # Windows of the past may be judged within minutes: a change of 2010 is not the one of 2005.
    begins, ended = _day(window), last_shown(former, state.model, window)
    return begins is None or ended is None or begins - ended <= timedelta(days=days)


def _day(window: str) -> date | None:
    try:
        return date.fromisoformat(window)
    except ValueError:
        return None  # what names the occasion is no window


def incidents(state: LedgerState, model: str | None = None) -> list[Incident]:
    """Every incident as it stands, in order of opening; default: of all models and the fleet."""
    of: list[ModelState] = [state.fleet, *state] if model is None else [state.model(model)]
    return sorted((i for one in of for i in one.incidents.values()), key=lambda incident: incident.seqs[0])


def concerning(state: LedgerState, model: str) -> list[Incident]:
    """Every incident about a model, its own and those of the fleet that name it, in order of opening."""
    shared = [one for one in state.fleet.incidents.values() if model in one.models]
    return sorted([*state.model(model).incidents.values(), *shared], key=lambda incident: incident.seqs[0])


def alarms(state: LedgerState, model: str) -> list[Incident]:
    """What was raised about a model, as if each were an incident of its own: once for each time an incident was opened.

    An incident that was merged has the disposition of the one in which it goes on; one of the fleet has the model's window and
    columns.
    """
    found: list[Incident] = []
    own = state.model(model).incidents
    taken = {one.merged_into for one in own.values()}
    for incident in concerning(state, model):
        if not incident.model and incident.id in taken:
            continue  # the model's own incident stands for its part
        for spell in incident.spells:
            alarm = replace(spell, earlier=())
            if not incident.model:
                part = incident.models[model]
                window = part.window if spell is incident.first else spell.window
                alarm = replace(alarm, model=model, window=window, columns=part.columns)
            if alarm.merged_into:
                alarm = _as_the_other(alarm, merged_with(state, alarm))
            found.append(alarm)
    return found


def _as_the_other(merged: Incident, other: Incident) -> Incident:
    """A merged incident with what became of the one in which it goes on."""
    return replace(
        merged, state=other.state, disposition=other.disposition, closed_at=other.closed_at, closed_by=other.closed_by
    )


def merged_with(state: LedgerState, incident: Incident) -> Incident:
    """The incident in which a merged one goes on; itself where it was not merged, or the other is not known."""
    seen = {incident.id}
    while incident.merged_into:
        other = state.model(incident.merged_model).incidents.get(incident.merged_into)
        if other is None or other.id in seen:
            break
        seen.add(other.id)
        incident = other
    return incident


def merged_from(state: LedgerState, incident: Incident) -> list[Incident]:
    """Incidents that go on in this one."""
    return [one for one in incidents(state) if one.merged_into == incident.id]


def find(state: LedgerState, identity: str) -> Incident:
    """The incident with this id.

    Raises:
        IncidentError: there is none.
    """
    for model in (state.fleet, *state):
        if identity in model.incidents:
            return model.incidents[identity]
    raise IncidentError(f"{identity}: no such incident; `mlops incident list` shows them")
