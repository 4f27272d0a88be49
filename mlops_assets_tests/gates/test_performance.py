from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from scipy.special import ndtr, ndtri

from mlops_assets.evaluation.comparison import compare
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.evaluation.performance import measure_metric
from mlops_assets.gates.gate import EvidenceError
from mlops_assets.pipeline.stages.held_out import HOLDOUT_ALPHA
from mlops_assets.statistics.alpha_spending import level_of_attempt
from mlops_assets_tests.effort import share
from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided


def metric(value, low, high, note="") -> dict[str, Any]:
    return {"value": value, "low": low, "high": high, "note": note}


def performance(low: float | None = 0.7, task="binary", comparison=None, skill=None) -> dict[str, Any]:
    area = metric(None if low is None else low + 0.02, low, None if low is None else low + 0.04, "one class only")
    other = metric(skill, skill, skill)
    metrics = {
        "binary": {"roc_auc": area, "brier": metric(0.1, 0.1, 0.1)},
        "multiclass": {"macro_auc": area, "log_loss_skill": other},
        "regression": {"r2": other},
    }[task]
    return {"task": task, "n": 1000, "metrics": metrics, "comparison": comparison, "rarest": None}


def pair(low, high) -> dict[str, Any]:
    middle = None if low is None else (low + high) / 2
    return {"metric": "roc_auc", "difference": middle, "low": low, "high": high}


def tried(attempt, fitted_rows: int | None = 0) -> dict[str, Any]:
    """A clear pass as a comparison with that number on the same held-out rows."""
    alpha = 0.05 / attempt / (attempt + 1)
    found = {
        "champion_version": 1,
        "holdout": "ab" * 32,
        "attempt": attempt,
        "alpha": alpha,
        "fitted_rows": fitted_rows,
    }
    return {**pair(0.0, 0.02), **found}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({"min_auc": 0.7}, performance(0.7), P, "lower bound exactly at the floor"),
    ({"min_auc": 0.7}, performance(0.6999), F, "lower bound just below, although the value is above"),
    ({"min_auc": 0.7}, performance(None), N, "one class only"),
    ({"min_auc": None}, performance(None), P, "no floor asked for"),
    ({"min_skill": 0.1}, performance(task="regression", skill=0.1), P, "skill at the floor"),
    ({"min_skill": 0.1}, performance(task="regression", skill=0.0999), F, "skill below the floor"),
    ({"min_skill": 0.1}, performance(0.9, "multiclass", skill=0.05), F, "good ranking, poor skill"),
    ({"min_skill": 0.1}, performance(0.9, "multiclass", skill=0.2), P, "both floors held"),
    ({}, performance(comparison=pair(0.001, 0.02)), P, "better"),
    ({}, performance(comparison=pair(-0.01, 0.02)), P, "no worse: exactly the margin"),
    ({}, performance(comparison=pair(-0.0101, 0.02)), N, "not decidable: just beyond the margin"),
    ({}, performance(comparison=pair(-0.0101, 0.0)), N, "equally good is still credible"),
    ({}, performance(comparison=pair(-0.0101, -0.0001)), F, "worse"),
    ({}, performance(comparison=pair(-0.009, -0.001)), P, "surely lower, and within the margin"),
    ({}, performance(comparison=pair(None, None)), N, "no interval"),
    ({"against_champion": "better"}, performance(comparison=pair(0.0001, 0.02)), P, "better, as asked"),
    ({"against_champion": "better"}, performance(comparison=pair(0.0, 0.02)), F, "not surely better"),
    ({"against_champion": "ignore"}, performance(comparison=pair(-0.2, -0.1)), P, "not compared"),
    ({"max_attempts": 2}, performance(comparison=tried(2)), P, "the last attempt on these rows"),
    ({"max_attempts": 2}, performance(comparison=tried(3)), N, "the held-out rows are spent"),
    ({"against_champion": "ignore", "max_attempts": 2}, performance(comparison=tried(3)), P, "nothing is spent"),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    (
        {"min_auc": 0.6},
        performance(0.7),
        0.7,
        0.6,
        [
            "roc_auc, lower bound, at least 0.6",
            "against the champion no worse (margin 0.01)",
            "no champion to compare with",
        ],
    ),
    ({"min_auc": None}, performance(0.7), 0.7, None, ["no floor"]),
    ({"min_auc": 0.6}, performance(None), None, 0.6, ["1000 rows (one class only)"]),
    ({"against_champion": "ignore"}, performance(comparison=pair(-1, 1)), 0.7, 0.6, ["does not compare"]),
    (
        {},
        performance(comparison=tried(2, fitted_rows=30)),
        0.7,
        0.6,
        [
            "in at most 10 attempts on the same held-out rows",
            "attempt 2 of at most 10 on these held-out rows, one-sided level 0.008333",
            "without 30 rows that the champion was fitted on",
        ],
    ),
    ({}, performance(comparison=tried(1, fitted_rows=None)), 0.7, 0.6, ["was fitted on is not known"]),
    ({"max_attempts": 1}, performance(comparison=tried(2)), 0.7, 0.6, ["are spent: retrain on a later period"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("performance", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("performance", *shown)


def test_a_rule_that_does_not_apply_is_not_shown() -> None:
    assert "against the champion" not in decided("performance", {"against_champion": "ignore"}, performance()).rule


@pytest.mark.parametrize(("low", "high"), [(None, 0.1), (0.1, None), (None, None)])
def test_half_an_interval_decides_nothing(low: float | None, high: float | None) -> None:
    found = decided("performance", {}, performance(comparison={**pair(None, None), "low": low, "high": high}))
    assert (found.outcome, found.details["verdict"]) == ("not_measurable", "undecidable")


def test_a_metric_that_the_gate_needs_must_be_there() -> None:
    with pytest.raises(EvidenceError, match=r"gate performance: found no metrics\.roc_auc"):
        decided("performance", {}, {**performance(), "metrics": {}})


@pytest.mark.parametrize(("rarest", "outcome"), [(19, N), (20, P), (0, N), (None, P)])
def test_too_few_rows_of_an_outcome_measure_nothing(rarest: int | None, outcome: str) -> None:
    found = decided("performance", {}, {**performance(comparison=pair(0.0, 0.02)), "rarest": rarest})
    assert found.outcome == outcome
    if outcome == N:
        assert "fewer than 20" in found.reason
        assert found.details["verdict"] == "undecidable"


def measured(y: np.ndarray, score: np.ndarray) -> dict[str, Any]:
    metric_ = measure_metric("roc_auc", prepare(y, score, "binary"))
    return {"task": "binary", "n": len(y), "metrics": {"roc_auc": asdict(metric_)}, "rarest": int(y.sum())}


@pytest.mark.parametrize("positives", [1, 5, 20])
def test_a_random_model_passes_the_floor_no_more_often_than_stated(positives: int) -> None:
    """With one positive in the held-out rows, a random model once passed the floor in 36 % of cases."""
    rng = np.random.default_rng(positives)
    y = np.r_[np.ones(positives, int), np.zeros(400, int)]
    passed = 0
    for _ in range(200):
        found = measured(y, rng.random(len(y)))
        passed += decided("performance", {"min_auc": 0.5, "min_outcomes": 2}, found).outcome == P
    # .025 is stated; three standard errors over 200 tables.
    assert passed / 200 <= 0.025 + 3 * 0.011


@pytest.mark.parametrize("positives", [2, 5, 20])
def test_a_challenger_worse_by_the_margin_passes_no_more_often_than_stated(positives: int) -> None:
    """With one or two positives, a challenger worse by exactly the margin once passed in 43 % of cases."""
    rng = np.random.default_rng(positives)
    y = np.r_[np.ones(positives, int), np.zeros(400, int)]
    lift = [np.sqrt(2) * ndtri(area) for area in (0.75, 0.74)]
    passed = 0
    for _ in range(200):
        common = rng.normal(size=len(y)) * 0.9
        scores = [ndtr(common + rng.normal(size=len(y)) * np.sqrt(1 - 0.81) + y * shift) for shift in lift]
        found = measured(y, scores[1])
        against = compare(y, scores[0], scores[1], "binary").to_dict()
        rule = {"min_auc": None, "min_outcomes": 2, "champion_margin": 0.01}
        passed += decided("performance", rule, {**found, "comparison": against}).outcome == P
    assert passed / 200 <= 0.025 + 3 * 0.011


LIVES = share(120, 2000)


@pytest.mark.soak
def test_of_ten_challengers_worse_by_the_margin_one_passes_no_more_often_than_stated() -> None:
    """The same held-out rows asked ten times, the champion's scores the same each time: once 19.5 % of them let one pass."""
    rng = np.random.default_rng(17)
    y = np.r_[np.ones(100, int), np.zeros(400, int)]
    lift = [np.sqrt(2) * ndtri(area) for area in (0.75, 0.74)]
    rule = {"min_auc": None, "champion_margin": 0.01}
    passed = 0
    for _ in range(LIVES):
        common = rng.normal(size=len(y)) * 0.9
        champion = ndtr(common + rng.normal(size=len(y)) * np.sqrt(0.19) + y * lift[0])
        for attempt in range(1, 11):
            challenger = ndtr(common + rng.normal(size=len(y)) * np.sqrt(0.19) + y * lift[1])
            confidence = 1 - 2 * level_of_attempt(attempt, HOLDOUT_ALPHA)
            against = compare(y, champion, challenger, "binary", confidence=confidence).to_dict()
            found = {**measured(y, challenger), "comparison": {**against, "holdout": "ab", "attempt": attempt}}
            if decided("performance", rule, found).outcome == P:
                passed += 1
                break
    assert passed / LIVES <= HOLDOUT_ALPHA + 3 * np.sqrt(HOLDOUT_ALPHA * (1 - HOLDOUT_ALPHA) / LIVES)
