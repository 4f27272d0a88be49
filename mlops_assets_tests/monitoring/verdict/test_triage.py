import json

import numpy as np
import polars as pl
import pytest

from mlops_assets.monitoring.inputs.column_drift import ColumnDrift
from mlops_assets.monitoring.inputs.drift import SCORE_COLUMN, DriftVerdict
from mlops_assets.monitoring.inputs.faults import Fault
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.severity import Severity, at_least, worst
from mlops_assets.monitoring.verdict.persistence import Earlier
from mlops_assets.monitoring.verdict.triage import triage
from mlops_assets_tests.monitoring.outcomes.test_performance import loans
from mlops_assets_tests.monitoring.streams import RULES, customers, judge

RESPONSE = {
    "data_quality": ["incident", "suspend"],
    "covariate_shift": ["retrain"],
    "label_shift": ["retrain"],
    "concept_drift": ["retrain"],
    "performance_loss": ["incident", "retrain"],
}


def column(name, severity: Severity = "none", fault="", strength=1.0, importance=None, **extra):
    return ColumnDrift(
        name, "numeric", "psi", 0.3, 0.3, 0.0, 0.0, severity, f"{name} moved", fault,
        importance=importance, fault_strength=strength if fault else 0.0, **extra,
    )  # fmt: skip


def drift(*columns, severity: Severity = "none"):
    return DriftVerdict(
        1000, 1000, severity, columns, tuple(c.name for c in columns if c.fault), (), (), "what drift said"
    )


QUIET = drift(column("a"), column("b"), column("c"))
SHIFTED = drift(column("a", "act"), column("b"), column("c"))
BROKEN = drift(column("a", "act", fault="unit_change"), column("b"), column("c"))
LITTLE = drift(column("a", "watch"), column("b"), column("c"))
BOTH = drift(column("a", "act", fault="unit_change"), column("b", "watch"), column("c"))


@pytest.fixture(scope="module")
def reference():
    return build_reference(*loans(10_000, 1), "binary", threshold=0.3)


def outcomes(reference, **change):
    y, score = loans(5000, 2, **change)
    return measure(reference, y, score)


def judged(found, performance=None, earlier=(), **options):
    return triage(found, performance, earlier, RULES, RESPONSE, **options)


@pytest.mark.parametrize(
    ("found", "change", "kind", "why"),
    [
        (QUIET, {}, "none", "nothing happened"),
        (BROKEN, {}, "data_quality", "a broken column"),
        (SHIFTED, {}, "covariate_shift", "inputs moved, outcomes agree"),
        (QUIET, {"odds": 1.2}, "label_shift", "twice the outcomes at the same scores"),
        (QUIET, {"flip": 0.2}, "concept_drift", "a fifth of the labels are random"),
        (BROKEN, {"flip": 0.2}, "data_quality", "a certain fault explains what follows from it"),
    ],
)
def test_kind(reference, found, change, kind, why):
    health = judged(found, outcomes(reference, **change))
    assert health.kind == kind, why
    assert health.unknown == ()
    assert len(health.reasons) == 2
    assert at_least(worst(["none", *(cause.severity for cause in health.causes)]), health.severity), (
        "never above every cause"
    )
    json.dumps(health.to_dict(), allow_nan=False)


def test_a_stored_performance_gives_the_same_verdict(reference):
    measured = outcomes(reference, flip=0.2)
    again = WindowPerformance.from_dict({**json.loads(json.dumps(measured.to_dict())), "unknown": 1})
    assert again == measured
    assert judged(QUIET, again) == judged(QUIET, measured)
    few = measure(reference, *loans(50, 2))
    assert WindowPerformance.from_dict(few.to_dict()) == few


@pytest.mark.parametrize(
    ("earlier", "severity", "actions", "why"),
    [
        ([], "watch", (), "first window"),
        ([{"covariate_shift": "act"}], "act", ("retrain",), "second of two"),
        ([{"covariate_shift": "act"}, {}], "act", ("retrain",), "two of the last three"),
        ([{"covariate_shift": "act"}, {}, {}], "watch", (), "too long ago"),
        ([{"concept_drift": "act"}], "watch", (), "another kind does not count"),
        ([{"covariate_shift": "watch"}], "watch", (), "watching is not acting"),
    ],
)
def test_persistence(earlier, severity, actions, why):
    health = judged(SHIFTED, None, [Earlier(str(i), raw) for i, raw in enumerate(earlier)])
    assert (health.severity, health.kind, health.actions) == (severity, "covariate_shift", actions), why
    assert health.raw == {"covariate_shift": "act"}


def test_a_broken_feed_acts_at_once_and_a_weak_sign_waits():
    health = judged(BROKEN)
    assert (health.severity, health.actions) == ("act", ("incident", "suspend"))
    weak = drift(column("a", "act", fault="missing_values", strength=0.3), column("b"), column("c"))
    assert judged(weak).severity == "watch"
    assert judged(weak).kind == "data_quality"
    assert judged(weak, None, [Earlier("1", {"data_quality": "act"})]).severity == "act"


def test_a_weak_sign_ranks_behind_a_population_that_moved_in_more_important_columns():
    both = drift(
        column("a", "act", fault="collapsed", strength=0.15, importance=0.05),
        column("b", "act", importance=0.6),
        column("c", "act", importance=0.35),
    )
    health = judged(both)
    assert [c.kind for c in health.causes] == ["covariate_shift", "data_quality"]
    assert "Also found: data quality" in health.reasons[1]


def test_one_value_in_a_column_is_no_broken_feed_where_much_else_has_moved():
    # A region that is gone: its columns hold one value, and most others have moved with it.
    region = [column(name, "act", fault="collapsed", strength=0.5) for name in "ab"]
    moved = [column(name, "act") for name in "cdef"]
    health = judged(drift(*region, *moved))
    assert [c.kind for c in health.causes] == ["covariate_shift", "data_quality"]
    assert not any(c.certain for c in health.causes)
    still = [column(name) for name in "cdef"]
    assert judged(drift(*region, *still)).causes[0].certain
    unmistakable = column("g", "act", fault="unit_change", strength=1.0)
    assert judged(drift(*region, *moved, unmistakable)).kind == "data_quality"


def test_the_most_important_columns_make_a_fault_critical():
    found = drift(column("a", "act", fault="collapsed", importance=0.7), column("b", importance=0.3))
    assert judged(found).severity == "critical"


def test_without_outcomes_what_they_would_tell_is_unknown():
    for performance in (None, WindowPerformance("binary", 3, 1, 0.1, "not_measurable", False, ("3 outcomes",), {})):
        health = judged(QUIET, performance)
        assert health.kind == "none"
        assert health.unknown
        assert "not known yet" in health.reasons[1]


def test_scores_alone_that_moved_are_an_estimated_base_rate(reference):
    score = column(SCORE_COLUMN, "watch", implied_base_rate=0.4, reference_base_rate=0.2)
    alone = drift(column("a"), score)
    health = judged(alone)
    assert (health.kind, health.severity) == ("label_shift", "watch")
    assert health.causes[0].estimated
    assert "estimate" in health.reasons[0]
    with_inputs = judged(drift(column("a", "act"), score))
    assert with_inputs.kind == "covariate_shift"
    known = judged(alone, outcomes(reference))
    assert known.kind == "covariate_shift"


def alike_people(reference, n=8000):
    """Outcomes and scores of people among whom little is to be ranked; each score means what it meant."""
    y, score = loans(3 * n, 3)
    alike = np.abs(score - np.median(score)) < 0.5 * score.std()
    return measure(reference, y[alike], score[alike])


@pytest.mark.parametrize(
    ("found", "earlier", "severity", "actions", "why"),
    [
        (SHIFTED, [], "watch", (), "first window"),
        (SHIFTED, [{"covariate_shift": "act"}], "act", ("retrain",), "the loss itself is new"),
        (LITTLE, [{"performance_loss": "act"}], "critical", ("retrain", "incident"), "a small shift that costs much"),
        (SHIFTED, [{"covariate_shift": "act", "performance_loss": "act"}], "critical", ("retrain", "incident"), "both"),
        (BOTH, [{"performance_loss": "act"}], "critical", ("incident", "suspend"), "nothing is learned from a broken feed"),
    ],
)  # fmt: skip
def test_quality_that_other_people_cost_is_told_and_acted_on(reference, found, earlier, severity, actions, why):
    lost = alike_people(reference)
    assert lost.ranking is not None
    assert lost.ranking.drop > RULES.performance_drop_act
    assert lost.p_adjusted["relation"] > RULES.alpha
    health = judged(found, lost, [Earlier(str(i), raw) for i, raw in enumerate(earlier)])
    assert (health.severity, health.actions) == (severity, actions), why
    assert health.raw["performance_loss"] == "critical"
    stated = f"AUC {lost.ranking.window:.3f} against {lost.ranking.reference:.3f} in the reference"
    assert stated in " ".join(c.evidence for c in health.causes)
    assert any(c.severity == "critical" for c in health.causes), "never graver than every cause"


def test_quality_lost_while_nothing_else_moved_is_another_relation(reference):
    health = judged(QUIET, alike_people(reference))
    assert health.kind == "concept_drift"
    assert "performance_loss" not in health.raw


def more_positives(n, factor, seed=2):
    """Outcomes and scores in which positives are `factor` times as frequent, each as they were."""
    y, score = loans(n, seed)
    drop = (np.random.default_rng(seed).random(n) > (1 - factor * y.mean()) / (1 - y.mean()) / factor) & (y == 0)
    return y[~drop], score[~drop]


def other_people(n, shift, seed=2):
    """Outcomes and scores of people with higher scores, whose outcomes are what the scores say."""
    return loans(n, seed, shift=shift)


@pytest.mark.parametrize(
    ("rows", "kinds", "why"),
    [
        (more_positives(8000, 1.2), ["label_shift"], "the scores foresaw a part of it, and moved because of it"),
        (other_people(8000, 0.4), ["covariate_shift"], "all of it was expected: the same score means the same"),
    ],
)
def test_a_base_rate_is_told_from_other_people(reference, rows, kinds, why):
    found = measure(reference, *rows)
    assert found.base_rate is not None
    assert found.calibration is not None
    assert found.base_rate.window / found.base_rate.reference > 1.2  # type: ignore[operator]
    assert found.calibration.size < 0.25, "by what was not expected alone, neither would be worth a word"
    score = column(SCORE_COLUMN, "watch", implied_base_rate=0.3, reference_base_rate=0.25)
    assert [c.kind for c in judged(drift(column("a"), score), found).causes] == kinds, why


def test_a_base_rate_that_good_scores_foresaw_for_the_most_part_is_named():
    """Of half as many positives again a model that seldom errs foresees most: what it did not is lost in the noise."""

    def rows(n, seed, factor=1.0):
        generator = np.random.default_rng(seed)
        y = (generator.random(n) < 0.05 * factor).astype(int)
        logit = 3 * generator.normal(np.where(y, 1.5, -1.5)) + np.log(0.05 / 0.95)
        return y, 1 / (1 + np.exp(-logit))

    reference = build_reference(*rows(12_000, 1), "binary", threshold=0.3)
    found = measure(reference, *rows(2500, 2, 1.45))
    assert found.p_adjusted["calibration"] > RULES.alpha
    health = judged(QUIET, found)
    assert [c.kind for c in health.causes] == ["label_shift"]
    assert judged(QUIET, measure(reference, *rows(2500, 3))).causes == ()


def test_an_estimate_asks_for_no_training():
    score = column(SCORE_COLUMN, "act", implied_base_rate=0.4, reference_base_rate=0.2)
    health = judged(drift(column("a"), score), earlier=[Earlier("2020-01", {"label_shift": "act"})])
    assert (health.severity, health.actions) == ("act", ())


def test_a_small_window_is_not_measurable():
    health = judged(judge(customers(1000, 1), customers(20, 2)))
    assert (health.severity, health.kind, health.causes) == ("not_measurable", "none", ())
    assert "20 rows" in health.reasons[0]


def test_a_batch_sent_again_is_a_data_quality_fault():
    health = judged(QUIET, batch=[Fault("stale_batch", "all 1000 rows are those of 2024-01")])
    assert (health.kind, health.severity) == ("data_quality", "act")
    assert "2024-01" in health.reasons[0]


def test_no_change_is_seldom_named(reference):
    names = [
        judged(judge(known, customers(1000, 50 + i)), measure(reference, *loans(1000, 500 + i))).kind
        for known in [customers(5000, 1)]
        for i in range(30)
    ]
    assert names.count("none") >= 29


def test_frames_are_not_changed():
    rows = customers(500, 1)
    before = rows.clone()
    judge(rows, rows)
    assert rows.equals(before)
    assert isinstance(rows, pl.DataFrame)
    assert np.isfinite(rows["amount"].to_numpy()).all()


MOVED = drift(column("a", "act"), column(SCORE_COLUMN, "act"), column("c"))


def outcomes_that_stay(n=6000):
    """The scores fell with an input, and outcomes are as frequent as before."""
    y, score = loans(n, 5)
    logit = np.log(score / (1 - score))
    return y, 1 / (1 + np.exp(-(logit - 1.5)))


def test_no_label_shift_is_named_where_labels_did_not_shift(reference):
    health = judged(MOVED, measure(reference, *outcomes_that_stay()))
    assert {c.kind for c in health.causes} == {"concept_drift", "covariate_shift"}
    health = judged(MOVED, measure(reference, *outcomes_that_stay()), [Earlier("2020-01", {"concept_drift": "act"})])
    assert health.kind == "concept_drift"
    assert "inputs moved and outcomes did not follow them: base rate" in health.causes[0].evidence
    with_labels = judged(MOVED, measure(reference, *more_positives(8000, 1.6)))
    assert with_labels.kind == "label_shift"


def test_scores_that_are_turned_round_are_no_label_shift(reference):
    """As when a supplier delivers the probability of the other outcome: no label moved, and the relation is another one."""
    turned = drift(column(SCORE_COLUMN, "critical"), column("c"))
    for rows in (500, 6000):
        y, score = loans(rows, 5)
        health = judged(turned, measure(reference, y, 1 - score))
        assert health.kind == "concept_drift"
        assert "label_shift" not in {c.kind for c in health.causes}
        assert "AUC" in health.causes[0].evidence
        assert "other inputs" not in health.causes[0].evidence, "no input moved"


def test_a_loss_behind_moved_inputs_is_parted(reference):
    lost = judged(SHIFTED, outcomes(reference, flip=0.3))
    assert {c.kind for c in lost.causes} >= {"concept_drift", "covariate_shift"}
    drifted = next(c for c in lost.causes if c.kind == "concept_drift")
    assert "of the loss from other inputs and " in drifted.evidence
    alike = judged(SHIFTED, alike_people(reference))
    assert [c.kind for c in alike.causes] == ["covariate_shift"], "inputs explain all of it"


@pytest.mark.parametrize(
    ("importance", "actions", "why"),
    [
        (
            0.02,
            ("incident", "suspend", "retrain"),
            "the model hardly uses the broken column: the loss has another cause",
        ),
        (0.4, ("incident", "suspend"), "the broken column may explain the loss"),
        (None, ("incident", "suspend"), "nothing is known of importance"),
    ],
)
def test_a_fault_blocks_retraining_only_where_it_may_explain_the_loss(reference, importance, actions, why):
    rest = None if importance is None else 1 - importance
    broken = column("a", "act", fault="unit_change", importance=importance)
    earlier = [Earlier("2020-01", {"concept_drift": "act"})]
    health = judged(drift(broken, column("b", importance=rest)), outcomes(reference, flip=0.3), earlier)
    assert health.kind == "data_quality"
    assert health.actions == actions, why


def test_a_second_change_that_is_to_be_acted_on_has_its_own_actions(reference):
    """Inputs that moved further than anything else must not keep a model from learning that outcomes moved too."""
    response = {"covariate_shift": ["watch", "incident"], "label_shift": ["incident", "retrain"]}
    moved = drift(column("a", "critical"), column("b", "critical"), column("c", "critical"))
    seen = [Earlier("2020-01", {"covariate_shift": "critical", "label_shift": "act"})]
    for earlier, actions in (([], ()), (seen, ("watch", "incident", "retrain"))):
        health = triage(moved, outcomes(reference, odds=1.2), earlier, RULES, response)
        assert health.kind == "covariate_shift"
        assert "label_shift" in {cause.kind for cause in health.causes}
        assert health.actions == actions


def test_silence_that_could_hide_a_loss_is_not_measurable():
    few = build_reference(*loans(120, 1), "binary", threshold=0.3)
    health = judged(QUIET, measure(few, *loans(1000, 2)))
    assert (health.severity, health.kind) == ("not_measurable", "none")
    assert "Performance is not measurable: A loss of AUC below 0." in health.reasons[1]
    assert "the reference has 120 rows: more held-out rows are needed" in health.reasons[1]
    assert judged(SHIFTED, measure(few, *loans(1000, 2))).severity == "watch", "what inputs show stays"


def test_outcomes_of_nearly_one_value_look_censored(reference):
    y, score = loans(4000, 2)
    health = judged(QUIET, measure(reference, np.where(np.arange(4000) % 20 == 0, y, 0), score))
    assert health.kind == "label_shift"
    assert "nearly all outcomes are 0, so they look censored or immature" in health.reasons[0]
