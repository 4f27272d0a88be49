"""Exceptions and findings: what people judge about a model beside its versions."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

SIGNING_SLACK = timedelta(seconds=60)
"""Time between signing and recording that an exception's length may exceed the policy's limit by."""


@dataclass(frozen=True)
class GrantedException:
    """An exception: a gate lifted for a time.

    Attributes:
        seq, digest: of its record.
        model: name.
        gate: that is lifted.
        version: the only version it is for, or None for all.
        reason: why.
        person, role: who signed it, as what.
        granted_at: when it was recorded.
        expires: when it ends.
        withdrawn_at: when it was ended early, or None.
    """

    seq: int
    digest: str
    model: str
    gate: str
    version: str | None
    reason: str
    person: str
    role: str
    granted_at: datetime
    expires: datetime
    withdrawn_at: datetime | None = None

    def status(self, at: datetime) -> Literal["active", "expired", "withdrawn"]:
        """Where it stands at that time."""
        if self.withdrawn_at is not None and at >= self.withdrawn_at:
            return "withdrawn"
        return "expired" if at >= self.expires else "active"

    def in_force(self, at: datetime) -> bool:
        """Whether it counts at that time."""
        return self.granted_at <= at and self.status(at) == "active"


@dataclass(frozen=True)
class Extension:
    """A finding's due date that was moved.

    Attributes:
        due: from then on.
        reason: why.
        person: validator who signed it.
        recorded_at: when.
        seq: of its record.
    """

    due: datetime
    reason: str
    person: str
    recorded_at: datetime
    seq: int


@dataclass(frozen=True)
class Finding:
    """A validator's finding.

    Attributes:
        id: unique in the fleet, such as `sba_loan_default-F1`.
        model: name.
        version: concerned, or None for the model.
        severity: `low`, `medium`, `high` or `critical`.
        summary: what was found.
        owner: who must answer.
        due: by when it must be closed, after every extension.
        condition: what must hold while it is open, or empty.
        person: validator who recorded it.
        recorded_at: when.
        seq, digest: of its record.
        response: latest answer, or empty.
        closed_at: when it was closed, or None.
        closed_by: validator who closed it, or empty.
        extensions: of its due date, in order.
    """

    id: str
    model: str
    version: str | None
    severity: str
    summary: str
    owner: str
    due: datetime
    condition: str
    person: str
    recorded_at: datetime
    seq: int
    digest: str
    response: str = ""
    closed_at: datetime | None = None
    closed_by: str = ""
    extensions: tuple[Extension, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it is not closed."""
        return self.closed_at is None

    def overdue(self, at: datetime) -> bool:
        """Whether it was still open past its due date at `at`."""
        return at > self.due and (self.closed_at is None or self.closed_at > self.due)
