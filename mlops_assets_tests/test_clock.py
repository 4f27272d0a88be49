"""The one clock: the machine's, or a simulated one that every process shares and that no real ledger accepts."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from mlops_assets import clock
from mlops_assets.clock import SIMULATED, SimulatedClockError, set_simulated
from mlops_assets.ledger.events.clock import SimulatedClock
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Entry, Ledger
from mlops_assets_tests.ledger.raw import raw

THEN = datetime(2005, 1, 3, 9, tzinfo=UTC)


@pytest.fixture
def simulated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "clock.jsonl"
    set_simulated(file, THEN, speed=0)
    monkeypatch.setenv(SIMULATED, str(file))
    return file


def test_without_the_variable_it_is_the_machines(monkeypatch):
    monkeypatch.delenv(SIMULATED, raising=False)
    before, found, after = datetime.now(UTC), clock.now(), datetime.now(UTC)
    assert before <= found <= after
    assert clock.at(1_000_000_000.25) == datetime(2001, 9, 9, 1, 46, 40, 250_000, tzinfo=UTC)


def test_it_shows_what_it_was_set_to_and_goes_on_at_its_speed(simulated):
    assert (clock.now(), clock.today()) == (THEN, THEN.date())
    set_simulated(simulated, THEN + timedelta(days=90), speed=86_400)
    set_again = time.time()
    passed = clock.at(set_again + 10) - clock.at(set_again)
    assert passed == pytest.approx(timedelta(days=10), abs=timedelta(seconds=1))


def test_a_time_of_another_program_is_shown_as_the_clock_showed_it_then(simulated):
    first = time.time()
    time.sleep(0.01)
    set_simulated(simulated, THEN + timedelta(days=365), speed=0)
    assert clock.at(first) == THEN
    assert clock.at(time.time()) == THEN + timedelta(days=365)
    assert clock.at(0) == THEN, "before its first setting it showed that already: at speed 0"


def test_another_process_has_the_same_time(simulated):
    ask = "from mlops_assets import clock; print(clock.now().isoformat())"
    shown = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True, check=True, env={**os.environ})
    assert shown.stdout.strip() == THEN.isoformat()


def test_it_is_not_set_back(simulated):
    with pytest.raises(SimulatedClockError, match="to set it back to; expected a later time"):
        set_simulated(simulated, THEN - timedelta(seconds=1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2005-01-03",
        '{"machine": 1.0}',
        '{"machine": 1.0, "shows": "2005-01-03T09:00:00"}',
        '{"machine": 1.0, "shows": "2005-01-03T09:00:00+00:00", "speed": -1}',
        '{"machine": "now", "shows": "2005-01-03T09:00:00+00:00"}',
        "[1]",
    ],
)
def test_a_file_that_says_no_time_is_refused_with_what_was_expected(simulated, text):
    simulated.unlink()
    simulated.write_text(text)
    with pytest.raises(SimulatedClockError, match=r"cannot be read .* expected lines such as"):
        clock.now()


def test_a_ledger_says_that_its_clock_was_simulated_and_is_refused_without_one(simulated, tmp_path, monkeypatch):
    url, key = f"sqlite:///{tmp_path}/ledger.db", SigningKey.generate()
    ledger = Ledger(url, key, tmp_path / "anchor.json")
    ledger.refuse_other_clock()
    written = ledger.append_all([Entry(raw("note", {"n": n})) for n in (1, 2)])
    assert [(r.seq, r.recorded_at) for r in written] == [(2, THEN), (3, THEN)]
    opening = ledger.get(1)
    assert opening is not None
    assert isinstance(opening.event, SimulatedClock)
    assert abs(opening.event.machine_time - datetime.now(UTC)) < timedelta(hours=1)
    assert ledger.is_simulated
    assert ledger.verify() == []
    ledger.append(raw("note", {"n": 3}))
    assert [r.seq for r in ledger.records(kind=SimulatedClock.KIND)] == [1]

    monkeypatch.delenv(SIMULATED)
    other = Ledger(url, key, tmp_path / "anchor.json")
    for refused in (other.refuse_other_clock, lambda: other.append(raw("note", {"n": 4}))):
        with pytest.raises(SimulatedClockError, match="begun under a simulated clock"):
            refused()


def test_a_ledger_of_the_machines_clock_is_refused_under_a_simulated_one(simulated, tmp_path, monkeypatch):
    url, key = f"sqlite:///{tmp_path}/ledger.db", SigningKey.generate()
    with monkeypatch.context() as real:
        real.delenv(SIMULATED)
        Ledger(url, key, tmp_path / "anchor.json").append(raw("note", {"n": 1}))
    ledger = Ledger(url, key, tmp_path / "anchor.json")
    for refused in (ledger.refuse_other_clock, lambda: ledger.append(raw("note", {"n": 2}))):
        with pytest.raises(SimulatedClockError, match="begun under the machine's clock"):
            refused()
    assert not ledger.is_simulated
