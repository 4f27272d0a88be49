"""Power: every fire drill on windows of 5,000 rows, with outcomes and without, and beside the peers on the same windows.

Run: `PYTHONPATH=. python benchmarks/drills.py [--quick] [--windows 100] [--rows 5000] [--reference 50000]
[--peer-windows 20] [--wide 50] [--seed 3107]`.

Rows are invented: eleven features of every kind (among them a heavy tail, and one that is mostly 0), a calibrated score of AUC
.78 and its outcomes. The reference holds ten windows, as many as NannyML's default thresholds are made of. Caught: severity
`watch` or more in the first window. Named: the right kind first, and the right columns in it. Delay: windows until it is acted
on, if the fault stays. Peers see the inputs and the score: Evidently's dataset flag (and any column), NannyML with the window as
one chunk (any column), alibi-detect's verdict; what they say of windows without a fault stands in the first line. After the drills that
every model gets come four smaller faults, where power ends. The second table has 200 features, one of which is faulty (Evidently
takes half a minute a window of it: two of them). The last lines hold the results against the aims. `--quick` takes a few windows.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
from peers.beside import run_peer, write_plain
from unchanged_tables import draw_rows, roles

from mlops_assets.declaration.terms import Task
from mlops_assets.monitoring.drills.drills import SAMPLE_ROWS, DrillResult, run_drills
from mlops_assets.monitoring.drills.injected_faults import (
    OTHER_OUTCOMES,
    OUTCOME,
    Drill,
    Injected,
    NotApplicable,
    as_it_is,
    flipped,
    missing_values,
    more_of_a_group,
    more_positives,
    standard_drills,
)
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.statistics.profile import Profile, build_profile
from mlops_assets_tests.monitoring.streams import ROLES, RULES, scored_customers

PEERS = ("evidently", "nannyml", "alibi")
FEATURES = {**ROLES, "gains": "numeric", "balance": "numeric", "branch": "categorical"}
WIDE_FEATURES = 200

# Name and size of a drill, share of windows it must be caught in, and whether outcomes are known.
AIMS = (
    ("nulls", "30% of one feature", 0.95, True),
    ("unit change", "times 12", 0.95, True),
    ("unit change", "times 100", 0.95, True),
    ("unit change", "times 1000", 0.95, True),
    ("renamed category", "the most frequent", 0.95, True),
    ("swapped columns", "two of a kind", 0.95, True),
    ("subcovariate shift", "one group 3 times as frequent", 0.95, True),
    ("base-rate shift", "2 times the positives", 0.95, True),
    ("concept flip", "in 20% of the rows", 0.95, True),
    ("base-rate shift", "2 times the positives", 0.9, False),
)


def main() -> int:
    """Print the tables; 1 where an aim is missed."""
    options = arguments()
    known = rows_of(options.reference, [options.seed])
    profile = build_profile(known, {**FEATURES, SCORE_COLUMN: "score"})
    reference_performance = build_reference(
        known[OUTCOME].to_numpy(), known[SCORE_COLUMN].to_numpy(), "binary", threshold=0.3
    )
    windows = [rows_of(options.rows, [options.seed, i + 1]) for i in range(options.windows)]
    drills = [as_it_is(), *standard_drills(), *smaller_drills()]
    sample = known.select(list(FEATURES)).sample(SAMPLE_ROWS, seed=options.seed)
    seen, unseen = (
        drilled(windows, profile, drills, sample, with_it, options.seed) for with_it in (reference_performance, None)
    )
    print(
        f"{options.windows} windows of {options.rows} rows, a reference of {options.reference}, {len(FEATURES)} features"
    )
    told = beside(windows[: options.peer_windows], known, profile, drills, options)
    show(drills, seen, unseen, told)
    if options.wide:
        wide(options)
    return 1 if missed(seen, unseen) else 0


def arguments() -> argparse.Namespace:
    """Options, those of `--quick` filled in."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--windows", type=int, default=100)
    parser.add_argument("--rows", type=int, default=5000)
    parser.add_argument("--reference", type=int, default=50_000)
    parser.add_argument("--peer-windows", type=int, default=20, help="of them; 0 leaves the peers out")
    parser.add_argument("--wide", type=int, default=50, help="windows of 200 features, 2 of them for the peers")
    parser.add_argument("--limit", type=float, default=900, help="seconds after which a peer is given up")
    parser.add_argument("--seed", type=int, default=3107)
    options = parser.parse_args()
    if options.quick:
        options.windows, options.peer_windows, options.wide = 10, 2, 0
    return options


def smaller_drills() -> list[Drill]:
    """Where power ends: faults smaller than a model is drilled with; of nulls the policy lets 5 % pass."""
    flip = flipped(0.05, OTHER_OUTCOMES[Task.BINARY])
    return [
        Drill("nulls", "6% of one feature", "data_quality", missing_values(0.06)),
        Drill("subcovariate shift", "one group 1.5 times as frequent", "covariate_shift", more_of_a_group(1.5)),
        Drill("base-rate shift", "1.25 times the positives", "label_shift", more_positives(1.25)),
        Drill("concept flip", "in 5% of the rows", "concept_drift", flip, True),
    ]


def rows_of(rows: int, key: Sequence[int]) -> pl.DataFrame:
    """Scored customers, with a column that is mostly 0, one with heavy tails on both sides, and one of many categories."""
    generator = np.random.default_rng(key)
    table = scored_customers(rows, int(generator.integers(2**31))).rename({"score": SCORE_COLUMN, "outcome": OUTCOME})
    gains = np.where(generator.random(rows) < 0.92, 0.0, generator.lognormal(8.5, 1.5, rows).round())
    branch = "b" + pl.Series(generator.integers(0, 30, rows)).cast(pl.String)
    return table.with_columns(gains=gains, balance=1000 * generator.standard_t(2, rows), branch=branch)


def drilled(
    windows: Sequence[pl.DataFrame],
    profile: Profile,
    drills: Sequence[Drill],
    sample: pl.DataFrame,
    outcomes: ReferencePerformance | None,
    seed: int,
) -> list[DrillResult]:
    """Ours."""
    return run_drills(windows, profile, RULES, drills=drills, reference=outcomes, reference_sample=sample, seed=seed)


def beside(
    windows: Sequence[pl.DataFrame],
    known: pl.DataFrame,
    profile: Profile,
    drills: Sequence[Drill],
    options: argparse.Namespace,
) -> dict[str, list[list[dict[str, Any]]]]:
    """What each peer said of the same faulty windows, drill by drill."""
    if not windows:
        return {}
    names = list(profile.columns)
    with tempfile.TemporaryDirectory() as folder:
        reference = write_plain(known.select(names), Path(folder) / "reference.parquet")
        paths = [faulty(windows, profile, drill, Path(folder) / str(i), options.seed) for i, drill in enumerate(drills)]
        told = {}
        for peer in PEERS:
            # Windows one by one, so that a peer that is slow has said something of every drill.
            jobs = [(reference, [p[i] for p in paths if p]) for i in range(len(windows))]
            found = run_peer(peer, jobs, options.limit)
            if isinstance(found, str):
                print(f"{peer}: {found}")
                continue
            told[peer] = [[found[path] for path in p if path in found] for p in paths]
    return told


def faulty(windows: Sequence[pl.DataFrame], profile: Profile, drill: Drill, folder: Path, seed: int) -> list[Path]:
    """The drill's windows as files, as `run_drills` makes them; none where it does not apply."""
    folder.mkdir()
    generator = np.random.default_rng(seed)
    try:
        frames = [drill.inject(w, profile, generator)[0].select(list(profile.columns)) for w in windows]
    except NotApplicable:
        return []
    return [write_plain(frame, folder / f"{i}.parquet") for i, frame in enumerate(frames)]


def show(
    drills: Sequence[Drill],
    seen: Sequence[DrillResult],
    unseen: Sequence[DrillResult],
    told: dict[str, list[list[dict[str, Any]]]],
) -> None:
    """One line a drill."""
    print(
        f"{'':<54}{'with outcomes':^24}{'without':^24}{'Evidently':>10}{'(column)':>10}{'NannyML':>9}{'alibi':>9}\n"
        f"{'':<54}" + f"{'caught':>8}{'named':>8}{'delay':>8}" * 2
    )
    for i, (drill, one, other) in enumerate(zip(drills, seen, unseen, strict=True)):
        peers = [told.get(peer, [[]] * len(drills))[i] for peer in PEERS]
        flags = [[d["alarm"] for d in p] for p in peers]
        flags.insert(1, [bool(d["columns"]) for d in peers[0]])
        shares = [f"{np.mean(f):.0%}" if f else "-" for f in flags]
        print(
            f"{drill.name:<20}{drill.size:<34}{ours(one)}{ours(other)}"
            f"{shares[0]:>10}{shares[1]:>10}{shares[2]:>9}{shares[3]:>9}  {other.note}",
            flush=True,
        )


def ours(result: DrillResult) -> str:
    """Shares and delay of one of ours."""
    if not result.windows:
        return f"{'-':>8}{'-':>8}{'-':>8}"
    delay = "-" if result.delay is None else f"{result.delay:.2f}"
    return f"{result.caught / result.windows:>8.0%}{result.named / result.windows:>8.0%}{delay:>8}"


def wide(options: argparse.Namespace) -> None:
    """One feature out of 200 is faulty."""

    def draw(rows: int, key: Sequence[int]) -> pl.DataFrame:
        generator = np.random.default_rng(key)
        return draw_rows(rows, WIDE_FEATURES, generator).with_columns(
            pl.Series(SCORE_COLUMN, generator.beta(2, 5, rows))
        )

    known = draw(options.reference, [options.seed, 0, WIDE_FEATURES])
    profile = build_profile(known, roles(known))
    sample = known.drop(SCORE_COLUMN).sample(SAMPLE_ROWS, seed=options.seed)
    windows = [draw(options.rows, [options.seed, i + 1, WIDE_FEATURES]) for i in range(options.wide)]
    chosen = [d for d in standard_drills() if (d.name, d.size) in [aim[:2] for aim in AIMS]]
    drills = [as_it_is(), *(d for d in chosen if d.kind == "data_quality" and d.name != "swapped columns")]
    drills.append(Drill("shifted feature", "up by half its deviation", "covariate_shift", move))
    print(f"\n{options.wide} windows, {WIDE_FEATURES} features")
    found = drilled(windows, profile, drills, sample, None, options.seed)
    told = beside(windows[: min(2, options.peer_windows)], known, profile, drills, options)
    show(drills, [DrillResult(d.name, d.size, d.kind, 0, 0, 0, 0, None) for d in drills], found, told)


def move(rows: pl.DataFrame, profile: Profile, generator: np.random.Generator) -> Injected:
    """A feature that moves as a whole: every tenth of the invented ones is normal."""
    name = f"c{10 * int(generator.integers(WIDE_FEATURES // 10))}"
    return rows.with_columns(pl.col(name) + 0.5), (name,)


def missed(seen: Sequence[DrillResult], unseen: Sequence[DrillResult]) -> list[str]:
    """Hold the results against the aims; the ones missed."""
    lines: list[tuple[str, float, float]] = []
    for name, size, aim, outcomes in AIMS:
        result = next(r for r in (seen if outcomes else unseen) if (r.name, r.size) == (name, size))
        known = "with outcomes" if outcomes else "without outcomes"
        lines.append((f"{name}, {size}, {known}: caught", result.caught / max(result.windows, 1), aim))
    standard = {(d.name, d.size) for d in standard_drills()}
    faults = [r for r in seen if r.windows and (r.name, r.size) in standard]
    for kind in dict.fromkeys(r.expected for r in faults):
        of_kind = [r for r in faults if r.expected == kind]
        lines.append(
            (f"{kind}: named rightly, all drills of a model", named(of_kind), 0.95 if kind == "data_quality" else 0.0)
        )
    lines.append(("all kinds: named rightly, all drills of a model", named(faults), 0.9))
    print()
    for text, share, aim in lines:
        said = "" if not aim else f" (aim {aim:.0%}{'' if share >= aim else ', missed'})"
        print(f"{text} {share:.1%}{said}")
    return [text for text, share, aim in lines if share < aim]


def named(results: Sequence[DrillResult]) -> float:
    """Share of windows whose verdict names the fault first, with its columns."""
    return sum(r.named for r in results) / max(sum(r.windows for r in results), 1)


if __name__ == "__main__":
    sys.exit(main())
