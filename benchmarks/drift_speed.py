"""Speed and memory of one window against a stored reference, beside merely reading it, and beside Evidently.

Run: `python benchmarks/drift_speed.py [--rows 1000000] [--peer-rows 100000] [--large 10000000]`. A window has 20 columns
(15 numeric, 5 categorical) in a Parquet file. Evidently's DataDriftPreset (PSI) is timed on `--peer-rows` rows a side and
set against the engine on the same table: nothing is extrapolated. Peak memory is that of a process of its own, which
imports, reads the stored profile, counts and judges; Python and its libraries are in it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.monitoring.drift import compare
from mlops_assets.monitoring.rules import MonitoringRules
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile, build_profile

NUMERIC = [f"n{i}" for i in range(15)]
TEXT = [f"c{i}" for i in range(5)]
ROLES = {**dict.fromkeys(NUMERIC, "numeric"), **dict.fromkeys(TEXT, "categorical")}
PIECE = 1_000_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument(
        "--peer-rows", type=int, default=100_000, help="rows a side given to Evidently; 0 leaves it out"
    )
    parser.add_argument("--large", type=int, default=10_000_000, help="rows of the window for memory; 0 leaves it out")
    parser.add_argument("--judge", nargs=2, metavar=("PROFILE", "WINDOW"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        return judge(Path(options.judge[0]), Path(options.judge[1]))
    with tempfile.TemporaryDirectory() as folder:
        window = write(Path(folder) / "window.parquet", options.rows, 1)
        reference = pl.read_parquet(write(Path(folder) / "reference.parquet", options.rows, 2))
        building = best(lambda: build_profile(reference, ROLES), 1)
        profile = build_profile(reference, ROLES)
        reading = best(lambda: read(window))
        whole = best(lambda: pl.read_parquet(window))
        judging = best(lambda: compare(profile, count_window(pl.scan_parquet(window), profile), MonitoringRules()))
        resolution = max(profile.columns[n].resolution for n in NUMERIC)
        print(f"{options.rows:,} rows x 20 columns, a KS distance known to {resolution:.3f}")
        print(f"  reading (sum, lengths)   {reading:6.3f} s")
        print(f"  reading into memory      {whole:6.3f} s")
        print(f"  window counted, judged   {judging:6.3f} s: {judging / reading:.1f} times reading (aim: 3)")
        print(f"  profile built            {building:6.3f} s")
        if options.peer_rows:
            beside_evidently(Path(folder), options.peer_rows)
        stored = Path(folder) / "profile.json"
        stored.write_text(json.dumps(profile.to_dict()))
        print(f"  peak memory              {peak(stored, window):6.0f} MB at {options.rows:,} rows (aim: 600)")
        if options.large:
            large = write(Path(folder) / "large.parquet", options.large, 3)
            print(f"  peak memory              {peak(stored, large):6.0f} MB at {options.large:,} rows")
    return 0


def beside_evidently(folder: Path, rows: int) -> None:
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    path = write(folder / "peer.parquet", rows, 4)
    known = pl.read_parquet(write(folder / "peer_reference.parquet", rows, 5))
    definition = DataDefinition(numerical_columns=NUMERIC, categorical_columns=TEXT)
    frames = [pl.read_parquet(path).to_pandas(), known.to_pandas()]

    def run() -> None:
        now, before = (Dataset.from_pandas(f, definition) for f in frames)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Report([DataDriftPreset(num_method="psi", cat_method="psi")]).run(now, before)

    profile = build_profile(known, ROLES)
    theirs = best(run, 1)
    ours = best(lambda: compare(profile, count_window(pl.scan_parquet(path), profile), MonitoringRules()))
    both = ours + best(lambda: build_profile(known, ROLES))
    print(f"  at {rows:,} rows a side: Evidently {theirs:.2f} s, ours {ours:.3f} s ({theirs / ours:.0f} times as fast), "
          f"profile included {both:.3f} s ({theirs / both:.0f} times)")  # fmt: skip


def write(path: Path, rows: int, seed: int) -> Path:
    """In pieces, so that the table need not fit in memory."""
    import pyarrow.parquet as parquet

    generator = np.random.default_rng(seed)
    words = pl.Series([f"word {i}" for i in range(12)])
    writer = None
    for start in range(0, rows, PIECE):
        size = min(PIECE, rows - start)
        columns = {n: generator.normal(size=size) for n in NUMERIC}
        columns |= {n: words[generator.integers(0, 12, size)] for n in TEXT}
        table = pl.DataFrame(columns).to_arrow(compat_level=pl.CompatLevel.oldest())
        writer = writer or parquet.ParquetWriter(path, table.schema)
        writer.write_table(table, row_group_size=250_000)
    if writer is not None:
        writer.close()
    return path


def read(path: Path) -> None:
    lazy = pl.scan_parquet(path)
    lazy.select(pl.col(NUMERIC).sum(), pl.col(TEXT).str.len_bytes().sum()).collect(engine="streaming")


def best(work: Callable[[], object], repeats: int = 3) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


def peak(profile: Path, window: Path) -> float:
    done = subprocess.run(
        [sys.executable, __file__, "--judge", str(profile), str(window)], check=True, capture_output=True, text=True
    )
    return float(done.stdout)


def judge(profile: Path, window: Path) -> int:
    known = Profile.from_dict(json.loads(profile.read_text()))
    compare(known, count_window(pl.scan_parquet(window), known), MonitoringRules())
    # The kernel's high-water mark of this program; `getrusage` would carry over that of the process that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
    return 0


if __name__ == "__main__":
    sys.exit(main())
