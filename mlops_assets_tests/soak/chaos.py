"""What goes wrong in the soak with `--chaos`: daemon, code server, run workers and database are killed, at random.

Only processes that the driver has started, or that those have started, and by their ids. Whoever keeps the servers running
starts daemon, code server and database again; a run whose worker was killed is Dagster's to notice and to try again.
"""

import contextlib
import os
import random
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mlops_assets_tests.postgresql import server_of_its_own
from mlops_assets_tests.soak.servers import Servers, below

EVERY = (15.0, 60.0)
"""Seconds from one kill to the next."""
LEDGER, DAGSTER = "mlops_ledger", "mlops_dagster"


class Database:
    """A PostgreSQL server with a database for the ledger and one for Dagster."""

    def __init__(self, server: Any) -> None:
        self.server = server
        for name in (LEDGER, DAGSTER):
            server.psql(f"CREATE DATABASE {name};")

    @property
    def variables(self) -> dict[str, str]:
        """What tells the project's processes where it is."""
        return {
            "MLOPS_LEDGER_URL": self.server.get_uri(LEDGER),
            "MLOPS_DAGSTER_URL": self.server.get_uri(DAGSTER),
        }

    def keep_running(self) -> None:
        """Start it again where it was killed; the processes that it had started end by themselves first."""
        with contextlib.suppress(Exception):  # its memory may still be in use by one of them: at the next look, then
            self.server.ensure_postgres_running()

    def victims(self) -> list[int]:
        """The server itself, and each of its connections."""
        pid = self.server.get_pid()
        return [pid, *below(pid)] if pid is not None and Path(f"/proc/{pid}").exists() else []


@contextmanager
def database() -> Iterator[Database]:
    """A server that ends with the block."""
    with server_of_its_own() as server:
        yield Database(server)


class Chaos(threading.Thread):
    """Kills one of what runs, again and again, until it is stopped.

    Attributes:
        killed: how often each kind was.
    """

    def __init__(self, servers: Servers, database: Database | None, seed: int) -> None:
        super().__init__(daemon=True)
        self.servers, self.database, self.dice = servers, database, random.Random(seed)
        self.killed: Counter[str] = Counter()
        self._stopped = threading.Event()

    def run(self) -> None:
        """Kill until stopped."""
        while not self._stopped.wait(self.dice.uniform(*EVERY)):
            found = {kind: pids for kind, pids in self._victims().items() if pids}
            if found:
                kind = self.dice.choice(sorted(found))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.dice.choice(found[kind]), signal.SIGKILL)
                    self.killed[kind] += 1

    def stop(self) -> None:
        """No further kill."""
        self._stopped.set()
        self.join()

    def _victims(self) -> dict[str, list[int]]:
        running = {name: process.pid for name, process in self.servers.running.items() if process.poll() is None}
        served = running.get("code server")
        return {
            **{name: [pid] for name, pid in running.items()},
            "run worker": below(served) if served is not None else [],
            "database": self.database.victims() if self.database is not None else [],
        }
