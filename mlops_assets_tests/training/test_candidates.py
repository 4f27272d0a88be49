from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.training import Candidate
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.training.candidates import (
    CandidateError,
    FittedCandidate,
    canonical_order,
    fit_candidates,
    make_folds,
    refit,
)
from mlops_assets.training.metrics import scores_of
from mlops_assets.training.selection import best
from mlops_assets_tests.training.tables import declare, multiclass, regression, table

OWN = "mlops_assets_tests.training.tables"
NO_TIME: dict[str, Any] = {"event_time": None, "training": {}, "monitoring": {}}


@pytest.mark.parametrize(
    "model",
    [
        pytest.param(declare(), id="binary"),
        pytest.param(multiclass(), id="multiclass"),
        pytest.param(regression(), id="regression"),
        pytest.param(declare(**NO_TIME), id="without time"),
        pytest.param(declare(features={"größe": "categorical"}), id="one feature, a category"),
        pytest.param(declare(features={"empty": "numeric"}), id="one feature, nothing in it"),
    ],
)
def test_twice_the_same_bit_for_bit_in_any_order_of_rows(model: Declaration) -> None:
    frame = table(700)
    first = fit_candidates(model, frame)
    second = fit_candidates(model, frame.sample(fraction=1, shuffle=True, seed=5))
    probe = to_model_frame(frame.head(100), model)
    for a, b in zip(first, second, strict=True):
        assert (a.folds, a.cv_mean, a.parameters) == (b.folds, b.cv_mean, b.parameters)
        assert np.array_equal(scores_of(a.pipeline, probe, model), scores_of(b.pipeline, probe, model))


def test_candidates_learn_what_is_there() -> None:
    for candidate in fit_candidates(declare(), table(1500)):
        assert (candidate.cv_mean["roc_auc"] or 0) > 0.68, candidate.label
    for candidate in fit_candidates(regression(), table(1500)):
        assert (candidate.cv_mean["r2"] or 0) > 0.5, candidate.label


def test_refit_is_the_final_fit() -> None:
    model, frame = declare(), table(500)
    probe = to_model_frame(frame, model)
    for candidate, fitted in zip(model.candidates, fit_candidates(model, frame), strict=True):
        again = refit(model, candidate, frame.reverse())
        assert np.array_equal(scores_of(again, probe, model), scores_of(fitted.pipeline, probe, model))


def test_own_algorithm_and_its_parameters() -> None:
    model = declare(candidates=[{"algorithm": f"{OWN}:small_tree", "parameters": {"depth": 3}}])
    (fitted,) = fit_candidates(model, table(400))
    assert (fitted.label, fitted.parameters["max_depth"]) == ("small_tree", 3)
    assert fitted.parameters["random_state"] is not None


@pytest.mark.parametrize(
    ("candidate", "message"),
    [
        (Candidate(algorithm="no_such_module:build"), "cannot be imported"),
        (Candidate(algorithm=f"{OWN}:absent"), "cannot be imported"),
        (Candidate(algorithm=f"{OWN}:not_an_estimator"), "returned str"),
        (Candidate(algorithm="linear", parameters={"depth": 3}), "cannot be built"),
        (Candidate(algorithm="hist_gradient_boosting", parameters={"max_iter": -1}), "fitting on"),
    ],
)
def test_a_candidate_that_cannot_be_built_is_named(candidate: Candidate, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        fit_candidates(declare(candidates=[candidate]), table(100))


def test_unknown_metric_and_unlearnable_rows() -> None:
    with pytest.raises(CandidateError, match="expected one of roc_auc"):
        fit_candidates(declare(training={"until": "2021-01-01", "metric": "auc"}, candidates=["linear"]), table(100))
    with pytest.raises(ValueError, match="at least 8"):
        fit_candidates(declare(), table(5))
    with pytest.raises(ValueError, match="one class only"):
        fit_candidates(declare(), table(50).with_columns(pl.lit("good").alias("y")))


def test_folds_follow_time_and_never_part_a_day() -> None:
    model = declare()
    frame = canonical_order(table(900), model)
    folds, method = make_folds(frame, target_vector(frame, model), model)
    assert (method, len(folds)) == ("time", 3)
    days = frame["opened"].dt.date()
    for train, test in folds:
        assert days[train.tolist()].max() < days[test.tolist()].min()  # type: ignore[operator]


def test_folds_without_time_hold_each_row_once() -> None:
    model = declare(**NO_TIME)
    frame = canonical_order(table(300), model)
    folds, method = make_folds(frame, target_vector(frame, model), model)
    assert method == "stratified"
    assert sorted(np.concatenate([test for _, test in folds])) == list(range(300))


def test_max_rows_bounds_the_fit() -> None:
    model = declare(training={"until": "2021-01-01", "max_rows": 300}, candidates=["linear"])
    assert fit_candidates(model, table(800))[0].fit_rows == 300


def fitted(algorithm: str, values: list[float], metric: str = "roc_auc") -> FittedCandidate:
    return FittedCandidate(
        algorithm=algorithm,
        label=algorithm,
        pipeline=None,  # type: ignore[arg-type]
        parameters={},
        metric=metric,
        cv_mean={metric: float(np.mean(values))},
        cv_std={metric: float(np.std(values, ddof=1))},
        folds=tuple({metric: v} for v in values),
        fold_method="time",
        cv_rows=1,
        fit_rows=1,
        fit_seconds=0.0,
    )


@pytest.mark.parametrize(
    ("linear", "boosting", "metric", "chosen"),
    [
        pytest.param([0.70, 0.71, 0.70], [0.70, 0.71, 0.71], "roc_auc", "linear", id="a tie goes to the simpler"),
        pytest.param([0.70, 0.71, 0.70], [0.71, 0.72, 0.71], "roc_auc", "hist_gradient_boosting", id="always worse"),
        pytest.param(
            [0.60, 0.74, 0.70], [0.70, 0.71, 0.72], "roc_auc", "hist_gradient_boosting", id="noise, but large"
        ),
        pytest.param([0.72, 0.73, 0.74], [0.70, 0.71, 0.71], "roc_auc", "linear", id="simpler and better"),
        pytest.param([5.0, 5.1, 5.2], [4.0, 4.1, 4.2], "rmse", "hist_gradient_boosting", id="an error: less is better"),
    ],
)
def test_selection(linear: list[float], boosting: list[float], metric: str, chosen: str) -> None:
    result = best([fitted("linear", linear, metric), fitted("hist_gradient_boosting", boosting, metric)])
    assert result.chosen.algorithm == chosen
    assert chosen in result.reason
    assert len(result.table) == 2


def test_selection_without_a_measured_candidate() -> None:
    with pytest.raises(ValueError, match="no candidate"):
        best([])


def test_only_the_chosen_one_is_fitted_on_all_rows_and_it_is_the_same_model() -> None:
    model, frame = declare(candidates=["linear", "hist_gradient_boosting"]), table(400)
    everything = fit_candidates(model, frame)
    compared, chosen = fit_candidates(model, frame, lambda found: found[1])
    assert (compared.fit_rows, compared.fit_seconds, chosen.fit_rows) == (0, 0.0, 400)
    assert [compared.folds, chosen.folds] == [c.folds for c in everything]
    probe = to_model_frame(frame.head(50), model)
    expected = scores_of(everything[1].pipeline, probe, model)
    assert np.array_equal(scores_of(chosen.pipeline, probe, model), expected)
