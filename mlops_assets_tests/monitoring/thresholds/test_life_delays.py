"""Delays of small lasting changes, as `mlops calibrate` states them."""

import numpy as np

from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.thresholds.life_delays import Errors, errors_of, life_delays, tolerated
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds

RULES = MonitoringThresholds()


def test_evidence_of_all_windows_finds_what_single_windows_do_not_and_alarms_less():
    errors = {"loss of quality": Errors(0.0135, 0.003), "miscalibration": Errors(0.04, 0.008)}
    found = {(one.change, one.size): one for one in life_delays(errors, RULES, False, lives=60)}
    unchanged = found["loss of quality", 0.0]
    assert unchanged.together == 0 < unchanged.single, "sixty windows at 1 % each are not one at 1 %"
    small = found["miscalibration", 0.15]
    assert small.together == 1 > small.single
    assert small.together_windows is not None
    assert small.together_windows < 10
    assert found["miscalibration", 0.05].together_windows is None, "a change that is tolerated is never reported"


def test_errors_are_those_of_a_measured_window():
    rng = np.random.default_rng(1)

    def rows(n: int) -> tuple[np.ndarray, np.ndarray]:
        score = rng.beta(2, 6, n)
        return (rng.random(n) < score).astype(int), score

    measured = measure(build_reference(*rows(4000), "binary"), *rows(1000))
    errors = errors_of(measured)
    assert measured.ranking is not None
    assert measured.ranking.standard_error is not None
    both = np.hypot(errors["loss of quality"].own, errors["loss of quality"].reference)
    assert measured.ranking.standard_error <= both <= 1.01 * measured.ranking.standard_error
    assert 0.04 < errors["miscalibration"].own < 0.08, "in units of the base rate, a quarter"


def test_what_is_no_change_is_said_in_the_units_of_the_policy():
    assert tolerated(RULES, False) == ("loss of quality 0.006", "miscalibration 0.05 of the base rate")
    assert tolerated(RULES, True)[1] == "miscalibration 0.02 standard deviations of the target"
