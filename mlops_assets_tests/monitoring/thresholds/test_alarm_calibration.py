"""Thresholds keep to the rate that was asked for, and say what they would have meant."""

import json
from dataclasses import replace

import numpy as np
import pytest
import yaml

from mlops_assets.declaration.terms import Task
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.thresholds.alarm_calibration import LEAST_HISTORY, RecordedWindow, propose
from mlops_assets.monitoring.thresholds.alarm_statistics import STATISTICS, input_statistics, outcome_statistics
from mlops_assets.monitoring.thresholds.resampled_windows import (
    HeldOut,
    changed_inputs,
    changed_outcomes,
    unchanged_inputs,
    unchanged_outcomes,
)
from mlops_assets.monitoring.verdict.outcome_causes import label_shift_size
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.policy.policy import effective, load_policies
from mlops_assets_tests.monitoring.outcomes.test_performance import loans
from mlops_assets_tests.monitoring.streams import ROLES, customers, judge
from mlops_assets_tests.policy.test_policy import FOLDER

RULES = MonitoringThresholds()


def window(number: int, severity="none", disposition=None, kind="none", **values) -> RecordedWindow:
    return RecordedWindow(f"2020-{number:02d}", severity, kind, disposition, values)


def proposed(history=(), resampled=(), changes=(), in_force=RULES, tier=RULES, **options):
    options = {"tier_name": "high", "windows_a_year": 12, **options}
    return propose("loans", history, resampled, changes, in_force, tier, **options)


def threshold(found, name):
    return next(t for t in found.thresholds if t.name == name)


class TestTheRate:
    def test_the_smallest_threshold_that_keeps_to_it_is_proposed(self):
        values = [{"psi": 0.01 * i} for i in range(100)]  # one in ten is .9 or more
        found = threshold(proposed(resampled=values, false_alarms=1.2), "psi")
        # A twelfth of 1.2 is a tenth of the windows: .75 would alarm in a quarter of them.
        assert (found.proposed, found.side, found.kept) == (1.0, "laxer", True)
        assert found.false_now == pytest.approx(0.75 * 12)
        assert found.false_proposed == 0
        assert found.high == pytest.approx(12 * (1 - 0.025 ** (1 / 100)))

    def test_it_is_shared_among_the_statistics(self):
        alone = [{"psi": 0.3 if i < 10 else 0.0} for i in range(100)]
        both = [{**v, "performance_drop": 0.0} for v in alone]
        assert threshold(proposed(resampled=alone, false_alarms=1.2), "psi").proposed == 0.1
        assert threshold(proposed(resampled=both, false_alarms=1.2), "psi").proposed == 0.4

    def test_nothing_that_is_not_worth_watching_is_proposed_as_worth_acting_on(self):
        found = threshold(proposed(resampled=[{"psi": 0.0}] * 100), "psi")
        assert (found.proposed, found.side) == (RULES.psi_watch, "stricter")

    def test_a_rate_that_so_few_windows_cannot_show_is_said(self):
        found = proposed(resampled=[{"psi": 0.0}] * 50, windows_a_year=365)
        assert any("cannot show a rate of 0.27%" in note for note in found.notes)

    def test_where_no_threshold_keeps_to_it_that_is_said(self):
        found = proposed(resampled=[{"psi": 9.0}] * 50)
        assert not threshold(found, "psi").kept
        assert any("no psi_act that was tried" in note for note in found.notes)

    @pytest.mark.parametrize("rate", [0.0, -1.0, 13.0])
    def test_a_rate_that_makes_no_sense_is_refused(self, rate):
        with pytest.raises(ValueError, match="false alarms a year, expected more than 0"):
            proposed(resampled=[{"psi": 0.0}], false_alarms=rate)


class TestHistory:
    quiet = tuple(window(i, psi=0.05, relation=0.0) for i in range(LEAST_HISTORY))

    def test_enough_real_windows_decide_and_too_few_do_not(self):
        drawn = [{"psi": 0.0}] * 50
        assert threshold(proposed(self.quiet, drawn), "psi").basis == "history"
        few = threshold(proposed(self.quiet[1:], drawn), "psi")
        assert (few.basis, few.windows) == ("resampled", 50)

    def test_a_few_real_windows_have_a_veto_over_what_was_drawn(self):
        real = tuple(window(i, "watch", psi=0.18, kind="covariate_shift") for i in range(4))
        found = threshold(proposed(real, [{"psi": 0.0}] * 50), "psi")
        assert (found.proposed, found.basis, found.real) == (0.2, "resampled", 4)
        # One of eight may be chance at one alarm a year.
        mixed = (real[0], *(window(10 + i, psi=0.0) for i in range(7)))
        assert threshold(proposed(mixed, [{"psi": 0.0}] * 50), "psi").proposed == 0.1

    @pytest.mark.parametrize(
        ("severity", "disposition", "truth", "why"),
        [
            ("none", None, "unchanged", "no alarm"),
            ("watch", None, "unchanged", "only watched"),
            ("act", "false", "unchanged", "a person said so"),
            ("critical", "expected", "unchanged", "something expected asks for no alarm"),
            ("act", "true", "changed", "a person said so"),
            ("act", None, "unknown", "the incident is open"),
            ("not_measurable", None, "unknown", "nothing was measured"),
        ],
    )
    def test_dispositions_say_what_was_unchanged(self, severity, disposition, truth, why):
        assert window(1, severity, disposition).truth == truth, why

    def test_a_window_held_back_by_persistence_is_not_known_to_be_unchanged(self):
        assert replace(window(1, "watch"), held=True).truth == "unknown"

    def test_alarms_that_were_false_raise_the_threshold_and_true_ones_do_not(self):
        alarms = [window(20 + i, "act", "false", "covariate_shift", psi=0.45) for i in range(4)]
        false = threshold(proposed((*self.quiet, *alarms)), "psi")
        true = threshold(proposed((*self.quiet, *(replace(w, disposition="true") for w in alarms))), "psi")
        assert (false.proposed, false.side, false.windows) == (0.5, "laxer", LEAST_HISTORY + 4)
        assert (true.proposed, true.windows) == (0.1, LEAST_HISTORY)

    def test_each_window_is_told_what_the_thresholds_would_have_meant_for_it(self):
        told = [
            window(20, "act", "true", "covariate_shift", psi=0.9),
            window(21, "act", "false", "covariate_shift", psi=0.3),
            window(22, "critical", "true", "data_quality", psi=0.0),
            *(window(23 + i, "act", "false", "covariate_shift", psi=0.45) for i in range(2)),
            window(25, "act", "true", "concept_drift", relation=0.2),
        ]
        found = {w.window[-2:]: w.effect for w in proposed((*self.quiet, *told)).history}
        assert [found[str(n)] for n in range(20, 26)] == ["kept", "lost", "kept", "lost", "lost", "kept"]
        assert found["00"] == ""

    def test_a_stricter_threshold_brings_new_alarms(self):
        mild = window(20, psi=0.2, kind="covariate_shift", severity="watch")
        found = proposed((), [{"psi": 0.0}] * 50)
        assert found.history == ()
        assert proposed((mild,), [{"psi": 0.0}] * 50).history[0].effect == "new"


class TestAdopting:
    drawn = tuple({"psi": 0.01 * i, "relation": 0.0} for i in range(100))

    def test_the_lines_are_yaml_and_what_is_stricter_is_accepted_by_the_policy(self):
        found = proposed(resampled=self.drawn, false_alarms=1.2)
        own, tier = found.yaml.split("# config/policy/high.yaml")
        policy = load_policies(FOLDER)["high"]
        lines = yaml.safe_load(own)
        assert lines == {"policy": {"monitoring": {"relation_act": 0.03}}}
        assert effective(policy, lines["policy"]).monitoring.relation_act == 0.03
        assert "laxer" in tier
        assert yaml.safe_load(tier.split(":", 1)[1].split("\n", 1)[1]) == {"monitoring": {"psi_act": 1.0}}

    def test_within_the_tier_a_model_may_go_back_to_what_its_tier_has(self):
        own = MonitoringThresholds(relation_watch=0.01, relation_act=0.02)
        values = [{"relation": 0.035 if i % 5 == 0 else 0.0} for i in range(100)]
        found = threshold(proposed(resampled=values, in_force=own), "relation")
        assert (found.now, found.proposed, found.side) == (0.02, 0.04, "stricter")

    def test_nothing_to_adopt_says_nothing(self):
        strict = MonitoringThresholds(psi_watch=0.1, psi_act=0.1)
        assert proposed(resampled=[{"psi": 0.0}] * 30, in_force=strict, tier=strict).yaml == ""


def test_every_statistic_has_its_thresholds_in_the_policy():
    for statistic in STATISTICS:
        for step in ("watch", "act"):
            assert f"{statistic.name}_{step}" in MonitoringThresholds.model_fields
        assert list(statistic.grid) == sorted(statistic.grid)


def test_statistics_are_those_of_the_window():
    drift = judge(customers(4000, 1), customers(2000, 2).with_columns(age=customers(2000, 3)["age"] + 6))
    assert input_statistics(drift, 0.01)["psi"] == drift.column("age").effect
    assert input_statistics(judge(customers(4000, 1), customers(2000, 2)), 0.01)["psi"] == 0.0
    assert input_statistics(judge(customers(4000, 1), customers(20, 2)), 0.01)["psi"] is None
    reference = build_reference(*loans(8000, 1), "binary", threshold=0.3)
    flipped = measure(reference, *loans(4000, 2, flip=0.2))
    found = outcome_statistics(flipped, 0.01)
    assert found["performance_drop"] == flipped.ranking.drop
    assert found["calibration"] == max(flipped.calibration.size, label_shift_size(flipped))
    assert found["relation"] == pytest.approx(flipped.relation.unexplained / reference.outcome_spread)
    assert set(outcome_statistics(measure(reference, *loans(50, 2)), 0.01).values()) == {None}


@pytest.fixture(scope="module")
def held() -> HeldOut:
    return HeldOut(*loans(4000, 1), Task.BINARY)


def test_drawn_windows_without_change_hardly_alarm_and_changes_are_seen_by_size(held):
    reference = customers(4000, 1)
    drawn = unchanged_inputs(reference, ROLES, RULES, 1000, 20, 1) + unchanged_outcomes(held, RULES, 1000, 20, 1)
    changes = changed_inputs(reference, ROLES, RULES, 1000, 8, 1) + changed_outcomes(held, RULES, 1000, 10, 1)
    found = proposed(resampled=drawn, changes=changes, false_alarms=2.0)
    assert {t.name for t in found.thresholds} == {"psi", "performance_drop", "calibration", "relation"}
    assert all(t.false_now <= 1 for t in found.thresholds)
    delays = {(d.change, d.size): d for d in found.delays}
    large = delays["one numeric feature moved", "1 standard deviations"]
    small = delays["one numeric feature moved", "0.1 standard deviations"]
    assert (large.seen, large.windows) == (1.0, 2.0)
    assert small.seen < large.seen
    assert delays["labels flipped", "in 20% of rows"].seen == 1.0
    assert delays["odds of the outcome", "times 1.25"].seen <= delays["odds of the outcome", "times 2"].seen
    assert all(d.seen >= d.seen_now for d in found.delays)
    json.dumps(found.to_dict(), allow_nan=False)


def test_the_same_seed_draws_the_same_windows(held):
    assert unchanged_outcomes(held, RULES, 500, 3, 7) == unchanged_outcomes(held, RULES, 500, 3, 7)
    assert unchanged_outcomes(held, RULES, 500, 3, 7) != unchanged_outcomes(held, RULES, 500, 3, 8)


@pytest.mark.parametrize("task", [Task.REGRESSION, Task.MULTICLASS])
def test_other_tasks_have_changes_of_their_own(task):
    generator = np.random.default_rng(1)
    if task is Task.REGRESSION:
        x = generator.normal(size=3000)
        held = HeldOut(x + generator.normal(size=3000), x, task)
    else:
        score = generator.dirichlet([1, 1, 1], 3000)
        y = np.array(["a", "b", "c"])[(score.cumsum(1) < generator.random((3000, 1))).sum(1)]
        held = HeldOut(y, score, task, ("a", "b", "c"))
    changes = changed_outcomes(held, RULES, 800, 5, 1)
    found = proposed(resampled=unchanged_outcomes(held, RULES, 800, 10, 1), changes=changes)
    assert found.delays[-1].seen == 1.0
    assert {c.what for c in changes} == ({"outcomes moved"} if task is Task.REGRESSION else {"labels flipped"})


def test_too_small_a_reference_is_refused(held):
    with pytest.raises(ValueError, match="expected 6000: twice a window of 3000"):
        unchanged_inputs(customers(4000, 1), ROLES, RULES, 3000, 20, 1)
    with pytest.raises(ValueError, match="4000 held-out rows, expected 6000"):
        unchanged_outcomes(held, RULES, 3000, 20, 1)
