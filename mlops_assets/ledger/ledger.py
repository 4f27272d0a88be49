"""The ledger: what was decided, by whom, when; append-only, hash-chained, bitemporal, its head signed and anchored.

A record has two times: when the thing happened and when it was recorded; the second never goes backwards, so that
"what was known on that day" has one answer. Each record's digest is over its own text and the digest before it; the
head is signed with a key that the database does not hold, and its signature is kept outside as well. Not
here: what the kinds of records hold (`ledger.events`), what they add up to (`ledger.state`), and reading (`ledger.reading`).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mlops_assets import clock
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.ledger.anchors import Anchor, sign_head, write_anchor
from mlops_assets.ledger.canonical import canonical_json, iso
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.events.clock import SimulatedClock
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.reading import WHAT_TO_DO, LedgerReader
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
)
from mlops_assets.ledger.seals import own_key_objection, tail_objection
from mlops_assets.ledger.signing.client import RemoteKey
from mlops_assets.stores.ledger_database import BUSY_SECONDS, heads_table, records_table

E = TypeVar("E", bound=Event)

CLOCK_TOLERANCE = timedelta(seconds=5)
"""How far a writer's clock may lie behind the last record's (two machines never agree exactly) before it is refused."""


class ClockWentBack(MlopsAssetsError, RuntimeError):
    """The writer's clock is behind the last record's time."""


class Conflict(MlopsAssetsError, RuntimeError):
    """Somebody else wrote first: what the caller decided on is no longer the latest."""


class Ledger(LedgerReader):
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
            SignerUnavailable, SignerRefused: another process holds the head key, and did not sign; nothing is written.
            SimulatedClockError: the ledger was begun under another kind of clock than this process has.
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
        self._refuse_other_clock(connection)
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
        if last is None and clock.simulated() is not None:
            opening = Entry(SimulatedClock(machine_time=datetime.fromtimestamp(clock.machine_seconds(), UTC)))
            rows.append(_row(1, opening, canonical_json(opening.event.body()), recorded, previous))
            seq, previous = 1, rows[-1]["digest"]
        for index, (entry, body) in enumerate(prepared):
            if index in found:
                result.append(found[index])
                continue
            seq += 1
            rows.append(_row(seq, entry, body, recorded, previous))
            previous = rows[-1]["digest"]
            result.append(read_row(rows[-1]))
        connection.execute(sa.insert(records_table), rows)
        head = None
        if self.head_key is not None:
            if isinstance(self.head_key, RemoteKey):
                # The signer sees the records themselves, and refuses what does not follow the head before.
                head = self.head_key.sign_head(rows)
            else:
                head = sign_head(self.head_key, seq, previous)
            connection.execute(sa.insert(heads_table), [head.to_dict()])
        return result, head

    def lock(self, name: str, timeout: float = BUSY_SECONDS) -> AbstractContextManager[None]:
        """A lock between processes and threads, freed when its holder dies; not re-entrant.

        Raises:
            LockTimeout: held by another for longer than `timeout` seconds.
        """
        return self.database.lock(name, timeout)

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

    def _last_about_people(self, connection: Connection) -> int:
        query = sa.select(sa.func.coalesce(sa.func.max(records_table.c.seq), 0))
        return connection.execute(query.where(records_table.c.kind.in_(PEOPLE_KINDS))).scalar_one()

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
                "written by a machine whose clock is ahead: docs/how-to/runbooks.md, a clock that was ahead"
            )
        return last.recorded_at


def _row(seq: int, entry: Entry, body: str, recorded: datetime, previous: str) -> dict[str, Any]:
    """A record as it is stored."""
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
    return {**row, "digest": record_digest(**row)}
