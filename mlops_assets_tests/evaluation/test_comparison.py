import json

import numpy as np
import pytest
from sklearn import metrics

from mlops_assets.evaluation.comparison import compare


def scores(n, seed, noise):
    """Outcome and one probability for each noise level, from the same signal."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=n)
    y = (generator.random(n) < 1 / (1 + np.exp(-2 * x))).astype(int)
    return y, [1 / (1 + np.exp(-(x + level * generator.normal(size=n)))) for level in noise]


@pytest.mark.parametrize(
    ("n", "noise", "margin", "verdict", "reason"),
    [
        (5000, (2.0, 0.5), 0.01, "better", "much less noise"),
        (5000, (0.5, 2.0), 0.01, "worse", "much more noise"),
        (40_000, (1.0, 1.0), 0.02, "no_worse", "equal, enough rows for the margin"),
        (150, (1.0, 1.0), 0.001, "undecidable", "equal, too few rows for so small a margin"),
    ],
)
def test_verdicts(n, noise, margin, verdict, reason):
    y, (champion, challenger) = scores(n, 4, noise)
    found = compare(y, champion, challenger, "binary", margin)
    assert found.verdict == verdict, reason
    expected = metrics.roc_auc_score(y, challenger) - metrics.roc_auc_score(y, champion)
    assert found.difference == pytest.approx(expected)
    assert found.method == "DeLong"
    json.dumps(found.to_dict(), allow_nan=False)


@pytest.mark.parametrize("metric", ["brier", "log_loss", "pr_auc", "ks", "f1", "accuracy", "gini"])
def test_interval_of_the_difference_equals_a_paired_row_bootstrap(metric):
    y, (champion, challenger) = scores(1500, 7, (1.0, 0.8))
    found = compare(y, champion, challenger, "binary", metric=metric, threshold=0.5)
    generator = np.random.default_rng(1)
    draws = []
    for _ in range(150):
        rows = generator.integers(0, len(y), len(y))
        again = (
            compare(y[rows], champion[rows], challenger[rows], "binary", metric="brier") if metric == "brier" else None
        )
        again = again or _difference(metric, y[rows], champion[rows], challenger[rows])
        draws.append(again.difference if hasattr(again, "difference") else again)
    assert (found.high - found.low) == pytest.approx(2 * 1.96 * np.std(draws), rel=0.25)


def _difference(metric, y, champion, challenger):
    def value(score):
        match metric:
            case "log_loss":
                return -metrics.log_loss(y, score)
            case "pr_auc":
                return metrics.average_precision_score(y, score)
            case "ks":
                fpr, tpr, _ = metrics.roc_curve(y, score)
                return (tpr - fpr).max()
            case "f1":
                return metrics.f1_score(y, score >= 0.5)
            case "accuracy":
                return metrics.accuracy_score(y, score >= 0.5)
            case _:
                return 2 * metrics.roc_auc_score(y, score) - 1

    return value(challenger) - value(champion)


def test_lower_is_better_turns_the_sign():
    generator = np.random.default_rng(2)
    y = generator.normal(10, 3, 2000)
    rough, fine = y + generator.normal(0, 2, 2000), y + generator.normal(0, 1, 2000)
    found = compare(y, rough, fine, "regression", metric="rmse")
    assert found.verdict == "better"
    assert found.difference == pytest.approx(found.champion - found.challenger)
    assert compare(y, rough, fine, "regression").metric == "r2"


def test_multiclass():
    generator = np.random.default_rng(5)
    sharp = generator.dirichlet([0.5] * 3, 3000)
    y = (sharp.cumsum(1) < generator.random((3000, 1))).sum(1)
    flat = np.full((3000, 3), 1 / 3)
    found = compare(y, flat, sharp, "multiclass")
    assert (found.metric, found.verdict) == ("log_loss_skill", "better")


def test_no_difference_is_no_worse_even_without_spread():
    y, (score, _) = scores(300, 1, (1.0, 1.0))
    assert compare(y, score, score, "binary", 0.0).verdict == "no_worse"


def test_one_outcome_is_undecidable_and_says_why():
    found = compare(np.zeros(50), np.linspace(0, 1, 50), np.linspace(0, 1, 50), "binary")
    assert found.verdict == "undecidable"
    assert "0 positives" in found.reason


@pytest.mark.parametrize(("options", "message"), [({"margin": -1.0}, "margin"), ({"metric": "base_rate"}, "no better")])
def test_refusals(options, message):
    with pytest.raises(ValueError, match=message):
        compare(np.array([0, 1]), np.array([0.1, 0.2]), np.array([0.1, 0.2]), "binary", **options)
