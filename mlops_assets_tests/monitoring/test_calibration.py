import json

import pytest

from mlops_assets.monitoring.calibration import propose_thresholds
from mlops_assets_tests.monitoring.streams import ROLES, RULES, customers


@pytest.fixture(scope="module")
def proposal():
    return propose_thresholds(customers(4000, 1), ROLES, RULES, rows=1000, false_alarms=0.05, windows=50)


def test_the_rate_is_kept_on_windows_it_was_not_chosen_on(proposal):
    assert proposal.measured_low <= 0.05
    assert proposal.measured <= 0.1
    assert proposal.current <= 0.02
    assert 0 < proposal.psi_watch <= proposal.psi_act
    json.dumps(proposal.to_dict(), allow_nan=False)


def test_larger_shifts_are_seen_sooner(proposal):
    detected = [d.detected for d in proposal.delays]
    assert detected[-1] == 1.0
    assert detected[0] < detected[-1]
    assert proposal.delays[-1].windows == 1.0


def test_the_same_seed_gives_the_same_proposal(proposal):
    again = propose_thresholds(customers(4000, 1), ROLES, RULES, rows=1000, false_alarms=0.05, windows=50)
    assert again == proposal


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"rows": 3000}, "expected 6000: twice a window of 3000"),
        ({"rows": 100, "windows": 5}, "5 windows"),
        ({"rows": 100, "false_alarms": 0.0}, "a rate of 0.0"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(options, why):
    with pytest.raises(ValueError, match=why):
        propose_thresholds(customers(4000, 1), ROLES, RULES, **options)
