from typing import Any

import numpy as np
import pytest

from mlops_assets_tests.gates.checks import Case, F, N, P, Shown, check, check_shown, decided

KEYS = {"binary": ("favourable",), "multiclass": ("classes",), "regression": ("mean", "variance")}


def labels(*groups: Any, task: str = "binary", protected: tuple[str, ...] = ("sex",)) -> dict[str, Any]:
    """Groups of the attribute `sex`, each name, rows, and what the task knows of its labels."""
    rows = [
        {"attribute": "sex", "group": name, "rows": n, **dict(zip(KEYS[task], values, strict=True))}
        for name, n, *values in groups
    ]
    return {"task": task, "protected": list(protected), "labels": rows}


def shares(n: int, a: int, other: int) -> dict[str, Any]:
    return labels(("men", n, {"a": a, "b": n - a}), ("women", n, {"a": other, "b": n - other}), task="multiclass")


CASES: list[Case] = [
    # rule, evidence, outcome, why
    ({}, labels(("men", 2000, 1000), ("women", 2000, 920)), P, "a ratio of .92 on many rows is surely above .8"),
    ({}, labels(("men", 2000, 1000), ("women", 2000, 640)), F, "a ratio of .64 is surely below"),
    ({}, labels(("men", 2000, 1000), ("women", 2000, 800)), N, "exactly at the limit nothing can be told"),
    ({}, labels(("men", 150, 45), ("women", 150, 45)), N, "equal on few rows is no evidence of being within"),
    ({}, labels(("men", 150, 75), ("women", 150, 52)), N, "a ratio of .69 on few rows may be chance"),
    ({}, labels(("men", 1000, 500), ("women", 99, 1)), N, "a group of 99 is too small"),
    ({}, labels(("men", 1000, 500), ("women", 100, 1)), F, "a group of 100 is not"),
    ({}, labels(protected=()), N, "no protected attribute"),
    ({}, labels(("men", 1000, 0), ("women", 1000, 0)), N, "no favourable label: there is no ratio"),
    ({"min_ratio": 0, "max_difference": 0.25}, labels(("men", 1000, 500), ("women", 1000, 400)), P, "differ by .1"),
    ({"min_ratio": 0, "max_difference": 0.25}, labels(("men", 1000, 500), ("women", 1000, 150)), F, "differ by .35"),
    ({}, labels(("men", 500, 1.0, 1.0), ("women", 500, 0.9, 1.0), task="regression"), P, "a tenth of a deviation"),
    ({}, labels(("men", 500, 1.0, 1.0), ("women", 500, -1.0, 1.0), task="regression"), F, "two deviations apart"),
    ({}, labels(("men", 500, 1.0, 0.0), ("women", 500, -1.0, 0.0), task="regression"), F, "no spread inside groups"),
    ({}, labels(("men", 500, 1.0, 1.0), ("women", 99, -1.0, 1.0), task="regression"), N, "too small a group"),
    ({"max_difference": 0.1}, shares(1000, 500, 300), F, "class shares differ by .2"),
    ({"max_difference": 0.5}, shares(1000, 600, 500), P, "class shares differ by .1"),
    ({}, shares(1000, 1000, 0), P, "a policy that limits no class shares"),
]  # fmt: skip

SHOWN: list[Shown] = [
    # rule, evidence, value, threshold, words in rule or reason
    ({}, labels(("a", 1000, 500), ("b", 1000, 350), ("c", 1000, 450)), 0.7, 0.8,
     ["ratio of favourable-label rates 0.700 (b against a", "at least 0.8 required", "beyond the limit"]),
    ({"max_difference": 0.2}, labels(("a", 1000, 500), ("b", 1000, 490)), 0.98, 0.8, ["difference at most 0.2"]),
    ({}, labels(("a", 500, 2.0, 1.0), ("b", 500, 0.0, 1.0), ("c", 500, 1.0, 1.0), task="regression"), 1.5492, 0.5,
     ["standardised difference of means 1.549 (b against a"]),
    ({"max_difference": 0.1}, shares(1000, 500, 300), 0.2, 0.1, ["difference of class shares at most 0.1"]),
    ({}, labels(("a", 2000, 1000), ("b", 2000, 990), ("c", 40, 1)), 0.99, 0.8, ["not measured: c (40 rows)"]),
    ({}, labels(("a", 150, 45), ("b", 150, 45)), 1.0, 0.8, ["too few rows to tell", "at these sizes a ratio below"]),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[-1] for case in CASES])
def test_outcome(case: Case) -> None:
    check("label_bias", *case)


@pytest.mark.parametrize("shown", SHOWN)
def test_what_is_shown(shown: Shown) -> None:
    check_shown("label_bias", *shown)


def test_one_attribute_does_not_hide_another() -> None:
    rows = labels(("a", 1000, 500), ("b", 1000, 350), protected=("sex", "age"))
    alone = decided("label_bias", {}, rows)
    assert (alone.outcome, alone.value) == (F, pytest.approx(0.7))
    equal = [{**row, "attribute": "age", "favourable": 500} for row in rows["labels"]]
    both = decided("label_bias", {}, {**rows, "labels": [*rows["labels"], *equal]})
    assert (both.outcome, both.value) == (F, pytest.approx(0.7))


@pytest.mark.parametrize("groups", [2, 3, 6, 8, 20])
def test_equal_groups_fail_no_more_often_than_stated(groups: int) -> None:
    """The gate once compared the two groups that the data had chosen, and failed .9 of equal tables of 20 groups."""
    rng = np.random.default_rng(groups)
    failed = 0
    for _ in range(200):
        favourable = rng.binomial(100, 0.2, groups)
        rows = [(f"g{i}", 100, int(x)) for i, x in enumerate(favourable)]
        failed += decided("label_bias", {}, labels(*rows)).outcome == F
    # .05 is allowed at the limit; equal groups are far inside it.
    assert failed / 200 <= 0.05


def test_groups_at_the_limit_fail_and_pass_no_more_often_than_stated() -> None:
    rng = np.random.default_rng(7)
    outcomes = []
    for _ in range(400):
        rows = [(f"g{i}", 400, int(rng.binomial(400, 0.4 if i % 2 else 0.5))) for i in range(4)]
        outcomes.append(decided("label_bias", {}, labels(*rows)).outcome)
    # Three standard errors of a rate of .05 over 400 tables.
    assert outcomes.count(F) / 400 <= 0.05 + 3 * 0.011
    assert outcomes.count(P) / 400 <= 0.05 + 3 * 0.011
