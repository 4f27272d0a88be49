"""Reading the ledger: its records by kind, model, subject and time, its state, its people, and whether it is whole.

Not here: appending, which is `ledger.ledger`'s. Most callers open a `Ledger`, which reads as well.
"""

import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from mlops_assets import clock
from mlops_assets.ledger.anchors import Anchor, read_anchor
from mlops_assets.ledger.chain import Problem, check_chain
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.events.clock import SimulatedClock
from mlops_assets.ledger.keys import PublicKey, SigningKey
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.people import People, known_people
from mlops_assets.ledger.records import (
    LedgerTampered,
    Record,
    read_row,
    select,
)
from mlops_assets.ledger.seals import lost_anchor, other_anchor, sealed_until, tail_objection
from mlops_assets.ledger.signing.client import RemoteKey
from mlops_assets.ledger.state.cache import StateCache
from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.ledger.state.reader import StateReader
from mlops_assets.stores.ledger_database import LedgerDatabase, heads_table, records_table

E = TypeVar("E", bound=Event)

WHAT_TO_DO = "see `mlops verify` and docs/how-to/runbooks.md before anything else is written"
HEADS_TRIED = 100
"""Latest signed heads among which one that counts is looked for."""
ANCHOR_WAIT = 1.0
"""Seconds that the second writer of a new ledger waits for the first one's anchor file."""


class LedgerReader:
    """Everything about a ledger but appending to it; `Ledger` says what the arguments mean."""

    def __init__(
        self,
        url: str,
        head_key: SigningKey | None = None,
        anchor_path: Path | None = None,
        *,
        trusted: Iterable[PublicKey] = (),
        root: str | None = None,
        clock: Callable[[], datetime] = clock.now,
        cache: Path | None = None,
    ):
        self.database = LedgerDatabase(url)
        self.head_key = head_key
        self.anchor_path = Path(anchor_path) if anchor_path is not None else None
        self.trusted = (*([head_key.public] if head_key else []), *trusted)
        self.root = root
        self.clock = clock
        self._counting_since: int | None = None
        self._clock_compared = False
        # A key that another process holds signs no cache: its content could not be checked there.
        local = None if isinstance(head_key, RemoteKey) else head_key
        self._reader = StateReader(self, StateCache(cache, local) if cache is not None and local else None)

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
        return self._read(select(kind, model, subject, known_at, happened_until, after))

    def of(
        self,
        event: type[E],
        *,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
        after: int = 0,
        word: str = "",
    ) -> list[Record[E]]:
        """Records whose event is of this class, in order of seq; what cannot be read as one is left out.

        Whether such a record counts is `ledger.state`'s to say.

        Args:
            event: class of events.
            model: of this model only; "" for those of none.
            subject: about this only.
            known_at: as the ledger stood then.
            after: with a larger number.
            word: those whose text has this word somewhere; of the others nothing is read.
        """
        query = select(event.KIND, model, subject, known_at, None, after)
        found = self._read(query.where(records_table.c.body.contains(word, autoescape=True)) if word else query)
        return [cast(Record[E], record) for record in found if isinstance(record.event, event)]

    def _read(self, query: sa.Select) -> list[Record]:
        with self.database.reading() as connection:
            return [read_row({**row}) for row in connection.execute(query.order_by(records_table.c.seq)).mappings()]

    def latest_of(
        self,
        event: type[E],
        *,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
    ) -> Record[E] | None:
        """The last record whose event is of this class, or None."""
        record = self.latest(event.KIND, model=model, subject=subject, known_at=known_at)
        if record is None or isinstance(record.event, event):
            return cast("Record[E] | None", record)
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

    @property
    def is_simulated(self) -> bool:
        """Whether the ledger was begun under a simulated clock: then nothing in it happened when it says."""
        first = self.get(1)
        return first is not None and isinstance(first.event, SimulatedClock)

    def refuse_other_clock(self) -> None:
        """Refuse a ledger of another clock than this process has: its times, and this process's, could not be compared.

        Raises:
            SimulatedClockError: it was begun under a simulated clock and this process has the machine's, or the reverse.
        """
        with self.database.reading() as connection:
            self._refuse_other_clock(connection)

    def _refuse_other_clock(self, connection: Connection) -> None:
        if self._clock_compared:
            return
        kind = connection.execute(sa.select(records_table.c.kind).where(records_table.c.seq == 1)).scalar()
        if kind is None:
            return
        begun, now = kind == SimulatedClock.KIND, clock.simulated() is not None
        if begun and not now:
            raise clock.SimulatedClockError(
                f"the ledger was begun under a simulated clock, and {clock.SIMULATED} is not set here; expected the file of "
                "that clock, or another MLOPS_HOME"
            )
        if now and not begun:
            raise clock.SimulatedClockError(
                f"the ledger was begun under the machine's clock, and {clock.SIMULATED} is set here; nothing is read or "
                "written: remove the variable, or begin a new MLOPS_HOME for the simulation"
            )
        self._clock_compared = True

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

    def _people(self, connection: Connection) -> People:
        """Everybody, as this transaction sees them."""
        query = select(PEOPLE_KINDS, None, None, None, None).order_by(records_table.c.seq)
        return known_people([read_row({**row}) for row in connection.execute(query).mappings()], self.root)

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
