"""Fairness in production: what changed for a group is found and named; what did not raises no alarm."""

import json

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.monitoring.outcomes.group_changes import group_changes
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets_tests.effort import share

GROUPS = {"two": ["f", "m"], "four": ["a", "b", "c", "d"]}


def declaration(task: str = "binary") -> Declaration:
    return Declaration.model_validate(
        {
            "purpose": "A model for tests.",
            "owner": "team:tests",
            "developers": ["developer"],
            "tier": "low",
            "task": task,
            "source": {"path": "x.parquet"},
            "id": "id",
            "target": "y",
            "features": {"x": "numeric"},
            "protected": ["two", "four"],
        }
    )


def people(n: int, seed: int, **harder: float) -> tuple[np.ndarray, np.ndarray, pl.DataFrame]:
    """Outcomes, scores and groups; `harder` raises the log-odds of the named group, in score and outcome alike."""
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame({name: generator.choice(values, n) for name, values in GROUPS.items()})
    logit = generator.normal(-1, 1, n)
    for group, amount in harder.items():
        column = "two" if group in GROUPS["two"] else "four"
        logit = logit + amount * (frame[column] == group).to_numpy()
    score = 1 / (1 + np.exp(-logit))
    return (generator.random(n) < score).astype(int), score, frame


@pytest.fixture(scope="module")
def reference():
    y, score, frame = people(8000, 1)
    return build_reference(y, score, "binary", threshold=0.35, frame=frame, declaration=declaration())


def judged(reference, n: int, seed: int, thresholds: object | None = None, **harder: float) -> WindowPerformance:
    y, score, frame = people(n, seed, **harder)
    return measure(reference, y, score, frame=frame, declaration=declaration(), thresholds=thresholds)


@pytest.mark.parametrize(("group", "attribute"), [("m", "two"), ("c", "four")])
def test_the_group_that_is_treated_otherwise_is_named_with_its_size(reference, group, attribute):
    found = judged(reference, 5000, 2, **{group: 1.0})
    assert found.fairness_severity == "act"
    # Of two groups the gap of the first is told, which is that of the second with the sign turned.
    named = next(r for r in found.reasons if r.startswith(f"{attribute} = {'f' if attribute == 'two' else group}"))
    assert "is further from the other groups: difference in selection rate" in named
    change = next(
        g for g in found.group_changes if g.attribute == attribute and g.measure == "selection_rate" and g.p_value
    )
    assert change.low < change.change < change.high
    assert change.smallest_detectable > 0


def test_gaps_are_those_of_the_rows(reference):
    y, score, frame = people(5000, 2, c=1.0)
    found = measure(reference, y, score, frame=frame, declaration=declaration())
    inside, favourable = (frame["four"] == "c").to_numpy(), score < 0.35
    change = next(g for g in found.group_changes if g.group == "c" and g.measure == "selection_rate")
    # The other groups are weighted by their sizes in the reference, which are nearly those of the window.
    assert change.window_gap == pytest.approx(favourable[inside].mean() - favourable[~inside].mean(), abs=0.001)
    assert change.n == inside.sum()
    equal = next(g for g in found.group_changes if g.group == "c" and g.measure == "tpr")
    assert equal.n == (inside & (y == 0)).sum()


@pytest.mark.parametrize("n", [600, 4000])
def test_without_change_hardly_any_window_alarms(reference, n):
    thresholds = MonitoringThresholds(alpha=0.05, fairness_watch=1e-9, fairness_act=1e-9)
    windows = share(30, 600)
    alarms = sum(judged(reference, n, 100 + seed, thresholds).fairness_severity != "none" for seed in range(windows))
    # Half of what is significant is a narrower gap, which is no alarm.
    assert alarms <= 0.1 * windows


def test_a_group_that_comes_nearer_is_no_alarm():
    y, score, frame = people(8000, 1, c=1.0)
    apart = build_reference(y, score, "binary", threshold=0.35, frame=frame, declaration=declaration())
    found = judged(apart, 5000, 2)
    change = next(g for g in found.group_changes if g.group == "c" and g.measure == "selection_rate")
    assert change.p_adjusted < 1e-6
    assert change.widened < 0
    assert found.fairness_severity == "none"


def test_the_smallest_detectable_change_is_found_about_as_often_as_it_says(reference):
    thresholds = MonitoringThresholds(alpha=0.05, fairness_watch=1e-9)
    seen, least, true = 0, [], []
    for seed in range(40):
        found = judged(reference, 3000, 500 + seed, thresholds, f=0.4)
        change = next(g for g in found.group_changes if g.attribute == "two" and g.measure == "selection_rate")
        seen += change.p_adjusted < 0.05
        least.append(change.smallest_detectable)
        true.append(abs(change.change))
    assert np.mean(true) >= np.mean(least)
    assert seen / 40 >= 0.8


def test_small_groups_are_listed_with_the_reason(reference):
    y, score, frame = people(500, 3)
    frame = frame.with_columns(pl.when(pl.int_range(pl.len()) < 40).then(pl.lit("e")).otherwise("four").alias("four"))
    found = measure(reference, y, score, frame=frame, declaration=declaration())
    small = next(g for g in found.group_changes if g.group == "e")
    assert (small.n, small.change) == (40, None)
    assert "40 rows, fewer than 100" in small.reason


def test_regression_compares_mean_errors_in_standard_deviations():
    def readings(n: int, seed: int, bias: float = 0.0):
        generator = np.random.default_rng(seed)
        frame = pl.DataFrame({name: generator.choice(values, n) for name, values in GROUPS.items()})
        x = generator.normal(0, 2, n)
        y = x + generator.normal(0, 1, n) + bias * (frame["four"] == "b").to_numpy()
        return y, x, frame

    y, score, frame = readings(6000, 1)
    reference_performance = build_reference(y, score, "regression", frame=frame, declaration=declaration("regression"))
    y, score, frame = readings(4000, 2, bias=0.8)
    found = measure(reference_performance, y, score, frame=frame, declaration=declaration("regression"))
    change = next(g for g in found.group_changes if g.group == "b")
    assert change.measure == "mean_error"
    assert change.window_gap == pytest.approx(-0.8 / reference_performance.outcome_spread, abs=0.06)
    assert found.fairness_severity == "act"


def test_thresholds_are_the_policys(reference):
    lax = MonitoringThresholds(fairness_watch=0.9, fairness_act=0.95)
    assert judged(reference, 5000, 2, lax, m=1.0).fairness_severity == "none"
    strict = MonitoringThresholds(fairness_watch=0.001, fairness_act=0.5)
    assert judged(reference, 5000, 2, strict, m=1.0).fairness_severity == "watch"


def test_what_is_stored_reads_back(reference):
    found = judged(reference, 2000, 2, m=1.0)
    assert WindowPerformance.from_dict(json.loads(json.dumps(found.to_dict()))).group_changes == found.group_changes
    assert group_changes(None, found.fairness, alpha=0.01) == ()


def test_other_sizes_of_groups_are_no_change_of_how_they_are_treated():
    def fairness(sizes):
        groups = [
            {
                "group": g,
                "n": n,
                "measurable": True,
                "reason": "",
                "selection_rate": rate,
                "tpr": rate,
                "base_rate": 0.5,
            }
            for g, n, rate in zip("abc", sizes, (0.5, 0.3, 0.7), strict=True)
        ]
        return {"task": "binary", "attributes": [{"attribute": "x", "intersection": False, "groups": groups}]}

    found = group_changes(fairness((2000, 3000, 1000)), fairness((2000, 1000, 3000)), alpha=0.01)
    assert [round(g.change, 9) for g in found if g.measure == "selection_rate"] == [0, 0, 0]
