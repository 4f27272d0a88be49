"""A model that others run: where its scores are in the table."""

from typing import Self

from pydantic import Field, model_validator

from mlops_assets.declaration.supplied import Supplied


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
