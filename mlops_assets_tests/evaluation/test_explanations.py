import numpy as np
import polars as pl
import pytest

from mlops_assets.evaluation.contributions import build_reference, contributions
from mlops_assets.evaluation.explanations import examine_reason_codes, reason_codes
from mlops_assets.evaluation.importance import permutation_importance
from mlops_assets.features.frame import to_model_frame
from mlops_assets.training.candidates import refit
from mlops_assets.training.metrics import scores_of
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


@pytest.mark.parametrize("number", ALGORITHMS)
def test_a_contribution_is_the_score_less_the_score_with_the_typical_value(number: int) -> None:
    model = declare()
    pipeline = refit(model, model.candidates[number], FRAME)
    reference = build_reference(pipeline, FRAME, model, 0.5)
    rows = FRAME.head(40)
    found = contributions(pipeline, rows, model, reference)
    plain = to_model_frame(rows, model)
    scores = scores_of(pipeline, plain, model)
    for j, name in enumerate(model.features):
        changed = plain.copy()
        value = reference.typical[name]
        changed[name] = float("nan") if value is None else value
        assert np.allclose(found[:, j], scores - scores_of(pipeline, changed, model), atol=1e-12), name


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
    assert report.faithful_share is not None and report.faithful_share > 0.9  # noqa: PT018
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
def test_other_tasks_have_contributions_and_no_reasons(model) -> None:  # type: ignore[no-untyped-def]
    pipeline = refit(model, model.candidates[1], FRAME)
    reference = build_reference(pipeline, FRAME, model, None)
    found = contributions(pipeline, FRAME.head(30), model, reference)
    assert found.shape == (30, len(model.features))
    assert np.abs(found).max() > 0
    assert not examine_reason_codes(pipeline, FRAME, model, None, reference).applies
    with pytest.raises(ValueError, match="binary"):
        reason_codes(pipeline, FRAME, model, 0.5, reference)
    assert permutation_importance(pipeline, FRAME, model).rows == 1000
