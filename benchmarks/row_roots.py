"""What salts and Merkle roots cost a window: processor time of scoring and storing its rows, with and without them.

    python benchmarks/row_roots.py [--rows 100000] [--runs 3]

A logistic regression scores rows of a made-up table of 14 columns: input contract, scores, prediction ids, digests, and both
tables of the window written to a lake in a temporary folder. Reading the source, reason codes and verdicts are not in it, so
that the share in a real window is smaller. Times are processor time of this process, the least of the runs.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from mlops_assets.datasets.kept_rows import SaltedWindow
from mlops_assets.datasets.row_tree import tree_of
from mlops_assets.datasets.snapshot import digest_by_column, rows_digest
from mlops_assets.scoring.batch import score
from mlops_assets.scoring.input_contract import check
from mlops_assets.stores.lake import SALT, Lake
from mlops_assets.training.candidates import refit
from mlops_assets_tests.training.tables import declare, table


def least(runs: int, work: Callable[[], object]) -> float:
    """Least processor time of the runs, in seconds."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


def main() -> None:
    """Print a line each for the work without salts, with them, and for reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    options = parser.parse_args()
    declared = declare()
    candidate = next(c for c in declared.candidates if "linear" in c.label or "logistic" in c.label)
    pipeline = refit(declared, candidate, table(5000))
    rows = table(options.rows, seed=1)

    def scored() -> tuple[pl.DataFrame, pl.DataFrame]:
        accepted = check(rows.lazy(), declared).accepted
        return accepted, score(pipeline, accepted, declared, 0.5, version=1, window="2021-01-01")

    with tempfile.TemporaryDirectory() as folder:
        lake = Lake(Path(folder))

        def plain() -> None:
            for name, frame in zip(("rows", "said"), scored(), strict=True):
                with lake.window_writer(f"m/plain_{name}", "2021-01-01") as writer:
                    writer.add(frame)
                    digest_by_column(writer.columns, writer.rows, writer.read)
                    writer.commit()

        def salted() -> None:
            for name, frame in zip(("rows", "said"), scored(), strict=True):
                with SaltedWindow(lake, f"m/{name}", "2021-01-01") as writer:
                    writer.add(frame)
                    writer.sealed()
                    writer.commit()

        without, with_roots = least(options.runs, plain), least(options.runs, salted)
        stored = lake.read("m/rows", salted=True)
        quick = least(options.runs, lambda: rows_digest(stored.drop(SALT)))
        with_salts = least(options.runs, lambda: rows_digest(stored))
        root = least(options.runs, lambda: tree_of(stored))
        sizes = [
            sum(p.stat().st_size for p in lake.path(f"m/{name}").rglob("*.parquet")) for name in ("plain_rows", "rows")
        ]
    print(
        f"{options.rows} rows scored and written, s: {without:.2f} without, {with_roots:.2f} with ({with_roots / without:.2f} times)"
    )
    print(f"checked when read, s: {quick:.3f} without salts, {with_salts:.3f} with; a root takes {root:.3f}")
    print(f"bytes of the scored rows: {sizes[0]} without, {sizes[1]} with ({sizes[1] / sizes[0]:.2f} times)")


if __name__ == "__main__":
    main()
