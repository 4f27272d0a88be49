"""Running the lifecycle of a project in a test."""

import os
import warnings
from dataclasses import dataclass, field
from pathlib import Path

from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.platform import Platform


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

    def history(self, model: str) -> None:
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
