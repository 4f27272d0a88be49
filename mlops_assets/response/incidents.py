"""Incidents: what somebody must look at, opened once for one cause, acknowledged, and closed with a disposition.

While one is open, the same cause opens no other; once it is closed, a later window with the same cause does. The system
opens; people sign acknowledgement and closure. Which of those count is the ledger state's to say; policy names who may
close.
"""

from collections.abc import Iterable
from datetime import datetime

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.events.response import IncidentAcknowledged, IncidentClosed, IncidentOpened
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.response import Disposition, Incident
from mlops_assets.policy.conduct_rules import IncidentRule

DISPOSITIONS: tuple[Disposition, ...] = ("true", "false", "expected")


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

    Returns:
        The incident that stands for this cause: the new one, or the one there was.
    """
    named = tuple(sorted(set(columns)))
    cause = cause or (f"{kind}:{','.join(named)}" if named else kind)
    key = f"incident/{model}/{digest([cause])[:16]}/{window}"
    for incident in ledger.state().model(model).incidents.values():
        if incident.cause == cause and (incident.is_open or incident.window == window):
            return incident
    identity = f"{model or 'fleet'}-{digest([model, cause, window])[:8]}"
    event = IncidentOpened(
        kind=kind, severity=severity, window=window, summary=summary, columns=named, cause=cause, rule=rule
    )
    ledger.append(event, model=model, subject=identity, happened_at=happened_at, key=key)
    return find(ledger.state(), identity)


def acknowledge(
    ledger: Ledger, key: SigningKey, identity: str, note: str = "", *, root: PublicKey | None = None
) -> Incident:
    """Sign that somebody looks at it; the first who does stays.

    Args:
        ledger: to write to.
        key: of anybody enrolled for the model.
        identity: of the incident.
        note: a sentence, or nothing.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident, or it is closed.
        NotAllowed: the key is not enrolled, or not for this model.
    """
    incident = find(ledger.state(root=root), identity)
    if not incident.is_open:
        raise IncidentError(f"incident {identity} is closed ({incident.disposition}), so it cannot be acknowledged")
    if incident.state == "acknowledged":
        return incident
    predicate = {"id": identity, "note": note.strip()}
    purpose, about = IncidentAcknowledged.PURPOSE, {"incident": incident.digest}
    body = sign_act(ledger, key, purpose, incident.model, about, predicate, root=root)
    name = f"incident-ack/{identity}/{incident.seqs[-1]}"
    ledger.append(IncidentAcknowledged.model_validate(body), model=incident.model, subject=identity, key=name)
    return find(ledger.state(root=root), identity)


def close(
    ledger: Ledger,
    key: SigningKey,
    rule: IncidentRule,
    identity: str,
    disposition: str,
    note: str,
    *,
    role: str | None = None,
    root: PublicKey | None = None,
) -> Incident:
    """Sign what an incident turned out to be.

    Args:
        ledger: to write to.
        key: of the signer.
        rule: of the model's effective policy: who may close. Once a policy has come into force, its rule is held to.
        identity: of the incident.
        disposition: `true` (a real fault), `false` (a false alarm) or `expected`.
        note: why, in a sentence.
        role: in which the signer acts, when they hold several that may.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident, it is closed with another disposition, or the disposition is unknown.
        NotAllowed: the key is not enrolled, or its owner may not close this one.
        ValueError: no note.
    """
    if disposition not in DISPOSITIONS:
        raise IncidentError(f"found disposition {disposition!r}, expected one of {', '.join(DISPOSITIONS)}")
    if not note.strip():
        raise ValueError(f"closing {identity} needs a note: what was it?")
    state = ledger.state(root=root)
    incident = find(state, identity)
    if not incident.is_open:
        return _as_before(incident, disposition)
    model = state.model(incident.model)
    in_force = model.policy.event.authority.incidents if model.policy else None
    roles = in_force.close_roles if in_force else rule.close_roles
    authors_may_close = in_force.authors_may_close if in_force else rule.authors_may_close
    body = sign_act(
        ledger,
        key,
        IncidentClosed.PURPOSE,
        incident.model,
        {"incident": incident.digest},
        {"id": identity, "disposition": disposition, "note": note.strip()},
        roles=roles,
        role=role,
        barred=() if authors_may_close else model.authors,
        root=root,
    )
    # The key names the state it closes: of two people at the same moment one closes it, and the other is told.
    name = f"incident-closed/{identity}/{incident.seqs[-1]}"
    ledger.append(IncidentClosed.model_validate(body), model=incident.model, subject=identity, key=name)
    return _as_before(find(ledger.state(root=root), identity), disposition)


def incidents(state: LedgerState, model: str | None = None) -> list[Incident]:
    """Every incident as it stands, in order of opening; default: of all models and the fleet."""
    of: list[ModelState] = [state.fleet, *state] if model is None else [state.model(model)]
    return sorted((i for one in of for i in one.incidents.values()), key=lambda incident: incident.seqs[0])


def find(state: LedgerState, identity: str) -> Incident:
    """The incident with this id.

    Raises:
        IncidentError: there is none.
    """
    for model in (state.fleet, *state):
        if identity in model.incidents:
            return model.incidents[identity]
    raise IncidentError(f"{identity}: no such incident; `mlops incident list` shows them")


def _as_before(incident: Incident, disposition: str) -> Incident:
    if incident.disposition != disposition:
        raise IncidentError(f"incident {incident.id} is already closed as {incident.disposition!r}; that stands")
    return incident
