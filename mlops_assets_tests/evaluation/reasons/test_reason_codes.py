import numpy as np
import polars as pl
import pytest

from mlops_assets.evaluation.importance import permutation_importance
from mlops_assets.evaluation.reasons.examination import examine_reason_codes
from mlops_assets.evaluation.reasons.reason_codes import ReasonLimits, reason_codes, strongest
from mlops_assets.evaluation.reasons.reference import build_reference
from mlops_assets.features.frame import to_model_frame
from mlops_assets.training.candidates import refit
from mlops_assets.training.metrics import scores_of
from mlops_assets_tests.evaluation.reasons.made import LINEAR, declared, rows
from mlops_assets_tests.training.tables import declare, multiclass, regression, table

ALGORITHMS = range(3)
FRAME = table(1000)


@pytest.mark.parametrize("number", ALGORITHMS)
def test_importance_ranks_what_matters_above_what_does_not(number: int) -> None:
    model = declare()
    pipeline = refit(model, model.candidates[number], FRAME.head(700))
    found = permutation_importance(pipeline, FRAME.tail(300), model)
    by_name = {entry.feature: entry.importance for entry in found.features}
    assert by_name["income (€)"] > 0.01 and by_name["größe"] > 0.01  # noqa: PT018
    assert by_name["empty"] == by_name["constant"] == by_name["blank"] == 0
    assert sum(found.shares().values()) == pytest.approx(1)
    assert found == permutation_importance(pipeline, FRAME.tail(300), model)


@pytest.mark.parametrize("favourable", ["negative", "positive"])
@pytest.mark.parametrize("number", ALGORITHMS)
def test_every_adverse_decision_has_few_true_reasons(number: int, favourable: str) -> None:
    features = {
        "income (€)": {"role": "numeric", "adverse_phrase": "Income is low"},
        "größe": {"role": "categorical", "description": "Size of the company."},
        "grade": {"role": "ordinal", "allowed": ["low", "mid", "high"]},
        "constant": "numeric",
    }
    model = declare(features=features, target={"column": "y", "positive": "bad", "favourable": favourable})
    pipeline = refit(model, model.candidates[number], FRAME)
    reference = build_reference(pipeline, FRAME, model, 0.5)
    scores = scores_of(pipeline, to_model_frame(FRAME, model), model)
    adverse = scores >= 0.5 if favourable == "negative" else scores < 0.5
    codes = reason_codes(pipeline, FRAME, model, 0.5, reference)
    assert codes["id"].to_list() == FRAME.filter(pl.Series(adverse))["row id"].to_list()
    assert codes["reasons"].list.len().max() <= 4  # type: ignore[operator]
    given = codes.explode("reasons").unnest("reasons").drop_nulls("feature")
    assert given["contribution"].min() > 0  # type: ignore[operator]
    assert "constant" not in given["feature"]
    assert set(given["phrase"]) <= {"Income is low", "Size of the company.", "grade"}
    report = examine_reason_codes(pipeline, FRAME, model, 0.5, reference)
    assert report.adverse == int(adverse.sum())
    assert report.coverage is not None and report.coverage > 0.97  # noqa: PT018
    assert report.faithful_share is not None and report.faithful_share > 0.75  # noqa: PT018
    assert report.drop is not None and report.random_drop is not None  # noqa: PT018
    assert report.drop > report.random_drop
    assert report.unscored == ()


def test_without_adverse_decisions_nothing_is_claimed() -> None:
    model = declare()
    pipeline = refit(model, model.candidates[0], FRAME)
    reference = build_reference(pipeline, FRAME, model, 0.5)
    report = examine_reason_codes(pipeline, FRAME, model, 0.9999999, reference)
    assert (report.applies, report.adverse, report.coverage) == (True, 0, None)
    assert reason_codes(pipeline, FRAME.clear(), model, 0.5, reference).height == 0


@pytest.mark.parametrize("model", [regression(), multiclass()], ids=["regression", "multiclass"])
def test_other_tasks_have_no_reasons(model) -> None:  # type: ignore[no-untyped-def]
    pipeline = refit(model, model.candidates[1], FRAME)
    reference = build_reference(pipeline, FRAME, model, None)
    assert not examine_reason_codes(pipeline, FRAME, model, None, reference).applies
    with pytest.raises(ValueError, match="binary"):
        reason_codes(pipeline, FRAME, model, 0.5, reference)
    assert permutation_importance(pipeline, FRAME, model).rows == 1000


@pytest.mark.parametrize(
    ("added", "least", "named", "why"),
    [
        ([0.5, 0.3, 0.2, 0.0], 0.05, [0, 1, 2], "the strongest first"),
        ([0.1, 0.5, 0.0, 0.4], 0.2, [1, 3], "a further reason below its share"),
        ([0.01, 0.0, -0.5, 0.0], 0.05, [0], "what counts in favour is no part of the sum"),
        ([0.25, 0.25, 0.25, 0.25], 0.05, [0, 1], "two at most"),
        ([0.0, -0.1, 0.0, 0.0], 0.05, [], "nothing counts against the person"),
        ([1e-6, 1e-7, 0.0, 0.0], 0.2, [0], "the first reason, however small"),
    ],
)
def test_the_strongest_factors_are_reasons(added: list[float], least: float, named: list[int], why: str) -> None:
    most = 2 if why == "two at most" else 4
    assert strongest(np.array([added]), ReasonLimits(most, least)) == [named], why


def test_reasons_of_a_linear_model_are_its_exact_contributions() -> None:
    """On the scale of a nearly linear score, a contribution is weight times difference from the typical row."""
    model, frame = declared(6), rows(2000, 1, "linear").with_columns((pl.col(f"x{j}") * 1e-4) for j in range(6))
    pipeline = refit(model, model.candidates[LINEAR], frame)
    estimator, scaled = (
        pipeline.named_steps["model"],
        pipeline.named_steps["features"].transform(to_model_frame(frame, model)),
    )
    estimator.coef_ *= 1e-3
    estimator.intercept_[:] = 0.0
    reference = build_reference(pipeline, frame, model, 0.5)
    codes = reason_codes(pipeline, frame, model, 0.5, reference, ReasonLimits(6, 0.0))
    scores = scores_of(pipeline, to_model_frame(frame, model), model)
    exact = estimator.coef_[0] * (scaled[scores >= 0.5] - reference.typical_row) / 4
    for row, reasons in zip(exact, codes["reasons"].to_list(), strict=True):
        order = [j for j in np.argsort(-row, kind="stable") if row[j] > 1e-9]
        assert [reason["feature"] for reason in reasons] == [f"x{j}" for j in order]
        assert [reason["contribution"] for reason in reasons] == pytest.approx(row[order], rel=1e-3)


def test_twins_give_one_reason_that_names_the_one_the_model_uses() -> None:
    model, frame = declared(6), rows(2000, 1, "twins")
    pipeline = refit(model, model.candidates[LINEAR], frame)
    weights = pipeline.named_steps["model"].coef_[0]
    for unused, used in ((0, 1), (1, 0)):
        weights[used], weights[unused] = weights[:2].sum(), 0.0
        codes = reason_codes(pipeline, frame, model, 0.5, build_reference(pipeline, frame, model, 0.5))
        given = codes.explode("reasons").unnest("reasons")["feature"].to_list()
        assert f"x{used}" in given
        assert f"x{unused}" not in given
