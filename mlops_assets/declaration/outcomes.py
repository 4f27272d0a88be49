"""Where outcomes are, when they come from another place than the inputs, and how they find their rows."""

from typing import Annotated, Self

from pydantic import BeforeValidator, Field, model_validator

from mlops_assets.declaration.columns import EventTime
from mlops_assets.declaration.source import Source
from mlops_assets.declaration.terms import Part


def _expand_column(value: object) -> object:
    """`reported_on` is short for `{column: reported_on}`."""
    return {"column": value} if isinstance(value, str) else value


RecordedText = Annotated[EventTime, BeforeValidator(_expand_column, json_schema_input_type=str | EventTime)]


class Withdrawn(Part):
    """How a row says that an outcome which was reported before does not hold."""

    column: str = Field(examples=["status"])
    """Column that says so."""
    values: tuple[str, ...] = Field(min_length=1, examples=[["withdrawn"]])
    """Its values that say so."""


class Outcomes(Part):
    """A source of outcomes of its own; each row reports one outcome, and a row may correct or withdraw an earlier one."""

    source: Source
    """Where they are; any source that inputs may come from."""
    column: str | None = Field(default=None, examples=["charged_off"])
    """Column of the outcome; default: the column of the target."""
    id: str | None = Field(default=None, examples=["loan_number"])
    """Column with the model's identifier of the row; default: the column of the model's `id`, unless `prediction_id` is given."""
    event_day: str | None = Field(default=None, examples=["approved_on"])
    """Column with the day of the event, where an identifier alone does not name one row; it must then agree as well."""
    prediction_id: str | None = Field(default=None, examples=["prediction"])
    """Column with the prediction's identifier, in place of `id`: the supplier's where `external.prediction_id` is declared, else
    the one that scoring gave."""
    recorded_at: RecordedText | None = Field(default=None, examples=["reported_on"])
    """When the outcome was reported: of two values for one row the later one counts. Without it, rows that contradict each
    other are quarantined."""
    withdrawn: Withdrawn | None = None
    """How an outcome is withdrawn."""
    selective: str = Field(default="", examples=["Only approved applicants have outcomes."])
    """Which rows can never have an outcome, and why; said with each verdict on performance."""

    @model_validator(mode="after")
    def _one_key(self) -> Self:
        if self.prediction_id is not None and (self.id is not None or self.event_day is not None):
            raise ValueError("outcomes: prediction_id names a row alone; leave out id and event_day")
        if self.withdrawn is not None and self.recorded_at is None:
            raise ValueError("outcomes.withdrawn needs recorded_at: what was withdrawn is what was reported before")
        return self
