"""Who decides, asked for by what scores: a champion that the ledger's own seal does not stand behind decides nothing."""

import hashlib

import pytest
import sqlalchemy as sa

from mlops_assets.ledger.events.champion import Promotion
from mlops_assets.ledger.ledger import Ledger, LedgerTampered
from mlops_assets.release.champion import champion_state, verified_champion_state
from mlops_assets.release.interventions import retire, suspend
from mlops_assets.release.promotion import promote
from mlops_assets.release.reconciliation import repair
from mlops_assets_tests.cost import times_as_much
from mlops_assets_tests.governance.world import MODEL, policy
from mlops_assets_tests.ledger.made import promotion
from mlops_assets_tests.ledger.raw import raw
from mlops_assets_tests.ledger.test_ledger import attack

POLICY = policy()


@pytest.fixture
def two(world):
    """Version 2 decides; version 1 did before."""
    for version in (1, 2):
        world.register(version)
        world.decide(POLICY, version)
        world.approve(POLICY, "validator", "risk", version=version)
        promote(world.ledger, world.registry, POLICY, MODEL, version, world.verify_artifact)
    assert verified_champion_state(world.ledger, MODEL).deciding == 2
    return world


def forge(world) -> None:
    """A promotion of version 1 with the right chain, by somebody who may write to the database and has no key."""
    genuine = world.ledger.latest_of(Promotion, model=MODEL, subject="1").event
    past = Ledger(str(world.ledger.database.url), clock=world.clock)
    past.append(genuine.model_copy(update={"former": 2}), model=MODEL, subject="1")


def test_a_promotion_written_into_the_database_decides_nothing(two):
    forge(two)
    assert champion_state(two.ledger, MODEL).deciding == 2, "records under no signed head are taken in by nobody"
    assert "under no signed head" in two.ledger.state().unsealed
    with pytest.raises(LedgerTampered, match="under no signed head"):
        verified_champion_state(two.ledger, MODEL)


def test_nor_does_it_move_an_alias(two):
    forge(two)
    assert repair(two.ledger, two.registry, MODEL) == []
    assert two.registry.aliases(MODEL)["champion"] == 2
    two.registry.delete_alias(MODEL, "former_champion")
    with pytest.raises(LedgerTampered):
        repair(two.ledger, two.registry, MODEL)
    assert two.registry.aliases(MODEL) == {"champion": 2}, "nothing is put right from a ledger that does not hold"


@pytest.mark.parametrize(
    ("statements", "why"),
    [
        (["DELETE FROM ledger_records WHERE kind = 'suspension'"], "a suspension in the middle was taken out"),
        (["UPDATE ledger_records SET kind = 'note' WHERE kind = 'suspension'"], "it was made something else"),
        (["UPDATE ledger_records SET subject = '1' WHERE kind = 'promotion' AND subject = '2'"], "another version"),
        (["UPDATE ledger_heads SET signature = 'AAAA' WHERE seq = (SELECT MAX(seq) FROM ledger_heads)"], "the seal"),
        (["DELETE FROM ledger_heads"], "every seal was taken away"),
    ],
)
def test_a_record_changed_or_taken_out_lets_nothing_decide(two, statements, why):
    suspend(two.ledger, two.registry, MODEL, two.keys["developer"], "it is wrong")
    two.ledger.append(raw("note", {"something": "after it"}))
    attack(two.ledger, *statements)
    with pytest.raises(LedgerTampered):
        verified_champion_state(two.ledger, MODEL)


def test_a_retirement_cut_off_with_all_after_it_is_known_by_the_anchor(two):
    retire(two.ledger, two.registry, MODEL, two.keys["validator"], "replaced")
    last = two.ledger.records()[-1].seq
    attack(
        two.ledger, f"DELETE FROM ledger_records WHERE seq >= {last}", f"DELETE FROM ledger_heads WHERE seq >= {last}"
    )
    assert champion_state(two.ledger, MODEL).deciding == 2
    with pytest.raises(LedgerTampered, match="anchor"):
        verified_champion_state(two.ledger, MODEL)


def test_a_promotion_of_a_version_that_nobody_registered_decides_nothing(world):
    world.ledger.append(promotion(), model=MODEL, subject="7")
    assert verified_champion_state(world.ledger, MODEL).deciding is None
    assert "loans version 7 is not registered" in world.ledger.state().refused[-1].reason


def test_what_came_before_the_registration_is_not_read_again(two, monkeypatch):
    """The price grows with what was recorded since, not with the ledger."""
    read = []
    stream = type(two.ledger.database).stream

    def counted(self, connection, since=1, batch=1_000):
        for row in stream(self, connection, since, batch):
            read.append(row[0])
            yield row

    monkeypatch.setattr(type(two.ledger.database), "stream", counted)
    registered = two.ledger.latest("version_registered", model=MODEL, subject="2")
    verified_champion_state(two.ledger, MODEL)
    assert read == [r.seq for r in two.ledger.records() if r.seq >= registered.seq]


def test_many_records_since_then_cost_little_more_than_reading_and_hashing_them(two):
    from mlops_assets.ledger.records import Entry

    two.ledger.append_all([Entry(raw("note", {"number": number, "text": "x" * 400})) for number in range(10_000)])

    def read_and_hash() -> None:
        with two.ledger.database.reading() as connection:
            for row in connection.execute(sa.text("SELECT * FROM ledger_records ORDER BY seq")):
                hashlib.sha256("\n".join(map(str, row)).encode()).hexdigest()

    assert times_as_much(lambda: verified_champion_state(two.ledger, MODEL), read_and_hash) < 5
