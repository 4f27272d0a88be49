"""Speed and memory of one window against a stored reference, beside merely reading it, and beside the peers.

Run: `python benchmarks/drift_speed.py [--rows 1000000] [--peer-rows 1000000] [--large 10000000]`. A window has 20 columns
(15 numeric, 5 categorical) in a Parquet file. Evidently (its defaults, and PSI), NannyML and alibi-detect run in their
environment on `--peer-rows` rows a side, beside the engine on the same table: nothing is extrapolated. Peak memory is
that of a process of its own, which imports, reads the stored profile, counts and judges; Python is in it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers.beside import run_peer

from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
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
        "--peer-rows", type=int, default=1_000_000, help="rows a side given to the peers; 0 leaves them out"
    )
    parser.add_argument("--limit", type=float, default=300, help="seconds after which a peer is given up")
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
        judging = best(lambda: compare(profile, count_window(pl.scan_parquet(window), profile), MonitoringThresholds()))
        resolution = max(profile.columns[n].resolution for n in NUMERIC)
        print(f"{options.rows:,} rows x 20 columns, a KS distance known to {resolution:.3f}")
        print(f"  reading (sum, lengths)   {reading:6.3f} s")
        print(f"  reading into memory      {whole:6.3f} s")
        print(f"  window counted, judged   {judging:6.3f} s: {judging / reading:.1f} times reading (aim: 3)")
        print(f"  profile built            {building:6.3f} s")
        if options.peer_rows:
            beside_peers(Path(folder), options.peer_rows, options.limit)
        stored = Path(folder) / "profile.json"
        stored.write_text(json.dumps(profile.to_dict()))
        print(f"  peak memory              {peak(stored, window):6.0f} MB at {options.rows:,} rows (aim: 600)")
        if options.large:
            large = write(Path(folder) / "large.parquet", options.large, 3)
            print(f"  peak memory              {peak(stored, large):6.0f} MB at {options.large:,} rows")
    return 0


def beside_peers(folder: Path, rows: int, limit: float) -> None:
    """Each peer's calculation on one table beside ours on the same one, reading left out of theirs and not of ours."""
    path = write(folder / "peer.parquet", rows, 4)
    stored = write(folder / "peer_reference.parquet", rows, 5)
    known = pl.read_parquet(stored)
    profile = build_profile(known, ROLES)
    ours = best(lambda: compare(profile, count_window(pl.scan_parquet(path), profile), MonitoringThresholds()))
    both = ours + best(lambda: build_profile(known, ROLES), 1)
    print(f"  beside the peers, {rows:,} rows a side: ours {ours:.3f} s, profile built included {both:.3f} s")
    for peer, aim in (("nannyml", 4), ("alibi", 4), ("evidently", 50), ("evidently-psi", 50)):
        found = run_peer(peer, [(stored, [path])], limit)
        if isinstance(found, str):
            print(f"    {peer:<14} {found}", flush=True)
            continue
        theirs, fit = found[path]["seconds"], found[path]["fit_seconds"]
        print(f"    {peer:<14} {theirs:7.2f} s, fit {fit:6.2f} s: ours {theirs / ours:4.0f} times as fast (aim: {aim}), "
              f"{(theirs + fit) / both:4.1f} times with fit and profile", flush=True)  # fmt: skip


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
    compare(known, count_window(pl.scan_parquet(window), known), MonitoringThresholds())
    # The kernel's high-water mark of this program; `getrusage` would carry over that of the process that started it.
    status = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) for line in status if line.startswith("VmHWM")) / 1024)
    return 0


if __name__ == "__main__":
    sys.exit(main())
