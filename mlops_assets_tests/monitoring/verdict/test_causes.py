"""Rules behind a verdict keep their names, so that dispositions add up over windows."""

import pytest

from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.verdict.causes import alarm_rules
from mlops_assets_tests.monitoring.outcomes.test_performance import loans
from mlops_assets_tests.monitoring.verdict.test_triage import BROKEN, QUIET, SHIFTED, column, drift, judged

STALE = Fault("stale_batch", "all rows are those of the window before")


@pytest.mark.parametrize(
    ("found", "batch", "rules", "why"),
    [
        (BROKEN, (), ["unit_change"], "the sign that was found"),
        (SHIFTED, (), ["input_psi"], "an input beyond its threshold"),
        (drift(column(SCORE_COLUMN, "act"), column("a")), (), ["score_psi"], "the score alone"),
        (QUIET, (STALE,), ["stale_batch"], "a delivery that is broken as a whole"),
    ],
)
def test_inputs_name_the_rule(found, batch, rules, why):
    cause = judged(found, batch=batch).causes[0]
    assert alarm_rules(cause, found, None, batch, 0.01) == rules, why


@pytest.mark.parametrize(
    ("change", "kind", "rules"),
    [
        ({"odds": 0.9}, "label_shift", ["calibration"]),
        ({"flip": 0.2}, "concept_drift", ["ranking", "relation"]),
    ],
)
def test_outcomes_name_the_test(change, kind, rules):
    reference = build_reference(*loans(10_000, 1), "binary", threshold=0.3)
    performance = measure(reference, *loans(5000, 2, **change))
    cause = judged(QUIET, performance).causes[0]
    assert cause.kind == kind
    assert alarm_rules(cause, QUIET, performance, (), 0.01) == rules
