"""A canary in the graph: the rows it decides are its own in trace, replay, reasons and performance, also after the window
was scored again and the declaration was changed."""

import json
import sys
from collections.abc import Iterator

import polars as pl
import pytest

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.inspection.lookup import prediction_row
from mlops_assets.inspection.replay import replay_prediction
from mlops_assets.ledger.events.windows import LadderTested, WindowScored
from mlops_assets.pipeline.context import StageContext, StageResult
from mlops_assets.pipeline.stages.drift import drift
from mlops_assets.pipeline.stages.health import health
from mlops_assets.pipeline.stages.outcomes import outcomes
from mlops_assets.pipeline.stages.performance import performance
from mlops_assets.pipeline.stages.predictions import predictions
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.lives import Lived, live
from mlops_assets_tests.integration.small_project import TIMED, WINDOWS, write_project

pytestmark = pytest.mark.integration
WINDOW = WINDOWS[4]
"""After a window in shadow, the challenger decides a share of the rows of this one."""


@pytest.fixture(scope="module")
def canary(tmp_path_factory) -> Iterator[Lived]:
    root = tmp_path_factory.mktemp("canary")
    sys.path.insert(0, str(root))
    defs = write_project(root, TIMED)
    path = defs / "models" / TIMED / "defs.yaml"
    text = path.read_text(encoding="utf-8")
    stricter = "monitoring: {persistence_k: 1}, release: {canary_windows: 1}, gates: {reason_codes: {required: true}}"
    path.write_text(text.replace("monitoring: {persistence_k: 1}", stricter), encoding="utf-8")
    lived = live(defs)
    assert lived.failures == []
    yield lived
    sys.path.remove(str(root))


@pytest.fixture(scope="module")
def rows(canary) -> pl.DataFrame:
    """The window's predictions as they were decided."""
    return canary.platform.lake.read(f"{TIMED}/predictions", window=WINDOW)


def test_both_versions_decide(rows):
    assert rows.group_by("version").len().sort("version")["version"].to_list() == [1, 2]
    assert (rows["version"] + rows["beside_version"]).unique().to_list() == [3]


def test_every_adverse_decision_has_the_reasons_of_the_version_that_made_it(rows):
    adverse = rows.filter(pl.col("prediction") == 1)
    assert adverse["reasons"].null_count() == 0
    assert rows.filter(pl.col("prediction") == 0)["reasons"].null_count() == (rows["prediction"] == 0).sum()


@pytest.mark.parametrize(("version", "role"), [(1, "champion"), (2, "canary")])
def test_trace_and_replay_follow_the_version_that_decided(canary, rows, version, role):
    decided = rows.filter((pl.col("version") == version) & (pl.col("prediction") == 1)).row(0, named=True)
    row = prediction_row(canary.platform, decided["prediction_id"])
    assert (row["version"], row["role"], row["score"]) == (str(version), role, decided["score"])
    assert replay_prediction(canary.platform, decided["prediction_id"])["equal"]


def test_performance_and_fairness_are_of_the_rows_that_each_version_decided(canary, rows):
    found = json.loads(canary.platform.window_results(TIMED, WINDOW).path("performance").read_text(encoding="utf-8"))
    assert (found["version"], found["performance"]["n"]) == (1, rows.filter(pl.col("version") == 1).height)
    assert (found["canary_version"], found["canary"]["n"]) == (2, rows.filter(pl.col("version") == 2).height)


def test_the_challenger_was_tested_beside_the_champion(canary, rows):
    tests = canary.ledger.of(LadderTested, model=TIMED, subject="2")
    assert [t.event.window.isoformat() for t in tests][-1] == WINDOW
    event = tests[-1].event
    assert (event.champion, event.outcome) == (1, "passed")
    assert {t.name: t.outcome for t in event.tests}["agreement"] == "passed"
    same = (rows["prediction"] == rows["beside_prediction"]).mean()
    assert next(t for t in event.tests if t.name == "agreement").value == pytest.approx(same)
    share = rows.filter(pl.col("version") == 2).height / rows.height
    assert event.canary_share == pytest.approx(share, abs=0.05)
    scored = canary.ledger.latest_of(WindowScored, model=TIMED, subject=WINDOW).event
    assert (scored.challenger_rows, scored.challenger_failed) == (rows.filter(pl.col("version") == 2).height, 0)
    found = {t.name: t for t in event.tests}
    assert {"performance", "estimate", "score_distance", "fairness", "failed_rows", "speed"} < {*found, "agreement"}
    assert 0 <= found["score_distance"].value <= 1
    assert scored.challenger_time > 0


def test_a_changed_declaration_and_another_scoring_leave_what_was_decided(canary, rows):
    """The champion goes on under the declaration it was made with; what it decided first stays on record."""
    path = canary.platform.project.defs / "models" / TIMED / "defs.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("    days-granted: numeric\n", ""), encoding="utf-8")
    platform = Platform.load(canary.platform.project.defs)
    declaration = platform.project.declaration(TIMED)
    window = window_of_key(WINDOW, declaration.monitoring.cadence)
    context = StageContext(platform, declaration, platform.policy(TIMED), run_id="a test", window=window)
    shown: dict[str, StageResult] = {
        stage.__name__: stage(context) for stage in (predictions, outcomes, drift, performance, health)
    }
    assert "input days-granted was removed" in shown["health"].metadata["declaration"]
    assert shown["predictions"].metadata["scored again"]
    now = platform.lake.read(f"{TIMED}/predictions", window=WINDOW)
    assert now["version"].unique().to_list() == [2], "version 2 has become champion since"
    for row in rows.group_by("version").head(1).iter_rows(named=True):
        found = prediction_row(platform, row["prediction_id"])
        assert (found["version"], found["score"]) == (str(row["version"]), row["score"])
        assert replay_prediction(platform, row["prediction_id"])["equal"]
