"""The fold gives one answer, in whatever pieces, from wherever and whenever it is computed."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mlops_assets.governance.verification import verify_all
from mlops_assets.ledger.enrolment import revoke
from mlops_assets.ledger.events.windows import Distance, MeanChange, WindowEvidence
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Entry, Ledger
from mlops_assets.ledger.state import cache as cache_module
from mlops_assets.ledger.state import reader
from mlops_assets.ledger.state.fold import Fold, fold
from mlops_assets.release.promotion import promote
from mlops_assets_tests.cost import times_as_much
from mlops_assets_tests.effort import share
from mlops_assets_tests.governance.world import MODEL, World, build, policy
from mlops_assets_tests.ledger.made import health_verdict
from mlops_assets_tests.ledger.raw import note, raw
from mlops_assets_tests.ledger.state.acts import ACTS, settle
from mlops_assets_tests.ledger.test_ledger import attack


@pytest.fixture(scope="module")
def busy(tmp_path_factory) -> World:
    """Each signed kind, some twice; looked at, never changed."""
    world = build(tmp_path_factory.mktemp("busy"))
    settle(world)
    for make in ACTS.values():
        act = make(world)
        body = act.body(world)
        act.write(world, body)
        act.write(world, body)
    world.ledger.append(raw("weather", {"sun": True}), model=MODEL)
    return world


@settings(max_examples=share(20, 500))
@given(st.data())
def test_in_pieces_it_is_what_it_is_from_the_start(busy, data):
    records = busy.ledger.records()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(records)), max_size=6)))
    pieces = Fold(busy.ledger.people())
    for start, end in zip([0, *cuts], [*cuts, len(records)], strict=True):
        pieces.take(records[start:end])
        pieces.state()
    assert pieces.state() == fold(records) == busy.ledger.state() == busy.ledger.state(fresh=True)


def test_the_past_is_the_fold_of_what_was_recorded_by_then(busy):
    records = busy.ledger.records()
    for index in range(0, len(records), 5):
        then = records[index].recorded_at
        by_then = [record for record in records if record.recorded_at <= then]
        assert busy.ledger.state(then) == fold(by_then)


def copy(world: World, folder: Path) -> None:
    world.ledger.close()  # what SQLite holds beside the file is written into it
    for name in ("ledger.db", "anchor.json"):
        shutil.copy(world.folder / name, folder)


@pytest.fixture
def kept(busy, tmp_path, monkeypatch):
    """A copy of the ledger with a state on disk, and how a new process opens it."""
    copy(busy, tmp_path)
    monkeypatch.setattr(reader, "WORTH_KEEPING", 1)

    def process(key: SigningKey = busy.keys["head"]) -> Ledger:
        return Ledger(
            f"sqlite:///{tmp_path}/ledger.db", key, tmp_path / "anchor.json", clock=busy.clock,
            cache=tmp_path / "state.json",
        )  # fmt: skip

    process().state()
    assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
    return process


@pytest.fixture
def taken(monkeypatch) -> list[int]:
    """Numbers of the records that are folded."""
    seen: list[int] = []
    genuine = Fold._one

    def one(self, record):
        seen.append(record.seq)
        genuine(self, record)

    monkeypatch.setattr(Fold, "_one", one)
    return seen


def test_a_new_process_pays_for_new_records_only(kept, taken):
    ledger = kept()
    state = ledger.state()
    assert taken == []
    assert state == ledger.state(fresh=True)
    written = ledger.append(note(), model=MODEL)
    taken.clear()
    again = kept().state()
    assert taken == [written.seq]
    assert again == kept().state(fresh=True)


def edited(world: World, ledger: Ledger, folder: Path) -> None:
    path = folder / "state.json"
    changed = path.read_bytes().replace(b'"status":"retired"', b'"status":"active"')
    assert changed != path.read_bytes()
    path.write_bytes(changed)


def cut_short(world: World, ledger: Ledger, folder: Path) -> None:
    attack(ledger, "DELETE FROM ledger_records WHERE seq > 20", "DELETE FROM ledger_heads WHERE seq > 20")


def others_enrolled(world: World, ledger: Ledger, folder: Path) -> None:
    """A revocation may say that a key was in wrong hands before records that were folded."""
    revoke(ledger, world.keys["root"], "second", "left")


@pytest.mark.parametrize("change", [edited, cut_short, others_enrolled])
def test_what_is_on_disk_is_not_believed_once_something_differs(busy, kept, taken, tmp_path, change):
    change(busy, kept(), tmp_path)
    taken.clear()
    ledger = kept()
    state = ledger.state()
    assert taken[0] == 1
    assert state == ledger.state(fresh=True)


def test_what_another_key_signed_is_not_believed(kept, taken):
    kept(SigningKey.generate()).state()
    assert taken[0] == 1


def test_what_other_code_folded_is_not_believed(kept, taken, monkeypatch):
    monkeypatch.setattr(cache_module, "code_digest", lambda: "other")
    kept().state()
    assert taken[0] == 1


def test_fresh_reads_nothing_that_was_kept(kept, taken, monkeypatch):
    monkeypatch.setattr(cache_module.StateCache, "read", lambda *_: pytest.fail("the file was read"))
    kept().state(fresh=True)
    assert taken[0] == 1


def test_a_folder_that_is_gone_costs_time_only(busy, tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "WORTH_KEEPING", 1)
    copy(busy, tmp_path)
    ledger = Ledger(
        f"sqlite:///{tmp_path}/ledger.db", busy.keys["head"], tmp_path / "anchor.json", cache=tmp_path / "gone" / "x"
    )
    assert ledger.state() == ledger.state(fresh=True)


def test_promotion_and_verification_read_nothing_that_was_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "WORTH_KEEPING", 1)
    world = build(tmp_path)
    under = policy()
    world.register()
    world.decide(under)
    world.approve(under, "validator", "risk")
    ledger = Ledger(
        f"sqlite:///{tmp_path}/ledger.db", world.keys["head"], tmp_path / "anchor.json", clock=world.clock,
        cache=tmp_path / "state.json",
    )  # fmt: skip
    ledger.state()
    assert (tmp_path / "state.json").exists()
    asked: list[bool] = []
    genuine = reader.StateReader.now

    def now(self, root, *, fresh=False):
        asked.append(fresh)
        return genuine(self, root, fresh=fresh)

    monkeypatch.setattr(reader.StateReader, "now", now)
    assert verify_all(ledger) == []
    assert asked == [True]
    promote(ledger, world.registry, under, MODEL, 1, world.verify_artifact)
    assert asked[1] is True, "what promotion decides on is computed from the first record on"


def test_a_warm_state_costs_little_beside_the_first(busy):
    ledger = busy.ledger
    ledger.append_all([Entry(note(number), MODEL) for number in range(3000)])
    ledger.state()
    assert times_as_much(ledger.state, lambda: ledger.state(fresh=True)) < 1 / 10


def test_evidence_of_windows_is_read_by_whoever_asks_for_it(kept):
    """It is most of the state: a look at a fleet would pay for each column of each window of each model."""
    columns = {f"x{place}": Distance(log_e=-29.055, size=0.1) for place in range(5)}
    evidence = WindowEvidence(calibration=MeanChange(change=0.1 + 0.2, variance=1e-300, shared=0.0), inputs=columns)
    kept().append(health_verdict("2026-01-01", accumulates=evidence), model=MODEL, subject="2026-01-01")
    kept().state()
    found = kept().state().model(MODEL).window_verdicts["2026-01-01"]
    assert "WindowEvidence" not in str(cache_module._adapter().core_schema)
    assert found.accumulates == evidence
    assert found.accumulates is found.accumulates
