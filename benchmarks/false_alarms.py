"""False alarms: the share of windows with any alarm when nothing changed, beside PSI > .1, PSI > .25 and Evidently.

Run: `python benchmarks/false_alarms.py [--windows 200] [--columns 4,20,200] [--rows 200,1000,10000]
[--references 1000,20000] [--evidently 20] [--seed 1]`. Every window is drawn afresh; the reference is drawn again every
ten windows. Evidently's dataset flag (its default tests, share .5) and its "any column" are measured on as many windows
as `--evidently` says. The last lines part a real table (acs_employment) at random.
"""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

sys.path.insert(0, str(Path(__file__).resolve().parent))
from unchanged_tables import draw_acs, draw_rows, roles

from mlops_assets.monitoring.drift import compare
from mlops_assets.monitoring.rules import MonitoringRules
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import Profile, build_profile

RULES = MonitoringRules()
STATED = 0.01
EACH_REFERENCE = 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--columns", default="4,20,200")
    parser.add_argument("--rows", default="200,1000,10000")
    parser.add_argument("--references", default="1000,20000")
    parser.add_argument("--evidently", type=int, default=20, help="windows given to Evidently; 0 leaves it out")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(
        f"{'table':>10} {'reference':>9} {'columns':>7} {'rows':>6} {'ours':>8} {'PSI>.1':>8} {'PSI>.25':>8}  Evidently"
    )
    worst = 0.0
    for m in numbers(options.references):
        for k in numbers(options.columns):
            for n in numbers(options.rows):
                pairs = invented(m, k, n, options.windows, options.seed)
                worst = max(worst, report("invented", m, k, n, pairs, options))
        for n in numbers(options.rows):
            reference, windows = draw_acs(m, n, options.windows, options.seed)
            pairs = ((reference, build_profile(reference, roles(reference)), w) for w in windows)
            worst = max(worst, report("acs", m, len(reference.columns), n, pairs, options))
    print(f"highest share of windows with an alarm: {worst:.1%}; stated {STATED:.0%} (at most 5 of 200)")
    return 0 if worst <= 0.025 else 1


def invented(m: int, k: int, n: int, windows: int, seed: int) -> Iterator[tuple[pl.DataFrame, Profile, pl.DataFrame]]:
    for i in range(windows):
        if i % EACH_REFERENCE == 0:
            reference = draw_rows(m, k, np.random.default_rng([seed, m, k, n, i, 0]))
            profile = build_profile(reference, roles(reference))
        yield reference, profile, draw_rows(n, k, np.random.default_rng([seed, m, k, n, i, 1]))


def report(
    name: str,
    m: int,
    k: int,
    n: int,
    pairs: Iterator[tuple[pl.DataFrame, Profile, pl.DataFrame]],
    options: argparse.Namespace,
) -> float:
    ours = tenth = quarter = dataset = column = seen = total = 0
    for reference, profile, window in pairs:
        verdict = compare(profile, count_window(window, profile), RULES, sample=window.head(5000))
        ours += verdict.severity not in ("none", "not_measurable")
        largest = max(c.value or 0.0 for c in verdict.columns)
        tenth += largest > 0.1
        quarter += largest > 0.25
        total += 1
        if seen < options.evidently and k <= 50 and n <= 2000 and m <= 2000:
            share = evidently_share(reference, window)
            dataset += share >= 0.5
            column += share > 0
            seen += 1
    peer = f"{dataset}/{seen} dataset, {column}/{seen} any column" if seen else "-"
    print(
        f"{name:>10} {m:>9} {k:>7} {n:>6} {ours:>4}/{total} {tenth:>4}/{total} {quarter:>4}/{total}  {peer}", flush=True
    )
    return ours / total


def evidently_share(reference: pl.DataFrame, window: pl.DataFrame) -> float:
    """Share of columns that Evidently's default tests find drifted."""
    os.environ["DO_NOT_TRACK"] = "1"
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DriftedColumnsCount

    kinds = roles(reference)
    numeric = [n for n, r in kinds.items() if r == "numeric"]
    text = [n for n, r in kinds.items() if r == "categorical"]
    definition = DataDefinition(numerical_columns=numeric, categorical_columns=text)
    frames = [f.select(*numeric, *text).to_pandas() for f in (window, reference)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run = Report([DriftedColumnsCount()]).run(*(Dataset.from_pandas(f, definition) for f in frames))
    return float(run.dict()["metrics"][0]["value"]["share"])


def numbers(text: str) -> list[int]:
    return [int(part) for part in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
