import json
from dataclasses import asdict
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.training import Candidate
from mlops_assets.evaluation.importance import permutation_importance
from mlops_assets.evaluation.reasons.examination import examine_reason_codes
from mlops_assets.evaluation.reasons.reference import build_reference
from mlops_assets.evaluation.robustness import probe
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.monitoring.inputs.attribution import score_importance
from mlops_assets.training.candidates import FittedCandidate, fit_candidates, refit
from mlops_assets.training.fitting import CandidateError
from mlops_assets.training.folds import canonical_order, make_folds
from mlops_assets.training.metrics import scores_of
from mlops_assets.training.selection import best
from mlops_assets_tests.training.tables import declare, multiclass, regression, table

OWN = "mlops_assets_tests.training.tables"
MADE = "mlops_assets_tests.training.estimators"
TRUSTED = [f"{MADE}.{name}" for name in ("FailsOnManyRows", "MissingMarker", "NanScores", "Scorecard")]
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
    first = fit_candidates(model, frame).fitted
    second = fit_candidates(model, frame.sample(fraction=1, shuffle=True, seed=5)).fitted
    probe = to_model_frame(frame.head(100), model)
    for a, b in zip(first, second, strict=True):
        assert (a.folds, a.cv_mean, a.parameters) == (b.folds, b.cv_mean, b.parameters)
        assert np.array_equal(scores_of(a.pipeline, probe, model), scores_of(b.pipeline, probe, model))


def test_candidates_learn_what_is_there() -> None:
    for candidate in fit_candidates(declare(), table(1500)).fitted:
        assert (candidate.cv_mean["roc_auc"] or 0) > 0.68, candidate.label
    for candidate in fit_candidates(regression(), table(1500)).fitted:
        assert (candidate.cv_mean["r2"] or 0) > 0.5, candidate.label


def test_refit_is_the_final_fit() -> None:
    model, frame = declare(), table(500)
    probe = to_model_frame(frame, model)
    for candidate, fitted in zip(model.candidates, fit_candidates(model, frame).fitted, strict=True):
        again = refit(model, candidate, frame.reverse())
        assert np.array_equal(scores_of(again, probe, model), scores_of(fitted.pipeline, probe, model))


def test_own_algorithm_and_its_parameters() -> None:
    model = declare(candidates=[{"algorithm": f"{OWN}:small_tree", "parameters": {"depth": 3}}])
    (fitted,) = fit_candidates(model, table(400)).fitted
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
def test_a_candidate_that_fails_alone_is_an_error_that_names_it(candidate: Candidate, message: str) -> None:
    with pytest.raises(CandidateError, match=message):
        fit_candidates(declare(candidates=[candidate]), table(100))


BROKEN = [
    {"algorithm": "no_such_module:build"},
    {"algorithm": "linear", "parameters": {"depth": 3}},
    {"algorithm": "hist_gradient_boosting", "parameters": {"max_iter": -1}},
    {"algorithm": f"{MADE}:nan_scores", "trusted_types": TRUSTED},
    {"algorithm": f"{MADE}:fails_on_many_rows", "trusted_types": TRUSTED},
    {"algorithm": f"{MADE}:build"},
]


@pytest.mark.parametrize(
    "broken", BROKEN, ids=["missing", "parameters", "fit", "NaN scores", "final fit", "not storable"]
)
def test_one_that_fails_is_recorded_with_its_reason_and_the_others_are_compared(broken: dict[str, Any]) -> None:
    model = declare(candidates=[broken, "random_forest"])
    found = fit_candidates(model, table(400), lambda compared: compared[0])
    assert [c.label for c in found.fitted] == ["random_forest"]
    assert found.fitted[0].fit_rows == 400
    (failed,) = found.failed
    assert failed.algorithm == broken["algorithm"]
    assert failed.algorithm in failed.reason
    json.dumps([asdict(failed)])


def test_where_all_fail_every_reason_is_named() -> None:
    with pytest.raises(CandidateError, match="every candidate failed") as refused:
        fit_candidates(declare(candidates=BROKEN[:2]), table(200))
    assert "no_such_module" in str(refused.value)
    assert "depth" in str(refused.value)


@pytest.mark.parametrize(
    "algorithm",
    ["with_missing_marker", "searched", "with_imputer"],
    ids=["NaN parameters", "RandomizedSearchCV", "SimpleImputer"],
)
def test_estimators_that_people_bring_train_score_and_are_json(algorithm: str) -> None:
    """Parameters that are NaN or infinite (`missing=nan`, `error_score=nan`) are no JSON, and once stopped a training."""
    model = declare(candidates=[{"algorithm": f"{MADE}:{algorithm}", "trusted_types": TRUSTED}])
    frame = table(400)
    (candidate,) = fit_candidates(model, frame).fitted
    json.dumps(candidate.to_dict(), allow_nan=False)
    assert "nan" in candidate.parameters.values()
    assert np.isfinite(scores_of(candidate.pipeline, to_model_frame(frame, model), model)).all()
    again = fit_candidates(model, frame).fitted[0]
    assert again.folds == candidate.folds


def test_one_class_in_a_fold_is_not_measurable() -> None:
    """The first half of the time has no event: folds that would be fitted on it measure nothing."""
    model = declare()
    frame = table(600).sort("opened")
    late = pl.int_range(pl.len()) >= 400
    frame = frame.with_columns(
        pl.when(late & (pl.int_range(pl.len()) % 3 == 0)).then(pl.lit("bad")).otherwise(pl.lit("good")).alias("y")
    )
    for candidate in fit_candidates(model, frame).fitted:
        assert candidate.folds[0]["roc_auc"] is None
        assert candidate.cv_mean["roc_auc"] is not None


def test_where_no_fold_has_both_classes_the_simplest_is_taken() -> None:
    model = declare(candidates=["hist_gradient_boosting", "linear"])
    frame = table(600).sort("opened")
    last = pl.int_range(pl.len()) >= 590
    frame = frame.with_columns(pl.when(last).then(pl.lit("bad")).otherwise(pl.lit("good")).alias("y"))
    found = fit_candidates(model, frame, lambda compared: best(compared).chosen)
    selection = best(found.fitted)
    assert selection.chosen.algorithm == "linear"
    assert "could not be measured" in selection.reason


def test_a_date_feature_trains_scores_and_is_explained() -> None:
    """A date becomes an age at the event, so the event time must be there wherever the model is applied."""
    model = declare(features={"born": "date", "code": "categorical"})
    frame = table(500)
    candidate = fit_candidates(model, frame).fitted[0]

    def score(rows: pl.DataFrame) -> np.ndarray:
        return scores_of(candidate.pipeline, to_model_frame(rows, model), model)

    assert permutation_importance(candidate.pipeline, frame, model).to_dict()["features"]
    assert len(score_importance(score, frame, list(model.features)).values) == 2
    reference = build_reference(candidate.pipeline, frame, model, 0.3)
    assert examine_reason_codes(candidate.pipeline, frame, model, 0.3, reference).adverse > 0
    assert probe(score, frame, model, target_vector(frame, model), threshold=0.3).probes


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
    assert fit_candidates(model, table(800)).fitted[0].fit_rows == 300


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
    everything = fit_candidates(model, frame).fitted
    compared, chosen = fit_candidates(model, frame, lambda found: found[1]).fitted
    assert (compared.fit_rows, compared.fit_seconds, chosen.fit_rows) == (0, 0.0, 400)
    assert [compared.folds, chosen.folds] == [c.folds for c in everything]
    probe = to_model_frame(frame.head(50), model)
    expected = scores_of(everything[1].pipeline, probe, model)
    assert np.array_equal(scores_of(chosen.pipeline, probe, model), expected)
