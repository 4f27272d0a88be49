"""Notices on their way: what waits for each channel, what was sent, and what was given up. Kept in a SQLite file of the home.

A notice is written here before anything is sent, and marked after it was sent: it is sent at least once, and twice only where
a process ends between the two. Not here: which channels a notice goes to (`routes.py`) and sending (`delivery.py`).
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path

from mlops_assets.ledger.canonical import iso, moment
from mlops_assets.notification.notice import Notice

OUTBOX = "notices.db"
SLOWEST = timedelta(hours=1)
TABLE = """
CREATE TABLE IF NOT EXISTS notices (
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    topic TEXT NOT NULL,
    notice TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('waiting', 'sent', 'undelivered')),
    together INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0,
    added TEXT NOT NULL,
    due TEXT NOT NULL,
    sent TEXT,
    reason TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (channel, key)
)
"""
INDEX = "CREATE INDEX IF NOT EXISTS by_topic ON notices (channel, topic, state)"
FAILURES = "CREATE TABLE IF NOT EXISTS failures (channel TEXT PRIMARY KEY, rounds INTEGER NOT NULL)"


@dataclass(frozen=True)
class Held:
    """A notice in the outbox, for one channel.

    Attributes:
        channel: its name.
        notice: to be sent.
        together: whether it goes out in one message with others that are due.
        attempts: that failed so far.
        added: when it came, as ISO text.
        due: from when on it is sent, as ISO text.
        reason: why the last attempt failed.
    """

    channel: str
    notice: Notice
    together: bool
    attempts: int
    added: str
    due: str
    reason: str

    @property
    def text(self) -> str:
        """In a sentence."""
        return f"channel {self.channel}: {self.notice.key} was not sent: {self.reason}"


class Outbox:
    """The notices of one home."""

    def __init__(self, home: Path) -> None:
        self.path = home / OUTBOX

    def add(
        self, notice: Notice, ways: Mapping[str, datetime], now: datetime, repeat_after: timedelta = timedelta(0)
    ) -> None:
        """Let a notice wait for its channels; one that a channel has, or had, stays as it is.

        Args:
            notice: to be sent.
            ways: channel to when it is due.
            now: the time.
            repeat_after: what says the same to the same channel sooner than this waits until then.
        """
        with self._open() as database:
            for channel, due in ways.items():
                again = self._repeats_until(database, channel, notice, repeat_after)
                late = max(due, again) if again is not None else due
                database.execute(
                    "INSERT OR IGNORE INTO notices (channel, key, topic, notice, state, together, added, due) "
                    "VALUES (?, ?, ?, ?, 'waiting', ?, ?, ?)",
                    (channel, notice.key, notice.topic, json.dumps(asdict(notice), ensure_ascii=False), late > now,
                     iso(now), iso(late)),
                )  # fmt: skip

    def due(self, now: datetime) -> list[Held]:
        """What is to be sent now: what failed least often first, then in the order in which it came."""
        return self._held("state = 'waiting' AND due <= ? ORDER BY attempts, rowid", iso(now))

    def count_due(self, now: datetime) -> int:
        """How many are to be sent now."""
        if not self.path.is_file():
            return 0
        with self._open() as database:
            return int(
                database.execute(
                    "SELECT count(*) FROM notices WHERE state = 'waiting' AND due <= ?", (iso(now),)
                ).fetchone()[0]
            )

    def waiting(self) -> list[Held]:
        """What is still to be sent, by when it is due."""
        return self._held("state = 'waiting' ORDER BY due, rowid")

    def undelivered(self) -> list[Held]:
        """What was given up."""
        return self._held("state = 'undelivered' ORDER BY rowid")

    def mark_sent(self, held: Sequence[Held], now: datetime, reason: str = "") -> None:
        """They were sent, or need not be any more, for this reason."""
        with self._open() as database:
            database.executemany(
                "UPDATE notices SET state = 'sent', sent = ?, reason = ? WHERE channel = ? AND key = ?",
                [(iso(now), reason, one.channel, one.notice.key) for one in held],
            )

    def mark_failed(self, held: Sequence[Held], reason: str, now: datetime, give_up_after: timedelta) -> list[Held]:
        """They could not be sent: they wait a minute, then two, four and so on, at most an hour.

        Returns:
            Those that have waited longer than `give_up_after`; they are not sent again by themselves.
        """
        given_up = [one for one in held if now - moment(one.added) >= give_up_after]
        with self._open() as database:
            for one in held:
                delay = min(timedelta(minutes=2 ** min(one.attempts, 10)), SLOWEST)
                database.execute(
                    "UPDATE notices SET state = ?, attempts = ?, due = ?, reason = ? WHERE channel = ? AND key = ?",
                    ("undelivered" if one in given_up else "waiting", one.attempts + 1, iso(now + delay), reason,
                     one.channel, one.notice.key),
                )  # fmt: skip
        return given_up

    def failed_rounds(self, channel: str, failed: bool) -> int:
        """Count a round of a channel; returns how many in a row failed."""
        with self._open() as database:
            if not failed:
                database.execute("DELETE FROM failures WHERE channel = ?", (channel,))
                return 0
            database.execute(
                "INSERT INTO failures VALUES (?, 1) ON CONFLICT (channel) DO UPDATE SET rounds = rounds + 1", (channel,)
            )
            found = database.execute("SELECT rounds FROM failures WHERE channel = ?", (channel,)).fetchone()
            return int(found[0])

    def postpone(self, held: Sequence[Held], until: datetime, reason: str) -> None:
        """Their channel is down: they wait without having been tried."""
        with self._open() as database:
            database.executemany(
                "UPDATE notices SET due = ?, reason = ? WHERE channel = ? AND key = ?",
                [(iso(until), reason, one.channel, one.notice.key) for one in held],
            )

    def send_again(self, now: datetime) -> int:
        """Let what was given up wait once more; returns how many."""
        if not self.path.is_file():
            return 0
        with self._open() as database:
            done = database.execute(
                "UPDATE notices SET state = 'waiting', attempts = 0, added = ?, due = ? WHERE state = 'undelivered'",
                (iso(now), iso(now)),
            )
            return done.rowcount

    def _held(self, condition: str, *values: str) -> list[Held]:
        if not self.path.is_file():
            return []
        columns = "channel, notice, together, attempts, added, due, reason"
        with self._open() as database:
            rows = database.execute(f"SELECT {columns} FROM notices WHERE {condition}", values).fetchall()
        return [Held(channel, _notice(text), bool(together), *rest) for channel, text, together, *rest in rows]

    def _repeats_until(
        self, database: sqlite3.Connection, channel: str, notice: Notice, repeat_after: timedelta
    ) -> datetime | None:
        last = database.execute(
            "SELECT max(sent) FROM notices WHERE channel = ? AND topic = ? AND state = 'sent' AND key <> ?",
            (channel, notice.topic, notice.key),
        ).fetchone()[0]
        return moment(last) + repeat_after if last else None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.path.is_file():
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Notices name models and people: only their owner reads the file.
            os.close(os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
        with closing(sqlite3.connect(self.path, timeout=30)) as database:
            database.execute(TABLE)
            database.execute(INDEX)
            database.execute(FAILURES)
            with database:
                yield database


def _notice(text: str) -> Notice:
    stored = json.loads(text)
    return Notice(**{**stored, "roles": tuple(stored["roles"])})
