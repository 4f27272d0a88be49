"""The ledger: what was decided, by whom, when; append-only, hash-chained, bitemporal, its head signed and anchored.

A record has two times: when the thing happened and when it was recorded; the second never goes backwards, so that
"what was known on that day" has one answer. Each record's digest is over its own text and the digest before it; the
head is signed with a key that the database does not hold, and its signature is kept outside as well. What the kinds
of records mean is for the rooms that write them.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mlops_assets.ledger.anchors import Anchor, read_anchor, sign_head, write_anchor
from mlops_assets.ledger.canonical import canonical_json, iso
from mlops_assets.ledger.chain import Problem, check_chain
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.people import People, known_people
from mlops_assets.ledger.records import (
    NOTHING_BEFORE,
    Entry,
    Expected,
    LedgerTampered,
    Record,
    checked,
    read_row,
    record_digest,
    same,
    select,
)
from mlops_assets.ledger.seals import lost_anchor, other_anchor, own_key_objection, sealed_until, tail_objection
from mlops_assets.ledger.state.cache import StateCache
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.ledger.state.reader import StateReader
from mlops_assets.stores.ledger_database import BUSY_SECONDS, LedgerDatabase, heads_table, records_table

E = TypeVar("E", bound=Event)
K = TypeVar("K", bound=Event)

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far a writer's clock may lie behind the last record's (two machines never agree exactly) before it is refused."""
WHAT_TO_DO = "see `mlops verify` and docs/runbooks.md before anything else is written"
HEADS_TRIED = 100
"""Latest signed heads among which one that counts is looked for."""
ANCHOR_WAIT = 1.0
"""Seconds that the second writer of a new ledger waits for the first one's anchor file."""


class ClockWentBack(RuntimeError):
    """The writer's clock is behind the last record's time."""


class Conflict(RuntimeError):
    """Somebody else wrote first: what the caller decided on is no longer the latest."""


def utc_now() -> datetime:
    """The time, with its zone."""
    return datetime.now(UTC)


class Ledger:
    """The ledger in one database; open as many as wanted, in as many processes as wanted.

    Args:
        url: SQLAlchemy URL of a SQLite file or a PostgreSQL database; it is migrated before use.
        head_key: signs the head after each append; after what was appended without it, nobody who has it appends.
        anchor_path: file outside the database that keeps the latest signed head.
        trusted: public head keys besides `head_key`'s own, for readers and after a rotation.
        root: key id of the root key as the bank knows it from elsewhere; without it the first enrolment is believed.
        clock: where `recorded_at` comes from; for tests.
        cache: file that keeps the ledger's state between processes; needs `head_key`.
    """

    def __init__(
        self,
        url: str,
        head_key: SigningKey | None = None,
        anchor_path: Path | None = None,
        *,
        trusted: Iterable[PublicKey] = (),
        root: str | None = None,
        clock: Callable[[], datetime] = utc_now,
        cache: Path | None = None,
    ):
        self.database = LedgerDatabase(url)
        self.head_key = head_key
        self.anchor_path = Path(anchor_path) if anchor_path is not None else None
        self.trusted = (*([head_key.public] if head_key else []), *trusted)
        self.root = root
        self.clock = clock
        self._counting_since: int | None = None
        self._reader = StateReader(self, StateCache(cache, head_key) if cache is not None and head_key else None)

    def append(
        self,
        event: E,
        *,
        model: str = "",
        subject: str = "",
        happened_at: datetime | None = None,
        key: str | None = None,
        expect: Expected | Sequence[Expected] | None = None,
    ) -> Record[E]:
        """Write one record after the last.

        Args:
            event: content; its class says which kind of record it is.
            model: name of the model concerned, or empty.
            subject: what it is about, or empty.
            happened_at: default: now.
            key: idempotency key: when a record with it exists, that one is returned and nothing is written.
            expect: write only if this, or each of these, still holds.

        Raises:
            Conflict: `expect` no longer holds.
            ClockWentBack: this machine's clock is behind the last record.
            LedgerTampered: the database no longer holds what its anchor says it held, or ends with records that nobody with
                a ledger key wrote.
            ValueError: the record cannot be written as text, or `key` belongs to a record of another kind or model.
        """
        written = self.append_all([Entry(event, model, subject, happened_at, key)], expect=expect)
        return cast(Record[E], written[0])

    def append_all(
        self, entries: Sequence[Entry], *, expect: Expected | Sequence[Expected] | None = None
    ) -> list[Record]:
        """Write several records in one transaction: all of them or none; see `append`."""
        if not entries:
            return []
        prepared = [(checked(entry), canonical_json(entry.event.body())) for entry in entries]
        known = {key: record for key in {e.key for e in entries if e.key} if (record := self.find(key))}
        if all(entry.key in known for entry in entries):
            return [same(entry, known[str(entry.key)]) for entry in entries]
        anchor = self._anchor()
        with self.database.writing() as connection:
            written, head = self._write(connection, prepared, expect, anchor)
        if head is not None and self.anchor_path is not None:
            write_anchor(self.anchor_path, head)
        return written

    def _write(
        self,
        connection: Connection,
        prepared: Sequence[tuple[Entry, str]],
        expect: Expected | Sequence[Expected] | None,
        anchor: Anchor | None,
    ) -> tuple[list[Record], Anchor | None]:
        last = self._last(connection)
        if cut := self._cut(connection, anchor, last):
            raise LedgerTampered(f"nothing is appended: {cut}")
        if self.head_key is not None:
            self._refuse_if_unsealed(connection, last, [entry for entry, _ in prepared])
        found: dict[int, Record] = {}
        for index, (entry, _) in enumerate(prepared):
            if entry.key is not None and (record := self._find(connection, entry.key)) is not None:
                found[index] = same(entry, record)
        if len(found) == len(prepared):
            return [found[index] for index in range(len(prepared))], None
        for expected in [expect] if isinstance(expect, Expected) else expect or ():
            self._require(connection, expected)
        recorded = self._now(last)
        result: list[Record] = []
        rows: list[dict[str, Any]] = []
        seq, previous = (last.seq, last.digest) if last else (0, NOTHING_BEFORE)
        for index, (entry, body) in enumerate(prepared):
            if index in found:
                result.append(found[index])
                continue
            seq += 1
            row = {
                "seq": seq,
                "kind": entry.kind,
                "model": entry.model,
                "subject": entry.subject,
                "happened_at": iso(entry.happened_at or recorded),
                "recorded_at": iso(recorded),
                "key": entry.key,
                "body": body,
                "previous": previous,
            }
            row["digest"] = previous = record_digest(**row)
            rows.append(row)
            result.append(read_row(row))
        connection.execute(sa.insert(records_table), rows)
        head = None
        if self.head_key is not None:
            head = sign_head(self.head_key, seq, previous)
            connection.execute(sa.insert(heads_table), [head.to_dict()])
        return result, head

    def sealed_head(self, since: int | None = None) -> Anchor | None:
        """The latest signed head, when the ledger ends under it and its key counts; None for an empty ledger.

        With `since`, every record from that one on is held against the chain up to the head.

        Raises:
            LedgerTampered: it is not so, or the anchor file is not part of the ledger.
        """
        anchor = self._anchor()
        with self.database.reading() as connection:
            last, head = self._last(connection), self._head(connection)
            if cut := self._cut(connection, anchor, last):
                raise LedgerTampered(cut)
            why = tail_objection(self._people(connection), self.trusted, last, head)
            broken = check_chain(self.database, connection, (), since=since) if since and not why else []
        if why := why or (str(broken[0]) if broken else ""):
            raise LedgerTampered(f"{why}; {WHAT_TO_DO}")
        return head

    def records(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
        happened_until: datetime | None = None,
        after: int = 0,
    ) -> list[Record]:
        """Records in order of seq.

        Args:
            kind: one kind, or several.
            model: of this model only; "" for those of none.
            subject: about this only.
            known_at: as the ledger stood then: recorded at or before.
            happened_until: of things that happened at or before.
            after: with a larger number.

        Raises:
            LedgerTampered: a row's text does not match its digest.
        """
        query = select(kind, model, subject, known_at, happened_until, after).order_by(records_table.c.seq)
        with self.database.reading() as connection:
            return [read_row({**row}) for row in connection.execute(query).mappings()]

    def of(
        self,
        event: type[K],
        *,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
        after: int = 0,
    ) -> list[Record[K]]:
        """Records whose event is of this class, in order of seq; what cannot be read as one is left out.

        Whether such a record counts is `ledger.state`'s to say.

        Args:
            event: class of events.
            model: of this model only; "" for those of none.
            subject: about this only.
            known_at: as the ledger stood then.
            after: with a larger number.
        """
        found = self.records(kind=event.KIND, model=model, subject=subject, known_at=known_at, after=after)
        return [cast(Record[K], record) for record in found if isinstance(record.event, event)]

    def latest_of(
        self,
        event: type[K],
        *,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
    ) -> Record[K] | None:
        """The last record whose event is of this class, or None."""
        record = self.latest(event.KIND, model=model, subject=subject, known_at=known_at)
        if record is None or isinstance(record.event, event):
            return cast("Record[K] | None", record)
        found = self.of(event, model=model, subject=subject, known_at=known_at)
        return found[-1] if found else None

    def latest(
        self,
        kind: str | Sequence[str],
        *,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
    ) -> Record | None:
        """The last record of a kind, or None."""
        query = select(kind, model, subject, known_at, None).order_by(records_table.c.seq.desc()).limit(1)
        with self.database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return read_row({**row}) if row is not None else None

    def get(self, seq: int) -> Record | None:
        """The record of that number, or None."""
        query = sa.select(records_table).where(records_table.c.seq == seq)
        with self.database.reading() as connection:
            row = connection.execute(query).mappings().first()
        return read_row({**row}) if row is not None else None

    def last(self) -> Record | None:
        """The last record; None for an empty ledger."""
        with self.database.reading() as connection:
            return self._last(connection)

    def find(self, key: str) -> Record | None:
        """The record with that idempotency key, or None."""
        with self.database.reading() as connection:
            return self._find(connection, key)

    def state(
        self,
        known_at: datetime | None = None,
        *,
        happened_until: datetime | None = None,
        root: PublicKey | None = None,
        fresh: bool = False,
    ) -> LedgerState:
        """What the records add up to: the one answer to who decides, what was approved, and what is open.

        Args:
            known_at: as the ledger stood then; default: now.
            happened_until: only of what had happened by then, whenever it was recorded; default: everything.
            root: the root key, when it is known from outside; default: the one the ledger was opened with.
            fresh: compute it from the first record on and use nothing that was kept, as promotion and verification do.

        Raises:
            LedgerTampered: a row's text does not match its digest.
        """
        key_id = root.key_id if root is not None else self.root
        if known_at is None and happened_until is None:
            return self._reader.now(key_id, fresh=fresh)
        return self._reader.at(known_at, key_id, happened_until=happened_until)

    def sealed(self, people: People) -> tuple[int | None, str]:
        """Number of the last record under a signed head that counts, and why the ledger's tail is not under one.

        The number is None where no head was ever signed: then nothing says what is sealed.
        """
        query = (
            sa.select(heads_table, records_table.c.digest.label("recorded"))
            .join(records_table, records_table.c.seq == heads_table.c.seq, isouter=True)
            .order_by(heads_table.c.seq.desc())
            .limit(HEADS_TRIED)
        )
        with self.database.reading() as connection:
            last, head = self._last(connection), self._head(connection)
            if head is None:
                return None, ""
            rows = [{**row} for row in connection.execute(query).mappings()]
        why = tail_objection(people, self.trusted, last, head)
        if not why:
            return head.seq, ""
        heads = [Anchor(**row) for row in rows if row.pop("recorded") == row["digest"]]
        return sealed_until(people, self.trusted, heads), why

    def people(self, root: PublicKey | None = None, known_at: datetime | None = None) -> People:
        """Everybody who is or was enrolled; what a root did not sign is listed as refused and counts for nothing.

        Args:
            root: the root key, when it is known from outside; default: the one the ledger was opened with. Where neither is
                given, the first enrolment, signed by itself, is the root.
            known_at: as the ledger stood then.
        """
        records = self.records(kind=PEOPLE_KINDS, known_at=known_at)
        return known_people(records, root.key_id if root is not None else self.root)

    def head(self) -> Anchor | None:
        """The latest signed head, for a packet or any other place outside; None when nothing was signed."""
        with self.database.reading() as connection:
            return self._head(connection)

    def verify(self, *, anchors: Iterable[Anchor] = (), trusted: Iterable[PublicKey] = ()) -> list[Problem]:
        """What is wrong with the ledger: chain, guards, signed head, anchors; the first problem first, [] when whole.

        Args:
            anchors: heads kept elsewhere, such as in packets, besides the anchor file.
            trusted: head keys besides those the ledger was opened with.
        """
        problems: list[Problem] = []
        known = list(anchors)
        if self.anchor_path is not None:
            try:
                # Read before the database: what was anchored by then must be in what is read after.
                kept = read_anchor(self.anchor_path)
                known += [kept] if kept is not None else []
            except ValueError as error:
                problems.append(Problem("anchor_unreadable", str(error)))
        with self.database.reading() as connection:
            problems += check_chain(self.database, connection, known, (*self.trusted, *trusted), heads=True)
            if not problems and self._anchor_lost(connection):
                problems.append(
                    Problem("anchor_missing", f"the anchor {self.anchor_path} is gone: a cut tail would not show")
                )
        return problems

    def lock(self, name: str, timeout: float = BUSY_SECONDS) -> AbstractContextManager[None]:
        """A lock between processes and threads, freed when its holder dies; not re-entrant.

        Raises:
            LockTimeout: held by another for longer than `timeout` seconds.
        """
        return self.database.lock(name, timeout)

    def close(self) -> None:
        """Close the connections; the ledger can be used again afterwards."""
        self.database.dispose()

    def _anchor(self) -> Anchor | None:
        if self.anchor_path is None:
            return None
        try:
            return read_anchor(self.anchor_path)
        except ValueError as error:
            raise LedgerTampered(
                f"{error}; nothing is appended: restore the file, and find out who changed it"
            ) from error

    def _cut(self, connection: Connection, anchor: Anchor | None, last: Record | None) -> str:
        """Why the ledger is not the one that the anchor belongs to; empty where it is: a cut must not be buried."""
        if anchor is None:
            return lost_anchor(self.anchor_path, last) if self._anchor_lost(connection) else ""
        query = sa.select(records_table.c.digest).where(records_table.c.seq == anchor.seq)
        same = connection.execute(query).scalar() == anchor.digest
        return "" if same else other_anchor(self.anchor_path, anchor, last)

    def _refuse_if_unsealed(self, connection: Connection, last: Record | None, entries: Sequence[Entry]) -> None:
        """A new head would seal whatever somebody without the key has appended before it."""
        head, mine, about_people = self._head(connection), self.trusted[0], self._last_about_people(connection)
        if (
            head
            and last
            and head.digest == last.digest
            and self._counting_since == about_people
            and head.signed_by(mine)
        ):
            return
        people = self._people(connection)
        why = tail_objection(people, self.trusted, last, head)
        why = why or own_key_objection(people, mine, entries, last.seq + 1 if last else 1)
        if why:
            raise LedgerTampered(f"nothing is appended: {why}; {WHAT_TO_DO}")
        self._counting_since = about_people

    def _people(self, connection: Connection) -> People:
        """Everybody, as this transaction sees them."""
        query = select(PEOPLE_KINDS, None, None, None, None).order_by(records_table.c.seq)
        return known_people([read_row({**row}) for row in connection.execute(query).mappings()], self.root)

    def _last_about_people(self, connection: Connection) -> int:
        query = sa.select(sa.func.coalesce(sa.func.max(records_table.c.seq), 0))
        return connection.execute(query.where(records_table.c.kind.in_(PEOPLE_KINDS))).scalar_one()

    def _anchor_lost(self, connection: Connection) -> bool:
        """Whether a ledger that must have been anchored by now is not."""
        if self.anchor_path is None:
            return False
        count = sa.select(sa.func.count()).select_from(heads_table)
        # The first head may be a moment older than the file; whoever came second waits for the first.
        deadline = time.monotonic() + ANCHOR_WAIT
        while connection.execute(count).scalar_one() > 1:
            if self.anchor_path.exists():
                return False
            if time.monotonic() > deadline:
                return True
            time.sleep(0.02)
        return False

    def _require(self, connection: Connection, expect: Expected) -> None:
        query = sa.select(sa.func.coalesce(sa.func.max(records_table.c.seq), 0)).where(
            records_table.c.kind.in_(expect.kinds), records_table.c.model == expect.model
        )
        found = connection.execute(query).scalar_one()
        if found != expect.seq:
            raise Conflict(
                f"{f'model {expect.model!r}' if expect.model else 'the fleet'}: found record {found} as the latest of {', '.join(expect.kinds)}, expected "
                f"{expect.seq}: another process was faster; look again and decide again"
            )

    def _now(self, last: Record | None) -> datetime:
        now = self.clock().astimezone(UTC)
        if last is None or now >= last.recorded_at:
            return now
        if last.recorded_at - now > CLOCK_TOLERANCE:
            raise ClockWentBack(
                f"this machine's clock says {iso(now)}, and the ledger's last record was written at "
                f"{iso(last.recorded_at)}: set the clock right (nothing was written); where it is right, record {last.seq} was "
                "written by a machine whose clock is ahead: docs/runbooks.md, a clock that was ahead"
            )
        return last.recorded_at

    def _last(self, connection: Connection) -> Record | None:
        query = sa.select(records_table).order_by(records_table.c.seq.desc()).limit(1)
        row = connection.execute(query).mappings().first()
        return read_row({**row}) if row is not None else None

    def _find(self, connection: Connection, key: str) -> Record | None:
        row = connection.execute(sa.select(records_table).where(records_table.c.key == key)).mappings().first()
        return read_row({**row}) if row is not None else None

    def _head(self, connection: Connection) -> Anchor | None:
        row = connection.execute(sa.select(heads_table).order_by(heads_table.c.seq.desc()).limit(1)).mappings().first()
        return Anchor(**row) if row is not None else None
