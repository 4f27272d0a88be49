"""What a screening finds in data whose truth is known, and in the shipped tables."""

# Event times in the tables carry no time zone.
# ruff: noqa: DTZ001

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.datasets.screening import group_names, screen
from mlops_assets.datasets.single_feature import codes_of, oof_auc, oof_r2
from mlops_assets.declaration.columns import Protected
from mlops_assets.declaration.declaration import Declaration

DATA = Path(__file__).parents[2] / "data"
N = 4000
RNG = np.random.default_rng(7)


def declaration(features: dict[str, Any], task="binary", target: Any = "y", **more) -> Declaration:
    return Declaration.model_validate(
        {
            "name": "m",
            "purpose": "A model for a test.",
            "owner": "team:x",
            "developers": ["developer"],
            "tier": "high",
            "task": task,
            "source": {"path": "x.parquet"},
            "id": "id",
            "target": target,
            "features": features,
            **more,
        }
    )


def table(**columns) -> pl.DataFrame:
    return pl.DataFrame({"id": np.arange(N), **columns})


def test_the_auc_is_that_of_scikit_learn_on_a_fine_monotone_feature():
    from sklearn.metrics import roc_auc_score

    y = RNG.integers(0, 2, N)
    x = np.round(RNG.normal(y, 1.0), 1)
    ours = oof_auc(codes_of(pl.Series(x), categorical=False), y)
    assert ours == pytest.approx(roc_auc_score(y, x), abs=0.015)


@pytest.mark.parametrize("seed", range(5))
def test_noise_predicts_nothing(seed):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, N)
    for x in (rng.normal(size=N), rng.integers(0, 900, N), rng.integers(0, 3, N)):
        assert 0.5 <= (oof_auc(codes_of(pl.Series(x), categorical=False), y) or 0) < 0.54


def test_a_relation_that_is_not_monotone_is_found():
    term = RNG.integers(1, 240, N)
    y = (term % 12 != 0).astype(int)
    assert (oof_auc(codes_of(pl.Series(term), categorical=False), y) or 0) > 0.99


def test_a_missing_value_that_knows_the_answer_is_found():
    y = RNG.integers(0, 2, N)
    recovered = pl.Series([float(v) if hit else None for v, hit in zip(RNG.normal(size=N), y, strict=True)])
    assert oof_auc(codes_of(recovered, categorical=False), y) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("target", "feature", "least", "most"),
    [
        (lambda z: z, lambda z: 3 * z + 1, 0.99, 1.0),
        (lambda z: z**2, lambda z: z, 0.95, 1.0),
        (lambda z: np.exp(5 * z), lambda z: z, 0.98, 1.0),
        (lambda z: z, lambda z: RNG.normal(size=N), 0.0, 0.02),
    ],
    ids=["linear", "a parabola", "heavy tail, seen by ranks", "noise"],
)
def test_explained_variance(target, feature, least, most):
    z = RNG.normal(size=N)
    found = oof_r2(codes_of(pl.Series(feature(z)), categorical=False), target(z))
    assert found is not None
    assert least <= found <= most


@pytest.mark.parametrize("y", [np.zeros(50), np.array([0, 1] * 4), np.array([0] * 41 + [1] * 9)])
def test_too_few_rows_of_two_outcomes_are_not_measured(y):
    assert oof_auc(np.arange(len(y)), y) is None


def test_a_constant_target_is_not_measured():
    assert oof_r2(np.arange(50), np.ones(50)) is None


def test_codes_keep_order_and_missing_values_apart():
    codes = codes_of(pl.Series([3.0, None, 1.0, float("nan"), 3.0]), categorical=False)
    assert codes.tolist() == [2, 0, 1, 0, 2]
    assert codes_of(pl.Series(["b", None, "a"]), categorical=True).tolist() == [2, 0, 1]
    assert codes_of(pl.Series([True, False, None]), categorical=False).tolist() == [2, 1, 0]
    wide = codes_of(pl.Series(np.arange(50_000.0)), categorical=False)
    assert wide.max() == 200
    assert (np.diff(wide) >= 0).all()


def test_three_classes_are_judged_one_against_the_rest():
    y = RNG.integers(0, 3, N)
    assert oof_auc(y + 1, y) == pytest.approx(1.0)
    assert (oof_auc(RNG.integers(0, 5, N), y) or 0) < 0.55


@pytest.mark.parametrize(
    ("task", "y"),
    [
        ("binary", RNG.integers(0, 2, N)),
        ("multiclass", np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]),
        ("regression", RNG.normal(size=N)),
    ],
)
def test_every_task_is_screened_and_twice_the_same(task, y):
    rows = table(
        y=y,
        x=RNG.normal(size=N),
        k=RNG.choice(["u", "v", None], N),
        flag=RNG.integers(0, 2, N).astype(bool),
        sex=RNG.choice(["f", "m"], N),
    )
    d = declaration({"x": "numeric", "k": "categorical", "flag": "boolean"}, task, protected=["sex"])
    first = screen(rows, d)
    assert first == screen(rows, d)
    assert {f.feature for f in first.features} == {"x", "k", "flag"}
    assert all((f.r2 if task == "regression" else f.auc) is not None for f in first.features)
    assert sum(g.rows for g in first.labels) == N
    assert first.proxies[0].auc is not None
    assert first.proxies[0].auc < 0.56
    assert first.to_dict()["task"] == task


def test_a_stand_in_is_named_and_the_attribute_itself_left_out():
    sex = RNG.choice(["f", "m"], N)
    height = np.where(sex == "f", 165.0, 178.0) + RNG.normal(0, 5, N)
    rows = table(y=RNG.integers(0, 2, N), height=height, noise=RNG.normal(size=N), sex=sex)
    d = declaration({"height": "numeric", "noise": "numeric", "sex": "categorical"}, protected=["sex"])
    found = screen(rows, d).proxies[0]
    assert found.is_input
    assert list(found.features) == ["height", "noise"]
    assert found.features["height"] > 0.9
    assert found.auc is not None
    assert found.auc > 0.9


def test_favourable_labels_are_counted_from_the_persons_side():
    rows = pl.DataFrame({"id": range(4), "y": ["bad", "good", "good", None], "x": [1, 2, 3, 4], "sex": list("fffm")})
    d = declaration({"x": "numeric"}, target={"column": "y", "positive": "bad"}, protected=["sex"])
    assert [(g.group, g.rows, g.favourable) for g in screen(rows, d).labels] == [("f", 3, 2)]


def test_a_date_after_the_event_is_counted():
    event = [datetime(2020, 1, 1)] * 4
    closed = [datetime(2019, 1, 1), datetime(2020, 1, 1), datetime(2020, 1, 2), None]
    rows = pl.DataFrame({"id": range(4), "y": [0, 1, 0, 1], "on": event, "closed": closed})
    d = declaration({"closed": "date"}, event_time="on", training={"until": "2021-01-01"})
    assert screen(rows, d).features[0].after_event == pytest.approx(1 / 3)


def test_a_year_counts_to_its_end():
    rows = pl.DataFrame(
        {"id": range(2), "y": [0, 1], "year": [2020, 2020], "closed": [datetime(2020, 12, 31), datetime(2021, 1, 2)]}
    )
    event = {"column": "year", "format": "year"}
    d = declaration({"closed": "date"}, event_time=event, training={"until": "2021-01-01"})
    assert screen(rows, d).features[0].after_event == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("protected", "values", "names"),
    [
        (
            Protected(column="a", bins=(30, 50)),
            [29, 30, 49, 50, None],
            ["under 30", "30 to 50", "30 to 50", "50 and over", None],
        ),
        (Protected(column="a", labels={"1": "men"}), ["1", "2", None], ["men", "2", None]),
        (Protected(column="a"), [1.0, float("nan")], ["1", None]),
    ],
)
def test_groups_have_readable_names(protected, values, names):
    assert group_names(pl.DataFrame({"a": values}), protected).to_list() == names


def test_rows_that_cannot_be_judged_give_no_numbers():
    rows = pl.DataFrame({"id": [1], "y": [1], "x": [None], "sex": ["f"]}, schema_overrides={"x": pl.Float64})
    found = screen(rows, declaration({"x": "numeric"}, protected=["sex"]))
    assert found.features[0].auc is None
    assert (found.proxies[0].auc, found.proxies[0].note) == (None, "fewer than two groups")
    empty = screen(rows.clear(), declaration({"x": "numeric"}, protected=["sex"]))
    assert empty.labels == ()


def test_the_trap_in_the_loans_is_found():
    rows = pl.read_parquet(DATA / "sba_loans.parquet").filter(pl.col("approval_date") < datetime(2003, 10, 1))
    names = {"term_months": "numeric", "approved_usd": "numeric", "state": "categorical"}
    d = declaration(names, target="default").model_copy(update={"id": "loan_id"})
    strongest, second, *_ = screen(rows, d).features
    assert strongest.feature == "term_months"
    assert (strongest.auc or 0) > 0.9
    assert (second.auc or 1) < 0.65
