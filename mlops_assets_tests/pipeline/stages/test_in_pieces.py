"""A window that is taken in pieces has the records, rows and verdicts of one that is taken whole."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from mlops_assets.datasets import pieces
from mlops_assets.datasets.snapshot import rows_digest
from mlops_assets.datasets.windows import window_of_key
from mlops_assets.inspection.recorded_tables import ChangedRows
from mlops_assets.monitoring.window_results import OUTCOMES
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.drift import drift
from mlops_assets.pipeline.stages.outcomes import outcomes
from mlops_assets.pipeline.stages.performance import performance
from mlops_assets.pipeline.stages.predictions import predictions
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import WINDOW, WindowWriter
from mlops_assets_tests.integration.small_project import NUMBER, TIMED, WINDOWS

STAGES = {"predictions": predictions, "outcomes": outcomes, "drift": drift, "performance": performance}
LAST = {TIMED: WINDOWS[-1], NUMBER: "2021-04-01"}
"""Windows that the version scored which still decides, with nobody beside it."""


@pytest.fixture
def copied(lived, tmp_path, monkeypatch) -> Platform:
    """The stores of the small project, to be written to."""
    shutil.copytree(lived.platform.home.root, tmp_path / "home")
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return Platform.load(lived.platform.project.defs)


def context_of(platform: Platform, model: str) -> StageContext:
    declaration = platform.project.declaration(model)
    window = window_of_key(LAST[model], declaration.monitoring.cadence)
    return StageContext(platform, declaration, platform.policy_of(declaration), run_id="", log=print, window=window)


def evidence(path: Path) -> dict:
    """What a stage kept, without the instant of the join and the last digits of means."""
    found = json.loads(path.read_text(encoding="utf-8"))
    found.get("outcomes", {}).pop("known_at", None)
    found.pop("estimate_record", None)
    return found


@pytest.mark.parametrize("model", [TIMED, NUMBER])
def test_a_window_in_pieces_is_the_window(copied, model, monkeypatch):
    context, table = context_of(copied, model), f"{model}/"
    (scored,) = copied.ledger.records(kind="window_scored", model=model, subject=LAST[model])
    names = ("predictions", "scored_rows", "outcomes")
    rows = {name: copied.lake.read(table + name, window=LAST[model]) for name in names}
    kept = {name: evidence(context.window_results().path(name)) for name in ("drift", "performance")}
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 400)
    found = {name: stage(context) for name, stage in STAGES.items()}

    assert found["predictions"].data_version == scored.body["predictions_digest"]
    assert copied.ledger.records(kind="window_scored", model=model, subject=LAST[model]) == [scored], "nothing new"
    for name in names:
        assert_frame_equal(copied.lake.read(table + name, window=LAST[model]), rows[name])
    assert_alike(evidence(context.window_results().path("performance")), kept["performance"])
    now = evidence(context.window_results().path("drift"))
    for part in ("attribution", "joint"):  # drawn from the same rows
        assert_alike(now[part], kept["drift"][part])
    assert_alike(now, kept["drift"])


def assert_alike(found: object, expected: object) -> None:
    """Numbers to twelve digits: sums of parts differ in the last one."""
    if isinstance(expected, dict):
        assert isinstance(found, dict)
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_alike(found[key], value)
    elif isinstance(expected, list):
        assert isinstance(found, list)
        assert len(found) == len(expected)
        for one, other in zip(found, expected, strict=True):
            assert_alike(one, other)
    elif isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-12)
    else:
        assert found == expected


def test_outcomes_in_another_order_and_of_ids_never_predicted_are_found(copied, monkeypatch):
    context = context_of(copied, TIMED)
    recorded = copied.lake.read(f"{TIMED}/outcomes", window=LAST[TIMED]).drop(WINDOW)
    stranger = recorded[:2].with_columns(id=pl.lit("nobody"))
    stranger = stranger.with_columns(outcome=pl.Series(["yes", None]))
    unordered = pl.concat([recorded.sample(fraction=1, shuffle=True, seed=1), recorded[:3], stranger])
    copied.lake.write_window(f"{TIMED}/outcomes", LAST[TIMED], unordered)
    # What is on record is over other rows: nothing is computed from these until they are recorded.
    with pytest.raises(ChangedRows, match="the rows in the lake were changed"):
        performance(context)
    results = context.window_results()
    results.write(OUTCOMES, replace(results.read(OUTCOMES), digest=rows_digest(unordered, by="id")))
    performance(context)
    whole = evidence(context.window_results().path("performance"))
    assert (whole["outcomes"]["unknown"], whole["outcomes"]["empty"], whole["outcomes"]["repeated"]) == (1, 1, 3)
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 400)
    performance(context)
    assert_alike(evidence(context.window_results().path("performance")), whole)


def test_interrupted_in_the_middle_nothing_has_happened(copied, monkeypatch):
    context, model = context_of(copied, TIMED), TIMED
    monkeypatch.setattr(pieces, "ROWS_AT_ONCE", 400)
    tables = [f"{model}/{name}" for name in ("predictions", "scored_rows")]
    before = [copied.lake.latest_version(table) for table in tables]
    records = len(copied.ledger.records())
    add, calls = WindowWriter.add, []

    def stops(writer: WindowWriter, frame: pl.DataFrame) -> None:
        calls.append(writer.table)
        if calls.count(tables[0]) == 3:
            raise OSError("no space left on device")
        add(writer, frame)

    with monkeypatch.context() as broken:
        broken.setattr(WindowWriter, "add", stops)
        with pytest.raises(OSError, match="no space left"):
            predictions(context)
    assert [copied.lake.latest_version(table) for table in tables] == before
    assert len(copied.ledger.records()) == records
    assert not list(copied.lake.root.glob(f"{model}/*/_unfinished/*"))
    (scored,) = copied.ledger.records(kind="window_scored", model=model, subject=LAST[model])
    assert predictions(context).data_version == scored.body["predictions_digest"], "and it can be run again"
