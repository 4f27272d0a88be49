import hashlib
import sqlite3
from pathlib import Path

import pytest

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import NOTHING_BEFORE, record_digest
from mlops_assets_tests.cost import times_as_much

RECORDS = 100_000
A, B = "a" * 64, "b" * 64
BODY = (
    f'{{"evidence":{{"performance":"{B}"}},"gate":"performance","outcome":"passed","policy_digest":"{A}",'
    '"reason":"the lower bound is above the floor","rule":"roc_auc, lower bound","threshold":0.7,"value":0.81}'
)


@pytest.mark.integration
def test_checking_the_chain_costs_little_more_than_reading_and_hashing_its_rows(tmp_path):
    path = tmp_path / "ledger.db"
    Ledger(f"sqlite:///{path}").close()
    raw = sqlite3.connect(path)
    guards = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        raw.execute(f"DROP TRIGGER {name}")
    raw.executemany("INSERT INTO ledger_records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", _rows())
    for _, text in guards:
        raw.execute(text)
    raw.commit()
    ledger = Ledger(f"sqlite:///{path}")
    assert ledger.verify() == []
    assert times_as_much(ledger.verify, lambda: _read_and_hash(path)) < 2


def _read_and_hash(path: Path) -> None:
    for row in sqlite3.connect(path).execute("SELECT * FROM ledger_records ORDER BY seq"):
        hashlib.sha256("\n".join(map(str, row)).encode()).hexdigest()


def _rows():
    previous, then = NOTHING_BEFORE, "2026-01-05T09:00:00.000000Z"
    for seq in range(1, RECORDS + 1):
        model, subject = f"model_{seq % 40}", str(seq % 9)
        before = previous
        previous = record_digest(
            seq=seq, kind="gate_decision", model=model, subject=subject, happened_at=then, recorded_at=then,
            key=None, body=BODY, previous=before,
        )  # fmt: skip
        yield seq, "gate_decision", model, subject, then, then, None, BODY, before, previous
