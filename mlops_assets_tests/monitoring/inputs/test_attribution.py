import json

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import ndcg_score

from mlops_assets.monitoring.inputs import attribution
from mlops_assets.monitoring.inputs.attribution import Importances, compare_importance, sample_size, score_importance


def model(frame):
    return (3 * frame["a"] + frame["b"] + 0 * frame["c"]).to_numpy()


def rows(n, seed, a=1.0):
    generator = np.random.default_rng(seed)
    return pl.DataFrame({"a": generator.normal(0, a, n), "b": generator.normal(size=n), "c": generator.normal(size=n)})


def test_importance_of_a_linear_model_is_known():
    found = score_importance(model, rows(4000, 1), ["a", "b", "c"], rows=4000)
    # The mean absolute difference of two independent standard normals is 2/sqrt(pi).
    assert found.values == pytest.approx([3 * 2 / np.sqrt(np.pi), 2 / np.sqrt(np.pi), 0], rel=0.05)
    assert score_importance(model, rows(4000, 1), ["a", "b", "c"], rows=4000) == found
    assert score_importance(model, rows(4000, 1), ["a"], rows=100).n == 100


def test_a_feature_that_became_constant_is_named_first():
    before = score_importance(model, rows(2000, 1), ["a", "b", "c"])
    after = score_importance(model, rows(2000, 2, a=0.0), ["a", "b", "c"])
    found = compare_importance(before, after)
    first = found.features[0]
    assert (first.feature, first.reference_rank, first.window, first.p_adjusted < 1e-6) == ("a", 1, 0.0, True)
    assert found.moved == pytest.approx(0.75, abs=0.03)
    assert "a, from 7" in found.reason
    json.dumps(found.to_dict(), allow_nan=False)


def test_without_change_nothing_moves():
    alarms = 0  # about two of forty are expected at 5 %
    for seed in range(40):
        parts = [score_importance(model, rows(500, 2 * seed + i), ["a", "b", "c"], seed=seed + i) for i in (0, 1)]
        alarms += min(f.p_adjusted for f in compare_importance(*parts).features) < 0.05
    assert alarms <= 5


def test_ndcg_equals_sklearn():
    before = Importances(10, ("a", "b", "c", "d"), (4.0, 3.0, 2.0, 1.0), (0.1,) * 4)
    after = Importances(10, ("a", "b", "c", "d"), (1.0, 3.0, 2.0, 4.0), (0.1,) * 4)
    assert compare_importance(before, before).ndcg == 1
    expected = ndcg_score([before.values], [after.values])
    assert compare_importance(before, after).ndcg == pytest.approx(expected)


def test_many_outputs_and_refusals():
    found = score_importance(lambda f: np.column_stack([model(f), -model(f)]), rows(300, 1), ["a"])
    assert found.values[0] > 1
    with pytest.raises(ValueError, match=r"\['z'\]"):
        score_importance(model, rows(10, 1), ["z"])
    with pytest.raises(ValueError, match="NaN or infinite"):
        score_importance(lambda f: np.full(len(f), np.nan), rows(10, 1), ["a"])
    with pytest.raises(ValueError, match="expected those of the reference"):
        compare_importance(found, score_importance(model, rows(10, 1), ["b"]))


def test_copies_are_scored_in_bounded_batches_with_the_same_numbers(monkeypatch):
    calls = []

    def counted(frame):
        calls.append(frame.height)
        return model(frame)

    whole = score_importance(counted, rows(500, 1), ["a", "b", "c"])
    assert calls == [500, 3 * 3 * 500]
    monkeypatch.setattr(attribution, "SCORED_AT_ONCE", 1600)
    calls.clear()
    assert score_importance(counted, rows(500, 1), ["a", "b", "c"]) == whole
    assert calls == [500, 1500, 1500, 1500]


@pytest.mark.parametrize(("features", "rows"), [(1, 2000), (25, 2000), (200, 300), (5000, 100)])
def test_what_a_window_costs_does_not_grow_with_its_features(features, rows):
    assert sample_size(features) == (rows, 1)


def test_importances_read_back():
    found = score_importance(model, rows(300, 1), ["a", "b"])
    assert Importances.from_dict(json.loads(json.dumps(found.to_dict()))) == found
