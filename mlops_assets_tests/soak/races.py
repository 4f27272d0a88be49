"""Eight processes promote, approve and roll back one model and are killed at random, hundreds of times.

    python -m mlops_assets_tests.soak.races [--kills 400] [--database sqlite] [--database postgresql] [--seed 7]

After every round the registry is repaired as the watch does it, and at the end the chain, every record that a process
was told was taken, every change of champion, and every signature are checked. Exit code 1 names what did not hold.
The short form is in `release/test_races.py`.
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlops_assets.governance.verification import not_counted
from mlops_assets.ledger.state.champion import CHAMPION_KINDS as KINDS
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.champion import champion_state
from mlops_assets.release.reconciliation import reconcile, repair
from mlops_assets_tests.governance.world import MODEL
from mlops_assets_tests.postgresql import server_of_its_own
from mlops_assets_tests.release.race_worker import FileRegistry
from mlops_assets_tests.release.test_races import PROCESSES, acknowledged, check, prepare, start, wait_for


def trial(url: str, folder: Path, kills: int, seed: int) -> dict[str, object]:
    """One database; returns what was done, raises AssertionError with what did not hold."""
    ledger, registry, dice = prepare(url, folder), FileRegistry(folder), random.Random(seed)
    begun, killed, repaired, turn = time.monotonic(), 0, 0, 0
    while killed < kills:
        turn += 1
        enough = acknowledged(folder) + 2 * PROCESSES
        workers = start(url, folder, seed=1000 * turn)
        wait_for("some records of this round", lambda enough=enough: acknowledged(folder) >= enough)
        time.sleep(dice.uniform(0, 0.8))
        for worker in dice.sample(workers, PROCESSES):
            time.sleep(dice.uniform(0, 0.05))
            worker.kill()
            worker.join()
            killed += 1
        repaired += bool(repair(ledger, registry, MODEL))
        left = reconcile(ledger, registry, MODEL)
        assert not left, f"after round {turn} the registry still differs: {left[0].message}"
        champion = champion_state(ledger, MODEL).champion
        assert registry.aliases(MODEL).get("champion") == champion, f"round {turn}: alias and ledger name two champions"
    check(ledger, folder)
    taken = acknowledged(folder)
    assert taken > killed, f"{killed} processes were killed and only {taken} records were taken: nobody was at work"
    problems = [*audit_promotions(ledger), *not_counted(ledger.state())]
    assert not problems, str(problems[0])
    return {
        "database": ledger.database.dialect,
        "rounds": turn,
        "kills": killed,
        "rounds_that_left_something_to_repair": repaired,
        "records": len(ledger.records()),
        "changes_of_champion": len(ledger.records(kind=KINDS)),
        "acknowledged": taken,
        "seconds": round(time.monotonic() - begun, 1),
    }


@contextmanager
def _address(database: str, folder: Path) -> Iterator[str]:
    if database == "sqlite":
        yield f"sqlite:///{folder}/ledger.db"
        return
    with server_of_its_own() as server:
        server.psql("CREATE DATABASE races;")
        yield server.get_uri("races")


def main() -> int:
    """Print one JSON object a database."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=400, help="processes to kill on each database")
    parser.add_argument("--database", action="append", choices=["sqlite", "postgresql"], help="default: both")
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    failed = 0
    for database in options.database or ["sqlite", "postgresql"]:
        with tempfile.TemporaryDirectory(prefix="soak") as name, _address(database, Path(name)) as url:
            try:
                print(json.dumps(trial(url, Path(name), options.kills, options.seed), indent=2), flush=True)
            except AssertionError as error:
                failed += 1
                print(f"{database}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
