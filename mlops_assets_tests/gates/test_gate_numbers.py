"""What a decision shows besides its outcome: the value, the threshold, the rule and the reason, number by number.

These are what a signer reads and what `mlops policy diff` replays, so that a gate that decides rightly and shows the
wrong number is wrong.
"""

from typing import Any

import pytest

from mlops_assets.gates.label_bias import two_proportions, two_sided
from mlops_assets.gates.registry import decide
from mlops_assets_tests.gates.test_gates import (
    artifact,
    attribute,
    calibration,
    card,
    contract,
    fairness,
    feature,
    labels,
    leakage,
    pair,
    parity,
    part,
    performance,
    policy,
    proxy,
    robustness,
    slices,
    stability,
    volume,
)

D = "0123456789abcdef" * 4
E = "fedcba9876543210" * 4
THREE = (("a", 1000, 500), ("b", 1000, 350), ("c", 1000, 450))
MEANS = (("a", 500, 2.0, 1.0), ("b", 500, 0.0, 1.0), ("c", 500, 1.0, 1.0))
SHARES = (("a", 1000, {"x": 500, "y": 500}), ("b", 1000, {"x": 300, "y": 700}), ("c", 1000, {"x": 400, "y": 600}))
CLASSES = {"a": {"bias": 0.01, "ece": 0.02}, "b": {"bias": -0.03, "ece": 0.05}, "c": {"bias": 0.0, "ece": None}}

SHOWN: list[tuple[str, dict[str, Any], dict[str, Any], float | None, float | None, list[str]]] = [
    # gate, rule, evidence, value, threshold, words in rule or reason
    ("contract", {}, contract(quarantined_share=0.2, reasons={"few": 1, "most": 9, "c": 2, "b": 2}), 0.2, 0.05,
     ["most frequent: most (9 rows), b (2 rows), c (2 rows) and 1 more"]),
    ("volume", {}, volume(class_rows={"0": 500}), 1, 2, ["only one outcome occurs (0)"]),
    ("volume", {}, volume(class_rows={}), 0, 2, ["only one outcome occurs (none)"]),
    ("volume", {}, {"task": "binary", "rows": 500, "class_rows": {"0": 250, "1": 250}}, 500, 500, ["500 rows in 2 classes"]),
    ("leakage", {}, leakage(feature("x", 0.6), feature("y", 0.8), feature("z", 0.7)), 0.8, 0.9, ["feature is y (0.800)"]),
    ("leakage", {}, leakage(feature("x", 0.95), feature("y", 0.99)), 0.99, 0.9, ["y (0.990), x (0.950)"]),
    ("label_bias", {}, labels(*THREE), 0.7, 0.8, ["b 35.0%, a 50.0%, ratio 0.700", "ratio of favourable-label rates"]),
    ("label_bias", {"max_difference": 0.2}, labels(*THREE), 0.7, 0.8, ["difference at most 0.2"]),
    ("label_bias", {}, labels(("a", 900, 0), ("b", 900, 0)), 1.0, 0.8, ["ratio 1.000 (p 1)"]),
    ("label_bias", {}, labels(*MEANS, task="regression"), 1.5492, 0.5,
     ["difference of group means", "b 0, a 2, 1.55 standard deviations"]),
    ("label_bias", {}, labels(("a", 500, 2.0, 0.0), ("b", 500, 2.0, 0.0), task="regression"), 0.0, 0.5, ["0.00 standard", "(p 1)"]),
    ("label_bias", {}, labels(("a", 500, 3.0, 0.0), ("b", 500, 2.0, 0.0), task="regression"), 2.0, 0.5, ["(p 0)"]),
    ("label_bias", {"max_difference": 0.1}, labels(*SHARES, task="multiclass"), 0.2, 0.1,
     ["difference of class shares at most 0.1", "differ by 0.200"]),
    ("label_bias", {"max_difference": 0.9}, labels(("a", 1000, {"x": 1000}), ("b", 1000, {"y": 600, "x": 400}), task="multiclass"),
     0.6, 0.9, ["differ by 0.600"]),
    ("label_bias", {}, labels(("a", 500, 2.5, 0.0), ("b", 500, 2.0, 0.0), task="regression"), 2.0, 0.5, ["(p 0)"]),
    ("label_bias", {"max_difference": 0.9},
     labels(("a", 1000, {"x": 500, "y": 300, "z": 200}), ("b", 1000, {"x": 300, "y": 350, "z": 350}), task="multiclass"),
     0.2, 0.9, ["class 'x'"]),
    ("label_bias", {"max_difference": 0.9},
     labels(("a", 1000, {"x": 500, "y": 500}), ("b", 1000, {"x": 250, "y": 250, "z": 500}), task="multiclass"),
     0.5, 0.9, ["class 'z'"]),
    ("label_bias", {"max_difference": 0.9},
     labels(("a", 1000, {"x": 1000, "y": 0}), ("b", 1000, {"x": 1000}), task="multiclass"), 0.0, 0.9, ["differ by 0.000"]),
    ("label_bias", {"max_difference": 0.9},
     labels(("a", 100, {"w": 50, "z": 50}), ("b", 1000, {"w": 498, "z": 497, "y": 5}), task="multiclass"),
     0.005, 0.9, ["class 'y'"]),
    ("label_bias", {"max_standardised_difference": 0.01},
     labels(("a", 500, 1.0, 1.0), ("b", 500, 0.95, 1.0), task="regression"), 0.04998, 0.01, ["too few rows to tell"]),
    ("volume", {"max_missing_target_share": 0.0},
     {"task": "regression", "rows": 500, "class_rows": {}, "delivered": 500}, 500, 500, ["500 rows"]),
    ("proxy", {}, {"protected": ["sex", "age"], "proxies": [
        {"attribute": a, "is_input": False, "auc": v, "features": {}, "note": ""} for a, v in (("sex", 0.7), ("age", 0.6))]},
     0.7, 0.95, ["sex is told with AUC 0.700, age is told with AUC 0.600"]),
    ("proxy", {"allow_protected_inputs": True}, proxy(is_input=True), 0.7, 0.95, ["protected and an input: sex"]),
    ("parity", {}, parity(training_features=D, scoring_features=E), 100, 100,
     ["training 0123456789ab, scoring fedcba987654"]),
    ("parity", {}, parity(rows=0, available=0), 0, 100, ["fewer than 1"]),
    ("parity", {}, parity(rows=50), 50, 100, ["50 rows were compared, fewer than 100"]),
    ("performance", {"min_auc": 0.6}, performance(0.7), 0.7, 0.6, ["roc_auc, lower bound, at least 0.6",
     "against the champion no worse (margin 0.01)", "no champion to compare with"]),
    ("performance", {"min_auc": None}, performance(0.7), 0.7, None, ["no floor"]),
    ("performance", {"min_auc": 0.6}, performance(None), None, 0.6, ["1000 rows (one class only)"]),
    ("performance", {"against_champion": "ignore"}, performance(comparison=pair(-1, 1)), 0.7, 0.6, ["does not compare"]),
    ("slices", {}, slices(part(-0.02, name="x"), part(-0.05, name="y"), part(0.1, name="z")), 0.05, 0.1, ["is y (-0.050)"]),
    ("slices", {}, slices(part(), part(n=9, name="small"), part(n=150, name="mid")), 0.05, 0.1,
     ["not measured: mid (150 rows), small (9 rows)"]),
    ("slices", {}, slices(part(None, n=200, measurable=False, name="odd")), None, 0.1, ["odd (200 rows, too few rows)"]),
    ("calibration", {"slope": (0.8, 1.2)}, calibration(), 0.03, 0.1, ["slope between 0.8 and 1.2", "error at most 0.1"]),
    ("calibration", {}, calibration(task="regression", bias_standardised=-0.05), 0.05, 0.1, ["0.1 (standard deviations)"]),
    ("calibration", {}, calibration(task="regression", bias_standardised=None), None, 0.1, ["no bias"]),
    ("calibration", {}, calibration(task="multiclass", classes=CLASSES), 0.05, 0.1, ["bias -0.030"]),
    ("calibration", {}, calibration(task="binary", classes=CLASSES), 0.03, 0.1, ["bias +0.020"]),
    ("calibration", {}, calibration(task="multiclass"), 0.03, 0.1, ["bias +0.020"]),
    ("robustness", {}, robustness(("x", 0.01, None, ""), ("y", 0.03, None, "")), 0.03, 0.05, ["is y (0.030)"]),
    ("fairness", {}, fairness(attribute(0.9), attribute(0.85, attribute="age")), 0.85, 0.8, ["at least 0.8"]),
    ("fairness", {"min_ratio": None, "max_difference": 0.2},
     fairness(attribute(0.1, metric_name="demographic_parity_difference"), attribute(0.15, metric_name="demographic_parity_difference")),
     0.15, 0.2, ["demographic parity difference at most 0.2"]),
    ("fairness", {}, fairness(attribute(None)), None, 0.8, ["sex: no demographic parity ratio"]),
    ("fairness", {}, fairness(attribute(None, disparities={}, reason="why not")), None, 0.8, ["sex: why not"]),
    ("fairness", {}, fairness(*(attribute(0.9, attribute=f"g{i}") for i in range(6))), 0.9, 0.8, ["and 2 more"]),
    ("completeness", {"min_share": 0.5}, card("present", "missing", "stale"), 1 / 3, 0.5, ["item 1 (missing), item 2 (stale)"]),
    ("stability", {}, stability(seeds=(0.70, 0.705, 0.71), resamples=(0.7, None, None)), 0.005, 0.01, ["1 fits over resamples"]),
    ("stability", {"min_repeats": 2}, stability(seeds=(0.70, 0.72), resamples=(0.7, 0.7)), 0.01414, 0.01, ["(2 fits)"]),
    ("artifact", {}, artifact(), 1.0, 200.0, ["1.0 MB"]),
]  # fmt: skip


@pytest.mark.parametrize(("gate", "rule", "evidence", "value", "threshold", "words"), SHOWN)
def test_what_is_shown(gate, rule, evidence, value, threshold, words):
    found = decide(gate, evidence, policy(gate, rule))
    assert found.value == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-9)), found.reason
    assert found.threshold == threshold
    for word in words:
        assert word in found.reason or word in found.rule, (found.rule, found.reason)


@pytest.mark.parametrize(
    ("gate", "rule", "evidence", "word"),
    [
        ("performance", {"against_champion": "ignore"}, performance(), "against the champion"),
        ("proxy", {"allow_protected_inputs": True}, proxy(), "no protected attribute an input"),
        ("proxy", {}, proxy(is_input=True), "protected and an input"),
        ("label_bias", {}, labels(*THREE), "difference at most"),
        ("label_bias", {"max_difference": 0.9}, labels(*SHARES, task="multiclass"), ", difference at most"),
        ("calibration", {}, calibration(task="regression"), "expected calibration error"),
    ],
)
def test_a_rule_that_does_not_apply_is_not_told(gate, rule, evidence, word):
    found = decide(gate, evidence, policy(gate, rule))
    assert word not in found.rule
    assert word not in found.reason or gate == "performance"


def test_a_rule_that_applies_is_told():
    assert "no protected attribute an input" in decide("proxy", proxy(), policy("proxy", {})).rule
    told = decide("artifact", artifact(), policy("artifact", {"require_lock": True, "require_advisories": True}))
    assert "packages as pinned" in told.rule
    assert "a check is required" in told.rule


def test_a_fairness_policy_without_limits_passes_and_says_so():
    found = decide("fairness", fairness(attribute(0.1)), policy("fairness", {"min_ratio": None}))
    assert (found.outcome, found.value, found.threshold) == ("passed", None, None)
    assert found.reason == "the policy sets no limit"
    assert found.rule.startswith("no limit")


def test_only_the_first_limit_gives_the_value_of_fairness():
    both = attribute(0.9)
    both["disparities"]["equalized_odds_difference"] = {**both["disparities"]["demographic_parity_ratio"], "value": 0.1}
    found = decide("fairness", fairness(both), policy("fairness", {"max_equalized_odds": 0.2}))
    assert (found.outcome, found.value, found.threshold) == ("passed", 0.9, 0.8)


@pytest.mark.parametrize(
    ("z", "p"), [(0.0, 1.0), (1.959964, 0.05), (-1.959964, 0.05), (2.575829, 0.01), (5.0, 5.733e-7)]
)
def test_p_values_are_those_of_the_normal_table(z, p):
    assert two_sided(z) == pytest.approx(p, rel=1e-3)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(70, 200, 100, 200), (5, 50, 20, 100), (1, 30, 29, 31)])
def test_two_shares_are_compared_as_the_chi_square_of_their_table(a, n, b, m):
    from scipy.stats import chi2_contingency

    expected: Any = chi2_contingency([[a, n - a], [b, m - b]], correction=False)
    assert two_proportions(a, n, b, m) == pytest.approx(expected.pvalue, rel=1e-9)


@pytest.mark.parametrize(("a", "n", "b", "m"), [(0, 10, 0, 20), (10, 10, 20, 20)])
def test_shares_without_any_variation_do_not_differ(a, n, b, m):
    assert two_proportions(a, n, b, m) == 1.0


def test_a_p_value_at_the_level_is_no_breach():
    rows = labels(("a", 200, 100), ("b", 200, 70), ("c", 99, 99), ("d", 100, 45))
    level = two_proportions(70, 200, 100, 200)
    for alpha, outcome in ((level, "not_measurable"), (level * 1.0001, "failed")):
        found = decide("label_bias", rows, policy("label_bias", {"alpha": alpha}))
        assert found.outcome == outcome
        assert found.details["attributes"][0]["too_small"] == ["c"]


def test_a_group_without_any_number_does_not_hide_the_others():
    rows = labels(*THREE, protected=("sex", "age"))
    found = decide("label_bias", rows, policy("label_bias", {}))
    assert found.value == pytest.approx(0.7)
    two = [*rows["labels"], *({**row, "attribute": "age", "favourable": 500} for row in rows["labels"])]
    lowest = decide("label_bias", {**rows, "labels": two}, policy("label_bias", {}))
    assert lowest.value == pytest.approx(0.7)
    means = labels(*MEANS, task="regression", protected=("sex", "age"))
    flat = [*means["labels"], *({**row, "attribute": "age", "mean": 1.0} for row in means["labels"])]
    highest = decide("label_bias", {**means, "labels": flat}, policy("label_bias", {}))
    assert highest.value == pytest.approx(1.5492, rel=1e-3)


@pytest.mark.parametrize(("low", "high"), [(None, 0.1), (0.1, None), (None, None)])
def test_half_an_interval_decides_nothing(low, high):
    found = decide(
        "performance", performance(comparison={**pair(None, None), "low": low, "high": high}), policy("performance", {})
    )
    assert (found.outcome, found.details["verdict"]) == ("not_measurable", "undecidable")
