"""Scores and decisions that others gave."""

from collections import Counter

import numpy as np
import polars as pl
import pytest

from mlops_assets.datasets.contract import check
from mlops_assets.features.frame import to_model_frame
from mlops_assets.pipeline.stages.external import given_threshold, given_versions, separating
from mlops_assets.scoring import input_contract
from mlops_assets.scoring.batch import score
from mlops_assets.training.artifact import canonical_digest, load, save
from mlops_assets.training.given_scores import given_pipeline
from mlops_assets.training.metrics import scores_of
from mlops_assets_tests.declaration.test_external import VENDOR, declared

FULL = {**VENDOR, "decision": "said", "decision_positive": "NO", "version_column": "by", "prediction_id": "request"}


def rows(**changes):
    columns = {
        "application": ["a", "b", "c"],
        "decided_on": ["2023-11-01", "2023-11-02", "2023-11-03"],
        "income": [1.0, 2.0, 3.0],
        "vendor_score": ["0.1", "0.5", "0.9"],
        "said": ["YES", "NO", "NO"],
        "by": ["4.2", "4.2", "4.2"],
        "request": ["r1", "r2", "r3"],
        "defaulted": [0, 1, 1],
    }
    return pl.DataFrame({**columns, **changes})


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"vendor_score": ["0.1", "1.5", "0.9"]}, "vendor_score: not a probability (0 to 1)"),
        ({"vendor_score": ["0.1", "inf", "0.9"]}, "vendor_score: infinite"),
        ({"vendor_score": ["0.1", None, "0.9"]}, "vendor_score: missing"),
        ({"vendor_score": ["0.1", "high", "0.9"]}, "vendor_score: not a number"),
        ({"said": ["YES", None, "NO"]}, "said: missing"),
    ],
)
def test_a_prediction_that_cannot_be_used_is_quarantined_with_the_reason(changes, reason):
    for found in (
        check(rows(**changes), declared(external=FULL)),
        input_contract.check(rows(**changes), declared(external=FULL)),
    ):
        assert found.summary == {reason: 1}
        assert found.accepted.height == 2


def test_rows_of_another_version_are_no_reference_and_are_watched_in_production():
    other = rows(by=["4.2", "4.3", None])
    assert check(other, declared(external=FULL)).summary == {"by: not the declared version 4.2": 2}
    watched = input_contract.check(other, declared(external=FULL)).accepted
    assert watched.height == 3
    assert given_versions(declared(external=FULL), watched) == Counter({"4.2": 1, "4.3": 1, "(none given)": 1})


def test_a_regression_may_have_any_score():
    assert check(rows(vendor_score=["-4", "1e9", "0"]), declared(task="regression")).quarantined.is_empty()


def test_the_stored_form_gives_back_the_given_score_and_decision(tmp_path):
    declaration = declared(external=FULL)
    save(given_pipeline(declaration), tmp_path, declaration)
    pipeline = load(tmp_path, declaration, canonical_digest(tmp_path))
    good = check(rows(), declaration).accepted
    assert scores_of(pipeline, to_model_frame(good, declaration), declaration).tolist() == [0.1, 0.5, 0.9]
    predicted = score(pipeline, good, declaration, 0.95, version=1, window="2023-11-01")
    # The supplier's decision counts, not the threshold.
    assert predicted["prediction"].to_list() == [0, 1, 1]


def test_what_is_signed_depends_on_what_is_declared_of_the_supplier(tmp_path):
    digests = set()
    for n, facts in enumerate((VENDOR, {**VENDOR, "version": "4.3"}, {**VENDOR, "contract": "another"})):
        declaration = declared(external=facts)
        save(given_pipeline(declaration), tmp_path / str(n), declaration)
        digests.add(canonical_digest(tmp_path / str(n)))
    assert len(digests) == 3


def test_the_threshold_is_seen_in_the_decisions():
    scores = np.array([0.1, 0.2, 0.3, 0.4])
    assert separating(scores, np.array([False, False, True, True])) == 0.3
    # One decision against the score does not move it.
    assert separating(np.array([0.1, 0.2, 0.3, 0.4, 0.5]), np.array([True, False, False, True, True])) == 0.4
    assert separating(scores, np.array([True] * 4)) is None
    declaration = declared(external=FULL)
    assert given_threshold(declaration, check(rows(), declaration).accepted) == 0.5
