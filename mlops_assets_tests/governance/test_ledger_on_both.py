"""What must hold on SQLite and on PostgreSQL alike."""

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from mlops_assets.governance.approvals import state
from mlops_assets.governance.keys import SigningKey
from mlops_assets.governance.ledger import Conflict, Entry, Expected, Ledger, LedgerTampered
from mlops_assets_tests.governance.world import MODEL, Clock, build, policy


@pytest.fixture
def ledger(url, tmp_path):
    ledger = Ledger(url, SigningKey.generate(), tmp_path / "anchor.json", clock=Clock())
    for number in range(6):
        ledger.append("note", {"number": number, "text": "ä€😀"}, model="m", key=f"note/{number}")
    yield ledger
    ledger.close()


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_records SET body = '{}' WHERE seq = 2",
        "DELETE FROM ledger_records WHERE seq = 6",
        "UPDATE ledger_heads SET digest = 'x'",
        "DELETE FROM ledger_heads",
        "INSERT INTO ledger_records SELECT 9, kind, model, subject, happened_at, recorded_at, NULL, body, digest, 'x' "
        "FROM ledger_records WHERE seq = 6",
    ],
)
def test_the_database_refuses(ledger, statement):
    with pytest.raises(DBAPIError, match="append-only"), ledger.database.engine.begin() as connection:
        connection.execute(sa.text(statement))
    assert ledger.verify() == []


def test_records_come_back_as_they_were(ledger):
    assert [record.body["number"] for record in ledger.records(kind=["note", "other"], model="m")] == list(range(6))
    assert ledger.latest("note").body["text"] == "ä€😀"
    assert ledger.find("note/3").seq == 4
    assert ledger.append("note", {}, model="m", key="note/3").seq == 4


def test_compare_and_swap(ledger):
    ledger.append_all([Entry("note", {}, "m"), Entry("note", {}, "m")], expect=Expected(("note",), "m", 6))
    with pytest.raises(Conflict):
        ledger.append("note", {}, model="m", expect=Expected(("note",), "m", 6))


def without_guards(ledger: Ledger, *statements: str) -> None:
    """What the owner of the database can do."""
    with ledger.database.engine.begin() as connection:
        if ledger.database.dialect == "postgresql":
            for table in ("ledger_records", "ledger_heads"):
                connection.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        else:
            found = connection.execute(sa.text("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")).all()
            for name, _ in found:
                connection.execute(sa.text(f"DROP TRIGGER {name}"))
        for statement in statements:
            connection.execute(sa.text(statement))


def test_damage_is_found(ledger):
    without_guards(ledger, "UPDATE ledger_records SET subject = 'x' WHERE seq = 3")
    assert [p.code for p in ledger.verify() if p.code != "guard_missing"] == ["edited"]


def test_a_cut_tail_is_found_and_not_built_upon(ledger):
    without_guards(ledger, "DELETE FROM ledger_records WHERE seq > 4", "DELETE FROM ledger_heads WHERE seq > 4")
    assert [p.code for p in ledger.verify() if p.code != "guard_missing"] == ["tail_cut"]
    with pytest.raises(LedgerTampered):
        ledger.append("note", {})


def test_people_and_approvals(url, tmp_path):
    world = build(tmp_path, url)
    world.register()
    world.decide(policy())
    world.approve(policy(), "validator", "risk")
    assert state(world.ledger, policy(), MODEL, 1).status == "approved"
    assert world.ledger.verify() == []
