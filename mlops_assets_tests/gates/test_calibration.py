from typing import Any

import numpy as np
import pytest

from mlops_assets.evaluation.calibration import calibrate
from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided

CLASSES = {
    "a": {"bias": 0.01, "ece_net": 0.02},
    "b": {"bias": -0.03, "ece_net": 0.05},
    "c": {"bias": 0.0, "ece_net": None},
}


def calibration(**changes) -> dict[str, Any]:
    base = {
        "task": "binary",
        "n": 200,
        "bias": 0.02,
        "bias_standardised": 0.05,
        "ece_net": 0.03,
        "slope": 0.9,
        "classes": {},
    }
    return {**base, **changes}


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({"max_bias": 0.02}, calibration(), P, "exactly the bias"),
    ({"max_bias": 0.0199}, calibration(), F, "just beyond the bias"),
    ({"max_bias": 0.0199}, calibration(bias=-0.02), F, "too low is as wrong as too high"),
    ({"max_ece": 0.03}, calibration(), P, "exactly the error"),
    ({"max_ece": 0.0299}, calibration(), F, "just beyond the error"),
    ({"slope": (0.9, 1.1)}, calibration(), P, "slope at the edge"),
    ({"slope": (0.91, 1.1)}, calibration(), F, "slope outside"),
    ({"slope": (0.8, 1.1)}, calibration(slope=None), N, "slope asked for and unknown"),
    ({}, calibration(slope=None), P, "slope not asked for"),
    ({}, calibration(n=199), N, "one row too few"),
    ({}, calibration(ece_net=None), N, "no error"),
    ({"max_bias": 0.05}, calibration(task="regression", ece_net=None), P, "regression: bias in deviations"),
    ({"max_bias": 0.049}, calibration(task="regression", ece_net=None), F, "regression: just beyond"),
    (
        {"max_bias": 0.1},
        calibration(
            task="multiclass", classes={"a": {"bias": 0.0, "ece_net": 0.0}, "b": {"bias": -0.11, "ece_net": 0.0}}
        ),
        F,
        "the worst class counts",
    ),
]

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({"slope": (0.8, 1.2)}, calibration(), 0.03, 0.1, ["slope between 0.8 and 1.2", "net of chance at most 0.1"]),
    ({}, calibration(task="regression", bias_standardised=-0.05), 0.05, 0.1, ["0.1 (standard deviations)"]),
    ({}, calibration(task="regression", bias_standardised=None), None, 0.1, ["no bias"]),
    ({}, calibration(task="multiclass", classes=CLASSES), 0.05, 0.1, ["bias -0.030"]),
    ({}, calibration(task="binary", classes=CLASSES), 0.03, 0.1, ["bias +0.020"]),
    ({}, calibration(task="multiclass"), 0.03, 0.1, ["bias +0.020"]),
]


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("calibration", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("calibration", *shown)


def test_a_rule_that_does_not_apply_is_not_shown() -> None:
    found = decided("calibration", {}, calibration(task="regression"))
    assert "expected calibration error" not in found.rule + found.reason


def measured(n: int, error: float, rng: np.random.Generator) -> dict[str, Any]:
    """Calibration of rows whose scores are too high by `error`, or right."""
    true = rng.uniform(0.1, 0.8, n)
    return calibrate((rng.random(n) < true).astype(int), true + error, "binary").to_dict()


def test_a_perfect_model_of_few_rows_fails_no_more_often_than_stated() -> None:
    """Held as it is, the error of a perfect model of 200 rows lay above the limit in 13 % of cases."""
    rng = np.random.default_rng(1)
    failed = [decided("calibration", {}, measured(200, 0.0, rng)).outcome == F for _ in range(200)]
    assert np.mean(failed) <= 0.05


def test_a_wrong_model_is_found_and_the_interval_covers_its_error() -> None:
    rng = np.random.default_rng(2)
    rule = {"max_bias": 1.0, "max_ece": 0.1}
    tables = [measured(500, 0.18, rng) for _ in range(100)]
    assert np.mean([decided("calibration", rule, found).outcome == F for found in tables]) >= 0.9
    covered = [found["ece_low"] <= 0.18 <= found["ece_high"] for found in tables]
    # Three standard errors of .95 over 100 tables.
    assert np.mean(covered) >= 0.95 - 3 * 0.022
