"""A challenger is tested on the rows that it scored beside the champion."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.terms import Task
from mlops_assets.pipeline.stages.beside_champion import checks_of
from mlops_assets.policy.policy import Policy

ROWS = 2000


def measured(quality: float, challenger: float, *, task=Task.BINARY, outcomes=ROWS, alike=0.9, least=0.0, seed=3):
    """Champion and challenger whose scores hold so much of what decides the outcome."""
    generator = np.random.default_rng(seed)
    signal = generator.normal(0, 1, ROWS)
    truth = (generator.random(ROWS) < 1 / (1 + np.exp(1 - 2 * signal))).astype(int)
    noise = generator.normal(0, 1, (2, ROWS))

    def score(share, own):
        return 1 / (1 + np.exp(-(share * signal + (1 - share) * own)))

    ids = [str(n) for n in range(ROWS)]
    first, second = score(quality, noise[0]), score(challenger, noise[1])
    decisions = (first > 0.5).astype(int)
    other = np.where(generator.random(ROWS) < alike, decisions, 1 - decisions)
    both = pl.DataFrame({"id": ids, "prediction": decisions, "beside_score": second, "beside_prediction": other})
    known = SimpleNamespace(ids=pl.Series(ids[:outcomes]), truth=truth[:outcomes], given=first[:outcomes])
    scored = SimpleNamespace(declaration=SimpleNamespace(task=task, training=SimpleNamespace(seed=1)))
    policy = Policy.model_validate({"tier": "low", "approvals": [], "release": {"min_agreement": least}})
    return {test.name: test for test in checks_of(both.sample(fraction=1, shuffle=True, seed=1), known, scored, policy)}


@pytest.mark.parametrize(
    ("challenger", "outcome"),
    [(0.9, "passed"), (0.7, "not_measurable"), (0.2, "failed")],
    ids=["better", "alike", "worse"],
)
def test_performance_is_compared_on_the_same_rows(challenger, outcome):
    found = measured(0.7, challenger)["performance"]
    assert found.outcome == outcome, found.reason
    assert found.low < found.value < found.high
    assert found.reason.startswith("roc_auc ")


def test_a_challenger_that_is_alike_is_seldom_sent_back():
    failed = sum(measured(0.7, 0.7, seed=seed)["performance"].outcome == "failed" for seed in range(100))
    assert failed <= 3, "one in two hundred is expected"


def test_without_outcomes_nothing_is_said_of_performance():
    found = measured(0.7, 0.2, outcomes=5)["performance"]
    assert (found.outcome, found.value) == ("not_measurable", None)
    assert "5 rows with outcomes" in found.reason


def test_of_several_classes_agreement_alone_is_tested():
    found = measured(0.7, 0.2, task=Task.MULTICLASS)
    assert found["performance"].outcome == "not_measurable"
    assert found["agreement"].outcome == "passed"


def test_a_number_has_no_decision_to_agree_on():
    assert set(measured(0.7, 0.7, task=Task.REGRESSION)) == {"performance"}


@pytest.mark.parametrize(("least", "outcome"), [(0.0, "passed"), (0.9, "passed"), (0.95, "failed")])
def test_agreement_is_held_to_the_policy(least, outcome):
    found = measured(0.7, 0.7, alike=0.9, least=least)["agreement"]
    assert (found.outcome, found.limit) == (outcome, least)
    assert found.value == pytest.approx(0.9, abs=0.02)
