"""A model that others run: where its scores are in the table."""

from typing import Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from mlops_assets.declaration.supplied import Supplied
from mlops_assets.declaration.terms import Part

VERSION_CHANGE = "vendor_version"
"""Kind of the incident of another version of a supplier's model, in the rows that it scored or in its registry."""


class SupplierRegistry(Part):
    """Where the supplier registers the model: an MLflow server, which is only read."""

    tracking_uri: str = Field(examples=["https://mlflow.example.com"])
    """Address of the server, or of its database, without a password."""
    name: str = Field(min_length=1, examples=["card_default"])
    """Name of the registered model there."""
    alias: str = Field(default="", examples=["champion"])
    """Alias of the version that scores; default: the newest version does."""
    version: str = Field(default="", examples=["7"])
    """The version there that `external.version` stands for; default: it has the same name."""

    @field_validator("tracking_uri")
    @classmethod
    def _without_password(cls, text: str) -> str:
        parts = urlsplit(text)
        if not parts.scheme:
            raise ValueError(
                f"found {text!r}, expected the address of an MLflow server, such as https://mlflow.example.com"
            )
        if parts.password:
            raise ValueError(
                "found a password in the address; put it in the variables MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD"
            )
        return text


class External(Supplied):
    """A model that is scored elsewhere: its predictions arrive as columns of the source."""

    score: str = Field(examples=["vendor_score"])
    """Column of the score: the probability of the positive outcome (binary), or the predicted value (regression)."""
    decision: str | None = Field(default=None, examples=["vendor_decision"])
    """Column of what was decided, if the supplier decides."""
    decision_positive: str | int | float | bool = Field(default=1, examples=["DECLINE"])
    """The value of `decision` that predicts the positive outcome."""
    version_column: str | None = Field(default=None, examples=["model_version"])
    """Column that says which version of the supplier's model scored the row."""
    version: str = Field(min_length=1, examples=["4.2"])
    """The supplier's version that this declaration is about and that people approve."""
    registry: SupplierRegistry | None = None
    """The supplier's model on an MLflow server, where `mlops discover` notices another version."""
    prediction_id: str | None = Field(default=None, examples=["request_id"])
    """Column of the supplier's own identifier of the prediction."""

    @model_validator(mode="after")
    def _columns_differ(self) -> Self:
        names = self.columns
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"external: the column {', '.join(repeated)} is named twice")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that the supplier's predictions are in."""
        named = (self.score, self.decision, self.version_column, self.prediction_id)
        return tuple(name for name in named if name is not None)
