"""What an asset shows stays in Dagster's event log: no row of a person is in it."""

import shutil

import pytest

from mlops_assets.datasets.windows import window_of_key
from mlops_assets.pipeline.context import StageContext
from mlops_assets.pipeline.stages.data import training_data
from mlops_assets.pipeline.stages.predictions import predictions
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import TIMED, WINDOWS

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("stage", [training_data, predictions])
def test_no_identifier_is_shown(lived, tmp_path, monkeypatch, stage):
    shutil.copytree(lived.platform.home.root, tmp_path / "home")
    monkeypatch.setenv("MLOPS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    platform = Platform.load(lived.platform.project.defs)
    declaration = platform.project.declaration(TIMED)
    window = window_of_key(WINDOWS[-1], declaration.monitoring.cadence)
    context = StageContext(
        platform, declaration, platform.policy_of(declaration), run_id="", log=print,
        window=window if stage is predictions else None,
    )  # fmt: skip
    shown = str(stage(context).metadata)
    rows = platform.lake.read(f"{TIMED}/{'scored_rows' if stage is predictions else 'training_data'}")
    assert rows.height > 100
    assert [value for value in rows[declaration.id].cast(str).to_list() if f"'{value}'" in shown] == []
