import sqlite3
import subprocess
import sys

import pytest
import sqlalchemy as sa
from alembic.config import Config
from alembic.script import ScriptDirectory

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.stores import ledger_database
from mlops_assets.stores.ledger_database import HEAD_REVISION, LedgerDatabase, LedgerUnreadable, LockTimeout
from mlops_assets_tests.effort import many_processes


def test_the_revision_the_code_needs_is_the_last_one_written():
    config = Config()
    folder = f"{ledger_database.__file__.rsplit('/', 1)[0]}/migrations"
    config.set_main_option("script_location", folder)
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD_REVISION


def opened(url: str, together, results) -> None:
    together.wait(600)
    try:
        LedgerDatabase(url).dispose()
        results.put("ok")
    except Exception as error:  # handed to the test that waits for it
        results.put(repr(error))


@pytest.mark.integration
def test_eight_processes_that_start_at_once_migrate_once(url):
    context = many_processes()
    results, together = context.Queue(), context.Barrier(8)
    workers = [context.Process(target=opened, args=(url, together, results)) for _ in range(8)]
    for worker in workers:
        worker.start()
    assert [results.get(timeout=600) for _ in workers] == ["ok"] * 8
    for worker in workers:
        worker.join(120)
    with LedgerDatabase(url).reading() as connection:
        assert connection.execute(sa.text("SELECT count(*) FROM ledger_alembic_version")).scalar() == 1


def test_a_lock_keeps_others_out_and_is_given_back(url):
    database = LedgerDatabase(url)
    with database.lock("model/loans"):
        with database.lock("model/cards"):
            pass
        with pytest.raises(LockTimeout, match="model/loans"), LedgerDatabase(url).lock("model/loans", timeout=0.05):
            pass
    with database.lock("model/loans"):
        pass


HOLDER = """
import sys, time
from mlops_assets.stores.ledger_database import LedgerDatabase
with LedgerDatabase(sys.argv[1]).lock("x"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.mark.integration
def test_a_lock_dies_with_its_holder(url):
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, url], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    database = LedgerDatabase(url)
    with pytest.raises(LockTimeout), database.lock("x", timeout=0.1):
        pass
    holder.kill()
    holder.wait()
    with database.lock("x"):
        pass


def test_the_refusing_triggers_are_in_place(url):
    database = LedgerDatabase(url)
    with database.reading() as connection:
        assert database.missing_guards(connection) == []
    with database.engine.begin() as connection:
        if database.dialect == "sqlite":
            connection.execute(sa.text("DROP TRIGGER ledger_records_refuse_update"))
        else:
            connection.execute(sa.text("ALTER TABLE ledger_records DISABLE TRIGGER ledger_records_refuse_change"))
    with database.reading() as connection:
        assert len(database.missing_guards(connection)) == 1


@pytest.mark.parametrize(
    ("harm", "what"),
    [
        ("DROP TABLE ledger_heads", "no such table: ledger_heads"),
        ("ALTER TABLE ledger_records RENAME COLUMN digest TO other", "no such column"),
        ("", "file is not a database"),
    ],
    ids=["a table is gone", "a column is gone", "no database"],
)
def test_a_damaged_database_is_named_without_a_query(tmp_path, harm, what):
    path = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{path}").close()
    if harm:
        with sqlite3.connect(path) as connection:
            connection.executescript(harm)
    else:
        path.write_bytes(b"no database" * 100)
    with pytest.raises(LedgerUnreadable, match=what) as refused:
        Ledger(f"sqlite:///{path}").verify()
    assert "SELECT" not in str(refused.value)
    assert "mlops restore" in str(refused.value)
