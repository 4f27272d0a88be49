import itertools
import sqlite3
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.ledger.anchors import Anchor, read_anchor, sign_head
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import (
    ClockWentBack,
    Conflict,
    Entry,
    Expected,
    Ledger,
    LedgerTampered,
)
from mlops_assets.ledger.records import record_digest
from mlops_assets.stores.ledger_database import heads_table
from mlops_assets_tests.governance.world import START, Clock
from mlops_assets_tests.ledger.raw import raw


@pytest.fixture
def ledger(tmp_path):
    return Ledger(f"sqlite:///{tmp_path}/l.db", SigningKey.generate(), tmp_path / "anchor.json", clock=Clock())


def fill(ledger: Ledger, count: int = 6) -> None:
    for number in range(count):
        ledger.append(raw("note", {"number": number}), model="m", subject=str(number), key=f"note/{number}")


def attack(ledger: Ledger, *statements: str) -> None:
    """What somebody who owns the database file can do: drop the guards, change, put the guards back."""
    connection = sqlite3.connect(str(ledger.database.url.database))
    guards = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'").fetchall()
    for name, _ in guards:
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        connection.execute(statement)
    for _, text in guards:
        connection.execute(text)
    connection.commit()
    connection.close()


def put_in(ledger: Ledger, head: Anchor) -> None:
    """A signed head, written by somebody who may write to the database."""
    with ledger.database.writing() as connection:
        connection.execute(sa.insert(heads_table), [head.to_dict()])


def test_records_form_a_chain_and_verify(ledger):
    fill(ledger)
    records = ledger.records()
    assert [record.seq for record in records] == [1, 2, 3, 4, 5, 6]
    assert all(b.previous == a.digest for a, b in itertools.pairwise(records))
    assert ledger.verify() == []


def test_a_key_is_written_once_for_ever(ledger):
    first = ledger.append(raw("note", {"x": 1}), key="cause")
    again = ledger.append(raw("note", {"x": 2}), key="cause")
    assert again == first
    assert len(ledger.records()) == 1
    with pytest.raises(ValueError, match="names one cause for ever"):
        ledger.append(raw("other", {}), key="cause")


def test_several_records_are_written_together_or_not_at_all(ledger):
    with pytest.raises(ValueError, match="NUL"):
        ledger.append_all([Entry(raw("note", {"x": 1})), Entry(raw("note", {"x": "\0"}))])
    assert ledger.records() == []
    ledger.append_all([Entry(raw("note", {"x": 1}), key="a"), Entry(raw("note", {"x": 2}))])
    ledger.append_all([Entry(raw("note", {"x": 1}), key="a"), Entry(raw("note", {"x": 3}), key="b")])
    assert [record.body["x"] for record in ledger.records()] == [1, 2, 3]
    assert ledger.verify() == []


def test_two_times_answer_what_was_known_when(tmp_path):
    clock = Clock()
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db", clock=clock)
    happened = START - timedelta(days=30)
    ledger.append(raw("outcome", {"late": True}), happened_at=happened)
    known = clock.now
    clock.pass_days(10)
    ledger.append(raw("outcome", {"late": False}))
    assert len(ledger.records(known_at=known)) == 1
    assert len(ledger.records(known_at=known - timedelta(days=1))) == 0
    assert len(ledger.records(happened_until=happened)) == 1
    assert ledger.latest("outcome", known_at=known).body == {"late": True}


def test_compare_and_swap_refuses_the_slower(ledger):
    fill(ledger, 2)
    expect = Expected(("note",), "m", 2)
    ledger.append(raw("note", {}), model="m", expect=expect)
    with pytest.raises(Conflict, match="another process was faster"):
        ledger.append(raw("note", {}), model="m", expect=expect)
    ledger.append(raw("note", {}), model="other", expect=Expected(("note",), "other", 0))


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE ledger_records SET body = '{}' WHERE seq = 2",
        "DELETE FROM ledger_records WHERE seq = 6",
        "UPDATE ledger_heads SET digest = 'x'",
        "DELETE FROM ledger_heads",
        "INSERT OR REPLACE INTO ledger_records SELECT * FROM ledger_records WHERE seq = 6",
        "INSERT OR REPLACE INTO ledger_records SELECT 7, kind, model, subject, happened_at, recorded_at, key, body, "
        "digest, 'x' FROM ledger_records WHERE seq = 6",
        "INSERT INTO ledger_records SELECT 9, kind, model, subject, happened_at, recorded_at, NULL, body, digest, 'x' "
        "FROM ledger_records WHERE seq = 6",
        "INSERT INTO ledger_records SELECT 7, kind, model, subject, happened_at, recorded_at, NULL, body, 'y', 'x' "
        "FROM ledger_records WHERE seq = 6",
        "INSERT OR REPLACE INTO ledger_heads SELECT * FROM ledger_heads WHERE seq = 3",
    ],
)
def test_the_database_itself_refuses_every_change_but_an_append(ledger, statement):
    fill(ledger)
    connection = sqlite3.connect(str(ledger.database.url.database))
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        connection.execute(statement)


COPY = "kind, model, subject, happened_at, recorded_at"


@pytest.mark.parametrize(
    ("statements", "codes", "why"),
    [
        (["UPDATE ledger_records SET body = '{\"number\":99}' WHERE seq = 3"], ["edited"], "a body was edited"),
        (["UPDATE ledger_records SET subject = 'x' WHERE seq = 6"], ["edited"], "an index column was edited"),
        (["UPDATE ledger_records SET key = NULL WHERE seq = 2"], ["edited"], "the cause was removed"),
        (["DELETE FROM ledger_records WHERE seq = 3"], ["missing", "tail_cut"], "a record was deleted"),
        (
            ["DELETE FROM ledger_records WHERE seq IN (2, 3, 4)"],
            ["missing", "tail_cut", "tail_cut", "tail_cut"],
            "several were",
        ),
        (
            ["DELETE FROM ledger_records WHERE seq > 4", "DELETE FROM ledger_heads WHERE seq > 4"],
            ["tail_cut"],
            "the tail was cut, heads and all: the anchor knows",
        ),
        (
            ["DELETE FROM ledger_records WHERE seq > 4"],
            ["tail_cut", "tail_cut", "tail_cut"],
            "the tail was cut, heads stayed",
        ),
        (
            [
                "UPDATE ledger_records SET seq = 100 WHERE seq = 3",
                "UPDATE ledger_records SET seq = 3 WHERE seq = 4",
                "UPDATE ledger_records SET seq = 4 WHERE seq = 100",
            ],
            ["edited", "edited"],
            "two were exchanged",
        ),
        (
            [
                "UPDATE ledger_records SET seq = seq + 100 WHERE seq > 3",
                "UPDATE ledger_records SET seq = seq - 99 WHERE seq > 100",
                f"INSERT INTO ledger_records SELECT 4, {COPY}, NULL, body, previous, digest FROM ledger_records "
                "WHERE seq = 3",
            ],
            ["edited", "edited", "edited", "edited"],
            "one was inserted",
        ),
        (["DELETE FROM ledger_heads"], ["unsealed"], "the signatures were removed"),
        (["UPDATE ledger_heads SET signature = 'AAAA' WHERE seq = 6"], ["head_signature"], "a signature was forged"),
    ],
)
def test_whoever_owns_the_file_is_found_out(ledger, statements, codes, why):
    fill(ledger)
    attack(ledger, *statements)
    found = [problem.code for problem in ledger.verify()]
    assert found[: len(codes)] == codes, why


def recompute(ledger: Ledger, start: int, heads: bool) -> None:
    """Change record `start` and make the chain fit again, as anybody without the head key could."""
    rows = [(r.seq, r.kind, r.model, r.subject, r.body, r.key) for r in ledger.records() if r.seq >= start]
    raw = sqlite3.connect(str(ledger.database.url.database))
    times = dict(raw.execute("SELECT seq, recorded_at FROM ledger_records"))
    previous = raw.execute("SELECT digest FROM ledger_records WHERE seq = ?", (start - 1,)).fetchone()[0]
    raw.close()
    statements = []
    for seq, kind, model, subject, _, key in rows:
        body = '{"number":"forged"}' if seq == start else f'{{"number":{seq - 1}}}'
        fields = {
            "seq": seq, "kind": kind, "model": model, "subject": subject, "happened_at": times[seq],
            "recorded_at": times[seq], "key": key, "body": body, "previous": previous,
        }  # fmt: skip
        digest = record_digest(**fields)
        statements.append(
            f"UPDATE ledger_records SET body = '{body}', previous = '{previous}', digest = '{digest}' WHERE seq = {seq}"
        )
        if heads:
            statements.append(f"UPDATE ledger_heads SET digest = '{digest}' WHERE seq = {seq}")
        previous = digest
    attack(ledger, *statements)


@pytest.mark.parametrize(
    ("heads", "codes"),
    [(False, ["rewritten", "rewritten", "rewritten", "rewritten"]), (True, ["head_signature", "rewritten"])],
)
def test_a_recomputed_chain_is_found_without_the_key(ledger, heads, codes):
    fill(ledger)
    recompute(ledger, 3, heads)
    assert [problem.code for problem in ledger.verify()][: len(codes)] == codes


def test_a_recomputed_chain_signed_with_another_key_is_found(ledger, tmp_path):
    fill(ledger)
    recompute(ledger, 3, heads=False)
    attack(ledger, "DELETE FROM ledger_heads")
    (tmp_path / "anchor.json").rename(tmp_path / "kept.json")
    last, thief = ledger.records()[-1], SigningKey.generate()
    put_in(ledger, sign_head(thief, last.seq, last.digest))
    codes = [problem.code for problem in ledger.verify()]
    assert codes == ["head_signature"]
    kept = read_anchor(tmp_path / "kept.json")
    assert [p.code for p in ledger.verify(anchors=[kept])] == ["head_signature", "rewritten"]


def test_missing_guards_are_named(ledger):
    fill(ledger)
    raw = sqlite3.connect(str(ledger.database.url.database))
    raw.execute("DROP TRIGGER ledger_records_refuse_update")
    raw.commit()
    assert [p.message for p in ledger.verify()] == [
        "the trigger 'ledger_records_refuse_update' that refuses changes is gone or switched off"
    ]


def test_an_edited_record_is_not_even_read(ledger):
    fill(ledger)
    attack(ledger, "UPDATE ledger_records SET body = '{}' WHERE seq = 3")
    with pytest.raises(LedgerTampered, match="record 3"):
        ledger.records(kind="note")


def test_nothing_is_appended_over_a_cut_tail(ledger):
    fill(ledger)
    attack(ledger, "DELETE FROM ledger_records WHERE seq > 4", "DELETE FROM ledger_heads WHERE seq > 4")
    with pytest.raises(LedgerTampered, match="ends at 4"):
        fill(ledger, 8)


def test_a_clock_set_back_is_refused(tmp_path):
    clock = Clock()
    ledger = Ledger(f"sqlite:///{tmp_path}/l.db", clock=clock)
    ledger.append(raw("note", {}))
    clock.pass_days(-1)
    with pytest.raises(ClockWentBack, match="set the clock right"):
        ledger.append(raw("note", {}))
    clock.now = START - timedelta(seconds=2)
    record = ledger.append(raw("note", {}))
    assert record.recorded_at == ledger.records()[0].recorded_at, "clocks of two machines differ by a little"
    assert ledger.verify() == []


def test_a_record_dated_before_its_predecessor_is_found(ledger, monkeypatch):
    fill(ledger, 3)
    monkeypatch.setattr(Ledger, "_now", lambda self, last: START - timedelta(days=400))
    ledger.append(raw("note", {}))
    assert [problem.code for problem in ledger.verify()] == ["clock"]


def test_what_was_appended_without_the_head_key_is_never_sealed_by_the_next_writer(ledger):
    """Whoever may write to the database can continue the chain; the next honest record must not vouch for it."""
    fill(ledger, 2)
    url = str(ledger.database.url)
    Ledger(url, clock=ledger.clock).append(raw("gate_decision", {"outcome": "passed"}))
    assert [problem.code for problem in ledger.verify()] == ["unsealed"]
    with pytest.raises(LedgerTampered, match="record 3 is under no signed head"):
        ledger.append(raw("note", {}))
    with pytest.raises(LedgerTampered, match="record 3 is under no signed head"):
        ledger.sealed_head()
    assert [problem.code for problem in ledger.verify()] == ["unsealed"]
    attack(ledger, "DELETE FROM ledger_records WHERE seq > 2")
    ledger.append(raw("note", {}))
    assert ledger.verify() == []
    assert Ledger(url).verify()[0].code == "head_unchecked"
    assert Ledger(url, trusted=[ledger.head_key.public]).verify() == []


def test_a_head_by_another_key_is_not_buried_under_the_next(ledger):
    """Only the latest head is checked when a ledger is verified: a forged one must not become an earlier one."""
    fill(ledger, 2)
    Ledger(str(ledger.database.url), clock=ledger.clock).append(raw("note", {"slipped": "in"}))
    last = ledger.records()[-1]
    put_in(ledger, sign_head(SigningKey.generate(), last.seq, last.digest))
    assert [problem.code for problem in ledger.verify()] == ["head_signature"]
    with pytest.raises(LedgerTampered, match="neither this machine's nor enrolled"):
        ledger.append(raw("note", {}))


def test_a_head_whose_key_id_is_borrowed_is_not_believed(ledger):
    fill(ledger, 2)
    Ledger(str(ledger.database.url), clock=ledger.clock).append(raw("note", {"slipped": "in"}))
    last = ledger.records()[-1]
    forged = sign_head(SigningKey.generate(), last.seq, last.digest)
    put_in(ledger, replace(forged, key_id=ledger.head_key.public.key_id))
    with pytest.raises(LedgerTampered, match="is not one of key"):
        ledger.append(raw("note", {}))


def test_a_damaged_anchor_file_is_named_and_stops_writing(ledger, tmp_path):
    fill(ledger, 2)
    (tmp_path / "anchor.json").write_text("{}")
    assert ledger.verify()[0].code == "anchor_unreadable"
    with pytest.raises(LedgerTampered, match="anchor file"):
        ledger.append(raw("note", {}))


@pytest.mark.parametrize("field", ["kind", "model", "subject", "key"])
def test_a_line_break_in_a_field_is_refused(ledger, field):
    event = raw("a\nb" if field == "kind" else "note", {})
    others = {} if field == "kind" else {field: "a\nb"}
    with pytest.raises(ValueError, match="one line"):
        ledger.append_all([Entry(event, **others)])


def test_only_files_and_postgresql_hold_a_ledger():
    with pytest.raises(ValueError, match="in-memory"):
        Ledger("sqlite://")
    with pytest.raises(ValueError, match="expected sqlite or postgresql"):
        Ledger("mysql://x/y")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@given(st.dictionaries(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), JSON, max_size=4))
def test_any_json_body_is_read_back_as_it_was(tmp_path_factory, body):
    ledger = _shared(tmp_path_factory)
    record = ledger.append(raw("any", body))
    assert ledger.get(record.seq) == record
    assert record.body == body
    assert record.recorded_at <= datetime.now(UTC)


_LEDGERS: list[Ledger] = []


def _shared(factory) -> Ledger:
    if not _LEDGERS:
        _LEDGERS.append(Ledger(f"sqlite:///{factory.mktemp('any')}/l.db"))
    return _LEDGERS[0]


def test_an_anchor_that_is_gone_is_named_and_stops_writing(ledger, tmp_path):
    """Whoever cuts the tail deletes the anchor too: the next append must not make a new one over the cut."""
    fill(ledger)
    attack(ledger, "DELETE FROM ledger_records WHERE seq > 4", "DELETE FROM ledger_heads WHERE seq > 4")
    (tmp_path / "anchor.json").unlink()
    assert [problem.code for problem in ledger.verify()] == ["anchor_missing"]
    with pytest.raises(LedgerTampered, match="is gone"):
        ledger.append(raw("note", {}))
    with pytest.raises(LedgerTampered, match="is gone"):
        ledger.sealed_head()
    assert not (tmp_path / "anchor.json").exists()


def test_an_anchor_set_back_with_the_tail_is_found_by_one_kept_elsewhere(ledger, tmp_path):
    """A whole earlier state, rightly signed, is whole in itself: only a later head in another place tells."""
    fill(ledger, 4)
    earlier = (tmp_path / "anchor.json").read_text()
    fill(ledger, 8)
    elsewhere = ledger.head()
    attack(ledger, "DELETE FROM ledger_records WHERE seq > 4", "DELETE FROM ledger_heads WHERE seq > 4")
    (tmp_path / "anchor.json").write_text(earlier)
    assert ledger.verify() == []
    assert [problem.code for problem in ledger.verify(anchors=[elsewhere])] == ["tail_cut"]


def test_another_ledger_in_its_place_is_found(ledger, tmp_path):
    fill(ledger)
    other = Ledger(f"sqlite:///{tmp_path}/other.db", ledger.head_key, tmp_path / "other.json", clock=ledger.clock)
    for number in range(9):
        other.append(raw("note", {"another bank's": number}))
    swapped = Ledger(f"sqlite:///{tmp_path}/other.db", ledger.head_key, tmp_path / "anchor.json", clock=ledger.clock)
    assert "rewritten" in [problem.code for problem in swapped.verify()]
    with pytest.raises(LedgerTampered, match="nothing is appended"):
        swapped.append(raw("note", {}))
