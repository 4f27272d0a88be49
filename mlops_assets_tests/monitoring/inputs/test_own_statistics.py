"""A statistic of a bank's own is in every verdict, raises an alarm by evidence and size, and its failure changes nothing."""

import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from pydantic import ValidationError

from mlops_assets.extensions import Change, Statistic, StatisticRule
from mlops_assets.monitoring.inputs.drift import DriftVerdict, compare, regraded
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.registration import code_digest, registered
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

ROLES = {"amount": "numeric", "kind": "categorical"}


def table(seed):
    rng = np.random.default_rng(seed)
    return pl.DataFrame({"amount": rng.normal(0, 1, 3000), "kind": rng.choice(["a", "b"], 3000)})


PROFILE = build_profile(table(1), ROLES)
COUNTS = count_window(table(2), PROFILE)


def shift(found):
    return Change(0.4, 0.001 if found.reference.name == "amount" else 0.9)


OWN = Statistic("shift", "A change that is always found, 0 to 1.", shift)


def judged(statistic=OWN, **limits) -> DriftVerdict:
    with registered(statistic):
        thresholds = MonitoringThresholds.model_validate({"statistics": {"shift": limits}})
        return compare(PROFILE, COUNTS, thresholds)


def of(verdict, column, name="shift"):
    return next(s for s in verdict.column(column).statistics if s.name == name)


def test_it_is_in_the_verdict_on_every_column_with_its_code():
    verdict = judged()
    found = of(verdict, "amount")
    assert (found.value, found.code) == (0.4, code_digest(__name__))
    assert found.p_value == pytest.approx(0.002), "adjusted over two columns"
    assert {s.name for s in verdict.column("amount").statistics} == {"jensen_shannon", "wasserstein", "shift"}
    assert {s.name for s in verdict.column("kind").statistics} == {"jensen_shannon", "shift"}
    assert verdict.severity == "none", "the policy names no limit"
    assert DriftVerdict.from_dict(json.loads(json.dumps(verdict.to_dict()))) == verdict


@pytest.mark.parametrize(
    ("limits", "severity"),
    [
        ({"watch": 0.3}, "watch"),
        ({"watch": 0.3, "act": 0.4}, "act"),
        ({"act": 0.5}, "none"),
        ({}, "none"),
    ],
)
def test_it_raises_an_alarm_from_the_limit_of_the_policy_on(limits, severity):
    verdict = judged(**limits)
    assert verdict.column("amount").severity == severity
    assert verdict.column("kind").severity == "none", "large, and no evidence"
    assert verdict.shifted == (() if severity == "none" else ("amount",))
    if severity != "none":
        assert "shift 0.4" in verdict.column("amount").reason
    with registered(OWN):
        thresholds = MonitoringThresholds.model_validate({"statistics": {"shift": limits}})
        again = regraded(judged(), thresholds)
    assert again.column("amount").severity == severity, "another policy, replayed"


def test_without_a_p_value_it_is_shown_only():
    assert judged(replace(OWN, measure=lambda found: Change(0.9)), act=0.1).severity == "none"


def raising(found):
    raise ArithmeticError("no")


@pytest.mark.parametrize(
    ("measure", "reason"),
    [
        (raising, "ArithmeticError: no"),
        (lambda found: 0.4, "measure returned float, expected Change"),
        (lambda found: Change(float("nan"), 0.0), "the value nan"),
        (lambda found: Change(1.0, float("inf")), "the p_value inf"),
        (lambda found: Change(1.0, 2.0), "the p_value 2.0, expected 0 to 1"),
        (lambda found: Change("large"), "the value 'large'"),
    ],
)
def test_its_failure_is_not_measurable_and_changes_no_severity(measure, reason):
    verdict = judged(replace(OWN, measure=measure), act=0.0)
    found = of(verdict, "amount")
    assert found.value is None
    assert found.reason.startswith("not measurable: ")
    assert reason in found.reason
    assert found.code is not None
    assert verdict.severity == judged().severity == "none"


class WithField(StatisticRule):
    """With a field of its own."""

    most: int = 3


def test_its_rule_is_part_of_the_policy_and_checked():
    with registered(OWN), pytest.raises(ValidationError, match=r"statistics\.shift\.wacth"):
        MonitoringThresholds.model_validate({"statistics": {"shift": {"wacth": 1}}})
    with pytest.raises(ValidationError, match=r"statistics\.shift"):
        MonitoringThresholds.model_validate({"statistics": {"shift": {}}})
    assert "field most of WithField needs" in replace(OWN, rule=WithField).objections()[0]
