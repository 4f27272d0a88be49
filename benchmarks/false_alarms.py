"""False alarms: the share of windows with any alarm where nothing changed, beside PSI at fixed thresholds and the peers.

Run: `PYTHONPATH=. python benchmarks/false_alarms.py [--quick] [--windows 200] [--rows 200,1000,10000,100000]
[--columns 4,20,50,200] [--references 1000,20000] [--peer-windows 20] [--processes 2] [--seed 3107]`.

Every window is drawn afresh, the reference again every ten windows; the last column is a model's score. The engine gets what
the stages of a model give it: counts of the whole window, and 5,000 rows of either side for what counts cannot tell (units,
columns that go together). Then the tables of the example fleet, parted and drawn at random whatever the year of a row, with
the roles their declarations give. An alarm of ours is a severity of `watch` or more, before persistence; in tables of 200
columns a quarter as many windows are drawn, since they cost as much as all others together (`--columns 200 --windows 800`: 200 windows).

PSI: ten quantile bins or 50 values a column, any column above the threshold. Peers, on the first `--peer-windows` of those
windows, up to 50 columns and 10,000 rows: Evidently's dataset flag and any column of it; NannyML, any column in any chunk, with
its default of ten chunks a side, and with the window as one chunk where the reference holds five or more; alibi-detect's verdict.
`--quick` takes a few small cells.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers.beside import Job, run_peer, write_plain
from peers.plain_psi import largest_psi, plain_reference
from unchanged_tables import draw, draw_scored, part, read_real, roles

from mlops_assets.monitoring.inputs.drift import compare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

RULES = MonitoringThresholds()
SAMPLE_ROWS = 5000
EACH_REFERENCE = 10
STATED = 0.01
UNLUCKY = 0.017
"""A cell fails with more alarms than so small a share of cells would have at the stated rate: 5 of 200 are allowed, 2 of 50."""
WIDE = 200
REAL = ("acs_employment", "card_default", "census_income", "sba_loan_default")
PEERS = ("evidently", "nannyml-chunks", "nannyml", "alibi")
LEAST_CHUNKS = 5

Drawn = tuple[pl.DataFrame, dict[str, str], list[pl.DataFrame]]


@dataclass(frozen=True)
class Cell:
    """One line of the table: where windows come from, their size and number."""

    table: str
    reference: int
    columns: int
    rows: int
    windows: int
    seed: int


@dataclass(frozen=True)
class Alarms:
    """What one cell's windows raised, window by window."""

    ours: tuple[bool, ...]
    psi: tuple[float, ...]
    reasons: tuple[str, ...]


def main() -> int:
    """Print the shares; 1 where one of ours is above the stated rate by more than chance."""
    from scipy.stats import binom

    options = arguments()
    cells = grid(options)
    failed = 0
    print(f"{'table':>16} {'reference':>9} {'columns':>7} {'rows':>7} {'ours':>8} {'PSI>.1':>8} {'PSI>.25':>8}")
    found: dict[Cell, Alarms] = {}
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        for cell, alarms in zip(cells, pool.map(judge, cells), strict=True):
            found[cell] = alarms
            counts = [sum(alarms.ours), sum(v > 0.1 for v in alarms.psi), sum(v > 0.25 for v in alarms.psi)]
            shares = " ".join(f"{f'{n}/{cell.windows}':>8}" for n in counts)
            print(f"{cell.table:>16} {cell.reference:>9} {cell.columns:>7} {cell.rows:>7} {shares}", flush=True)
            for reason in alarms.reasons:
                print(f"{'':>16} alarm: {reason[:200]}", flush=True)
            failed += counts[0] > binom.isf(UNLUCKY, cell.windows, STATED)
    ours, windows = sum(sum(a.ours) for a in found.values()), sum(c.windows for c in cells)
    print(
        f"all cells: {ours} of {windows} windows with an alarm of ours; above {STATED:.0%} by more than chance: {failed} cells"
    )
    if options.peer_windows:
        beside_peers([c for c in cells if c.columns <= 50 and c.rows <= 10_000], found, options)
    return 1 if failed else 0


def arguments() -> argparse.Namespace:
    """Options, those of `--quick` filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--rows", type=numbers, default=numbers("200,1000,10000,100000"))
    parser.add_argument("--columns", type=numbers, default=numbers("4,20,50,200"))
    parser.add_argument("--references", type=numbers, default=numbers("1000,20000"))
    parser.add_argument("--peer-windows", type=int, default=20, help="a cell; 0 leaves the peers out")
    parser.add_argument("--limit", type=float, default=1200, help="seconds after which a peer is given up")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--seed", type=int, default=3107)
    options = parser.parse_args()
    if options.quick:
        options.windows, options.peer_windows = 20, 5
        options.rows, options.columns, options.references = [200, 1000], [4, 20], [1000]
    return options


def grid(options: argparse.Namespace) -> list[Cell]:
    """Cells of invented tables, then of real ones."""
    cells = [
        Cell("invented", m, k, n, options.windows if k < WIDE else max(1, options.windows // 4), options.seed)
        for m in options.references
        for k in options.columns
        for n in options.rows
    ]
    for model in REAL:
        table, _ = read_real(model)
        m = max(options.references)
        sizes = [n for n in options.rows if n <= min(10_000, table.height - m)]
        cells += [Cell(model, m, len(table.columns), n, options.windows, options.seed) for n in sizes]
    return cells


def drawn(cell: Cell) -> Iterator[Drawn]:
    """References with their windows, in order; the same each time."""
    real = None if cell.table == "invented" else read_real(cell.table)
    for start in range(0, cell.windows, EACH_REFERENCE):
        key = [cell.seed, cell.reference, cell.columns, cell.rows, start]
        generator = np.random.default_rng(key)
        many = range(min(EACH_REFERENCE, cell.windows - start))
        if real is None:
            reference = draw_scored(cell.reference, cell.columns, generator)
            yield reference, roles(reference), [draw_scored(cell.rows, cell.columns, generator) for _ in many]
        else:
            reference, rest = part(real[0], cell.reference, generator)
            yield reference, real[1], [draw(rest, cell.rows, generator) for _ in many]


def judge(cell: Cell) -> Alarms:
    """Ours and the PSI's of every window."""
    ours: list[bool] = []
    psi: list[float] = []
    reasons: list[str] = []
    for reference, kinds, windows in drawn(cell):
        profile = build_profile(reference, kinds)
        plain = {name: plain_reference(reference[name]) for name in kinds}
        known = reference.sample(min(SAMPLE_ROWS, reference.height), seed=cell.seed)
        for window in windows:
            sample = window.sample(min(SAMPLE_ROWS, window.height), seed=cell.seed)
            verdict = compare(
                profile, count_window(window, profile), RULES, sample=sample, reference_sample=known.drop("score", strict=False),
                score="score",
            )  # fmt: skip
            ours.append(at_least(verdict.severity, "watch"))
            psi.append(largest_psi(plain, window))
            if ours[-1]:
                reasons.append(verdict.reason)
    return Alarms(tuple(ours), tuple(psi), tuple(reasons))


def beside_peers(cells: Sequence[Cell], found: dict[Cell, Alarms], options: argparse.Namespace) -> None:
    """The peers on the first windows of each cell, and ours on the same ones."""
    with tempfile.TemporaryDirectory() as folder:
        jobs = {cell: write_jobs(cell, options.peer_windows, Path(folder)) for cell in cells}
        told = {}
        for peer in PEERS:
            asked = [cell for cell in cells if peer != "nannyml" or cell.reference >= LEAST_CHUNKS * cell.rows]
            told[peer] = run_peer(peer, [job for cell in asked for job in jobs[cell]], options.limit) if asked else {}
            if isinstance(told[peer], str):
                print(f"{peer}: {told[peer]}")
    print(
        f"\n{'table':>16} {'reference':>9} {'columns':>7} {'rows':>7} {'ours':>8} {'PSI>.1':>8} {'PSI>.25':>8} "
        f"{'Evidently':>9} {'(column)':>8} {'NannyML':>8} {'(a chunk)':>9} {'alibi':>8}"
    )
    totals = np.zeros((8, 2), dtype=int)
    for cell in cells:
        paths = [w for _, windows in jobs[cell] for w in windows]
        n = len(paths)
        alarms = found[cell]
        columns = [alarms.ours[:n], *([v > limit for v in alarms.psi[:n]] for limit in (0.1, 0.25))]
        columns.append(said(told["evidently"], paths, "alarm"))
        columns.append(said(told["evidently"], paths, "columns"))
        columns += [said(told[peer], paths, "alarm") for peer in PEERS[1:]]
        shares = [f"{sum(c)}/{len(c)}" if c else "-" for c in columns]
        for i, c in enumerate(columns):
            totals[i] += (sum(c), len(c))
        print(f"{cell.table:>16} {cell.reference:>9} {cell.columns:>7} {cell.rows:>7} {line(shares)}", flush=True)
    print(f"{'all':>16} {'':>9} {'':>7} {'':>7} {line([f'{a}/{n}' if n else '-' for a, n in totals])}")


def write_jobs(cell: Cell, windows: int, folder: Path) -> list[Job]:
    """The cell's first windows as files."""
    jobs: list[Job] = []
    for i, (reference, _, some) in enumerate(drawn(cell)):
        left = windows - i * EACH_REFERENCE
        if left <= 0:
            break
        name = f"{cell.table}-{cell.reference}-{cell.columns}-{cell.rows}-{i}"
        known = write_plain(reference, folder / f"{name}.parquet")
        jobs.append((known, [write_plain(w, folder / f"{name}-{j}.parquet") for j, w in enumerate(some[:left])]))
    return jobs


def said(told: dict[Path, dict[str, Any]] | str, paths: Sequence[Path], key: str) -> list[bool]:
    """What a peer said of these windows; empty where it said nothing."""
    if isinstance(told, str):
        return []
    return [bool(told[path][key]) for path in paths if path in told]


def line(shares: Sequence[str]) -> str:
    """One line of the peers' table."""
    return " ".join(f"{s:>{width}}" for s, width in zip(shares, (8, 8, 8, 9, 8, 8, 9, 8), strict=True))


def numbers(text: str) -> list[int]:
    """Of `1,2,3`."""
    return [int(one) for one in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
