"""The ledger's database: schema, migration, write serialisation and locks, on SQLite and PostgreSQL.

What belongs here is what differs between the two databases. What a record means, how it is hashed and who signs it
is `ledger.ledger`'s; nothing here looks into a record's body.
"""

import fcntl
import hashlib
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.engine import URL, Connection, Engine, make_url
from sqlalchemy.exc import DBAPIError

from mlops_assets.errors import MlopsAssetsError

HEAD_REVISION = "0001"
"""Alembic revision this code needs; kept as a constant so that opening a migrated ledger does not import Alembic."""

VERSION_TABLE = "ledger_alembic_version"
"""Not Alembic's default name: Dagster and MLflow keep an `alembic_version` each, and none may be taken for another."""

RECORD_COLUMNS = (
    "seq",
    "kind",
    "model",
    "subject",
    "happened_at",
    "recorded_at",
    "key",
    "body",
    "previous",
    "digest",
)

BUSY_SECONDS = 60.0
WRITE_LOCK = "ledger/write"
MIGRATION_LOCK = "ledger/migrate"

metadata = sa.MetaData()
records_table = sa.Table(
    "ledger_records",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    *(sa.Column(name, sa.Text, nullable=name == "key") for name in RECORD_COLUMNS[1:]),
)
heads_table = sa.Table(
    "ledger_heads",
    metadata,
    sa.Column("seq", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.Text, nullable=False),
    sa.Column("key_id", sa.Text, nullable=False),
    sa.Column("signature", sa.Text, nullable=False),
)

GUARDS = {
    "sqlite": frozenset(
        f"{table}_refuse_{operation}"
        for table in ("ledger_records", "ledger_heads")
        for operation in ("update", "delete", "disorder")
    ),
    "postgresql": frozenset(
        f"{table}_refuse_{operation}"
        for table in ("ledger_records", "ledger_heads")
        for operation in ("change", "truncate", "disorder")
    ),
}
"""Names of the triggers that refuse everything but an insert at the end, by dialect."""


class LockTimeout(MlopsAssetsError, TimeoutError):
    """A lock was held by somebody else for longer than the caller would wait."""


class LedgerUnreadable(MlopsAssetsError):
    """The ledger's database does not answer, or does not hold a ledger."""


class LedgerDatabase:
    """One migrated ledger database; safe to open from many processes at once.

    Args:
        url: SQLAlchemy URL, `sqlite:////path/ledger.db` or `postgresql://…`.

    Raises:
        ValueError: another database, or SQLite in memory (which other processes could not see).
    """

    def __init__(self, url: str | URL):
        self.url = make_url(url)
        self.dialect = self.url.get_backend_name()
        if self.url.drivername == "postgresql":
            # SQLAlchemy 2.1's default is psycopg 3; the driver that comes with dagster-postgres is psycopg2.
            self.url = self.url.set(drivername="postgresql+psycopg2")
        if self.dialect not in GUARDS:
            raise ValueError(f"found ledger URL for {self.dialect!r}, expected sqlite or postgresql")
        if self.dialect == "sqlite" and self.url.database in (None, "", ":memory:"):
            raise ValueError("found an in-memory SQLite ledger, expected a file: other processes must see the records")
        self.engine = self._engine()
        self._migrate()

    def _engine(self) -> Engine:
        if self.dialect == "postgresql":
            return sa.create_engine(self.url, pool_pre_ping=True)
        Path(str(self.url.database)).resolve().parent.mkdir(parents=True, exist_ok=True)
        engine = sa.create_engine(self.url, connect_args={"timeout": BUSY_SECONDS})

        @event.listens_for(engine, "connect")
        def _prepare(connection, _record):  # pyright: ignore[reportUnusedFunction]
            # The driver's own BEGIN is deferred: two writers could both read the head before either writes.
            connection.isolation_level = None
            connection.execute("PRAGMA synchronous=FULL")

        @event.listens_for(engine, "begin")
        def _begin(connection: Connection):  # pyright: ignore[reportUnusedFunction]
            writing = connection.get_execution_options().get("ledger_write", False)
            connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

        return engine

    def _revision(self) -> str | None:
        with self._named_errors(), self.engine.connect() as connection:
            if not sa.inspect(connection).has_table(VERSION_TABLE):
                return None
            return connection.execute(sa.text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()

    def _migrate(self) -> None:
        """Bring the schema to `HEAD_REVISION`; of processes that start at once, one migrates and the others wait."""
        if self._revision() == HEAD_REVISION:
            return
        with self.lock(MIGRATION_LOCK):
            found = self._revision()
            if found == HEAD_REVISION:
                return
            if self.dialect == "sqlite":
                with self.engine.connect() as connection:
                    raw = connection.connection.driver_connection
                    assert raw is not None
                    connection.rollback()
                    raw.execute("PRAGMA journal_mode=WAL")
            from alembic import command
            from alembic.config import Config

            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
            with self.engine.execution_options(ledger_write=True).begin() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, HEAD_REVISION)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the ledger from its first query to its last."""
        engine = self.engine
        if self.dialect == "postgresql":
            engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
        with self._named_errors(), engine.begin() as connection:
            yield connection

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Say which database cannot be read, in place of the driver's error with its query."""
        try:
            yield
        except (DBAPIError, sqlite3.DatabaseError) as error:
            what = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            address = self.url.render_as_string(hide_password=True)
            raise LedgerUnreadable(
                f"the ledger's database {address} cannot be read ({what}). Is it reachable, and is it the ledger? If it was "
                "damaged, restore it from a backup (`mlops restore`) and run `mlops verify`"
            ) from error

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction without any other writer beside it; committed at the end, rolled back on an error."""
        with self.engine.execution_options(ledger_write=True).begin() as connection:
            if self.dialect == "postgresql":
                # READ COMMITTED: the statements after this one see what the former holder committed.
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(:key)"), {"key": advisory_key(WRITE_LOCK)})
            yield connection

    def stream(self, connection: Connection, since: int = 1, batch: int = 1_000) -> Iterator[tuple]:
        """Every record from `since` on as a plain tuple in `RECORD_COLUMNS` order, by seq, never all of them in memory."""
        query = f"SELECT {', '.join(RECORD_COLUMNS)} FROM ledger_records WHERE seq >= {int(since)} ORDER BY seq"
        # Rows straight from the driver: SQLAlchemy's row objects would double the time of a million records.
        # Measured on both databases: five thousand rows at a time take a quarter longer than one thousand.
        raw = connection.connection.driver_connection
        assert raw is not None
        cursor = raw.cursor(name="ledger_stream") if self.dialect == "postgresql" else raw.cursor()
        try:
            if self.dialect == "postgresql":
                cursor.itersize = batch
            else:
                cursor.arraysize = batch
            cursor.execute(query)
            while rows := cursor.fetchmany(batch):
                yield from rows
        finally:
            cursor.close()

    def missing_guards(self, connection: Connection) -> list[str]:
        """Names of the append-only triggers that are gone or switched off."""
        if self.dialect == "sqlite":
            query = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND sql LIKE '%RAISE(ABORT%'"
        else:
            query = (
                "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgenabled = 'A' "
                "AND tgrelid IN (to_regclass('ledger_records'), to_regclass('ledger_heads'))"
            )
        found = {row[0] for row in connection.execute(sa.text(query))}
        return sorted(GUARDS[self.dialect] - found)

    @contextmanager
    def lock(self, name: str, timeout: float = BUSY_SECONDS) -> Iterator[None]:
        """Hold the lock `name` against every other process and thread; let go when the holder dies.

        Not re-entrant: the same thread asking twice waits for itself until `timeout` seconds have passed.

        Raises:
            LockTimeout: it could not be had within `timeout` seconds.
        """
        holder = self._advisory_lock(name, timeout) if self.dialect == "postgresql" else self._file_lock(name, timeout)
        with holder:
            yield

    @contextmanager
    def _file_lock(self, name: str, timeout: float) -> Iterator[None]:
        folder = Path(f"{Path(str(self.url.database)).resolve()}.locks")
        folder.mkdir(parents=True, exist_ok=True)
        # The file stays: removing it would let two holders lock two different files of the same name.
        with locked_file(folder / f"{file_name(name)}.lock", timeout, name):
            yield

    @contextmanager
    def _advisory_lock(self, name: str, timeout: float) -> Iterator[None]:
        # The lock belongs to the session: when this process dies the server closes it and frees the lock.
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            give_up = time.monotonic() + timeout
            pause = 0.002
            key = {"key": advisory_key(name)}
            while not connection.execute(sa.text("SELECT pg_try_advisory_lock(:key)"), key).scalar():
                if time.monotonic() > give_up:
                    raise LockTimeout(_held(name, timeout))
                time.sleep(pause)
                pause = min(pause * 1.5, 0.05)
            try:
                yield
            finally:
                connection.execute(sa.text("SELECT pg_advisory_unlock(:key)"), key)

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


def advisory_key(name: str) -> int:
    """PostgreSQL's 64-bit advisory lock number for a lock's name."""
    return int.from_bytes(hashlib.sha256(f"mlops_assets/{name}".encode()).digest()[:8], "big", signed=True)


def file_name(name: str) -> str:
    """A file name for a lock's name: readable, and different for different names."""
    return f"{re.sub(r'[^A-Za-z0-9_.-]+', '_', name)[:80]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


@contextmanager
def locked_file(path: Path, timeout: float = BUSY_SECONDS, name: str = "") -> Iterator[None]:
    """Hold an exclusive lock on the file `path`, made when missing; the system frees it when the process ends."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        give_up = time.monotonic() + timeout
        pause = 0.001
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > give_up:
                    raise LockTimeout(_held(name or str(path), timeout)) from None
                time.sleep(pause)
                pause = min(pause * 1.5, 0.05)
        yield
    finally:
        os.close(descriptor)


def _held(name: str, timeout: float) -> str:
    return (
        f"lock {name!r} is still held by another process after {timeout:g} s; wait for it to finish, "
        "or find and end it: its lock goes with it"
    )
