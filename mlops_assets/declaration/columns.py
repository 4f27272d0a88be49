"""Columns of the table: event time, target, features, protected attributes, slices."""

import re
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import BeforeValidator, Field, field_validator, model_validator

from mlops_assets.declaration.period import PeriodText
from mlops_assets.declaration.terms import Part, Role


def _expand_column(value: object) -> object:
    """`sex` is short for `{column: sex}`."""
    return {"column": value} if isinstance(value, str) else value


class Feature(Part):
    """One input of the model."""

    role: Role = Field(examples=["numeric"])
    """How the values are to be read."""
    description: str = Field(default="", examples=["Employees at the time of the application."])
    """What the column means, in the words of the business; shown in the card."""
    minimum: float | None = Field(default=None, examples=[0])
    """Smallest credible value (numeric, ordinal); rows below it are quarantined."""
    maximum: float | None = Field(default=None, examples=[1_000_000])
    """Largest credible value (numeric, ordinal); rows above it are quarantined."""
    allowed: tuple[str | int | float | bool, ...] | None = Field(default=None, examples=[["Y", "N"]])
    """The only values that may occur (categorical, ordinal: in rising order); rows with others are quarantined."""
    nullable: bool = Field(default=True)
    """Whether a missing value is credible."""
    adverse_phrase: str = Field(default="", examples=["Too few employees"])
    """What a customer is told when this feature counted against them; the description is used where it is empty."""

    @model_validator(mode="after")
    def _bounds_fit_role(self) -> Self:
        numeric = self.role in (Role.NUMERIC, Role.ORDINAL)
        if not numeric and (self.minimum is not None or self.maximum is not None):
            raise ValueError(
                f"minimum and maximum are for numeric and ordinal features, found role {self.role.value!r}"
            )
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"minimum {self.minimum} is above maximum {self.maximum}")
        if self.role in (Role.NUMERIC, Role.DATE, Role.BOOLEAN) and self.allowed is not None:
            raise ValueError(f"allowed is for categorical and ordinal features, found role {self.role.value!r}")
        return self


def _expand_role(value: object) -> object:
    """`employees: numeric` is short for `employees: {role: numeric}`."""
    return {"role": value} if isinstance(value, str) else value


FeatureText = Annotated[Feature, BeforeValidator(_expand_role, json_schema_input_type=Role | Feature)]


NAMED_TIME_FORMATS = ("timestamp", "year", "yyyymm", "yyyymmdd", "epoch_s", "epoch_ms", "epoch_us")
EPOCH_FORMATS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
"""Microseconds in one unit of each format that counts since 1970-01-01 00:00 UTC."""
TIME_OF_DAY = re.compile(r"%[-_0]?[HIkKTXRcsSMpf]|%\+")
"""Codes of a pattern that say more than the day."""


class EventTime(Part):
    """When a row happened; decides its window."""

    column: str = Field(examples=["approval_date"])
    """Column that holds the time."""
    format: str = Field(default="timestamp", examples=["yyyymmdd"])
    """How the values are written: `timestamp` (dates, times or ISO text), `year` (1994, read as 1 January), `yyyymm`,
    `yyyymmdd`, `epoch_s`, `epoch_ms`, `epoch_us` (numbers or text of digits), or a pattern such as `%d/%m/%Y %H:%M`."""
    time_zone: str | None = Field(default=None, examples=["Europe/Vienna"])
    """The zone of values that have a time of day and no offset of their own; default: UTC. Windows are cut in UTC."""

    @field_validator("format")
    @classmethod
    def _known_format(cls, text: str) -> str:
        if text in NAMED_TIME_FORMATS:
            return text
        if "%" not in text:
            raise ValueError(
                f"found {text!r}, expected one of {', '.join(NAMED_TIME_FORMATS)}, or a pattern such as '%d/%m/%Y'"
            )
        if not re.search(r"%[-_0]?[YyCFDGcsv+]", text):
            raise ValueError(f"found the pattern {text!r}, which has no year, expected one with %Y")
        return text

    @model_validator(mode="after")
    def _zone_fits_format(self) -> Self:
        if self.time_zone is None:
            return self
        try:
            ZoneInfo(self.time_zone)
        except (ValueError, OSError, KeyError) as error:  # ZoneInfoNotFoundError is a KeyError
            raise ValueError(
                f"found time_zone {self.time_zone!r}, expected a name of the IANA database, such as UTC or Europe/Vienna"
            ) from error
        if self.format in EPOCH_FORMATS:
            raise ValueError(f"time_zone: {self.format} counts from 1970-01-01 in UTC and has no zone; leave it out")
        if "%z" in self.format or "%:z" in self.format:
            raise ValueError("time_zone: the pattern reads an offset from each value; leave the zone out")
        if not self.has_time_of_day:
            raise ValueError(f"time_zone: {self.format} has no time of day, so a zone changes nothing; leave it out")
        return self

    @property
    def is_pattern(self) -> bool:
        """Whether the format is a pattern rather than one of the named ones."""
        return "%" in self.format

    @property
    def has_time_of_day(self) -> bool:
        """Whether the format can hold a time of day."""
        if self.is_pattern:
            return TIME_OF_DAY.search(self.format) is not None
        return self.format == "timestamp" or self.format in EPOCH_FORMATS


EventTimeText = Annotated[EventTime, BeforeValidator(_expand_column, json_schema_input_type=str | EventTime)]


class Target(Part):
    """What is predicted."""

    column: str = Field(examples=["default"])
    """Column that holds the outcome; empty where it is not known yet."""
    positive: str | int | float | bool = Field(default=1, examples=[1])
    """Binary only: the value that counts as the event."""
    favourable: Literal["positive", "negative"] = Field(default="negative", examples=["negative"])
    """Binary only: which prediction is good for the person; default on a loan is `negative`, a benefit is `positive`."""
    matures_after: PeriodText | None = Field(default=None, examples=["1 year"])
    """How long after the event the outcome is known; nothing: as soon as the window ends."""


TargetText = Annotated[Target, BeforeValidator(_expand_column, json_schema_input_type=str | Target)]


class Protected(Part):
    """A protected attribute: fairness is measured over its groups."""

    column: str = Field(examples=["sex"])
    """Column that holds the attribute; it need not be a feature."""
    labels: dict[str, str] = Field(default_factory=dict, examples=[{"1": "men", "2": "women"}])
    """Readable names of the values."""
    bins: tuple[float, ...] | None = Field(default=None, examples=[[30, 45, 60]])
    """Inner edges that make groups of a numeric attribute: `[30, 45]` gives under 30, 30 to 45 (excluded), 45 and over."""
    basis: str = Field(default="", examples=["ECOA 12 CFR 1002.2(z)"])
    """The rule that protects it; shown in the card."""


ProtectedText = Annotated[Protected, BeforeValidator(_expand_column, json_schema_input_type=str | Protected)]


class Slice(Part):
    """A segment that must not be served worse: the values of one column, or quantile bins of a numeric one."""

    column: str = Field(examples=["naics_sector"])
    """Column whose values are the segments."""
    bins: int | None = Field(default=None, ge=2, le=20, examples=[4])
    """Number of quantile bins of a numeric column."""


SliceText = Annotated[Slice, BeforeValidator(_expand_column, json_schema_input_type=str | Slice)]
