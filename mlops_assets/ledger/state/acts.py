"""Does a signed event count? The rules that every kind shares: signature, key, model, role, authorship, no second use.

Each function raises `NotCounted` with the reason. Not here: what an event changes (`state.reducers`).
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import digest_text
from mlops_assets.ledger.events.base import Event, SignedEvent
from mlops_assets.ledger.people import AUTOMATION, LEDGER, NotAllowed, People, Signed
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signatures import SignatureRefused

S = TypeVar("S", bound=SignedEvent)


class NotCounted(MlopsAssetsError):
    """A record counts for nothing; the text says why."""


@dataclass
class FoldContext:
    """What the reducers share.

    Attributes:
        people: everybody enrolled.
        used: by kind, the first record of each signed statement, counted or not, by the statement's digest.
    """

    people: People
    used: dict[str, dict[str, int]] = field(default_factory=dict)

    def used_by(self, record: Record[Any]) -> int | None:
        """Number of the earlier record of the same kind with the same signed statement; None where there is none."""
        return self.used.get(record.kind, {}).get(payload_digest(record.event) or "")

    def use(self, record: Record[Any]) -> None:
        """Remember the signed statement in a record, if there is one: recorded again, it counts for nothing."""
        statement = payload_digest(record.event)
        if statement is not None:
            self.used.setdefault(record.kind, {}).setdefault(statement, record.seq)


def signed(
    context: FoldContext,
    record: Record[S],
    *,
    roles: Collection[str] | None = None,
    barred: Collection[str] = (),
) -> Signed:
    """What was signed, when the signature counts.

    Args:
        context: of the fold.
        record: with the event.
        roles: one of which the signer must have signed in; None: any role of a person.
        barred: names, in lower case, of those who may not sign this: authors.

    Raises:
        NotCounted: with the reason.
    """
    event = record.event
    found = opened(context, record, event.PURPOSE, event.signed_fields())
    require_role(found, event.role, roles, event.PURPOSE)
    if found.person.casefold() in barred:
        raise NotCounted(f"{found.person} built this version and may not judge it")
    return found


def opened(context: FoldContext, record: Record[Any], purpose: str, fields: Mapping[str, Any]) -> Signed:
    """What was signed, by a key that counted at that place, for the record's model, as the record shows it, and never before.

    Args:
        context: of the fold. A statement that was recorded before would undo what came in between. The payload is compared,
            because the envelope around it can be written in another way that is valid as well.
        record: with the envelope.
        purpose: expected purpose of the statement.
        fields: fields of the record that the statement must repeat, as JSON content.

    Raises:
        NotCounted: with the reason.
    """
    try:
        found = context.people.open_record(record, purpose)
    except (NotAllowed, SignatureRefused) as error:
        raise NotCounted(str(error)) from None
    statement = found.predicate
    if statement.get("model") != record.model:
        raise NotCounted(f"signed for model {statement.get('model')!r}, recorded for {record.model!r}")
    if statement.get("person") != found.person:
        raise NotCounted(f"signed by {found.person} in the name of {statement.get('person')}")
    differing = sorted(name for name, value in fields.items() if statement.get(name) != value)
    if differing:
        raise NotCounted(f"the record differs from what was signed in: {', '.join(differing)}")
    before = context.used_by(record)
    if before is not None:
        raise NotCounted(f"a replay of record {before}: the same signed statement")
    return found


def payload_digest(event: Event) -> str | None:
    """SHA-256 of what was signed; None where the event carries no envelope."""
    envelope = getattr(event, "envelope", None)
    return digest_text(str(envelope.get("payload"))) if isinstance(envelope, Mapping) else None


def require_role(found: Signed, role: str, roles: Collection[str] | None, purpose: str) -> None:
    """Raise `NotCounted` unless the signer holds the role, and the role may sign this."""
    if role not in found.period.roles:
        raise NotCounted(f"{found.person} does not hold the role {role}")
    allowed = role not in (AUTOMATION, LEDGER) if roles is None else role in roles
    if not allowed:
        who = "a role of a person" if roles is None else " or ".join(sorted(roles)) or "nobody"
        raise NotCounted(f"the role {role} may not sign {purpose.split('/')[0]}: expected {who}")


def require_same(what: str, found: object, expected: object) -> None:
    """Raise `NotCounted` unless a statement names the record it stands in."""
    if found != expected:
        raise NotCounted(f"signed about {what} {found}, recorded about {expected}")
