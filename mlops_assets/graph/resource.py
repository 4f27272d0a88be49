"""The Dagster resource `platform`: the project's stores, handed to assets, sensors and schedules.

Belongs here: how Dagster opens a project. What the stores are is in `mlops_assets.platform`.
"""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from mlops_assets.platform import Platform


class PlatformResource(dg.ConfigurableResource):
    """Opens the stores of one project at first use."""

    defs_folder: str
    """Folder with models, policy and requirements."""

    _platform: Platform | None = PrivateAttr(default=None)

    def open(self) -> Platform:
        """The platform, opened once a process."""
        if self._platform is None:
            self._platform = Platform.load(Path(self.defs_folder))
        return self._platform
