from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.inputs.joint import JointDrift
from mlops_assets.monitoring.outcomes.performance import WindowPerformance
from mlops_assets.monitoring.verdict.causes import Cause
from mlops_assets.monitoring.verdict.fleet_control import hold_to_fleet, over_fleet, window_p_value
from mlops_assets.monitoring.verdict.sentences import Change
from mlops_assets.monitoring.verdict.triage import Health

ALPHA = 0.01
P = st.floats(0, 1)


def drift(*p_values: float | None, joint: float | None = None) -> DriftVerdict:
    columns = tuple(
        ColumnDrift(f"c{i}", "numeric", "psi", 0.3, 0.3, p, p, "act", "moved") for i, p in enumerate(p_values)
    )
    found = DriftVerdict(500, 500, "act", columns, (), (), (), "moved")
    return found if joint is None else replace(found, joint=JointDrift("none", "", p_value=joint))


def outcomes(**p_adjusted: float) -> WindowPerformance:
    return WindowPerformance("binary", 500, 100, 1.0, "none", True, (), {}, p_adjusted=p_adjusted)


def alarm(certain: bool = False) -> Health:
    cause = Cause("covariate_shift", "act", (Change("c0 moved"),), ("c0",), certain=certain)
    return Health("act", "covariate_shift", (cause,), ("retrain",), ("c0",), ("c0 moved.", "Act."), {"covariate_shift": "act"}, ())  # fmt: skip


@pytest.mark.parametrize(
    ("found", "performance", "expected", "why"),
    [
        (drift(0.03, 0.5), None, 0.03, "one family: the smallest adjusted value of its columns"),
        (drift(0.03, None), outcomes(ranking=0.001), 0.002, "two families: the smaller one twice"),
        (drift(0.8, joint=0.01), outcomes(ranking=0.4), 0.03, "columns, columns together, outcomes"),
        (drift(0.9), outcomes(ranking=0.7), 1.0, "never above 1"),
        (drift(None), None, None, "nothing was measured"),
    ],
)
def test_a_window_has_one_p_value(found, performance, expected, why):
    p = window_p_value(found, performance)
    assert p == (None if expected is None else pytest.approx(expected)), why


@given(st.lists(P, min_size=1, max_size=12), st.data())
def test_what_is_said_of_a_window_only_gains_as_others_arrive(p_values, data):
    models = data.draw(st.integers(len(p_values), 20))
    own, others = p_values[0], p_values[1:]
    adjusted = [over_fleet(own, others[:known], models).adjusted for known in range(len(others) + 1)]
    assert adjusted == sorted(adjusted, reverse=True)
    assert adjusted[-1] >= own, "and never below what the window says by itself"


def test_at_the_verdict_it_is_at_most_what_the_whole_fleet_would_say():
    draw = np.random.default_rng(1)
    periods, models = 4000, 30
    p_values = draw.uniform(size=(periods, models))
    false = at_once = alone = 0
    for period in p_values:
        # Verdicts come one after another; each knows those before it.
        adjusted = [over_fleet(p, period[:i], models).adjusted for i, p in enumerate(period)]
        at_once += min(adjusted) < ALPHA
        false += min(over_fleet(p, np.delete(period, i), models).adjusted for i, p in enumerate(period)) < ALPHA
        alone += period.min() < ALPHA
    bound = ALPHA + 3 * np.sqrt(ALPHA * (1 - ALPHA) / periods)
    assert at_once / periods <= false / periods <= bound
    assert alone / periods > 0.2, "without control a quarter of the periods has a false alarm"


def test_windows_that_measured_nothing_count_as_not_judged():
    found = over_fleet(0.001, [None, 0.5], 10)
    assert (found.models, found.judged, found.adjusted) == (10, 2, pytest.approx(0.01))
    assert over_fleet(None, [0.5], 10).adjusted == 1.0
    with pytest.raises(ValueError, match="3 windows of 2 models"):
        over_fleet(0.5, [0.5, 0.5], 2)


@pytest.mark.parametrize(
    ("health", "p", "models", "severity", "why"),
    [
        (alarm(), 0.005, 30, "watch", "one such window in a fleet is chance"),
        (alarm(), 0.0001, 30, "act", "survives"),
        (alarm(), 0.005, 1, "act", "a fleet of one has nothing to control"),
        (alarm(certain=True), 0.005, 30, "act", "a feed that is broken for certain is no matter of chance"),
        (replace(alarm(), severity="watch", actions=()), 0.5, 30, "watch", "is none that is acted on"),
    ],
)
def test_an_alarm_survives_the_fleet_or_is_watched(health, p, models, severity, why):
    found = hold_to_fleet(health, over_fleet(p, [], models), ALPHA)
    assert found.severity == severity, why
    if severity == health.severity:
        assert found == health, why
    else:
        assert found.actions == ()
        assert found.raw == health.raw, "later windows count what was seen, not what was done"
        assert "30 models, 1 of them judged by now" in found.reasons[1]
        assert "p 0.15 over the fleet, 0.01 is asked" in found.reasons[1]
