"""The databases of a demo: Dagster's event log and MLflow's SQLite do not wait for the disk, and one demo at a time uses them.

The ledger's database is never made faster: it is the evidence, and waits for the disk at each record.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from mlops_assets.errors import MlopsAssetsError
from mlops_assets.platform import Platform
from mlops_assets.stores.ledger_database import LockTimeout

LOCK = "demo"


class AlreadyRunning(MlopsAssetsError):
    """Another demo works on the same home or ledger."""


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


@contextmanager
def alone(platform: Platform) -> Iterator[None]:
    """Hold the demo's lock: two at once would run the same steps, and each would end the other's runs as interrupted.

    Raises:
        AlreadyRunning: another demo holds it.
    """
    with ExitStack() as held:
        try:
            held.enter_context(platform.ledger.lock(LOCK, timeout=0))
        except LockTimeout as error:
            raise AlreadyRunning(
                f"another `mlops demo` is at work on the ledger of {platform.home.root}; wait until it has ended, or set "
                "MLOPS_HOME to another folder"
            ) from error
        yield
