"""What every event of the ledger has in common: a kind, a schema version, validation, and who may sign it.

An event is the typed content of one record. Each kind is one frozen class in this package, listed in `registry.py`.
Here: the base classes, and what stands in the place of an event that this release cannot read. Not here: when an event
counts, which is `ledger.state`'s.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from mlops_assets.ledger.canonical import iso, plain

Digest = Annotated[str, Field(min_length=1, max_length=64, description="SHA-256, lowercase hex.")]
"""SHA-256 in lowercase hex."""


def _with_zone(value: datetime) -> datetime:
    iso(value)
    return value


Moment = Annotated[datetime, AfterValidator(_with_zone)]
"""A time with its zone; written as ISO 8601 in UTC."""


class Event(BaseModel):
    """The content of one record of the ledger.

    Attributes:
        schema_version: of the kind's fields. It rises when a field is renamed, removed or changes its meaning.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    KIND: ClassVar[str] = ""
    """Value of the record's column `kind`."""
    SCHEMA: ClassVar[int] = 1
    """The newest schema version that this release reads and the one that it writes."""

    schema_version: int = 1

    @property
    def record_kind(self) -> str:
        """Kind of the record that holds this event."""
        return self.KIND

    def body(self) -> dict[str, Any]:
        """The event as JSON content, as the record stores it.

        Raises:
            ValueError: a value cannot be written as JSON, such as NaN.
        """
        return plain(self.model_dump())

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """The event in a stored body.

        Raises:
            pydantic.ValidationError: a field is missing, unknown or has the wrong type.
        """
        return cls.model_validate(body)


class SignedEvent(Event):
    """An event that counts only with the signature of a person (or, where its kind allows that, of the service key).

    The fields repeat what was signed, so that a record can be read without opening its envelope. They count only where
    they equal the signed statement.

    Attributes:
        model: name of the model that the signer acted on.
        person: name of the signer.
        role: role in which they signed.
        signed_at: time of the signature by the signer's clock.
        envelope: DSSE envelope over the in-toto statement.
    """

    PURPOSE: ClassVar[str] = ""
    """Purpose of the signed statement, such as `approval/v1`."""
    ROLES: ClassVar[tuple[str, ...] | None] = None
    """Roles that may sign it; None: any role of a person."""
    BY_SERVICE_KEY: ClassVar[bool] = False
    """Whether the service key (role `automation`) may sign it, where policy allows that."""

    model: str
    person: str
    role: str
    signed_at: Moment
    envelope: dict[str, Any]

    def signed_fields(self) -> dict[str, Any]:
        """The fields that the signed statement must repeat, as JSON content."""
        return {name: value for name, value in self.body().items() if name not in ("schema_version", "envelope")}


class UnknownEvent(Event):
    """What a record holds whose kind, schema version or fields this release cannot read.

    The record stays in the chain and is reported; it counts for nothing here, and this release never writes one.

    Attributes:
        unknown_kind: kind of the record.
        content: the stored body.
        reason: why it could not be read.
        newer: whether a newer release may be able to read it.
    """

    unknown_kind: str
    content: dict[str, Any]
    reason: str
    newer: bool

    @property
    def record_kind(self) -> str:
        """Kind of the record that holds this event."""
        return self.unknown_kind

    def body(self) -> dict[str, Any]:
        """The stored body."""
        return dict(self.content)
