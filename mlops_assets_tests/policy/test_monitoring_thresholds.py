import pytest
from pydantic import ValidationError

from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.policy.policy import Policy


def test_a_policy_without_monitoring_has_the_defaults_of_tables_without_a_policy():
    policy = Policy.model_validate({"tier": "low", "approvals": []})
    assert policy.monitoring == MonitoringThresholds()


@pytest.mark.parametrize("name", ["psi", "performance_drop", "calibration", "bias", "relation", "fairness"])
def test_watching_starts_below_acting(name):
    with pytest.raises(ValidationError, match=f"{name}_watch 0.9 is above {name}_act 0.5, expected at most that"):
        MonitoringThresholds.model_validate({f"{name}_watch": 0.9, f"{name}_act": 0.5})


def test_thresholds_never_change_after_reading():
    with pytest.raises(ValidationError, match="frozen"):
        MonitoringThresholds().alpha = 0.5  # pyright: ignore[reportAttributeAccessIssue]
