"""What a version costs: bytes are counted, seconds are a median of several scorings."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from mlops_assets.declaration.training import Candidate
from mlops_assets.evaluation.cost import bytes_of, measure_cost
from mlops_assets.features.frame import to_model_frame
from mlops_assets.gates.cost import CostRule
from mlops_assets.gates.registry import GATES
from mlops_assets.training.artifact import load, save
from mlops_assets.training.candidates import refit
from mlops_assets.training.metrics import scores_of
from mlops_assets_tests.training.tables import declare, table

ROWS = pl.DataFrame({"x": range(7)})


def test_arrays_are_counted_once_and_the_program_is_not() -> None:
    weights = np.ones(1_000_000)
    model = {"weights": weights, "again": weights, "view": weights[:10], "code": measure_cost, "type": pl.DataFrame}
    found = measure_cost(model, lambda rows: None, ROWS, disk_bytes=5_000_000, repeats=1)
    assert found.memory_megabytes == pytest.approx(8, abs=0.01)
    assert found.disk_megabytes == 5
    assert bytes_of({"view": np.ones(1000)[:10]}) > 8000


def test_the_median_is_not_moved_by_one_slow_scoring(monkeypatch) -> None:
    clock, pauses = [0.0], iter([0.0, 0.01, 0.2, 0.02, 0.01, 0.03])
    monkeypatch.setattr("mlops_assets.evaluation.cost.time", SimpleNamespace(perf_counter=lambda: clock[0]))

    def score(rows: pl.DataFrame) -> None:
        clock[0] += next(pauses)

    found = measure_cost(None, score, ROWS, 0, scored=1000, repeats=5)
    assert found.rows == 1000
    assert (found.fastest, found.seconds_per_million, found.slowest) == pytest.approx((10, 20, 200))


def test_few_rows_are_repeated_and_none_is_refused() -> None:
    seen: list[pl.DataFrame] = []
    measure_cost(None, lambda rows: seen.append(rows), ROWS, 0, scored=20, repeats=2)
    assert [rows["x"].to_list() for rows in seen] == [[*range(7), *range(7), *range(6)]] * 3
    with pytest.raises(ValueError, match="no rows to score"):
        measure_cost(None, lambda rows: None, ROWS.clear(), 0)


@pytest.mark.parametrize("algorithm", ["linear", "random_forest", "hist_gradient_boosting"])
def test_a_real_model_is_measured_and_judged(tmp_path, algorithm: str) -> None:
    declaration, rows = declare(), table(500)
    pipeline = refit(declaration, Candidate(algorithm=algorithm), rows)
    size = save(pipeline, tmp_path, declaration).stat().st_size
    found = measure_cost(
        pipeline,
        lambda some: scores_of(pipeline, to_model_frame(some, declaration), declaration),
        rows,
        size,
        scored=1000,
        repeats=3,
    )
    assert 0 < found.fastest <= found.seconds_per_million <= found.slowest
    assert found.memory_megabytes > 0.001
    assert "Python" in found.machine
    assert (
        GATES["cost"]
        .result(found.to_dict(), CostRule(max_seconds_per_million=found.slowest, max_memory_megabytes=100))
        .passed
    )
    tight = CostRule(max_memory_megabytes=found.memory_megabytes / 2, max_seconds_per_million=None)
    assert GATES["cost"].result(found.to_dict(), tight).outcome == "failed"


def test_a_forest_weighs_its_trees_and_what_is_loaded_what_was_saved(tmp_path) -> None:
    declaration, rows = declare(), table(500)
    pipeline = refit(declaration, Candidate(algorithm="random_forest"), rows)
    save(pipeline, tmp_path, declaration)
    nodes = sum(t.tree_.__getstate__()["nodes"].nbytes for t in pipeline.named_steps["model"].estimators_)
    assert bytes_of(pipeline) > nodes
    assert bytes_of(load(tmp_path, declaration)) == pytest.approx(bytes_of(pipeline), rel=0.1)
