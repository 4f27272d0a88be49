"""The roles of `deploy/postgres/ledger_roles.sql`, on a real server."""

import subprocess
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

import mlops_assets
from mlops_assets.ledger.ledger import Ledger
from mlops_assets_tests.ledger.raw import raw

pytestmark = pytest.mark.integration
SCRIPT = Path(mlops_assets.__file__).parents[1] / "deploy" / "postgres" / "ledger_roles.sql"


@pytest.fixture
def addresses(postgresql_server):
    psql = Path(postgresql_server.bin_path) / "psql"
    words = [f"-v{role}_password=pw" for role in ("owner", "writer", "reader")]
    uri = postgresql_server.get_uri()
    done = subprocess.run(
        [str(psql), uri, "-v", "ON_ERROR_STOP=1", *words, "-f", str(SCRIPT)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    url = make_url(postgresql_server.get_uri("mlops_ledger"))

    def address(role: str) -> str:
        changed = url.set(username=f"mlops_ledger_{role}", password="pw")
        return changed.render_as_string(hide_password=False)

    return address


def test_the_writer_only_appends_and_the_reader_only_reads(addresses):
    Ledger(addresses("owner")).append(raw("note", {}))
    writer = Ledger(addresses("writer"))
    writer.append(raw("note", {"by": "writer"}))
    for statement in (
        "UPDATE ledger_records SET body = '{}'",
        "DELETE FROM ledger_records",
        "TRUNCATE ledger_records",
        "ALTER TABLE ledger_records DISABLE TRIGGER ALL",
        "DROP TABLE ledger_records",
        "SET session_replication_role = replica",
    ):
        with pytest.raises(DBAPIError, match=r"permission denied|must be owner"), writer.database.engine.begin() as c:
            c.execute(sa.text(statement))
    assert len(writer.records()) == 2
    assert writer.verify() == []
    reader = Ledger(addresses("reader"))
    assert len(reader.records()) == 2
    with pytest.raises(DBAPIError, match="permission denied"):
        reader.append(raw("note", {}))
