"""Two demos at once: the second says so and does nothing."""

from pathlib import Path

import pytest

from mlops_assets.orchestration.demo.databases import AlreadyRunning, alone
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import write_project


def test_the_second_demo_on_a_ledger_is_refused_before_it_does_anything(tmp_path: Path) -> None:
    defs = write_project(tmp_path, rows=10)
    first, second = (Platform.load(defs) for _ in range(2))
    said: list[str] = []
    with (
        alone(first),
        pytest.raises(AlreadyRunning, match=r"another `mlops demo` is at work on the ledger of .*MLOPS_HOME"),
    ):
        Demo(second, say=said.append).run()
    assert not said
    assert not first.home.mlflow.joinpath("mlflow.db").exists()
    with alone(second):
        pass
