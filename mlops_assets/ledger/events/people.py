"""Events about people and their keys. They are signed by a root; `ledger.people` decides which of them count."""

from typing import Any, ClassVar

from mlops_assets.ledger.events.base import Event, Moment


class PersonEnrolled(Event):
    """A person was enrolled, or given another key, other roles or other models. Signed by a root.

    Attributes:
        name: of the person.
        public_key: PEM of the person's public key.
        key_id: SHA-256 of that key.
        roles: what the person may act as.
        models: names of models the person may act on, or `*`.
        valid_from: start of validity.
        valid_until: end of validity, or None.
        follows: digest of the last counted record about this person, so that an old statement cannot be used again.
        envelope: signature of the root.
    """

    KIND: ClassVar[str] = "person_enrolled"
    PURPOSE: ClassVar[str] = "enrolment/v1"

    name: str
    public_key: str
    key_id: str
    roles: tuple[str, ...]
    models: tuple[str, ...]
    valid_from: Moment
    valid_until: Moment | None
    follows: str
    envelope: dict[str, Any]


class KeyRevoked(Event):
    """A person's key was revoked. Signed by a root, or by the person.

    Attributes:
        name: of the person.
        key_id: of the revoked key.
        reason: why.
        compromised_since: signatures recorded at or after this time do not count; None: all before the revocation count.
        follows: digest of the last counted record about this person.
        envelope: signature.
    """

    KIND: ClassVar[str] = "key_revoked"
    PURPOSE: ClassVar[str] = "revocation/v1"

    name: str
    key_id: str
    reason: str
    compromised_since: Moment | None
    follows: str
    envelope: dict[str, Any]
