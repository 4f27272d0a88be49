"""A model that others trained and that is scored here: where its file is, and which file it must be."""

from datetime import date
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Self

from pydantic import Field, field_validator, model_validator

from mlops_assets.declaration.supplied import SHA256, Supplied


class ModelFormat(StrEnum):
    """A format of model files that holds data and no code."""

    SKOPS = "skops"
    """A scikit-learn model as skops stores it."""
    LIGHTGBM = "lightgbm"
    """LightGBM's text format; needs the extra `lightgbm`."""
    XGBOOST = "xgboost"
    """XGBoost's JSON or UBJSON format; needs the extra `xgboost`."""
    ONNX = "onnx"
    """A graph of standard operators; needs the extra `onnx`."""


SUFFIXES = {
    ".skops": ModelFormat.SKOPS,
    ".lgb": ModelFormat.LIGHTGBM,
    ".ubj": ModelFormat.XGBOOST,
    ".xgb": ModelFormat.XGBOOST,
    ".onnx": ModelFormat.ONNX,
}
"""Endings of file names that tell the format."""


class Imported(Supplied):
    """A model that was trained elsewhere: a file of it is read, checked and stored here as a version."""

    artifact: str = Field(min_length=1, examples=["models/card_default.skops"])
    """The file, or the folder of an MLflow model, from the project's root; or an MLflow address: `models:/NAME/VERSION`,
    `runs:/RUN/PATH`."""
    tracking_uri: str = Field(default="", examples=["https://mlflow.example.com"])
    """With an MLflow address: the tracking server that it is of; default: the project's own."""
    format: ModelFormat | None = None
    """Format of the file, where neither the ending of its name nor MLflow's description tells it."""
    sha256: str = Field(default="", examples=["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"])
    """SHA-256 of the model file: another file is not read. A file is imported only where this is declared; `mlops check --data`
    says what it is. For an MLflow model it is that of the model file in its folder."""
    version: str = Field(default="", examples=["4.2"])
    """What the supplier calls this version."""
    trained_until: date | None = None
    """First day whose rows did not train the model. Earlier ones are left out of what it is evaluated on."""
    inputs: tuple[str, ...] = ()
    """The features in the order in which the model takes them; only where the file does not name its inputs as the table does."""
    trusted_types: tuple[str, ...] = Field(default=(), examples=[["our_scores.encoders.Weights"]])
    """skops: classes in the file that are not on the allow-list and that you have found harmless to load."""

    @field_validator("sha256")
    @classmethod
    def _is_a_digest(cls, text: str) -> str:
        if text and not SHA256.fullmatch(text):
            raise ValueError(f"found {text!r}, expected the SHA-256 of the file: 64 digits and letters a to f")
        return text

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.tracking_uri and not self.in_mlflow:
            raise ValueError(f"tracking_uri goes with an MLflow address, found the artifact {self.artifact!r}")
        if "://" in self.artifact:
            raise ValueError(
                f"artifact: found {self.artifact!r}, expected a file, a folder, or an MLflow address such as models:/NAME/VERSION; "
                "copy a file that is elsewhere into the project"
            )
        return self

    @property
    def in_mlflow(self) -> bool:
        """Whether the artifact is at an MLflow address."""
        return self.artifact.startswith(("models:/", "runs:/"))

    @property
    def named_format(self) -> ModelFormat | None:
        """The format as declared, or as the file's name tells it; None where neither does."""
        return self.format or SUFFIXES.get(PurePosixPath(self.artifact).suffix.lower())
