"""Repeated fits: what is left to chance is seen, what is not is nought, and the same rows give the same answer."""

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.training import Candidate
from mlops_assets.evaluation.stability import StabilitySettings, churn_of, measure_stability
from mlops_assets.gates.registry import GATES
from mlops_assets.gates.stability import StabilityRule
from mlops_assets_tests.training.tables import declare, multiclass, regression, table

LINEAR, FOREST = Candidate(algorithm="linear"), Candidate(algorithm="random_forest")
ROWS = table(900)
FIT, HELD = ROWS[:600], ROWS[600:]


@pytest.mark.parametrize(
    ("declaration", "metric", "decides"),
    [
        pytest.param(declare(), "roc_auc", True, id="binary"),
        pytest.param(multiclass(), "log_loss_skill", True, id="three classes"),
        pytest.param(regression(), "r2", False, id="a number: nothing is decided"),
    ],
)
def test_a_linear_model_depends_on_its_rows_and_not_on_its_seed(
    declaration: Declaration, metric: str, decides: bool
) -> None:
    classes = None
    if declaration.task.value == "multiclass":
        classes = sorted(ROWS[declaration.target.column].cast(pl.String).unique().to_list())
    found = measure_stability(declaration, LINEAR, FIT, HELD, classes=classes, settings=StabilitySettings(repeats=3))
    assert found.metric == metric
    assert (found.rows_fitted, found.rows_scored) == (600, 300)
    assert found.seeds.spread == pytest.approx(0, abs=1e-6)
    assert found.resamples.spread is not None
    assert found.resamples.spread > 1e-4
    assert (found.resamples.churn is not None) is decides
    assert not found.resamples.errors
    assert GATES["stability"].result(found.to_dict(), StabilityRule(max_resample_spread=1.0)).passed


def test_a_forest_depends_on_its_seed_too_and_says_the_same_twice() -> None:
    first = measure_stability(declare(), FOREST, FIT, HELD, settings=StabilitySettings(repeats=3, rows=300))
    again = measure_stability(
        declare(),
        FOREST,
        FIT.sample(fraction=1, shuffle=True, seed=1),
        HELD,
        settings=StabilitySettings(repeats=3, rows=300),
    )
    assert first == again
    assert first.rows_fitted == 300
    assert first.seeds.spread is not None
    assert first.seeds.spread > 0
    assert first.seeds.churn is not None
    assert first.seeds.churn > 0
    assert GATES["stability"].result(first.to_dict(), StabilityRule(max_seed_spread=0.0)).outcome == "failed"


def test_fits_that_fail_are_counted_and_are_no_pass() -> None:
    broken = Candidate(algorithm="linear", parameters={"C": -1.0})
    found = measure_stability(declare(), broken, FIT, HELD, settings=StabilitySettings(repeats=3))
    assert found.seeds.values == (None, None, None)
    assert found.seeds.spread is None
    assert "3 times" in found.seeds.errors[0]
    assert GATES["stability"].result(found.to_dict(), StabilityRule()).outcome == "not_measurable"


def test_a_class_that_a_resample_lacks_has_no_probability() -> None:
    rare = FIT.with_columns(
        pl.when(pl.int_range(pl.len()) == 7).then(pl.lit("once")).otherwise(pl.lit("a")).alias("kind")
    )
    usual = pl.when(pl.int_range(pl.len()) % 3 == 0).then(pl.lit("b")).otherwise(pl.col("kind"))
    rows = rare.with_columns(usual.alias("kind"))
    held = rows.filter(pl.col("kind") != "once")
    model = declare(task="multiclass", target={"column": "kind"})
    found = measure_stability(
        model, LINEAR, rows, held, classes=["a", "b", "once"], settings=StabilitySettings(repeats=6)
    )
    assert all(value is not None for value in found.resamples.values), found.resamples.errors


@pytest.mark.parametrize(
    ("decisions", "churn"),
    [
        ([[1, 0, 1]], None),
        ([[1, 0, 1], [1, 0, 1]], 0.0),
        ([[1, 0, 1, 1], [1, 0, 1, 0]], 0.25),
        ([[1, 0], [1, 1], [1, 1]], 1 / 3),
        ([[0, 1], [1, 2], [2, 0]], 1.0),
    ],
)
def test_churn_is_the_share_of_pairs_that_disagree(decisions: list[list[int]], churn: float | None) -> None:
    arrays = [np.array(d) for d in decisions]
    assert churn_of(arrays) == (None if churn is None else pytest.approx(churn))
    if churn is not None:
        pairs = [(a, b) for i, a in enumerate(arrays) for b in arrays[:i]]
        assert churn_of(arrays) == pytest.approx(np.mean([np.mean(a != b) for a, b in pairs]))
