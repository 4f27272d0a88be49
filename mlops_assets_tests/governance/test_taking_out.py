"""What docs/how-to/runbooks.md says about records under no signed head does what it says, on both databases."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

import mlops_assets
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Ledger, LedgerTampered
from mlops_assets_tests.governance.world import Clock
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.ledger.test_ledger import put_in, sign_head

RUNBOOK = Path(mlops_assets.__file__).parents[1] / "docs" / "how-to" / "runbooks.md"


def statements(dialect: str) -> list[str]:
    """The block for that database, statement by statement; a trigger's body ends with a semicolon of its own."""
    blocks = re.findall(r"```sql\n(.*?)```", RUNBOOK.read_text(encoding="utf-8"), re.DOTALL)
    (block,) = [b for b in blocks if ("DISABLE TRIGGER" in b) == (dialect == "postgresql")]
    found = re.split(r";\n", re.sub(r"; END;", "; END", block).replace("; END\n", "; END;\n"))
    return [s.strip() for s in found if s.strip()]


@pytest.mark.parametrize("headed", [False, True], ids=["without a head", "under a head of their own"])
def test_what_was_slipped_in_can_be_taken_out_and_nothing_else(url, tmp_path, headed):
    ledger = Ledger(url, SigningKey.generate(), tmp_path / "anchor.json", clock=Clock())
    for number in range(3):
        ledger.append(raw("note", {"number": number}))
    Ledger(url, clock=ledger.clock).append(raw("gate_decision", {"outcome": "passed"}))
    if headed:
        put_in(ledger, sign_head(SigningKey.generate(), 4, ledger.records()[-1].digest))
    with pytest.raises(LedgerTampered):
        ledger.append(raw("note", {}))
    with ledger.database.writing() as connection:
        for statement in statements(ledger.database.dialect):
            connection.execute(sa.text(statement), {"last": 3} if ":last" in statement else {})
    assert ledger.verify() == []
    assert ledger.append(raw("note", {})).seq == 4
    with pytest.raises(sa.exc.DBAPIError), ledger.database.writing() as connection:
        connection.execute(sa.text("DELETE FROM ledger_records WHERE seq = 2"))
