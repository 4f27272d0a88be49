"""What people do about an incident: acknowledge, mitigate, merge and close it, sign a report on it, and note a ticket.

Everything but a ticket is a signature. Which of them count is the ledger state's to say; policy names who may merge and close.
"""

from collections.abc import Mapping
from typing import Any, get_args

from mlops_assets.ledger.events.response import (
    Disposition,
    IncidentAcknowledged,
    IncidentClosed,
    IncidentMerged,
    IncidentMitigated,
    IncidentReported,
    IncidentTicketed,
)
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incidents import IncidentError, find, merged_with

DISPOSITIONS: tuple[Disposition, ...] = get_args(Disposition)
LONGEST_REFERENCE = 200


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
    incident = _open(ledger.state(root=root), identity, "acknowledged")
    if incident.acknowledged_by:
        return incident
    predicate = {"id": identity, "note": note.strip()}
    body = _signed(ledger, key, IncidentAcknowledged, incident, predicate, root=root)
    name = f"incident-ack/{identity}/{incident.seqs[-1]}"
    ledger.append(IncidentAcknowledged.model_validate(body), model=incident.model, subject=identity, key=name)
    return find(ledger.state(), identity)


def mitigate(ledger: Ledger, key: SigningKey, identity: str, note: str, *, root: PublicKey | None = None) -> Incident:
    """Sign that the harm was stopped or limited, and how; the first time stays.

    Args:
        ledger: to write to.
        key: of anybody enrolled for the model.
        identity: of the incident.
        note: what was done.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident, or it is closed.
        NotAllowed: the key is not enrolled, or not for this model.
        ValueError: no note.
    """
    if not note.strip():
        raise ValueError(f"mitigating {identity} needs a note: what was done?")
    incident = _open(ledger.state(root=root), identity, "mitigated")
    if incident.mitigated_by:
        return incident
    body = _signed(ledger, key, IncidentMitigated, incident, {"id": identity, "note": note.strip()}, root=root)
    name = f"incident-mitigated/{identity}/{incident.seqs[-1]}"
    ledger.append(IncidentMitigated.model_validate(body), model=incident.model, subject=identity, key=name)
    return find(ledger.state(), identity)


def merge(
    ledger: Ledger,
    key: SigningKey,
    rule: IncidentRule,
    identity: str,
    into: str,
    note: str,
    *,
    role: str | None = None,
    root: PublicKey | None = None,
) -> Incident:
    """Sign that an incident has the cause of another open one, in which it goes on.

    Args:
        ledger: to write to.
        key: of the signer.
        rule: of the effective policy of the incident's model: who may close, and so merge.
        identity: of the incident that ends here.
        into: of the one in which it goes on.
        note: why they are one, in a sentence.
        role: in which the signer acts, when they hold several that may.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident, one of them is closed, or they are the same.
        NotAllowed: the key is not enrolled, or its owner may not close this one.
        ValueError: no note.
    """
    if not note.strip():
        raise ValueError(f"merging {identity} needs a note: why are they one?")
    state = ledger.state(root=root)
    incident, other = find(state, identity), find(state, into)
    if incident.merged_into == other.id:
        return incident
    incident, other = _open(state, identity, "merged"), _open(state, into, "merged with another one")
    if incident.id == other.id:
        raise IncidentError(f"incident {identity} cannot be merged into itself")
    predicate = {"id": identity, "into": other.id, "into_model": other.model, "note": note.strip()}
    body = _signed(
        ledger, key, IncidentMerged, incident, predicate, about={"into": other.digest}, role=role, root=root,
        **_closers(state, incident, rule),
    )  # fmt: skip
    name = f"incident-merged/{identity}/{incident.seqs[-1]}"
    ledger.append(IncidentMerged.model_validate(body), model=incident.model, subject=identity, key=name)
    return find(ledger.state(), identity)


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
        disposition: one of `DISPOSITIONS`.
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
    if incident.state == "closed":
        return _as_before(incident, disposition)
    incident = _open(state, identity, "closed")
    predicate = {"id": identity, "disposition": disposition, "note": note.strip()}
    body = _signed(
        ledger, key, IncidentClosed, incident, predicate, role=role, root=root, **_closers(state, incident, rule)
    )
    # The key names the state it closes: of two people at the same moment one closes it, and the other is told.
    name = f"incident-closed/{identity}/{incident.seqs[-1]}"
    ledger.append(IncidentClosed.model_validate(body), model=incident.model, subject=identity, key=name)
    return _as_before(find(ledger.state(), identity), disposition)


def sign_report(
    ledger: Ledger, key: SigningKey, identity: str, report: str, note: str = "", *, root: PublicKey | None = None
) -> Incident:
    """Sign a report on an incident: the digest of the file is recorded.

    Args:
        ledger: to write to.
        key: of anybody enrolled for the model.
        identity: of the incident.
        report: SHA-256 of the file, lowercase hex.
        note: a sentence, or nothing.
        root: root key, when known from outside the ledger.

    Raises:
        IncidentError: there is no such incident.
        NotAllowed: the key is not enrolled, or not for this model.
    """
    incident = find(ledger.state(root=root), identity)
    predicate = {"id": identity, "report": report, "note": note.strip()}
    body = _signed(ledger, key, IncidentReported, incident, predicate, about={"report": report}, root=root)
    person = body["person"]
    if any((one.digest, one.person) == (report, person) for one in incident.reports):
        return incident
    name = f"incident-report/{identity}/{report}/{person}"
    ledger.append(IncidentReported.model_validate(body), model=incident.model, subject=identity, key=name)
    return find(ledger.state(), identity)


def add_ticket(ledger: Ledger, identity: str, reference: str, channel: str = "") -> Incident:
    """Note the reference of a ticket about an incident; the same again changes nothing.

    Args:
        ledger: to write to.
        identity: of the incident.
        reference: in the tracker, such as `JIRA-123`.
        channel: of the notification that opened the ticket; empty where a person gives the reference.

    Raises:
        IncidentError: there is no such incident.
        ValueError: no reference, one of several lines, or a very long one.
    """
    reference = reference.strip()
    if not reference or len(reference) > LONGEST_REFERENCE or not reference.isprintable():
        raise ValueError(
            f"found {reference[:40]!r} as the reference of a ticket, expected one line of at most {LONGEST_REFERENCE} characters, such as JIRA-123"
        )
    incident = find(ledger.state(), identity)
    if reference in incident.tickets:
        return incident
    event = IncidentTicketed(reference=reference, channel=channel)
    ledger.append(event, model=incident.model, subject=identity, key=f"incident-ticket/{identity}/{reference}")
    return find(ledger.state(), identity)


def _open(state: LedgerState, identity: str, what: str) -> Incident:
    incident = find(state, identity)
    if incident.merged_into:
        goes_on = merged_with(state, incident).id
        raise IncidentError(
            f"incident {identity} was merged into {goes_on}, so it cannot be {what}: name {goes_on} instead"
        )
    if not incident.is_open:
        raise IncidentError(f"incident {identity} is closed ({incident.disposition}), so it cannot be {what}")
    return incident


def _closers(state: LedgerState, incident: Incident, rule: IncidentRule) -> dict[str, Any]:
    """Roles that may close it, and who may not; a policy that has come into force is held to."""
    model = state.model(incident.model)
    in_force = model.policy.event.authority.incidents if model.policy else None
    roles = in_force.close_roles if in_force else rule.close_roles
    authors_may_close = in_force.authors_may_close if in_force else rule.authors_may_close
    return {"roles": roles, "barred": () if authors_may_close else model.authors}


def _signed(
    ledger: Ledger,
    key: SigningKey,
    event: type[Any],
    incident: Incident,
    predicate: Mapping[str, Any],
    about: Mapping[str, str] | None = None,
    **rules: Any,
) -> dict[str, Any]:
    subjects = {"incident": incident.digest, **(about or {})}
    return sign_act(ledger, key, event.PURPOSE, incident.model, subjects, predicate, **rules)


def _as_before(incident: Incident, disposition: str) -> Incident:
    if incident.disposition != disposition:
        raise IncidentError(f"incident {incident.id} is already closed as {incident.disposition!r}; that stands")
    return incident
