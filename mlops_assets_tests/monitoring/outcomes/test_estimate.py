import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from mlops_assets.monitoring.outcomes.estimate import estimate_performance
from mlops_assets.monitoring.outcomes.performance import measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.outcomes.reliability import check_window, reliability_of


def loans(n, seed, *, flip=0.0, shift=0.0, stretch=1.0, miscalibrated=False):
    generator = np.random.default_rng(seed)
    logit = generator.normal(-1.5 + shift, 1.2 * stretch, n)
    y = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    said = logit * 2 + 1 if miscalibrated else logit
    return np.where(generator.random(n) < flip, 1 - y, y), 1 / (1 + np.exp(-said))


@pytest.fixture(scope="module")
def reference():
    return build_reference(*loans(20_000, 1), "binary", threshold=0.3)


@pytest.mark.parametrize("miscalibrated", [False, True])
def test_binary_estimate_is_near_the_truth_under_a_shifted_population(miscalibrated):
    made_of = build_reference(*loans(20_000, 1, miscalibrated=miscalibrated), "binary", threshold=0.3)
    for seed, shift, stretch in ((2, 0.0, 1.0), (3, 0.4, 1.0), (4, 0.0, 0.8)):
        y, score = loans(8000, seed, shift=shift, stretch=stretch, miscalibrated=miscalibrated)
        found = estimate_performance(made_of, score)
        assert not found.abstained
        assert found.metrics["roc_auc"].value == pytest.approx(roc_auc_score(y, score), abs=0.015)
        assert found.metrics["base_rate"].value == pytest.approx(y.mean(), abs=0.015)
    assert found.label == "estimate, not a measurement"
    json.dumps(found.to_dict(), allow_nan=False)


def test_interval_covers_what_comes():
    covered = 0
    for seed in range(100):
        made_of = build_reference(*loans(5000, 1000 + seed), "binary")
        y, score = loans(1000, seed, shift=0.2)
        found = estimate_performance(made_of, score).metrics["base_rate"]
        covered += found.low <= y.mean() <= found.high
    assert 88 <= covered <= 100


def test_a_changed_relation_is_not_seen_and_that_is_said(reference):
    _, score = loans(5000, 5, flip=0.4)
    found = estimate_performance(reference, score)
    assert found.metrics["roc_auc"].p_value > 0.01
    assert "changed relation cannot be seen" in found.reason


@pytest.mark.parametrize(
    ("n", "shift", "moved", "message"),
    [
        (5000, 0.0, "38 % nulls in income", "38 % nulls in income"),
        (5000, 2.5, None, "the scores moved"),
        (100, 0.0, None, "100 rows, fewer than 200"),
    ],
)
def test_abstains_and_says_why(reference, n, shift, moved, message):
    found = estimate_performance(reference, loans(n, 6, shift=shift)[1], inputs_moved=moved)
    assert found.abstained
    assert message in found.reason
    assert found.metrics == {}


def test_regression_where_errors_grow_with_the_prediction():
    def rows(n, seed, power=1.0):
        generator = np.random.default_rng(seed)
        prediction = 1 + 4 * generator.random(n) ** power
        return prediction + generator.normal(0, prediction), prediction

    made_of = build_reference(*rows(20_000, 1), "regression")
    y, prediction = rows(8000, 2, 0.7)
    found = estimate_performance(made_of, prediction)
    assert found.metrics["rmse"].value == pytest.approx(np.sqrt(np.mean((y - prediction) ** 2)), rel=0.04)
    assert found.metrics["rmse"].value > found.metrics["rmse"].reference
    truth = measure(made_of, y, prediction)
    assert found.metrics["r2"].value == pytest.approx(truth.ranking.window, abs=0.08)


def test_multiclass():
    def rows(n, seed, sharp):
        generator = np.random.default_rng(seed)
        probability = generator.dirichlet([sharp] * 3, n)
        return (probability.cumsum(1) < generator.random((n, 1))).sum(1), probability

    made_of = build_reference(*rows(20_000, 1, 1.0), "multiclass")
    y, probability = rows(5000, 2, 1.25)
    found = estimate_performance(made_of, probability)
    assert found.metrics["log_loss"].value == pytest.approx(-np.log(probability[np.arange(5000), y]).mean(), abs=0.02)


def check_estimates(pairs, metric=None):
    """The record of estimates: (window, estimate, measurement) in order of time."""
    checked = [one for window, guess, truth in pairs for one in check_window(window, guess, truth)]
    return reliability_of(checked, metric, abstained=sum(guess.abstained for _, guess, _ in pairs))


def test_reliability_trusts_what_proved_right_and_not_what_did_not(reference):
    def pairs(flip):
        for seed in range(6):
            y, score = loans(3000, 50 + seed, shift=0.1 * seed, flip=flip)
            yield f"2020-0{seed + 1}-01", estimate_performance(reference, score), measure(reference, y, score)

    good = check_estimates(list(pairs(0.0)))
    assert good.trusted, good.reason
    assert abs(good.mean_error) < 0.02
    bad = check_estimates(list(pairs(0.3)))
    assert not bad.trusted
    assert bad.mean_error > 0.1  # the estimate said that nothing fell
    assert bad.reason.startswith("of 6 estimates of roc_auc 0 held the truth")
    assert "fewer than four of five held" in bad.reason
    rates = check_estimates(list(pairs(0.0)), "base_rate")
    assert (rates.metric, len(rates.windows), rates.coverage) == ("base_rate", 6, 1.0)
    json.dumps(bad.to_dict(), allow_nan=False)


def test_reliability_without_windows():
    found = check_estimates([])
    assert (found.trusted, found.reason) == (False, "no estimate has met its outcomes yet")


def test_a_short_record_is_not_relied_on(reference):
    y, score = loans(3000, 50)
    pair = ("2020-01-01", estimate_performance(reference, score), measure(reference, y, score))
    found = check_estimates([pair])
    assert found.reason.startswith("of 1 estimates of roc_auc 1 held the truth")
    assert "fewer than 4" in found.reason
    assert not found.trusted


def test_an_estimate_that_abstained_is_counted_and_not_checked(reference):
    y, score = loans(3000, 50)
    silent = estimate_performance(reference, score, inputs_moved="a fault")
    found = check_estimates([("2020-01-01", silent, measure(reference, y, score))])
    assert (found.abstained, found.windows) == (1, ())


@pytest.mark.parametrize(("held_out", "grades"), [(300, 6), (1000, 22), (20_000, 40)])
def test_a_small_reference_has_fewer_grades_and_still_estimates(held_out, grades):
    made_of = build_reference(*loans(held_out, 1), "binary", threshold=0.3)
    assert len(made_of.fine.n) == grades
    y, score = loans(2000, 2)
    found = estimate_performance(made_of, score)
    assert not found.abstained, found.reason
    rate = found.metrics["base_rate"]
    assert rate.low - 0.02 <= y.mean() <= rate.high + 0.02


def test_with_rare_positives_and_nothing_changed_the_estimate_is_the_reference():
    """Half a row of each outcome a grade made a base rate of 1 % half as high again, and lowered the AUC."""
    rates, areas = [], []
    for seed in range(12):
        generator = np.random.default_rng(seed)
        score = generator.beta(1, 99, 6000)
        y = (generator.random(6000) < score).astype(int)
        reference = build_reference(y[:2000], score[:2000], "binary")
        found = estimate_performance(reference, score[2000:])
        rates.append(found.metrics["base_rate"].value / reference.outcome_mean)
        areas.append(found.metrics["roc_auc"].value - reference.quality)
    assert abs(np.mean(rates) - 1) < 0.1
    assert abs(np.mean(areas)) < 0.02
