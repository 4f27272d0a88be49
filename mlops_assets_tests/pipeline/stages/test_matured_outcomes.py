"""Outcomes joined with predictions: a label that training never saw is counted, and is no outcome of either kind."""

from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

import polars as pl
import pytest

from mlops_assets.pipeline.stages.matured_outcomes import labels_of, matured
from mlops_assets.statistics.profile import build_profile
from mlops_assets.stores.lake import Lake
from mlops_assets_tests.training.tables import declare

WINDOW, DAY = "2021-01-01", datetime(2021, 1, 5)  # noqa: DTZ001
OUTCOMES = ["bad", "good", "withdrawn", "good", "withdrawn"]


@pytest.fixture
def lake(tmp_path) -> Lake:
    lake, ids = Lake(tmp_path), [str(i) for i in range(5)]
    lake.write_window("m/predictions", WINDOW, pl.DataFrame({"id": ids, "event_time": [DAY] * 5, "score": [0.1] * 5}))
    lake.write_window("m/scored_rows", WINDOW, pl.DataFrame({"row id": ids}))
    recorded = pl.DataFrame({"id": ids, "outcome": OUTCOMES, "recorded_at": [DAY] * 5})
    at = pl.col("recorded_at").dt.replace_time_zone("UTC")
    lake.write_window("m/outcomes", WINDOW, recorded.with_columns(at))
    return lake


def test_a_third_label_of_a_binary_model_is_counted_and_left_out(lake):
    declaration = declare(name="m")
    record = SimpleNamespace(event=SimpleNamespace(paused={}))
    scored = cast(Any, SimpleNamespace(window=SimpleNamespace(key=WINDOW), model="m", canary=None, record=record))
    found = matured(lake, scored, 1, declaration, (), ("bad", "good"))
    assert found.new_classes == {"withdrawn": 2}
    assert (found.truth.tolist(), len(found.given), len(found.ids), len(found.scores)) == ([1, 0, 0], 3, 3, 5)
    assert matured(lake, scored, 1, declaration, ()).new_classes == {}, "where the labels are not known"


@pytest.mark.parametrize(
    ("values", "task", "labels"),
    [
        (["bad", "good"], "binary", {"bad", "good"}),
        (["good"], "binary", set()),
        (["bad", "good", "odd"], "binary", set()),
        (["bad", "good"], "multiclass", set()),
    ],
    ids=["both", "one of them", "three", "classes are the reference's own"],
)
def test_the_labels_are_known_where_the_reference_shows_both(values, task, labels):
    declaration = declare(name="m", task=task)
    profile = build_profile(pl.DataFrame({"y": values}), {"y": "categorical"})
    assert set(labels_of(profile, declaration)) == labels
