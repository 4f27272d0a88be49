"""What searches have found, and what people said about it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Standing = Literal["governed", "ignored", "open", "gone"]


@dataclass(frozen=True)
class Ignored:
    """A signature by which something that was found needs no declaration for a time.

    Attributes:
        seq: of its record.
        reason: why.
        person, role: who signed it, as what.
        granted_at: when it was recorded.
        expires: when it ends.
    """

    seq: int
    reason: str
    person: str
    role: str
    granted_at: datetime
    expires: datetime


@dataclass(frozen=True)
class Assigned:
    """A signature that names the declared model which governs something that was found.

    Attributes:
        seq: of its record.
        model: name.
        reason: why.
        person: who signed it.
    """

    seq: int
    model: str
    reason: str
    person: str


@dataclass(frozen=True)
class Discovered:
    """Something that is thought a model.

    Attributes:
        id: short name, derived from the place.
        place: path or address.
        source: the search that saw it last.
        name: suggested name of a declaration.
        form: such as `notebook`.
        why: the reason why it is thought a model.
        confidence: `likely` or `possible`.
        digest: of its content.
        basis: digest of what makes it this model.
        facts: what else is known.
        governed_by: declared model that governs it, or empty.
        how: how that is known.
        first_at: when it was first found.
        changed_at: when its last record was written.
        seq, record: number and digest of the last record about what it is.
        gone_at: when it was no longer there, or None.
        ignored: the signature that ignores it as it is, or None.
        assigned: the signature that names its model, or None.
    """

    id: str
    place: str
    source: str
    name: str
    form: str
    why: str
    confidence: str
    digest: str
    basis: str
    facts: Mapping[str, str]
    governed_by: str
    how: str
    first_at: datetime
    changed_at: datetime
    seq: int
    record: str
    gone_at: datetime | None = None
    ignored: Ignored | None = None
    assigned: Assigned | None = None

    def standing(self, at: datetime) -> Standing:
        """Whether it is governed, ignored, open or gone at that time."""
        if self.gone_at is not None:
            return "gone"
        if self.governed_by:
            return "governed"
        return "ignored" if self.ignored is not None and at < self.ignored.expires else "open"


@dataclass(frozen=True)
class Searched:
    """The last search of a source.

    Attributes:
        source: folder, file or address.
        at: when.
        found: how many models there were.
        unread: how many places could not be read.
        reasons: why, of the first ones.
    """

    source: str
    at: datetime
    found: int
    unread: int = 0
    reasons: tuple[str, ...] = field(default=())
