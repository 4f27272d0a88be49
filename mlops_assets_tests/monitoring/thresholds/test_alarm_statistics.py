import pytest

from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.thresholds.alarm_statistics import outcome_statistics
from mlops_assets_tests.monitoring.outcomes.test_performance import loans
from mlops_assets_tests.monitoring.verdict.test_triage import more_positives, other_people


@pytest.fixture(scope="module")
def reference():
    return build_reference(*loans(10_000, 1), "binary", threshold=0.3)


def test_a_base_rate_that_scores_foresaw_in_part_counts_whole(reference):
    found = measure(reference, *more_positives(8000, 1.2))
    base, calibration = found.base_rate, found.calibration
    assert base is not None
    assert calibration is not None
    whole = base.window / base.reference - 1  # type: ignore[operator]
    assert calibration.size < whole
    assert outcome_statistics(found, 0.01)["calibration"] == pytest.approx(whole)


def test_other_people_of_whom_the_scores_foresaw_all_count_nothing(reference):
    found = measure(reference, *other_people(8000, 0.4))
    assert found.base_rate is not None
    assert found.base_rate.window / found.base_rate.reference > 1.2  # type: ignore[operator]
    assert outcome_statistics(found, 0.01)["calibration"] == 0.0
