"""Several real processes at one model: exactly one champion at each moment, nothing lost, nothing broken."""

import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from mlops_assets import clock
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.champion import CHAMPION_KINDS as KINDS
from mlops_assets.ledger.state.fold import Fold
from mlops_assets.release.champion import champion_state
from mlops_assets.release.reconciliation import reconcile, repair
from mlops_assets_tests.effort import many_processes, share
from mlops_assets_tests.governance.world import MODEL, build
from mlops_assets_tests.release.race_worker import POLICY, STOP, FileRegistry, open_ledger, work

pytestmark = pytest.mark.integration
PROCESSES = 8
PATIENCE = 600.0


def prepare(url: str, folder: Path) -> Ledger:
    world = build(folder, url, clock=clock.now)  # pyright: ignore[reportArgumentType]
    for name in ("head", "validator", "second", "risk"):
        world.keys[name].save(folder / f"{name}.pem")
    registry = FileRegistry(folder)
    for version in (1, 2, 3):
        registration = world.register(version)
        world.decide(POLICY, version)
        world.approve(POLICY, "validator", "risk", version=version)
        for name in ("artifact_digest", "data_digest", "declaration_digest", "training_key"):
            registry.set_tag(MODEL, version, f"mlops.{name}", getattr(registration.event, name))
    world.ledger.close()
    return open_ledger(url, folder)


def start(url: str, folder: Path, seed: int) -> list:
    context = many_processes()
    workers = [
        context.Process(target=work, args=(url, folder, seed + number, folder / f"report{number}"))
        for number in range(PROCESSES)
    ]
    for worker in workers:
        worker.start()
    return workers


def wait_for(what: str, reached: Callable[[], bool]) -> None:
    """By what was done, not by the clock: a busy machine takes long to start the processes."""
    deadline = time.monotonic() + PATIENCE
    while not reached():
        assert time.monotonic() < deadline, f"not in {PATIENCE:.0f} s: {what}"
        time.sleep(0.02)


def acknowledged(folder: Path) -> int:
    """Records that the processes were told were taken."""
    return sum(path.read_bytes().count(b"\n") for path in folder.glob("report*"))


def check(ledger: Ledger, folder: Path) -> None:
    """The chain is whole, nothing that was acknowledged is missing, and the champion had one successor at a time."""
    assert ledger.verify() == []
    records = ledger.records()
    digests = {record.seq: record.digest for record in records}
    for report in folder.glob("report*"):
        # The last line of a killed process may be cut short.
        for line in report.read_text().split("\n")[:-1]:
            seq, digest = line.split()
            assert digests[int(seq)] == digest
    state = ledger.state()
    fold = Fold(state.people)
    for record in records:
        if record.kind in KINDS:
            before = fold.state().model(MODEL).champion
            former = record.event.former
            assert former == before.champion, f"record {record.seq} was decided on an outdated champion"
            assert record.subject != str(before.champion)
        fold.take([record])
    assert [refused for refused in state.refused if refused.kind in KINDS] == []


def test_eight_processes_at_once_leave_one_champion(url, tmp_path):
    ledger = prepare(url, tmp_path)
    workers = start(url, tmp_path, seed=100)
    try:
        wait_for("100 records of all processes", lambda: acknowledged(tmp_path) > 100)
        wait_for("four promotions", lambda: len(ledger.records(kind="promotion")) > 3)
    finally:
        (tmp_path / STOP).touch()
    for worker in workers:
        worker.join(PATIENCE)
    assert [worker.exitcode for worker in workers] == [0] * PROCESSES
    check(ledger, tmp_path)
    registry = FileRegistry(tmp_path)
    assert reconcile(ledger, registry, MODEL) == []
    assert registry.aliases(MODEL)["champion"] == champion_state(ledger, MODEL).champion


@pytest.mark.soak
def test_processes_killed_at_random_leave_a_state_that_is_repaired(url, tmp_path):
    ledger, dice = prepare(url, tmp_path), random.Random(7)
    registry = FileRegistry(tmp_path)
    turns = share(8, 50)
    for turn in range(10 * turns):
        # On a busy machine it takes more turns until a version is promoted before the processes are killed.
        if turn >= turns and len(ledger.records(kind="promotion")) > 1:
            break
        enough = acknowledged(tmp_path) + dice.randint(15, 30)
        workers = start(url, tmp_path, seed=1000 * turn)
        wait_for("some records of this turn", lambda enough=enough: acknowledged(tmp_path) >= enough)
        for worker in dice.sample(workers, PROCESSES):
            time.sleep(dice.uniform(0, 0.02))
            worker.kill()
            worker.join(PATIENCE)
        repair(ledger, registry, MODEL)
        assert reconcile(ledger, registry, MODEL) == []
    check(ledger, tmp_path)
    assert len(ledger.records(kind="promotion")) > 1
