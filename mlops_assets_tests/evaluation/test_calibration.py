import json

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression

from mlops_assets.evaluation.calibration import calibrate
from mlops_assets.statistics.proportions import jeffreys


def probabilities(n=20_000, seed=1, shift=0.0, stretch=1.0):
    """Outcomes of known probabilities, and scores whose logit is off by `shift` and `stretch`."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(-1.5, 1, n)
    y = (generator.random(n) < 1 / (1 + np.exp(-logit))).astype(int)
    return y, 1 / (1 + np.exp(-(logit * stretch + shift)))


def test_perfect_scores_are_calibrated():
    found = calibrate(*probabilities(), "binary")
    assert abs(found.bias) < 0.01
    assert found.slope_low < 1 < found.slope_high
    assert found.ece == pytest.approx(found.ece_expected, rel=0.8)
    assert not [grade for grade in found.grades if grade.p_adjusted < 0.01]


@pytest.mark.parametrize(
    ("shift", "stretch", "reason"), [(0.4, 1.0, "too high"), (-0.4, 1.0, "too low"), (0.0, 2.0, "too extreme")]
)
def test_faults_are_seen_with_their_direction(shift, stretch, reason):
    y, score = probabilities(shift=shift, stretch=stretch)
    found = calibrate(y, score, "binary")
    if stretch == 1:
        assert np.sign(found.bias) == np.sign(shift), reason
        assert found.bias_p_value < 1e-6
        assert found.intercept == pytest.approx(-shift, abs=0.08)
        assert found.slope == pytest.approx(1, abs=0.08)
    else:
        assert found.slope == pytest.approx(0.5, abs=0.04), reason
    assert min(grade.p_adjusted for grade in found.grades) < 1e-3


def test_slope_equals_sklearn_and_curve_equals_sklearn():
    y, score = probabilities(5000, 3, 0.2, 1.4)
    found = calibrate(y, score, "binary")
    logit = np.log(score / (1 - score))[:, None]
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(logit, y)
    assert found.slope == pytest.approx(model.coef_[0, 0], rel=1e-4)
    observed, predicted = calibration_curve(y, score, n_bins=10, strategy="quantile")
    assert [g.observed for g in found.grades] == pytest.approx(observed, abs=0.01)
    assert [g.mean_score for g in found.grades] == pytest.approx(predicted, abs=0.01)


def test_grades_carry_the_jeffreys_test():
    y, score = probabilities(3000, 5, -0.5)
    grade = calibrate(y, score, "binary", edges=np.array([0.1, 0.3])).grades[1]
    inside = (score >= 0.1) & (score < 0.3)
    expected = jeffreys(int(y[inside].sum()), int(inside.sum()), float(score[inside].mean()))
    assert grade.n == inside.sum()
    assert grade.p_underestimated == pytest.approx(expected.p_underestimated, rel=1e-9)
    assert grade.p_underestimated < 0.001


def test_regression_bias_slope_and_grades():
    generator = np.random.default_rng(6)
    x = generator.normal(50, 10, 8000)
    y = x + generator.normal(0, 5, 8000)
    found = calibrate(y, 50 + 2 * (x - 50) + 3, "regression")
    assert found.bias == pytest.approx(3, abs=0.3)
    assert found.bias_standardised == pytest.approx(3 / y.std(), rel=0.1)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.grades[0].p_overestimated > 0.999  # the lowest predictions are too low
    assert found.grades[-1].p_overestimated < 0.001
    assert found.ece is None


def test_multiclass_by_class():
    generator = np.random.default_rng(7)
    probability = generator.dirichlet([2, 3, 4], 5000)
    y = (probability.cumsum(1) < generator.random((5000, 1))).sum(1)
    found = calibrate(y, probability, "multiclass", classes=("0", "1", "2"))
    assert found.ece < 0.04
    assert set(found.classes) == {"0", "1", "2"}
    skewed = probability * [1, 1, 3]
    worse = calibrate(y, skewed / skewed.sum(1, keepdims=True), "multiclass", classes=("0", "1", "2"))
    assert worse.classes["2"]["bias"] > 0.1


@pytest.mark.parametrize(
    ("y", "score", "reason"),
    [
        (np.array([0, 0, 0]), np.array([0.1, 0.2, 0.3]), "no event"),
        (np.array([0, 1, 0, 1]), np.array([0.5, 0.5, 0.5, 0.5]), "constant score"),
        (np.array([0, 0, 1, 1]), np.array([0.1, 0.2, 0.8, 0.9]), "separated"),
        (np.array([0]), np.array([0.1]), "one row"),
        (np.array([]), np.array([]), "no rows"),
        (np.array([0, 1, 1]), np.array([0.0, 1.0, 1.0]), "scores at the ends"),
    ],
)
def test_degenerate_rows_give_an_answer(y, score, reason):
    found = calibrate(y, score, "binary")
    json.dumps(found.to_dict(), allow_nan=False)
    assert found.n == len(y), reason
    assert found.reason
