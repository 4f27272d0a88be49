import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.monitoring.inputs.drift import DriftVerdict
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.ranking_change import ranking_change
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.monitoring.severity import at_least
from mlops_assets.monitoring.verdict.triage import triage
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets_tests.effort import share


def logistic(x):
    return 1 / (1 + np.exp(-x))


def loans(n, seed, *, flip=0.0, odds=0.0, shift=0.0):
    """Outcomes and scores; `flip` of the labels are random, `odds` moves the true log-odds, `shift` the population."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(-1.5 + shift, 1.2, n)
    y = (generator.random(n) < logistic(logit + odds)).astype(int)
    flipped = generator.random(n) < flip
    return np.where(flipped, 1 - y, y), logistic(logit)


@pytest.fixture(scope="module")
def reference():
    return build_reference(*loans(10_000, 1), "binary", threshold=0.3)


def declare(task="binary"):
    return Declaration.model_validate(
        {
            "purpose": "A model for tests.",
            "owner": "team:tests",
            "developers": ["developer"],
            "tier": "low",
            "task": task,
            "source": {"path": "x.parquet"},
            "id": "id",
            "target": "y",
            "features": {"x": "numeric"},
            "slices": ["region", {"column": "age", "bins": 3}],
            "protected": ["sex"],
        }
    )


def test_reference_is_json_and_reads_back(reference):
    again = ReferencePerformance.from_dict(json.loads(json.dumps(reference.to_dict(), allow_nan=False)))
    assert again == reference
    assert again.digest == reference.digest
    assert sum(reference.grades.n) == sum(reference.fine.n) == 10_000


def test_reference_refuses_rows_the_model_was_fitted_on():
    y, score = loans(50, 1)
    with pytest.raises(ValueError, match="1 rows that the model was fitted on"):
        build_reference(y, score, "binary", ids=range(50), fitted_ids=[49, 50, 51])
    with pytest.raises(ValueError, match="version 9"):
        ReferencePerformance.from_dict({"version": 9})


def test_numbers_are_those_of_the_rows(reference):
    y, score = loans(5000, 2)
    found = measure(reference, y, score)
    assert found.ranking.window == pytest.approx(roc_auc_score(y, score))
    assert found.ranking.drop == pytest.approx(reference.quality - roc_auc_score(y, score))
    assert found.base_rate.window == y.mean()
    assert found.calibration.window == pytest.approx((y - score).mean())
    assert found.metrics["brier"]["value"] == pytest.approx(np.mean((y - score) ** 2))
    json.dumps(found.to_dict(), allow_nan=False)
    assert measure(reference, y, score) == found


@pytest.mark.parametrize("n", [300, 2000])
def test_no_change_raises_no_alarm(n):
    thresholds = MonitoringThresholds(alpha=0.05)
    alarms, windows = 0, share(100, 1000)
    for seed in range(windows):
        reference = build_reference(*loans(3000, 10_000 + seed), "binary", threshold=0.3)
        found = measure(reference, *loans(n, seed), thresholds=thresholds)
        alarms += min(found.p_adjusted.values()) < 0.05
    assert alarms / windows <= 0.08


@pytest.mark.parametrize(
    ("change", "ranking", "calibration", "relation", "expected", "reason"),
    [
        ({"shift": 0.8}, None, False, False, True, "another population: the scores foresee it"),
        ({"odds": 0.9}, False, True, False, False, "another base rate at the same risk: every grade moves alike"),
        ({"flip": 0.2}, True, True, True, False, "a fifth of the labels flipped: the relation changed"),
    ],
)
def test_kinds_are_told_apart(reference, change, ranking, calibration, relation, expected, reason):
    found = measure(reference, *loans(5000, 3, **change))
    if ranking is not None:
        assert (found.ranking.p_value < 1e-3) is ranking, reason
    assert (found.calibration.p_value < 1e-3) is calibration, reason
    assert (found.relation.p_beyond < 1e-3) is relation, reason
    assert (found.base_rate.p_unexpected > 0.01) is expected, reason
    assert found.base_rate.p_value < 1e-6
    assert (found.severity in ("act", "critical")) is not expected, found.reasons


def test_direction_and_jeffreys_by_grade(reference):
    found = measure(reference, *loans(5000, 4, odds=0.9))
    assert found.calibration.direction == "higher"
    assert found.calibration.p_grades < 1e-6
    assert found.calibration.grades[-1]["p_underestimated"] < 1e-3
    assert measure(reference, *loans(5000, 4, odds=-0.9)).calibration.direction == "lower"


def test_smallest_detectable_drop_is_detected_as_often_as_it_says(reference):
    """Windows whose true AUC is lower by what the test claims to see: about four of five are found."""
    seen, claimed, true_drop = 0, [], []
    for seed in range(150):
        y, score = loans(2000, 500 + seed)
        noisy = logistic(np.log(score / (1 - score)) + np.random.default_rng(seed).normal(0, 0.78, 2000))
        found = measure(reference, y, noisy)
        seen += found.p_adjusted["ranking"] < 0.01
        claimed.append(found.ranking.smallest_detectable)
        true_drop.append(found.ranking.drop)
    assert np.mean(true_drop) == pytest.approx(np.mean(claimed), rel=0.25)
    assert 0.6 <= seen / 150 <= 0.97


def test_worse_than_nothing_is_critical(reference):
    y, score = loans(5000, 6)
    found = measure(reference, y, 1 - score)
    assert found.severity == "critical"


def test_too_few_rows_are_not_measurable_with_the_reason(reference):
    found = measure(reference, *loans(150, 7), matured_share=0.1)
    assert (found.severity, found.measurable) == ("not_measurable", False)
    assert found.reasons == ("150 matured outcomes, fewer than the 200 that a verdict needs",)
    rare = measure(reference, np.zeros(500, int), loans(500, 8)[1])
    assert rare.ranking.drop is None
    assert "0 outcomes of the rarer kind" in rare.ranking.reason
    assert rare.severity == "act"  # no event where a fifth was expected is seen by calibration


def test_partial_outcomes_are_said(reference):
    assert "40% of the window's outcomes" in measure(reference, *loans(500, 9), matured_share=0.4).reasons[-1]


def frame_for(n, seed):
    generator = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "region": generator.choice(["north", "south"], n),
            "age": generator.integers(18, 80, n),
            "sex": generator.choice(["f", "m"], n),
        }
    )


def test_slices_and_fairness_in_production():
    frame, window = frame_for(8000, 1), frame_for(6000, 2)
    y, score = loans(8000, 1)
    reference = build_reference(y, score, "binary", threshold=0.3, frame=frame, declaration=declare())
    y, score = loans(6000, 2)
    north = (window["region"] == "north").to_numpy()
    score[north] = np.random.default_rng(3).permutation(score[north])
    found = measure(reference, y, score, frame=window, declaration=declare())
    worst = min(found.slices, key=lambda s: s.p_adjusted)
    assert worst.slice == "region = north"
    assert worst.drop == pytest.approx(reference.slices["region = north"]["value"] - 0.5, abs=0.05)
    assert len([s for s in found.slices if s.slice.startswith("age")]) == 3
    assert found.fairness["attributes"][0]["disparities"]["demographic_parity_ratio"]["value"] > 0.9
    assert found.fairness_reference is not None


@pytest.mark.parametrize(
    ("noise", "bias", "ranking", "calibration", "severity"),
    [
        (1.0, 0.0, False, False, "none"),
        (1.2, 0.0, True, False, "act"),
        (1.5, 0.0, True, False, "critical"),  # the squared error is above the target's variance: worse than its mean
        (1.0, 0.6, False, True, "act"),
    ],
)
def test_regression(noise, bias, ranking, calibration, severity):
    def rows(n, seed, noise=1.0, bias=0.0):
        generator = np.random.default_rng(seed)
        x = generator.normal(size=n)
        return 5 + x + bias + generator.normal(0, noise, n), 5 + x

    reference = build_reference(*rows(8000, 1), "regression")
    found = measure(reference, *rows(4000, 2, noise, bias))
    assert (found.calibration.p_value < 1e-3) is calibration
    if ranking:
        assert found.ranking.p_value < 1e-3
    assert found.severity == severity
    json.dumps(found.to_dict(), allow_nan=False)


def test_a_calmer_target_is_no_loss_of_skill():
    generator = np.random.default_rng(1)
    x = generator.normal(size=12_000)
    y, prediction = x + generator.normal(0, 0.5, 12_000), x
    reference = build_reference(y[:8000], prediction[:8000], "regression")
    calm = np.abs(prediction[8000:]) < 0.5
    found = measure(reference, y[8000:][calm], prediction[8000:][calm])
    assert found.metrics["r2"]["value"] < 0.6 < 0.75 < found.ranking.window
    assert found.severity == "none"


def test_multiclass():
    def rows(n, seed, wrong=0.0):
        generator = np.random.default_rng(seed)
        probability = generator.dirichlet([1, 1, 1], n)
        y = (probability.cumsum(1) < generator.random((n, 1))).sum(1)
        bad = generator.random(n) < wrong
        return np.array(["a", "b", "c"])[np.where(bad, (y + 1) % 3, y)], probability

    reference = build_reference(*rows(6000, 1), "multiclass", classes=("a", "b", "c"))
    assert measure(reference, *rows(4000, 2)).severity == "none"
    found = measure(reference, *rows(4000, 3, 0.3))
    assert found.severity in ("act", "critical")
    assert set(found.base_rate.classes) == {"a", "b", "c"}
    assert ReferencePerformance.from_dict(json.loads(json.dumps(reference.to_dict()))) == reference


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_a_rare_outcome_that_happens_to_be_missing_contradicts_no_score(task):
    """A window without the outcome has residuals that hardly vary: they are no measure of what chance brings."""

    def rows(n, events):
        y = np.zeros(n, dtype=int)
        y[:events] = 1
        score = np.full(n, 0.004) + np.random.default_rng(n).uniform(-0.001, 0.001, n)
        if task == "binary":
            return y, score
        return np.array(["a", "b"])[y], np.column_stack([1 - score, score])

    classes = ("a", "b") if task == "multiclass" else None
    reference = build_reference(*rows(1000, 4), task, threshold=0.1 if classes is None else None, classes=classes)
    found = measure(reference, *rows(400, 0))
    assert found.calibration.p_value > 0.1
    assert not at_least(found.severity, "watch")


def test_a_class_more_frequent_than_expected_is_named():
    """Sampled by class: which inputs a class has stays, how frequent it is does not, so scores foresee too little."""

    def rows(n, seed, weights=(1.0, 1.0, 1.0)):
        generator = np.random.default_rng(seed)
        logits = generator.normal(0, 1.2, (n * 4, 3))
        probability = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        y = (probability.cumsum(1) < generator.random((n * 4, 1))).sum(1)
        chance = np.array(weights)[y]
        kept = generator.choice(n * 4, n, replace=False, p=chance / chance.sum())
        return np.array(["a", "b", "c"])[y[kept]], probability[kept]

    reference = build_reference(*rows(6000, 1), "multiclass", classes=("a", "b", "c"))
    assert measure(reference, *rows(4000, 2)).severity == "none"
    found = measure(reference, *rows(4000, 3, (1.0, 1.0, 3.0)))
    assert (found.calibration.label, found.calibration.direction) == ("c", "higher")
    share = found.base_rate.classes["c"]
    y, probability = rows(4000, 3, (1.0, 1.0, 3.0))
    assert share["window"] == pytest.approx((y == "c").mean())
    expected = probability[:, 2].mean() + (np.array(reference.class_counts) - reference.class_scores)[2] / reference.n
    assert share["window"] - found.calibration.change == pytest.approx(expected)
    assert found.severity in ("watch", "act")
    drift = DriftVerdict(4000, 6000, "none", (), (), (), (), "No column moved.")
    health = triage(drift, found, [], MonitoringThresholds(), {})
    assert health.kind == "label_shift"
    assert "share of class 'c' 0.568, predicted 0.405" in health.reasons[0]


def test_silence_says_what_would_have_been_seen(reference):
    reason = measure(reference, *loans(5000, 2)).reasons[0]
    assert reason.startswith("no change in outcomes (smallest detectable: loss of AUC 0.0")
    assert "outcomes by grade 0.0" in reason


def test_grades_that_contradict_their_scores_are_named_at_the_policys_level(reference):
    rows = loans(5000, 3, odds=0.9)
    assert any("grades have other outcomes than their scores predict" in r for r in measure(reference, *rows).reasons)
    silent = measure(reference, *rows, thresholds=MonitoringThresholds(jeffreys_alpha=1e-300))
    assert not any("Jeffreys" in r for r in silent.reasons)


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"odds": 0.9}, "calibration", 5.0),
        ({"flip": 0.2}, "relation", 0.9),
        ({"flip": 0.2}, "performance_drop", 0.4),
    ],
)
def test_each_threshold_of_the_policy_counts(reference, change, field, value):
    """With every threshold but one out of reach, that one alone decides."""
    out = {"calibration": 50.0, "relation": 5.0, "performance_drop": 0.9}
    fields = {f"{name}_{step}": v for name, v in out.items() for step in ("watch", "act")}
    lax, strict = (
        MonitoringThresholds(**fields),
        MonitoringThresholds(**{**fields, f"{field}_watch": 0.001, f"{field}_act": value}),
    )
    rows = loans(5000, 3, **change)
    assert measure(reference, *rows, thresholds=lax).severity == "none"
    assert measure(reference, *rows, thresholds=strict).severity == "watch"


@pytest.mark.parametrize(("new", "severity"), [(6, "watch"), (60, "act")])
def test_a_class_that_the_reference_does_not_have_is_named_and_the_other_rows_are_measured(new, severity):
    generator = np.random.default_rng(8)
    labels = np.array(["high", "low", "mid"])

    def rows(number):
        score = generator.dirichlet([2.0, 2.0, 2.0], number)
        return labels[[generator.choice(3, p=p) for p in score]].astype(object), score

    reference = build_reference(*rows(3000), Task.MULTICLASS, classes=list(labels))
    y, score = rows(600)
    y[:new] = "platinum"
    found = measure(reference, y, score)
    assert (found.new_classes, found.n, found.measurable) == ({"platinum": new}, 600 - new, True)
    health = triage(
        DriftVerdict(600, 3000, "none", (), (), (), (), "No change."), found, [], MonitoringThresholds(), {}
    )
    assert (health.kind, health.causes[0].severity) == ("data_quality", severity)
    assert f"'platinum', in {new} of 600 rows" in health.reasons[0]
    assert WindowPerformance.from_dict(found.to_dict()) == found


@pytest.mark.parametrize("positives", [12, 20])
def test_a_reference_with_few_positives_keeps_the_level_of_the_ranking_test(positives):
    generator = np.random.default_rng(positives)
    rejected = 0
    for _ in range(300):
        y = np.r_[np.ones(positives, int), np.zeros(1000, int)]
        y_now = np.r_[np.ones(100, int), np.zeros(1900, int)]
        scores = [logistic(generator.normal(1.2 * one, 1.0) - 3) for one in (y, y_now)]
        reference = build_reference(y, scores[0], "binary")
        rejected += ranking_change(reference, prepare(y_now, scores[1], "binary"), 0.01, 10).p_value < 0.01
    assert rejected / 300 <= 0.035


def test_a_reference_with_hardly_any_positives_has_no_ranking_to_compare_with():
    y = np.r_[np.ones(5, int), np.zeros(995, int)]
    reference = build_reference(y, np.linspace(0.9, 0.1, 1000), "binary")
    found = measure(reference, *loans(3000, 1))
    assert found.ranking.drop is None
    assert "the reference has 5 outcomes of the rarer kind, fewer than 10" in " ".join(found.reasons)
