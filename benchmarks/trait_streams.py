"""Streams with traits that mislead: what is named, with the expectation written down before the first run.

    PYTHONPATH=. python benchmarks/trait_streams.py [--streams 3] [--seed 5077] [--only NAME] [--log FILE]

Each trait is drawn `--streams` times: a model's score, its outcome and inputs, 10,000 rows to compare with, three windows
without a change and three with it. Every window is judged as by `mlops drift` with order and outcomes known (where the trait
says so, without outcomes). Printed by trait: changed windows with the right kind first, with the right kinds among the first
two, `not_measurable`, `none` despite a loss of AUC beyond the threshold for acting; unchanged windows with an alarm.
Ends with 1 where an aim is missed.

What is expected of the changed windows is in each trait's docstring, and in its `Trait.kinds`.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.invented_streams import Change, Stream, logistic, remembering
from benchmarks.published_streams import judge
from mlops_assets.evaluation.estimators import estimate, prepare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

Generator = np.random.Generator
REFERENCE, SIZE, QUIET, CHANGED = 10_000, 2_000, 3, 3


@dataclass(frozen=True)
class Drawn:
    """Rows of a stream, in the order of time: inputs, the model's score, and the outcome."""

    inputs: dict[str, np.ndarray | list[str]]
    score: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Trait:
    """A trait and what is right.

    Attributes:
        draw: rows from a generator; the argument says which rows are after the change.
        kinds: any of them first is right; empty: no change, every alarm is false.
        both: kinds that must all be among the first two causes; empty: one of `kinds` is enough.
        never: kinds that must not come first.
        outcomes: whether outcomes are known.
        size: rows of a window.
    """

    draw: Callable[[Generator, np.ndarray], Drawn]
    kinds: tuple[str, ...]
    both: tuple[str, ...] = ()
    never: tuple[str, ...] = ()
    outcomes: bool = True
    size: int = SIZE


def _inputs(generator: Generator, rows: int, memory: float = 0.0) -> np.ndarray:
    return remembering(rows, memory, generator, 5) if memory else generator.normal(size=(rows, 5))


WEIGHTS = np.array([1.0, -0.7, 0.5, 0.3, 0.0])


def _table(x: np.ndarray) -> dict[str, np.ndarray | list[str]]:
    return {f"x{i}": x[:, i].round(4) for i in range(x.shape[1])}


def wandering_market(generator: Generator, late: np.ndarray) -> Drawn:
    """The relation differs from week to week in the reference, and then most of it is lost. Expected: concept drift; never
    silence."""
    n = len(late)
    x = _inputs(generator, n)
    week = np.arange(n) // 500
    strength = np.repeat(1 + 0.25 * generator.normal(size=week.max() + 1), 500)[:n]
    odds = x @ WEIGHTS
    p = logistic(-0.5 + np.where(late, 0.25, strength) * odds)
    return Drawn(_table(x), logistic(-0.5 + odds), generator.random(n) < p)


def calendar_and_economy(generator: Generator, late: np.ndarray) -> Drawn:
    """Month as text and a rate that stands still within each month are functions of time in the reference too. Before the
    change nothing is wrong; then the relation changes. Expected: concept drift, and never a fault of the data first."""
    n = len(late)
    x = _inputs(generator, n)
    month = np.arange(n) // 900
    names = [f"{2019 + m // 12}-{m % 12 + 1:02}" for m in range(month.max() + 1)]
    rate = (1.2 + 0.2 * np.cumsum(generator.normal(size=month.max() + 1))).round(3)
    odds = x @ WEIGHTS
    p = logistic(-1 + np.where(late, 0.3, 1.0) * odds)
    inputs = _table(x) | {"month": [names[m] for m in month], "rate": rate[month]}
    return Drawn(inputs, logistic(-1 + odds), generator.random(n) < p)


def rise_of_the_base_rate(generator: Generator, late: np.ndarray) -> Drawn:
    """Twice the odds of the outcome, the inputs of each class unchanged. Expected: label shift."""
    n = len(late)
    y = generator.random(n) < np.where(late, 0.46, 0.3)
    x = generator.normal(size=(n, 5)) + np.outer(y, [0.7, -0.4, 0.3, 0.0, 0.0])
    odds = x @ np.array([0.7, -0.4, 0.3, 0.0, 0.0]) + np.log(0.3 / 0.7) - 0.37
    return Drawn(_table(x), logistic(odds), y)


def base_rate_stands_still(generator: Generator, late: np.ndarray) -> Drawn:
    """An input moves and the scores with it, and outcomes stay as frequent as they were: its relation to the outcome has
    gone. Expected: concept drift or covariate shift, never label shift first."""
    n = len(late)
    x = _inputs(generator, n)
    odds = x @ WEIGHTS
    y = generator.random(n) < logistic(-0.3 + odds)
    moved = x.copy()
    moved[late, 0] -= 1.5
    return Drawn(_table(moved), logistic(-0.3 + moved @ WEIGHTS), y)


def drift_behind_moved_inputs(generator: Generator, late: np.ndarray) -> Drawn:
    """Inputs move, and the relation changes at once. Expected: both among the first two."""
    n = len(late)
    x = _inputs(generator, n)
    x[late, 3] += 0.8
    weights = WEIGHTS.copy()
    changed = np.array([-0.2, 0.2, 0.5, 0.3, 0.0])
    p = logistic(-0.5 + np.where(late, x @ changed, x @ weights))
    return Drawn(_table(x), logistic(-0.5 + x @ weights), generator.random(n) < p)


def rare_binary_columns(generator: Generator, late: np.ndarray) -> Drawn:
    """60 rare binary columns, of which ten become three times as frequent. Expected: covariate shift, never a swap."""
    n = len(late)
    x = _inputs(generator, n)
    share = generator.uniform(0.004, 0.04, 60)
    more = np.where(np.arange(60) < 10, 3.0, 1.0)
    flags = generator.random((n, 60)) < np.where(late[:, None], share * more, share)
    odds = x @ WEIGHTS + 0.4 * flags[:, :20].sum(1)
    inputs = _table(x) | {f"w{i}": flags[:, i].astype(int) for i in range(60)}
    return Drawn(inputs, logistic(-1 + odds), generator.random(n) < logistic(-1 + odds))


def small_sparse_windows(generator: Generator, late: np.ndarray) -> Drawn:
    """Windows of 300 rows with 60 rare binary columns, and nothing changes. Expected: silence."""
    del late
    n = REFERENCE + (QUIET + CHANGED) * SIZE
    return rare_binary_columns(generator, np.zeros(n, dtype=bool))


def fault_beside_a_loss(generator: Generator, late: np.ndarray) -> Drawn:
    """A column that the model hardly uses arrives in another unit, and the relation changes. Expected: both named."""
    n = len(late)
    x = _inputs(generator, n)
    odds = x @ WEIGHTS
    p = logistic(-0.5 + np.where(late, 0.3, 1.0) * odds)
    inputs = _table(x)
    amount = np.exp(generator.normal(4, 1, n))
    inputs["amount"] = np.where(late, amount * 100, amount).round(2)
    return Drawn(inputs, logistic(-0.5 + odds), generator.random(n) < p)


def scores_without_outcomes(generator: Generator, late: np.ndarray) -> Drawn:
    """Several inputs move, the scores with them; outcomes are not known. Expected: covariate shift, never label shift."""
    n = len(late)
    x = _inputs(generator, n)
    x[late, 0] += 0.6
    x[late, 1] -= 0.4
    odds = x @ WEIGHTS
    return Drawn(_table(x), logistic(-0.5 + odds), generator.random(n) < logistic(-0.5 + odds))


def months_that_differ(generator: Generator, late: np.ndarray) -> Drawn:
    """Base rate and inputs of each batch of 250 rows differ a little, as they did in the reference. Expected: silence."""
    n = len(late)
    x = _inputs(generator, n)
    batch = np.arange(n) // 250
    x[:, 0] += np.repeat(0.2 * generator.normal(size=batch.max() + 1), 250)[:n]
    level = np.repeat(0.15 * generator.normal(size=batch.max() + 1), 250)[:n]
    odds = x @ WEIGHTS - 0.5
    return Drawn(_table(x), logistic(odds), generator.random(n) < logistic(odds + level))


TRAITS: dict[str, Trait] = {
    "wandering market": Trait(wandering_market, ("concept_drift",)),
    "calendar and economy": Trait(calendar_and_economy, ("concept_drift",), never=("data_quality",)),
    "rise of the base rate": Trait(rise_of_the_base_rate, ("label_shift",)),
    "base rate stands still": Trait(
        base_rate_stands_still, ("concept_drift", "covariate_shift"), never=("label_shift",)
    ),
    "drift behind moved inputs": Trait(
        drift_behind_moved_inputs, ("concept_drift", "covariate_shift"), both=("concept_drift", "covariate_shift")
    ),
    "rare binary columns": Trait(rare_binary_columns, ("covariate_shift",), never=("data_quality",)),
    "small sparse windows": Trait(small_sparse_windows, (), size=300),
    "fault beside a loss": Trait(
        fault_beside_a_loss, ("concept_drift", "data_quality"), both=("concept_drift", "data_quality")
    ),
    "scores without outcomes": Trait(
        scores_without_outcomes, ("covariate_shift",), never=("label_shift",), outcomes=False
    ),
    "months that differ": Trait(months_that_differ, ()),
}


@dataclass
class Tally:
    """Counts of windows."""

    changed: int = 0
    first: int = 0
    two: int = 0
    silent: int = 0
    not_measurable: int = 0
    quiet: int = 0
    false: int = 0

    def add(self, other: "Tally") -> None:
        """Sum up."""
        for name in self.__dataclass_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


def stream_of(name: str, trait: Trait, seed: int) -> Stream:
    """One draw of a trait, as a stream with its change."""
    total = REFERENCE + (QUIET + CHANGED) * SIZE
    late = np.arange(total) >= REFERENCE + QUIET * SIZE
    drawn = trait.draw(np.random.default_rng(seed), late)
    table = pl.DataFrame({**drawn.inputs, "score": drawn.score, "y": drawn.y.astype(int)})
    change = Change(REFERENCE + QUIET * SIZE, trait.kinds, outcomes=True)
    return Stream(name, table, REFERENCE, (change,), target="y", score="score")


def measure(name: str, trait: Trait, seed: int, log: list[dict] | None = None) -> Tally:
    """Judge the windows of one draw."""
    stream, tally = stream_of(name, trait, seed), Tally()
    act = MonitoringThresholds().performance_drop_act

    def area(rows: pl.DataFrame) -> float:
        return estimate("roc_auc", prepare(rows["y"].to_numpy(), rows["score"].to_numpy(), "binary")).value

    before = area(stream.rows[:REFERENCE])
    with tempfile.TemporaryDirectory() as folder:
        for number in range(QUIET + CHANGED):
            start = REFERENCE + number * SIZE
            found = judge(stream, start, trait.size, Path(folder), ordered=True, outcomes=trait.outcomes)
            health, kinds = found.health, [cause.kind for cause in found.health.causes]
            if log is not None:
                log.append({
                    "trait": name, "seed": seed, "window": number, "severity": health.severity, "kinds": kinds,
                    "evidence": [cause.evidence for cause in health.causes], "reasons": list(health.reasons),
                })  # fmt: skip
            if number < QUIET or not trait.kinds:
                tally.quiet += 1
                tally.false += at_least(health.severity, "watch")
                continue
            tally.changed += 1
            right = bool(kinds) and kinds[0] in trait.kinds and kinds[0] not in trait.never
            tally.first += right
            named = set(kinds[:2])
            tally.two += named >= set(trait.both) if trait.both else bool(named & set(trait.kinds))
            lost = before - area(stream.rows[start : start + trait.size]) > act
            tally.not_measurable += health.severity == "not_measurable"
            tally.silent += lost and health.severity == "none"
    return tally


def main() -> int:
    """Print the table; 1 where an aim is missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--streams", type=int, default=3)
    parser.add_argument("--seed", type=int, default=5077)
    parser.add_argument("--only", nargs="*", default=())
    parser.add_argument("--log", type=Path, help="one line of JSON a window")
    options = parser.parse_args()
    total, log, least = Tally(), [], 1.0
    print(f"{'trait':28}{'changed':>8}{'first':>7}{'two':>6}{'silent':>8}{'not m.':>8}{'false / quiet':>15}")
    for name, trait in TRAITS.items():
        if options.only and not any(part in name for part in options.only):
            continue
        tally = Tally()
        for number in range(options.streams):
            tally.add(measure(name, trait, options.seed + 100 * number, log))
        total.add(tally)
        if tally.changed:
            least = min(least, tally.first / tally.changed)
        print(_line(name, tally), flush=True)
    print(_line("all", total))
    if options.log:
        options.log.write_text("".join(json.dumps(line) + "\n" for line in log), encoding="utf-8")
    missed = (
        total.first < 0.9 * total.changed
        or total.two < 0.95 * total.changed
        or least < 0.8
        or total.silent > 0.02 * total.changed
        or total.not_measurable > 0.1 * total.changed
    )
    return int(missed)


def _line(name: str, t: Tally) -> str:
    return f"{name:28}{t.changed:>8}{t.first:>7}{t.two:>6}{t.silent:>8}{t.not_measurable:>8}{t.false:>9} / {t.quiet}"


if __name__ == "__main__":
    sys.exit(main())
