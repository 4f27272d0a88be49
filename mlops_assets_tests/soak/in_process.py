"""The soak without servers: in this process, what is due is looked up as the sensors do, and run at once.

It takes a fraction of the processor time of the daemon, since no process is started for each run. What it leaves out: Dagster's
daemon, code server, queue and run workers.
"""

from collections.abc import Callable
from typing import Any

from mlops_assets import clock
from mlops_assets.orchestration.demo.lifecycle import Demo
from mlops_assets.orchestration.fleet import FLEET_JOB
from mlops_assets.pipeline.releases_due import releases_due
from mlops_assets.pipeline.trainings_due import trainings_due
from mlops_assets.pipeline.watch import newest_record, reason_to_watch, watch
from mlops_assets.pipeline.windows_due import windows_due
from mlops_assets.platform import Platform
from mlops_assets_tests.soak.bank import PACKAGE, Bank


class InProcess:
    """Does what sensors and run workers do.

    Attributes:
        bank: whose project.
        restarts: always 0; nothing runs that could be started again.
    """

    restarts = 0

    def __init__(self, bank: Bank) -> None:
        self.bank = bank
        self.demo: Demo | None = None
        self._known: Any = {}
        self._considered = 0
        self._watched: int | None = None

    def keep_running(self) -> None:
        """Nothing to start."""

    def stop(self) -> None:
        """Nothing to end."""

    def reload(self) -> None:
        """Read the declarations again."""
        self.demo = None

    def launch(self, job: str) -> None:
        """Run a job, as a person or a schedule would start it."""
        failed = self._demo()._execute(job, {})
        assert failed is None, f"{job}: {failed}"

    def wait(self, look: Callable[[], object]) -> None:
        """Run what is due until nothing is."""
        while self._round(self._demo()):
            look()

    def _demo(self) -> Demo:
        if self.demo is None:
            self.demo = Demo(Platform.load(self.bank.root / PACKAGE / "defs"), say=lambda _: None)
        return self.demo

    def _round(self, demo: Demo) -> bool:
        platform = demo.platform
        windows, self._known = windows_due(platform, clock.now(), self._known)
        trainings, self._considered = trainings_due(platform, self._considered)
        due = [*windows.due, *trainings.due, *releases_due(platform).due]
        for each in due:
            demo._run(each)
        first = self._watched is None
        if first or reason_to_watch(platform, self._watched or 0) is not None:
            # A first look announces no past record, as in the asset.
            self._watched = watch(platform, newest_record(platform) if first else self._watched or 0).last
            self.launch(FLEET_JOB)
            return True
        return bool(due)
