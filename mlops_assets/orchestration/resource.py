"""The Dagster resources of a project: `platform`, its stores, handed to assets and sensors, and `mlflow`, for trainings.

Belongs here: how Dagster opens a project. What the stores are is in `mlops_assets.platform`.
"""

from pathlib import Path
from threading import Lock
from typing import Any, ClassVar

import dagster as dg
from pydantic import PrivateAttr

from mlops_assets.orchestration.tracking import mlflow_resource
from mlops_assets.platform import Platform


class PlatformResource(dg.ConfigurableResource):
    """Opens the stores of one project at first use.

    The project's folder is an attribute of the class that `platform_resource` makes, and no field: whoever starts a run can
    configure every field of a resource, and would bring another project's policy along.
    """

    defs: ClassVar[Path]
    """Folder with the models."""

    _platform: Platform | None = PrivateAttr(default=None)

    def open(self) -> Platform:
        """The platform, opened once for each run or tick."""
        if self._platform is None:
            self._platform = Platform.load(self.defs)
        return self._platform

    def at_a_tick(self) -> Platform:
        """The platform for one tick of a sensor: declarations as they are now, on the stores that an earlier tick opened.

        Dagster makes a new resource for each tick, in a process that serves them for days. What is known of the ledger stays
        known there, so that a tick reads what is new.
        """
        opened = Platform.load(self.defs)
        with _LOCK:
            stores, before = _KEPT.get(self.defs, (None, None))
            if before is not None and stores == opened.stores():
                return opened.on_the_stores_of(before)
            # Opened here, so that ticks at the same time share one.
            _ = opened.ledger
            _KEPT[self.defs] = (opened.stores(), opened)
        return opened


_KEPT: dict[Path, tuple[tuple[Any, ...], Platform]] = {}
"""By `defs` folder: the platform whose stores ticks share, and which stores those are."""
_LOCK = Lock()


def platform_resource(folder: Path) -> PlatformResource:
    """The resource of the project with this `defs` folder."""

    class ProjectPlatform(PlatformResource):
        """The platform of one project."""

        defs: ClassVar[Path] = folder

    return ProjectPlatform()


def project_resources(folder: Path) -> dict[str, Any]:
    """Every resource that the assets and sensors of the project with this `defs` folder need."""
    return {"platform": platform_resource(folder), "mlflow": mlflow_resource}
