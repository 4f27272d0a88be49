"""Events by which rows leave the lake: a person is erased, or what is past its date is removed. Written by `privacy`.

No event names whom the rows were about: what stays of a row is the hash of its content with a salt that was removed with it.
"""

from datetime import date
from typing import ClassVar

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.ledger.events.base import Digest, SignedEvent

ERASING = ("data-protection", "model-risk")
"""Roles that may have rows removed."""


class RemovedLeaf(BaseModel):
    """One row that was removed.

    Attributes:
        position: of its leaf among all leaves of the table, from 0.
        leaf: hash of the row and its salt.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    position: int
    leaf: Digest


class RemovedFrom(BaseModel):
    """What was removed from one table.

    Attributes:
        table: table in the lake.
        window: start of the window, or `v<version>` where the rows are kept with a version; None where the table is a snapshot.
        digest: of the rows on record; None of a table that is under none.
        root: of the tree over all rows, removed ones included; None of a table without one.
        rows: how many rows it had.
        removed: how many were removed; all of them where it equals `rows`.
        columns: that a row is written under in the tree.
        leaves: of the removed rows; empty where the table was removed as a whole.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    table: str
    window: str | None = None
    digest: Digest | None = None
    root: Digest | None = None
    rows: int
    removed: int
    columns: tuple[str, ...] = ()
    leaves: tuple[RemovedLeaf, ...] = ()


class RowsErased(SignedEvent):
    """A person's rows were removed from the lake. The record's subject is the erasure's id, which names nobody.

    Attributes:
        id: of the erasure; the same in the records of all models.
        reason: why, without the person's name.
        basis: legal basis.
        tables: from which rows were removed.
    """

    KIND: ClassVar[str] = "rows_erased"
    PURPOSE: ClassVar[str] = "erasure/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = ERASING

    id: str
    reason: str
    basis: str
    tables: tuple[RemovedFrom, ...]


class RowsExpired(SignedEvent):
    """Tables past their date were removed from the lake. The record's subject is the day, `YYYY-MM-DD`.

    Attributes:
        day: of the removal.
        reason: why.
        policy_digest: of the policy that sets the date.
        retention_days: of that policy.
        versions: whose data they were.
        tables: that were removed as a whole.
    """

    KIND: ClassVar[str] = "rows_expired"
    PURPOSE: ClassVar[str] = "retention/v1"
    ROLES: ClassVar[tuple[str, ...] | None] = ERASING

    day: date
    reason: str
    policy_digest: Digest
    retention_days: int
    versions: tuple[str, ...] = Field(default_factory=tuple)
    tables: tuple[RemovedFrom, ...]
