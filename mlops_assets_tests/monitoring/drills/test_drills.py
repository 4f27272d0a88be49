import json

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.drills.drills import run_drills
from mlops_assets.monitoring.drills.injected_faults import OUTCOME, Drill, standard_drills
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.monitoring.streams import ROLES, RULES
from mlops_assets_tests.monitoring.streams import scored_customers as customers_with_scores

WINDOWS = 5


def scored_customers(rows: int, seed: int) -> pl.DataFrame:
    return customers_with_scores(rows, seed).rename({"score": SCORE_COLUMN, "outcome": OUTCOME})


@pytest.fixture(scope="module")
def world():
    known = scored_customers(20_000, 1)
    profile = build_profile(known, {**ROLES, SCORE_COLUMN: "score"})
    reference_performance = build_reference(
        known[OUTCOME].to_numpy(), known[SCORE_COLUMN].to_numpy(), "binary", threshold=0.3
    )
    return profile, reference_performance, [scored_customers(5000, 100 + i) for i in range(WINDOWS)]


@pytest.fixture(scope="module")
def results(world):
    profile, reference_performance, windows = world
    return {(r.name, r.size): r for r in run_drills(windows, profile, RULES, reference=reference_performance)}


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("nulls", "30% of one feature"),
        ("unit change", "times 12"),
        ("unit change", "times 1000"),
        ("renamed category", "the most frequent"),
        ("swapped columns", "two of a kind"),
        ("stale batch", "the window before, once more"),
    ],
)
def test_broken_feeds_are_caught_at_once_and_named(results, name, size):
    found = results[name, size]
    assert (found.caught, found.acted, found.named, found.delay) == (WINDOWS, WINDOWS, WINDOWS, 1.0)


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("subcovariate shift", "one group 3 times as frequent"),
        ("base-rate shift", "2 times the positives"),
        ("concept flip", "in 20% of the rows"),
    ],
)
def test_changes_are_caught_and_named(results, name, size):
    found = results[name, size]
    assert found.caught == WINDOWS
    assert found.named >= WINDOWS - 1
    json.dumps(found.to_dict(), allow_nan=False)


def test_without_outcomes_the_concept_is_not_seen_and_that_is_said(world):
    profile, _, windows = world
    drills = [d for d in standard_drills() if d.name in ("concept flip", "base-rate shift")]
    found = {(r.name, r.size): r for r in run_drills(windows, profile, RULES, drills=drills)}
    flip = found["concept flip", "in 20% of the rows"]
    assert (flip.caught, flip.note) == (0, "cannot be seen without outcomes")
    assert found["base-rate shift", "2 times the positives"].caught == WINDOWS


def test_nothing_real_is_touched(world):
    profile, reference_performance, windows = world
    before = [w.clone() for w in windows]
    run_drills(windows[:1], profile, RULES, reference=reference_performance)
    assert all(a.equals(b) for a, b in zip(before, windows, strict=True))


def test_a_table_without_the_columns_for_a_drill_says_so():
    table = pl.DataFrame({"x": [float(i) for i in range(1000)]})
    found = {r.name: r for r in run_drills([table], build_profile(table, {"x": "numeric"}), RULES)}
    assert found["renamed category"].note == "no text feature among the features"
    assert found["renamed category"].windows == 0
    assert "no outcomes" in found["concept flip"].note


def test_two_columns_of_one_distribution_that_have_changed_places_need_rows_of_the_reference():
    """Counts see nothing of it; rows of both sides do, as the verdict on a real window has them."""

    def rows(seed: int) -> pl.DataFrame:
        x = np.random.default_rng(seed).normal(size=(3000, 3))
        return pl.DataFrame({"a": x[:, 0] + x[:, 1], "b": x[:, 1] + x[:, 2], "c": x[:, 0]})

    known = rows(1)
    profile = build_profile(known, dict.fromkeys("abc", "numeric"))
    places = Drill(
        "swapped columns",
        "of one distribution",
        "data_quality",
        lambda w, _, __: (w.rename({"a": "b", "b": "a"}), ("a", "b")),
    )
    with_rows, without = (
        run_drills([rows(2)], profile, RULES, drills=[places], reference_sample=sample)[0] for sample in (known, None)
    )
    assert (without.caught, with_rows.caught, with_rows.named) == (0, 1, 1)
