"""Lifecycles that are run once and looked at by many tests."""

import os
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from mlops_assets.graph.demo import Demo
from mlops_assets.platform import Platform
from mlops_assets_tests.integration.small_project import SNAPSHOT, TIMED, write_project


@dataclass
class Lived:
    """A project whose lifecycle was run."""

    platform: Platform
    said: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def ledger(self):
        return self.platform.ledger

    @property
    def registry(self):
        return self.platform.registry

    def again(self) -> "Lived":
        """The same project, opened and run once more."""
        return live(self.platform.project.defs)


class Champions(Demo):
    """Stops when every model has its first champion."""

    def history(self) -> None:
        """No window is judged."""


def live(defs: Path, story: type[Demo] = Demo) -> Lived:
    """Run everything that is due in the project, with the signatures of its roles."""
    # MLflow hands its address on to child processes through the environment; the next project has another one.
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    lived = Lived(Platform.load(defs))
    demo = story(lived.platform, say=lived.said.append)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        demo.run()
    lived.failures = demo.failures
    return lived


@pytest.fixture(scope="session", autouse=True)
def own_environment() -> Iterator[None]:
    """The stores of a tested project lie in its own folder, whatever the caller's environment says."""
    kept = {name: os.environ.pop(name, None) for name in ("MLOPS_HOME", "MLOPS_LEDGER_URL", "MLFLOW_TRACKING_URI")}
    dagster_home = os.environ.get("DAGSTER_HOME")
    yield
    os.environ.update({name: value for name, value in kept.items() if value is not None})
    if dagster_home is None:
        os.environ.pop("DAGSTER_HOME", None)
    else:
        os.environ["DAGSTER_HOME"] = dagster_home


@pytest.fixture(scope="session")
def lived(tmp_path_factory) -> Iterator[Lived]:
    """The small project with all its models, run to the end. Only looked at, never changed."""
    root = tmp_path_factory.mktemp("lived")
    sys.path.insert(0, str(root))
    yield live(write_project(root))
    sys.path.remove(str(root))


@pytest.fixture(scope="module")
def attacked(tmp_path_factory) -> Iterator[Lived]:
    """A project whose models have their first champion and no window yet, to do harm to."""
    root = tmp_path_factory.mktemp("attacked")
    sys.path.insert(0, str(root))
    yield live(write_project(root, TIMED, SNAPSHOT), Champions)
    sys.path.remove(str(root))
