"""Faults for models of several classes and of numbers, and what a verdict makes of them."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.terms import Task
from mlops_assets.monitoring.drills.drills import run_drills, with_scores
from mlops_assets.monitoring.drills.injected_faults import OUTCOME, NotApplicable, as_it_is, standard_drills
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.statistics.profile import build_profile
from mlops_assets_tests.monitoring.streams import ROLES, RULES, customers

WINDOWS = 3
LABELS = ("a", "b", "c")


def of_classes(rows: int, seed: int) -> pl.DataFrame:
    """Three classes that the features tell of, with the true probabilities for scores."""
    table = customers(rows, seed)
    evidence = table.select(
        a=pl.col("amount").log() - 8, b=(pl.col("age") - 45) / 10, c=(pl.col("state") == "CA").cast(pl.Float64) - 1.2
    ).to_numpy()
    probability = np.exp(1.5 * evidence)
    probability /= probability.sum(axis=1, keepdims=True)
    drawn = (np.random.default_rng(seed + 7).random((rows, 1)) > probability.cumsum(axis=1)).sum(axis=1)
    outcome = pl.Series(OUTCOME, [LABELS[min(i, 2)] for i in drawn])
    return with_scores(table, probability, LABELS).with_columns(outcome)


def of_numbers(rows: int, seed: int) -> pl.DataFrame:
    """A number whose expectation is the score."""
    table = customers(rows, seed)
    expected = table.select(10 * (pl.col("amount").log() - 8) + 0.4 * pl.col("age"))[:, 0].to_numpy()
    noise = np.random.default_rng(seed + 7).normal(scale=6, size=rows)
    return with_scores(table, expected).with_columns(pl.Series(OUTCOME, expected + noise))


DRAW = {Task.MULTICLASS: of_classes, Task.REGRESSION: of_numbers}


@pytest.fixture(scope="module", params=[Task.MULTICLASS, Task.REGRESSION])
def drilled(request):
    task = request.param
    known = DRAW[task](10_000, 1)
    profile = build_profile(known, {**ROLES, SCORE_COLUMN: "score"})
    classes = list(LABELS) if task is Task.MULTICLASS else None
    score = (
        known.select([f"{SCORE_COLUMN}:{label}" for label in LABELS]).to_numpy()
        if classes
        else known[SCORE_COLUMN].to_numpy()
    )
    reference_performance = build_reference(known[OUTCOME].to_numpy(), score, task, classes=classes)
    windows = [DRAW[task](5000, 100 + i) for i in range(WINDOWS)]
    drills = [as_it_is(), *(d for d in standard_drills(task) if d.kind in ("label_shift", "concept_drift"))]
    return (
        task,
        run_drills(windows, profile, RULES, drills=drills, reference=reference_performance),
        (windows, profile, drills),
    )


def test_a_window_as_it_is_shows_nothing(drilled):
    assert drilled[1][0].caught == 0


def test_a_changed_base_rate_and_a_changed_relation_are_caught_and_named(drilled):
    """The larger base-rate shift, a fifth of the rows, and a group of them."""
    larger = [r for r in drilled[1] if r.size.startswith(("a class 2", "target up by 0.5", "in 20%", "in one group"))]
    assert [r.expected for r in larger] == ["label_shift", "concept_drift", "concept_drift"]
    assert {r.size: (r.caught, r.named) for r in larger} == {r.size: (WINDOWS, WINDOWS) for r in larger}


def test_without_outcomes_it_is_said_that_a_relation_cannot_be_seen(drilled):
    _, _, (windows, profile, drills) = drilled
    blind = {r.size: r for r in run_drills(windows[:1], profile, RULES, drills=drills)}
    assert (blind["in 20% of the rows"].caught, blind["in 20% of the rows"].note) == (
        0,
        "cannot be seen without outcomes",
    )


def test_a_class_becomes_twice_as_frequent_and_no_row_repeats():
    rows = of_classes(5000, 3).with_row_index("row")
    drill = next(d for d in standard_drills(Task.MULTICLASS) if d.size == "a class 2 times as frequent")
    faulty, _ = drill.inject(rows, build_profile(rows, ROLES), np.random.default_rng(1))
    rarest = rows[OUTCOME].value_counts().sort("count")[OUTCOME][0]
    share = [(frame[OUTCOME] == rarest).mean() for frame in (rows, faulty)]
    assert share[1] == pytest.approx(2 * share[0], rel=0.01)
    assert faulty["row"].n_unique() == faulty.height


@pytest.mark.parametrize("task", [Task.MULTICLASS, Task.REGRESSION])
def test_a_flip_changes_the_relation_and_not_the_outcomes_as_a_whole(task):
    rows = DRAW[task](5000, 3)
    drill = next(d for d in standard_drills(task) if d.size == "in 20% of the rows")
    faulty, _ = drill.inject(rows, build_profile(rows, ROLES), np.random.default_rng(1))
    changed = (faulty[OUTCOME] != rows[OUTCOME]).mean()
    assert 0.08 < changed < 0.21
    assert faulty.drop(OUTCOME).equals(rows.drop(OUTCOME))
    if task is Task.REGRESSION:
        assert faulty[OUTCOME].mean() == pytest.approx(rows[OUTCOME].mean())
    else:
        assert faulty[OUTCOME].value_counts(sort=True).equals(rows[OUTCOME].value_counts(sort=True))


@pytest.mark.parametrize("task", list(Task))
def test_without_outcomes_no_outcome_can_be_changed(task):
    rows = DRAW[Task.REGRESSION](300, 3).drop(OUTCOME)
    for drill in standard_drills(task):
        if drill.kind in ("label_shift", "concept_drift"):
            with pytest.raises(NotApplicable, match="no outcomes"):
                drill.inject(rows, build_profile(rows, ROLES), np.random.default_rng(1))
