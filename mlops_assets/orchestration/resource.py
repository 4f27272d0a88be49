"""The Dagster resource `platform`: the project's stores, handed to assets, sensors and schedules.

Belongs here: how Dagster opens a project. What the stores are is in `mlops_assets.platform`.
"""

from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from mlops_assets.platform import Platform
from mlops_assets.project import ProjectError

_DEFINED: set[str] = set()
"""Folders that code has made definitions of in this process; whoever starts a run can configure it, and adds none."""


def platform_resource(defs: Path) -> "PlatformResource":
    """The resource of the project with this `defs` folder."""
    _DEFINED.add(str(defs))
    return PlatformResource(defs_folder=str(defs))


class PlatformResource(dg.ConfigurableResource):
    """Opens the stores of one project at first use."""

    defs_folder: str
    """Folder with models, policy and requirements."""

    _platform: Platform | None = PrivateAttr(default=None)

    def open(self) -> Platform:
        """The platform, opened once a process.

        Raises:
            ProjectError: the folder comes out of a run's configuration, where it would bring another policy along.
        """
        if self.defs_folder not in _DEFINED:
            raise ProjectError(
                f"found the folder {self.defs_folder} in the run's configuration, expected none: the project is the one that "
                f"the definitions were made of ({', '.join(sorted(_DEFINED)) or 'none'})"
            )
        if self._platform is None:
            self._platform = Platform.load(Path(self.defs_folder))
        return self._platform
