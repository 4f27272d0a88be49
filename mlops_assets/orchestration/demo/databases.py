"""Faster databases for the length of a trial: Dagster's event log and MLflow's SQLite without waiting for the disk.

Belongs here: that setting and its limits. The ledger's database is never touched: it is the evidence, and waits for the disk
at each record.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event


@contextmanager
def unsynchronised(*folders: Path) -> Iterator[None]:
    """While the block runs, SQLite databases below `folders` are written without waiting for the disk.

    Dagster opens and closes its databases for every event, and waits for the disk some five times each. A process that is
    killed loses nothing by this; a machine that loses power may damage the event log, so it is for trials only.
    """
    places = [folder.resolve() for folder in folders]

    def connected(connection: Any, _: Any) -> None:
        if not isinstance(connection, sqlite3.Connection):
            return
        file = next((row[2] for row in connection.execute("PRAGMA database_list") if row[1] == "main"), "")
        if file and any(Path(file).resolve().is_relative_to(place) for place in places):
            connection.execute("PRAGMA synchronous=OFF")

    event.listen(Engine, "connect", connected)
    try:
        yield
    finally:
        event.remove(Engine, "connect", connected)
