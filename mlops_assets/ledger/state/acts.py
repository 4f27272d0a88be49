"""Does a signed event count? The rules that every kind shares: signature, key, model, role, authorship, no second use.

Each function raises `NotCounted` with the reason. Not here: what an event changes (`state.reducers`).
"""

from collections.abc import Collection
from typing import TypeVar

from mlops_assets.ledger.canonical import digest_text
from mlops_assets.ledger.events.base import SignedEvent
from mlops_assets.ledger.people import AUTOMATION, LEDGER, NotAllowed, People, Signed
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import SignatureRefused

S = TypeVar("S", bound=SignedEvent)


class NotCounted(Exception):
    """A record counts for nothing; the text says why."""


def signed(
    people: People,
    record: Record[S],
    *,
    roles: Collection[str] | None = None,
    barred: Collection[str] = (),
    used: Collection[str] = (),
) -> Signed:
    """What was signed, when the signature counts.

    Args:
        people: everybody enrolled.
        record: with the event.
        roles: one of which the signer must have signed in; None: any role of a person.
        barred: names, in lower case, of those who may not sign this: authors.
        used: `payload_digest` of statements that were recorded before; recorded again, one would undo what came in between.
            The payload is compared, because the envelope around it can be written in another way that is valid as well.

    Raises:
        NotCounted: with the reason.
    """
    event = record.event
    try:
        found = people.open_record(record, event.PURPOSE)
    except (NotAllowed, SignatureRefused) as error:
        raise NotCounted(str(error)) from None
    statement = found.predicate
    if statement.get("model") != record.model:
        raise NotCounted(f"signed for model {statement.get('model')!r}, recorded for {record.model!r}")
    if statement.get("person") != found.person:
        raise NotCounted(f"signed by {found.person} in the name of {statement.get('person')}")
    differing = sorted(name for name, value in event.signed_fields().items() if statement.get(name) != value)
    if differing:
        raise NotCounted(f"the record differs from what was signed in: {', '.join(differing)}")
    require_role(found, event.role, roles, event.PURPOSE)
    if found.person.casefold() in barred:
        raise NotCounted(f"{found.person} built {'this version' if barred else 'it'} and may not judge it")
    if payload_digest(event) in used:
        raise NotCounted("the same signed statement was recorded before: a replay")
    return found


def payload_digest(event: SignedEvent) -> str:
    """SHA-256 of what was signed."""
    return digest_text(str(event.envelope.get("payload")))


def require_role(found: Signed, role: str, roles: Collection[str] | None, purpose: str) -> None:
    """Raise `NotCounted` unless the signer holds the role, and the role may sign this."""
    if role not in found.period.roles:
        raise NotCounted(f"{found.person} does not hold the role {role}")
    allowed = role not in (AUTOMATION, LEDGER) if roles is None else role in roles
    if not allowed:
        who = " or ".join(sorted(roles)) if roles else "a role of a person"
        raise NotCounted(f"the role {role} may not sign {purpose.split('/')[0]}: expected {who}")


def require_same(what: str, found: object, expected: object) -> None:
    """Raise `NotCounted` unless a statement names the record it stands in."""
    if found != expected:
        raise NotCounted(f"signed about {what} {found}, recorded about {expected}")
