"""Reasons are tested against something by which they were not chosen, and each test can fail."""

from dataclasses import replace

import numpy as np
import pytest

from mlops_assets.evaluation.reasons import examination
from mlops_assets.evaluation.reasons.examination import examine_reason_codes, helpful_factors
from mlops_assets.evaluation.reasons.reason_codes import ReasonLimits, adverse_decisions
from mlops_assets.evaluation.reasons.reference import build_reference, columns_of
from mlops_assets.gates.reason_codes import ReasonCodesEvidence, ReasonCodesRule, decide
from mlops_assets.training.candidates import refit
from mlops_assets_tests.evaluation.reasons.made import LINEAR, TREES, declared, examined, rows


def outcome(report, **rule):  # type: ignore[no-untyped-def]
    return decide(ReasonCodesEvidence.from_dict(report.to_dict()), ReasonCodesRule(**rule)).outcome


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("linear", LINEAR), ("linear", TREES), ("or", TREES), ("twins", LINEAR)]
)
def test_reasons_of_a_model_that_learned_something_pass(kind: str, algorithm: int) -> None:
    report = examined(kind, algorithm)
    assert outcome(report) == "passed", report
    assert report.drop is not None and report.random_drop is not None and report.drop_error is not None  # noqa: PT018
    assert report.drop - report.random_drop > 5 * report.drop_error
    assert report.shapley_exact


@pytest.mark.parametrize("algorithm", [LINEAR, TREES])
def test_reasons_of_a_model_of_noise_fail(algorithm: int) -> None:
    """They are true of the model, and no factor tells anything about outcomes."""
    report = examined("noise", algorithm, threshold=0.4)
    assert outcome(report) == "failed"
    assert report.tested
    assert report.supported == 0
    assert set(report.not_supported) == set(report.frequent or {})


def test_a_model_of_noise_is_seldom_supported_by_any_outcome() -> None:
    """At most 5 %, whatever the number of factors: 60 sets of labels for one model, at most 7 by chance (p .97)."""
    model, held = declared(6), rows(600, 101, "linear")
    pipeline = refit(model, model.candidates[LINEAR], rows(1000, 1, "linear"))
    factors = [[j] for j in range(6)]
    assert helpful_factors(pipeline, held, model, factors) == [True] * 3 + [True, False, False]
    noise = [held.with_columns(held["y"].shuffle(seed=i)) for i in range(60)]
    found = [any(helpful_factors(pipeline, one, model, factors) or []) for one in noise]
    assert sum(found) <= 7
    assert helpful_factors(pipeline, held.filter(held["y"] == "bad"), model, factors) is None
    assert helpful_factors(pipeline, held.drop("y"), model, factors) is None


def test_factors_named_at_random_fail_each_test() -> None:
    """A test that repeats the choice cannot fail; these do where the factors named are not the reasons."""
    model, held = declared(6), rows(1500, 101, "linear")
    pipeline = refit(model, model.candidates[LINEAR], rows(3000, 1, "linear"))
    reference = build_reference(pipeline, held, model, 0.5, resamples=3)
    found = adverse_decisions(pipeline, held, model, 0.5, reference, ReasonLimits())
    generator = np.random.default_rng(5)
    drawn = replace(found, named=[generator.permutation(6)[:2].tolist() for _ in found.named])
    true = examine_reason_codes(pipeline, held, model, 0.5, reference)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examination, "adverse_decisions", lambda *_: drawn)
        report = examine_reason_codes(pipeline, held, model, 0.5, reference)
    for measure, limit in (("faithful_share", 0.6), ("shapley_agreement", 0.75), ("stable_first", 0.4)):
        assert getattr(report, measure) < limit < getattr(true, measure), measure
    assert report.drop == pytest.approx(report.random_drop, abs=4 * (report.drop_error or 0))


def test_stability_falls_where_the_typical_row_is_hardly_known() -> None:
    model, held = declared(6), rows(2000, 101, "linear")
    pipeline = refit(model, model.candidates[LINEAR], rows(3000, 1, "linear"))
    few, many = (build_reference(pipeline, held.head(n), model, 0.5, resamples=5) for n in (30, 2000))
    stable = [examine_reason_codes(pipeline, held, model, 0.5, one).stable_first for one in (few, many)]
    assert stable[0] is not None and stable[1] is not None  # noqa: PT018
    assert stable[0] < stable[1]
    none = replace(many, resampled=many.resampled[:0])
    assert examine_reason_codes(pipeline, held, model, 0.5, none).stable_first is None


def test_a_factor_of_twins_is_one() -> None:
    report = examined("twins", LINEAR)
    assert report.correlated == (("x0", "x1"),)
    model, held = declared(6), rows(500, 101, "twins")
    pipeline = refit(model, model.candidates[LINEAR], rows(3000, 1, "twins"))
    reference = build_reference(pipeline, held, model, 0.5)
    assert columns_of(reference.factors) == [[0, 1], [2], [3], [4], [5]]
