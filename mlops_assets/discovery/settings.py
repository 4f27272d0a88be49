"""Which sources are searched for models unattended, as `config/discovery.yaml` says. Without the file none is."""

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from mlops_assets.discovery.inventory_file import COLUMNS
from mlops_assets.policy.reading import read_document

FILE = "discovery.yaml"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class DiscoverySource(_Part):
    """One source: exactly one of `folder`, `mlflow` and `inventory`."""

    folder: str = Field(default="", examples=["notebooks"])
    """Folder, from the project's root."""
    mlflow: str = Field(default="", examples=["https://mlflow.example.com"])
    """Address of an MLflow server or of its database. It is only read. Name and password are in the variables
    MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."""
    inventory: str = Field(default="", examples=["data/model_inventory.csv"])
    """CSV file with one row for each model, from the project's root."""
    leave_out: tuple[str, ...] = Field(default=(), examples=[["archive"]])
    """Folders below `folder` that are not searched."""
    columns: dict[str, str] = Field(default_factory=dict, examples=[{"name": "Modellname"}])
    """Of an inventory: what a column holds (`name`, `id`, `owner`, `tier`, `purpose`, `supplier`, `version`, `status`, `kind`)
    to the name of the column, where the names are not known."""

    @property
    def text(self) -> str:
        """The source as a command takes it."""
        return self.folder or self.mlflow or self.inventory

    @field_validator("columns")
    @classmethod
    def _known(cls, columns: dict[str, str]) -> dict[str, str]:
        if unknown := sorted(set(columns) - set(COLUMNS)):
            raise ValueError(f"found {', '.join(unknown)}, expected some of {', '.join(COLUMNS)}")
        return columns

    @model_validator(mode="after")
    def _one(self) -> "DiscoverySource":
        given = [name for name in ("folder", "mlflow", "inventory") if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(
                f"found {' and '.join(given) or 'none of them'}, expected one of folder, mlflow and inventory"
            )
        if "@" in self.mlflow.partition("://")[2].partition("/")[0]:
            raise ValueError(
                "found a name or a password in the address; put them in the variables MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD"
            )
        return self


class DiscoverySettings(_Part):
    """Where models are looked for unattended, and when."""

    sources: tuple[DiscoverySource, ...] = ()
    """What is searched; none: nothing is."""
    every: Literal["hour", "day", "week"] = "day"
    """How often; a week begins on Monday."""
    at: str = Field(default="05:30", examples=["05:30"])
    """Time of day in UTC, in quotes; of an hour only the minutes count."""

    @property
    def cron(self) -> str:
        """When, as a cron expression."""
        hour, minute = (int(part) for part in self.at.split(":"))
        return {"hour": f"{minute} * * * *", "day": f"{minute} {hour} * * *", "week": f"{minute} {hour} * * 1"}[
            self.every
        ]

    def asked(self, source: DiscoverySource, root: Path) -> tuple[str, dict[str, str], tuple[Path, ...]]:
        """A source as `recording.search_and_record` takes it: text, columns, and folders that are left out."""
        text = source.mlflow or str(root / source.text)
        return text, source.columns, tuple(root / source.folder / name for name in source.leave_out)

    @field_validator("at")
    @classmethod
    def _a_time(cls, text: str) -> str:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", text):
            raise ValueError(f'found {text!r}, expected a time of day in quotes, such as "05:30"')
        return text


def read_settings(config: Path) -> DiscoverySettings:
    """The sources that are declared in `config/discovery.yaml`; none where there is no such file.

    Raises:
        PolicyError: the file has a mistake; a line for each.
    """
    path = config / FILE
    return read_document(path, DiscoverySettings) if path.exists() else DiscoverySettings()
