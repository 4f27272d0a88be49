"""What one entry of the ledger is: its fields, its digest, and how it is written as a row and read back.

Nothing here opens a database, appends or looks anything up; that is `ledger.ledger`'s. What a record's content means is
`ledger.events`'.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar, cast

import sqlalchemy as sa

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.canonical import digest_text, iso, moment
from mlops_assets.ledger.events.base import Event, UnknownEvent
from mlops_assets.ledger.events.registry import read_event
from mlops_assets.stores.ledger_database import records_table

NOTHING_BEFORE = "0" * 64
"""What the first record continues."""


class LedgerTampered(MlopsAssetsError, RuntimeError):
    """What is stored is not what was recorded."""


E = TypeVar("E", bound=Event, covariant=True)


@dataclass(frozen=True)
class Record(Generic[E]):
    """One entry of the ledger.

    Attributes:
        seq: 1, 2, 3 … without a gap.
        kind: what sort of entry, such as `gate_decision`.
        model: name of the model concerned, or empty.
        subject: what it is about within the kind: a version, a person, a window.
        happened_at: when the thing was true (UTC).
        recorded_at: when the ledger was told (UTC); never before the record before it.
        body: the stored content; read `event` instead.
        previous: digest of the record before.
        digest: SHA-256 over all of the above and `key`; see `record_digest`.
        key: idempotency key, unique for ever, or None.
    """

    seq: int
    kind: str
    model: str
    subject: str
    happened_at: datetime
    recorded_at: datetime
    body: dict[str, Any]
    previous: str
    digest: str
    key: str | None

    @cached_property
    def event(self) -> E:
        """The content as a typed event; an `UnknownEvent` where this release cannot read it."""
        return cast(E, read_event(self.kind, self.body))


@dataclass(frozen=True)
class Entry:
    """A record to be written: what `Ledger.append_all` takes."""

    event: Event
    model: str = ""
    subject: str = ""
    happened_at: datetime | None = None
    key: str | None = None

    @property
    def kind(self) -> str:
        """Kind of the record."""
        return self.event.record_kind


@dataclass(frozen=True)
class Expected:
    """What must still be so when a record is written: a compare-and-swap done by the database.

    Attributes:
        kinds: of the records looked at.
        model: whose.
        seq: of the latest such record; 0 when there must be none.
    """

    kinds: tuple[str, ...]
    model: str
    seq: int


def record_digest(
    *,
    seq: int,
    kind: str,
    model: str,
    subject: str,
    happened_at: str,
    recorded_at: str,
    key: str | None,
    body: str,
    previous: str,
) -> str:
    """SHA-256 of a record, over its number, the digest before it, its model's digest and its content's digest, one a line.

    The chain can so be checked by somebody who is shown the content of some records only: of the others two digests are
    enough, and that none of them is about a certain model shows in the first. No field but the last can hold a line break
    (`append` refuses it, and JSON escapes it), so two records never give the same lines.
    """
    content = content_digest(kind, model, subject, happened_at, recorded_at, key, body)
    return digest_text(f"{seq}\n{previous}\n{digest_text(model)}\n{content}")


def content_digest(
    kind: str, model: str, subject: str, happened_at: str, recorded_at: str, key: str | None, body: str
) -> str:
    """SHA-256 of what a record holds, without its place in the chain."""
    return digest_text("\n".join((kind, model, subject, happened_at, recorded_at, key or "", body)))


def read_row(row: Mapping[str, Any]) -> Record:
    """The record in a stored row.

    Raises:
        LedgerTampered: the row's text does not match its digest.
    """
    stored = row["digest"]
    if record_digest(**{name: value for name, value in row.items() if name != "digest"}) != stored:
        raise LedgerTampered(
            f"record {row['seq']} ({row['kind']}) does not match its digest: it was edited; run `mlops verify`"
        )
    return Record(
        seq=row["seq"],
        kind=row["kind"],
        model=row["model"],
        subject=row["subject"],
        happened_at=moment(row["happened_at"]),
        recorded_at=moment(row["recorded_at"]),
        body=json.loads(row["body"]),
        previous=row["previous"],
        digest=stored,
        key=row["key"],
    )


def checked(entry: Entry) -> Entry:
    """`entry` itself, when it can be written.

    Raises:
        ValueError: naming the field that cannot.
    """
    if not entry.kind:
        raise ValueError("a record needs a kind")
    if entry.key == "":
        raise ValueError("found an empty idempotency key; leave it out, or give one that names the cause")
    for name in ("kind", "model", "subject", "key"):
        value = getattr(entry, name)
        if value is None:
            continue
        if (
            not isinstance(value, str)
            or any(ord(c) < 32 for c in value)
            or any(0xD800 <= ord(c) < 0xE000 for c in value)
        ):
            raise ValueError(f"{name}: found {value!r}, expected text of one line")
    if isinstance(entry.event, UnknownEvent):
        raise ValueError(
            f"found an event that this release cannot read, expected one that it can: {entry.event.reason}"
        )
    if entry.happened_at is not None:
        iso(entry.happened_at)
    return entry


def same(entry: Entry, record: Record) -> Record:
    """`record`, which has the idempotency key of `entry`.

    Raises:
        ValueError: the key belongs to a record about something else.
    """
    if (record.kind, record.model) != (entry.kind, entry.model):
        raise ValueError(
            f"idempotency key {entry.key!r} belongs to record {record.seq} ({record.kind} of {record.model!r}), "
            f"found it given for {entry.kind} of {entry.model!r}; a key names one cause for ever"
        )
    return record


def select(
    kind: str | Sequence[str] | None,
    model: str | None,
    subject: str | None,
    known_at: datetime | None,
    happened_until: datetime | None,
    after: int = 0,
    until: int | None = None,
) -> sa.Select:
    """The query for records that meet all that is given; see `Ledger.records`."""
    query = sa.select(records_table)
    if kind is not None:
        kinds = [kind] if isinstance(kind, str) else list(kind)
        query = query.where(records_table.c.kind.in_(kinds))
    if model is not None:
        query = query.where(records_table.c.model == model)
    if subject is not None:
        query = query.where(records_table.c.subject == subject)
    if known_at is not None:
        query = query.where(records_table.c.recorded_at <= iso(known_at))
    if happened_until is not None:
        query = query.where(records_table.c.happened_at <= iso(happened_until))
    if after:
        query = query.where(records_table.c.seq > after)
    if until is not None:
        query = query.where(records_table.c.seq <= until)
    return query
