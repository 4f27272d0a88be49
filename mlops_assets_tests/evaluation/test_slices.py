import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from mlops_assets.declaration.columns import Slice
from mlops_assets.evaluation.segments import automatic, by_edges, by_quantile, by_value
from mlops_assets.evaluation.slices import measure_slices
from mlops_assets_tests.cost import times_as_much


def population(n=20_000, seed=1, blind=True):
    """Scores that are noise for women in the north, if `blind`."""
    generator = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "sex": generator.choice(["man", "woman"], n),
            "region": generator.choice(["north", "south", "east", "west"], n),
            "age": generator.integers(18, 80, n),
            "noise": generator.normal(size=n),
        }
    )
    x = generator.normal(size=n)
    y = (generator.random(n) < 1 / (1 + np.exp(-2 * x))).astype(int)
    score = 1 / (1 + np.exp(-2 * x))
    bad = ((frame["sex"] == "woman") & (frame["region"] == "north")).to_numpy()
    if blind:
        score[bad] = generator.permutation(score[bad])
    return frame, y, score, bad


def test_declared_slices_equal_sklearn_on_their_rows():
    frame, y, score, _ = population()
    found = measure_slices(y, score, "binary", frame, [Slice(column="region"), Slice(column="age", bins=4)])
    by_name = {s.slice: s for s in found.declared}
    inside = (frame["region"] == "north").to_numpy()
    north = by_name["region = north"]
    assert north.n == inside.sum()
    assert north.value == pytest.approx(roc_auc_score(y[inside], score[inside]))
    assert north.difference == pytest.approx(north.value - roc_auc_score(y, score))
    assert north.p_adjusted < 1e-6
    assert by_name["region = south"].p_adjusted > 0.5
    assert len([s for s in found.declared if s.columns == ("age",)]) == 4
    json.dumps(found.to_dict(), allow_nan=False)


def test_search_finds_the_planted_pair_and_measures_it_on_other_rows():
    frame, y, score, bad = population()
    found = measure_slices(y, score, "binary", frame, search=frame.columns)
    worst = found.found[0]
    assert set(worst.columns) == {"sex", "region"}
    assert worst.slice == "sex = woman and region = north"
    assert worst.n < bad.sum()
    assert worst.value == pytest.approx(0.5, abs=0.06)
    assert worst.p_adjusted < 1e-6
    assert found.searched > 50


def test_search_raises_no_false_alarm():
    """Twenty populations without any bad slice: at most a few are called significant at 5 %."""
    alarms = 0
    for seed in range(20):
        frame, y, score, _ = population(3000, seed + 100, blind=False)
        found = measure_slices(y, score, "binary", frame, search=frame.columns)
        alarms += any(s.p_adjusted < 0.05 for s in found.found)
    assert alarms <= 4


def test_standard_error_of_the_difference_equals_a_bootstrap():
    frame, y, score, _ = population(3000)
    inside = (frame["region"] == "north").to_numpy()
    found = next(
        s for s in measure_slices(y, score, "binary", frame, [Slice(column="region")]).declared if "north" in s.slice
    )
    generator = np.random.default_rng(3)
    draws = []
    for _ in range(200):
        i = generator.integers(0, len(y), len(y))
        k = i[inside[i]]
        draws.append(roc_auc_score(y[k], score[k]) - roc_auc_score(y[i], score[i]))
    assert (found.difference_high - found.difference_low) / 3.92 == pytest.approx(np.std(draws), rel=0.2)


@pytest.mark.parametrize("task", ["regression", "multiclass"])
def test_other_tasks(task):
    frame, _, _, bad = population()
    generator = np.random.default_rng(5)
    if task == "regression":
        y = generator.normal(100, 20, frame.height)
        score = y + generator.normal(0, np.where(bad, 30, 5))
    else:
        score = generator.dirichlet([0.5] * 3, frame.height)
        y = (score.cumsum(1) < generator.random((frame.height, 1))).sum(1)
        score[bad] = generator.permutation(score[bad])
    found = measure_slices(y, score, task, frame, [Slice(column="sex")], search=frame.columns)
    assert set(found.found[0].columns) == {"sex", "region"}
    assert found.found[0].value < 0.1
    worse, better = sorted(found.declared, key=lambda s: s.value)
    assert (worse.slice, better.slice) == ("sex = woman", "sex = man")


def test_small_slices_are_not_measurable_and_say_why():
    frame = pl.DataFrame({"a": ["x"] * 30 + ["y"] * 570})
    y = np.tile([0, 1], 300)
    found = measure_slices(y, np.linspace(0, 1, 600), "binary", frame, [Slice(column="a")])
    small = found.declared[0]
    assert (small.measurable, small.value, small.reason) == (False, None, "30 rows, fewer than 200")
    rare = measure_slices(
        (np.arange(600) < 5).astype(int), np.linspace(0, 1, 600), "binary", frame, [Slice(column="a")]
    )
    assert "negatives, fewer than 20" in rare.declared[1].reason


def test_mistakes_name_the_column():
    with pytest.raises(ValueError, match="no column 'b'"):
        measure_slices(
            np.array([0, 1]), np.array([0.1, 0.2]), "binary", pl.DataFrame({"a": [1, 2]}), [Slice(column="b")]
        )
    with pytest.raises(ValueError, match="3 rows of columns and 2 scores"):
        measure_slices(np.array([0, 1]), np.array([0.1, 0.2]), "binary", pl.DataFrame({"a": [1, 2, 3]}))


@pytest.mark.parametrize(
    ("build", "names", "codes", "reason"),
    [
        (
            lambda f: by_value(f, "number", labels={"1": "one"}),
            ("one", "2", "10", "(missing)"),
            [2, 0, 1, 3, 0],
            "floats",
        ),
        (lambda f: by_value(f, "text", most=1), ("b", "(other)", "(missing)"), [1, 0, 0, 2, 1], "the rare joined"),
        (
            lambda f: by_edges(f, "number", [2, 5]),
            ("under 2", "2 to 5", "5 and over", "(missing)"),
            [2, 0, 1, 3, 0],
            "edges",
        ),
        (lambda f: by_quantile(f, "same", 3), ("7",), [0] * 5, "constant"),
        (lambda f: by_value(f, "empty"), ("(missing)",), [0] * 5, "all missing"),
        (lambda f: automatic(f, "day", 9), ("0", "1", "2", "3", "4"), [0, 1, 2, 3, 4], "dates"),
    ],
)
def test_segments(build, names, codes, reason):
    frame = pl.DataFrame(
        {
            "number": [10.0, 1.0, 2.0, None, 1.0],
            "text": ["a", "b", "b", None, "c"],
            "same": [7] * 5,
            "empty": pl.Series([None] * 5, dtype=pl.String),
            "day": pl.Series(range(5)).cast(pl.Date),
        }
    )
    found = build(frame)
    assert (found.names, found.codes.tolist()) == (names, codes), reason


def test_a_search_over_twenty_columns_costs_a_few_sorts_of_them():
    frame, y, score, _ = population(200_000)
    wide = frame.with_columns(pl.col("noise").shuffle(seed=i).alias(f"n{i}") for i in range(16))
    columns = [column.to_numpy() for column in wide]
    spent = times_as_much(
        lambda: measure_slices(y, score, "binary", wide, [Slice(column="region")], search=wide.columns),
        lambda: [np.argsort(column, kind="stable") for column in columns],
    )
    assert spent < 5, "about 1.1 when it was written"
