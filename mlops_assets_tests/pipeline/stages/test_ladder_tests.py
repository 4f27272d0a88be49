"""Each test of a challenger, on rows that it scored beside the champion."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.columns import Protected
from mlops_assets.declaration.terms import Task
from mlops_assets.monitoring.outcomes.estimate import Estimated, PerformanceEstimate
from mlops_assets.pipeline.stages.ladder_tests import Arm, BesideRows, ab_window, checks_of
from mlops_assets.policy.policy import Policy

ROWS = 2000
SEX = Protected(column="sex", basis="ECOA")


def rules(gates: dict[str, Any] | None = None, **release: Any) -> Policy:
    return Policy.model_validate({"tier": "low", "approvals": [], "release": release, "gates": gates or {}})


def beside(quality: float, challenger: float, *, task=Task.BINARY, outcomes=ROWS, alike=0.9, seed=3) -> BesideRows:
    """Champion and challenger whose scores hold so much of what decides the outcome; the challenger decided every second row."""
    generator = np.random.default_rng(seed)
    signal = generator.normal(0, 1, ROWS)
    truth = (generator.random(ROWS) < 1 / (1 + np.exp(1 - 2 * signal))).astype(int)
    noise = generator.normal(0, 1, (2, ROWS))

    def score(share, own):
        return 1 / (1 + np.exp(-(share * signal + (1 - share) * own)))

    ids = pl.Series([str(n) for n in range(ROWS)])
    first, second = score(quality, noise[0]), score(challenger, noise[1])
    decisions = (first > 0.5).astype(int)
    other = np.where(generator.random(ROWS) < alike, decisions, 1 - decisions)
    order = generator.permutation(ROWS)
    frame = {"id": ids, "champion": first, "challenger": second}
    both = pl.DataFrame({**frame, "champion_decision": decisions, "challenger_decision": other})[order]
    declaration: Any = SimpleNamespace(
        task=task, training=SimpleNamespace(seed=1), protected=(), target=SimpleNamespace(favourable="negative")
    )
    return BesideRows(declaration, both, Arm(ids[:outcomes], truth[:outcomes], first[:outcomes]))


def measured(rows: BesideRows, policy: Policy | None = None):
    return {test.name: test for test in checks_of(rows, policy or rules())}


@pytest.mark.parametrize(
    ("challenger", "outcome"),
    [(0.9, "passed"), (0.7, "not_measurable"), (0.2, "failed")],
    ids=["better", "alike", "worse"],
)
def test_performance_is_compared_on_the_same_rows(challenger, outcome):
    found = measured(beside(0.7, challenger))["performance"]
    assert found.outcome == outcome, found.reason
    assert found.low < found.value < found.high
    assert found.reason.startswith("roc_auc ")


def test_a_challenger_that_is_alike_is_seldom_sent_back():
    failed = sum(measured(beside(0.7, 0.7, seed=seed))["performance"].outcome == "failed" for seed in range(100))
    assert failed <= 3, "one in two hundred is expected"


def test_without_outcomes_nothing_is_said_of_performance():
    found = measured(beside(0.7, 0.2, outcomes=5))["performance"]
    assert (found.outcome, found.value) == ("not_measurable", None)
    assert "5 rows with outcomes" in found.reason


def test_of_several_classes_what_needs_all_probabilities_is_not_tested():
    found = measured(beside(0.7, 0.2, task=Task.MULTICLASS))
    assert found["performance"].outcome == "not_measurable"
    assert found["agreement"].outcome == "passed"


def test_a_number_has_no_decision_to_agree_on():
    assert "agreement" not in measured(beside(0.7, 0.7, task=Task.REGRESSION))


@pytest.mark.parametrize(("least", "outcome"), [(0.0, "passed"), (0.9, "passed"), (0.95, "failed")])
def test_agreement_is_held_to_the_policy(least, outcome):
    found = measured(beside(0.7, 0.7, alike=0.9), rules(min_agreement=least))["agreement"]
    assert (found.outcome, found.limit) == (outcome, least)
    assert found.value == pytest.approx(0.9, abs=0.02)


def test_the_distance_of_scores_is_that_of_kolmogorov_and_smirnov():
    from scipy.stats import ks_2samp

    rows = beside(0.9, 0.2)
    found = measured(rows, rules(max_score_distance=0.05))["score_distance"]
    expected = ks_2samp(rows.both["champion"].to_numpy(), rows.both["challenger"].to_numpy()).statistic
    assert found.value == pytest.approx(expected)
    assert found.low < found.value < found.high
    assert found.outcome == ("failed" if found.low > 0.05 else "passed")
    same = replace(rows, both=rows.both.with_columns(challenger="champion"))
    assert measured(same, rules(max_score_distance=0.0))["score_distance"].outcome == "passed"
    apart = replace(rows, both=rows.both.with_columns(challenger=pl.col("champion") / 10))
    assert measured(apart, rules(max_score_distance=0.3))["score_distance"].outcome == "failed"
    assert measured(apart)["score_distance"].outcome == "passed", "the policy sets no limit"


def unfair(share: float, **changes: Any) -> BesideRows:
    """A challenger that refuses this share of one group and half of the other."""
    rows = beside(0.7, 0.7)
    sex = pl.Series("sex", ["f" if int(one) % 2 else "m" for one in rows.both["id"]])
    number = pl.Series([int(one) // 2 / (ROWS / 2) for one in rows.both["id"]])
    refused = ((sex == "f") & (number < share)) | ((sex == "m") & (number < 0.5))
    rows.declaration.protected = (SEX,)
    both = rows.both.with_columns(challenger_decision=refused.cast(pl.Int64))
    return replace(rows, both=both, groups=pl.DataFrame({"sex": sex}), **changes)


@pytest.mark.parametrize(("refused", "outcome"), [(0.5, "passed"), (0.9, "failed")])
def test_fairness_holds_the_challengers_decisions_to_the_gate(refused, outcome):
    found = measured(unfair(refused))["fairness"]
    assert found.outcome == outcome, found.reason
    assert found.limit == pytest.approx(0.8)


def test_fairness_needs_no_outcome_for_decisions_and_one_for_errors():
    limits = {"fairness": {"min_ratio": None, "max_equal_opportunity": 0.1}}
    assert measured(unfair(0.9), rules(limits))["fairness"].outcome == "failed"
    few = unfair(0.9)
    few = replace(few, known=Arm(few.known.ids[:5], few.known.truth[:5], few.known.own[:5]))
    assert measured(few)["fairness"].outcome == "failed"
    found = measured(few, rules(limits))["fairness"]
    assert (found.outcome, "outcomes are not known" in found.reason) == ("not_measurable", True)


def test_what_needs_outcomes_is_not_judged_without_them():
    """Every limit of the gate belongs to one of the two halves: decisions alone, or decisions and outcomes."""
    few = unfair(0.5)
    few = replace(few, known=Arm(few.known.ids[:5], few.known.truth[:5], few.known.own[:5]))
    for name in ("max_equalized_odds", "max_equal_opportunity", "max_predictive_parity"):
        assert measured(few, rules({"fairness": {name: 0.0}}))["fairness"].outcome == "passed", name


@pytest.mark.parametrize(
    ("rows", "policy", "why"),
    [
        (unfair(0.9), rules({"fairness": {"required": False}}), "does not require"),
        (unfair(0.9, excepted=frozenset({"fairness"})), rules(), "an exception in force"),
        (beside(0.7, 0.7), rules(), "names no protected attribute"),
    ],
)
def test_fairness_is_not_tested_where_the_gate_would_not_count(rows, policy, why):
    found = measured(rows, policy)["fairness"]
    assert found.outcome == "not_measurable"
    assert why in found.reason


@pytest.mark.parametrize(("failed", "most", "outcome"), [(0, 0.0, "passed"), (20, 0.01, "passed"), (21, 0.01, "failed"), (2000, None, "passed")])  # fmt: skip
def test_rows_that_it_could_not_score_are_counted(failed, most, outcome):
    found = measured(replace(beside(0.7, 0.7), failed=failed), rules(max_failed_share=most))["failed_rows"]
    assert (found.outcome, found.value) == (outcome, failed / ROWS)


@pytest.mark.parametrize(("ratio", "most", "outcome"), [(3.0, None, "passed"), (3.0, 2.0, "failed"), (2.0, 2.0, "passed"), (None, 2.0, "not_measurable")])  # fmt: skip
def test_speed_is_a_multiple_of_the_champions(ratio, most, outcome):
    found = measured(replace(beside(0.7, 0.7), time_ratio=ratio), rules(max_time_ratio=most))["speed"]
    assert (found.outcome, found.value) == (outcome, ratio)


def test_the_speed_of_few_rows_is_chance():
    rows = beside(0.7, 0.7)
    few = replace(rows, both=rows.both.head(10), time_ratio=3.0)
    assert measured(few, rules(max_time_ratio=2.0))["speed"].outcome == "not_measurable"


def expected(low: float, high: float, abstained: bool = False) -> PerformanceEstimate:
    metrics = {"roc_auc": Estimated((low + high) / 2, low, high, None, None)}
    return PerformanceEstimate("binary", ROWS, "", "", abstained, "the scores moved", None, None, metrics)


@pytest.mark.parametrize(
    ("estimate", "outcome"),
    [
        (expected(0.7, 0.8), "passed"),
        (expected(0.5, 0.62), "passed"),
        (expected(0.5, 0.55), "failed"),
        (expected(0.5, 0.55, abstained=True), "not_measurable"),
        ("no reference", "not_measurable"),
    ],
)
def test_what_the_scores_let_expect_is_held_to_the_floor_of_the_gate(estimate, outcome):
    policy = rules({"performance": {"min_auc": 0.6}})
    assert measured(replace(beside(0.7, 0.7), estimate=estimate), policy)["estimate"].outcome == outcome


def halves(challenger: float, seed: int = 3, task: Task = Task.BINARY) -> BesideRows:
    """The challenger decided the second half of the rows."""
    rows = beside(0.7, challenger, seed=seed, task=task)
    first, half = rows.known, ROWS // 2
    own = rows.both.sort(pl.col("id").cast(pl.Int64))["challenger"].to_numpy()
    tried = Arm(first.ids[half:], first.truth[half:], own[half:])
    return replace(rows, known=Arm(first.ids[:half], first.truth[:half], first.own[:half]), tried=tried)


@pytest.mark.parametrize("test", ["paired", "two_sample"])
@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
def test_a_windows_part_of_an_ab_test_has_the_error_that_it_states(test, task):
    """Over many worlds without a difference the standardised difference has mean 0 and deviation 1."""
    policy = rules(takeover="ab", ab_test=test)
    found = [ab_window(halves(0.7, seed, task), policy) for seed in range(60)]
    standardised = np.array([one.value / one.error for one in found])
    assert abs(standardised.mean()) < 0.5
    assert 0.7 < standardised.std() < 1.35
    assert ab_window(halves(0.2, task=task), policy).value < 0


def test_a_paired_ab_test_sees_more_than_one_of_two_samples():
    errors = [ab_window(halves(0.7), rules(takeover="ab", ab_test=test)).error for test in ("paired", "two_sample")]
    assert errors[0] < errors[1]


def test_an_ab_test_without_outcomes_says_so():
    rows = halves(0.7)
    none = replace(rows, tried=Arm(rows.known.ids[:0], rows.known.truth[:0], rows.known.own[:0]))
    assert ab_window(none, rules(takeover="ab", ab_test="two_sample")).outcome == "not_measurable"
