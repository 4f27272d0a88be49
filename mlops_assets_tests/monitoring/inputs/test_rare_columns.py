"""Many columns that are 1 in few rows, as words in texts are: no swap is seen in them by chance, and small windows are quiet."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binom

from mlops_assets.monitoring.inputs.drift import DriftVerdict, compare
from mlops_assets.monitoring.severity import at_least
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.effort import share

RULES = MonitoringThresholds()
COLUMNS = 99
TOPICS = 3
STATED = 0.01


def rates_of(generator: np.random.Generator) -> np.ndarray:
    """How often each column is 1."""
    return generator.uniform(0.005, 0.06, COLUMNS)


def drawn(generator: np.random.Generator, rates: np.ndarray, rows: int, *, topics: bool) -> pl.DataFrame:
    """Rows; with topics, columns of one topic are 1 together."""
    odds = np.log(rates / (1 - rates))
    if topics:
        strength = generator.normal(size=(rows, TOPICS))[:, np.arange(COLUMNS) % TOPICS]
        odds = odds - 0.5 + strength
    return pl.DataFrame((generator.random((rows, COLUMNS)) < 1 / (1 + np.exp(-odds))).astype(int))


def judged(reference: pl.DataFrame, window: pl.DataFrame, *, known: bool = True) -> DriftVerdict:
    profile = build_profile(reference, dict.fromkeys(reference.columns, "numeric"))
    rows = reference if known else None
    return compare(profile, count_window(window, profile), RULES, sample=window, reference_sample=rows)


def swaps(found: DriftVerdict) -> tuple[str, ...]:
    """Columns that are said to have changed places, alone or by how columns go together."""
    alone = tuple(c.name for c in found.columns if c.fault == "swapped")
    return (*alone, *(found.joint.swapped if found.joint is not None else ()))


@pytest.mark.soak
@pytest.mark.parametrize(
    ("rows", "topics", "known"), [(400, False, False), (400, True, True), (2000, False, True), (2000, True, True)]
)
def test_of_all_pairs_none_seems_swapped_where_frequencies_moved(rows: int, topics: bool, known: bool) -> None:
    """99 columns are 4,851 pairs: half of the columns move, and some then fit at each other's place."""
    claimed = []
    for seed in range(share(3, 200)):
        generator = np.random.default_rng([6, seed])
        rates = rates_of(generator)
        moved = np.where(generator.random(COLUMNS) < 0.5, rates * np.exp(generator.normal(0, 0.9, COLUMNS)), rates)
        reference = drawn(generator, rates, 2 * rows, topics=topics)
        window = drawn(generator, np.clip(moved, 0.001, 0.5), rows, topics=topics)
        found = swaps(judged(reference, window, known=known))
        claimed += [(seed, found)] if found else []
    assert claimed == []


def test_two_columns_that_are_rare_and_swapped_are_not_claimed_on_their_frequencies_alone() -> None:
    """Nothing but frequency tells independent columns apart, and that moves by itself: it is a shift, not a proven swap."""
    generator = np.random.default_rng(8)
    rates = np.full(COLUMNS, 0.02)
    rates[1] = 0.2
    reference, window = (drawn(generator, rates, rows, topics=False) for rows in (4000, 2000))
    found = judged(reference, window.rename({"column_0": "column_1", "column_1": "column_0"}))
    assert swaps(found) == ()
    assert {c.name for c in found.columns if at_least(c.severity, "watch")} == {"column_0", "column_1"}


@pytest.mark.soak
@pytest.mark.parametrize(("reference_rows", "topics"), [(600, True), (10_000, False)])
def test_small_windows_of_many_rare_columns_keep_the_stated_rate(reference_rows: int, topics: bool) -> None:
    rows, alarms = 300, 0
    windows = share(5, 1000)
    for start in range(0, windows, 5):
        generator = np.random.default_rng([9, start])
        rates = rates_of(generator)
        reference = drawn(generator, rates, reference_rows, topics=topics)
        profile = build_profile(reference, dict.fromkeys(reference.columns, "numeric"))
        for _ in range(5):
            window = drawn(generator, rates, rows, topics=topics)
            found = compare(profile, count_window(window, profile), RULES, sample=window, reference_sample=reference)
            alarms += at_least(found.severity, "watch")
    # A correct rate fails once in a thousand runs.
    assert alarms <= binom.isf(0.001, windows, STATED)
