"""A length of calendar time, such as `36 months`."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, model_validator

from mlops_assets.declaration.terms import Cadence, Part

PERIOD_PATTERN = re.compile(r"^([0-9]{1,9})\s*(day|week|month|quarter|year)s?$")
LONGEST_YEARS = 200
A_YEAR = {Cadence.DAY: 366, Cadence.WEEK: 53, Cadence.MONTH: 12, Cadence.QUARTER: 4, Cadence.YEAR: 1}


class Period(Part):
    """A length of calendar time such as `36 months`."""

    count: int = Field(gt=0)
    """How many units."""
    unit: Cadence
    """day, week, month, quarter or year."""

    @model_validator(mode="after")
    def _within_the_calendar(self) -> "Period":
        # Adding it to a date would leave the calendar, where nobody could say whose mistake it was.
        if self.count > LONGEST_YEARS * A_YEAR[self.unit]:
            raise ValueError(f"found {self}, expected at most {LONGEST_YEARS} years")
        return self

    @classmethod
    def parse(cls, text: object) -> object:
        """Read `"36 months"`, `"1 year"`, `"90 days"`; anything else is left for the validator to refuse."""
        if not isinstance(text, str):
            return text
        match = PERIOD_PATTERN.match(text.strip())
        if match is None:
            raise ValueError(f"found {text!r}, expected a count and a unit, such as '36 months', '1 year' or '90 days'")
        return cls(count=int(match[1]), unit=Cadence(match[2]))

    def __str__(self) -> str:
        return f"{self.count} {self.unit.value}{'s' if self.count != 1 else ''}"


# The short spellings are part of the schema too: `dg check yaml` and editors read it.
PeriodText = Annotated[Period, BeforeValidator(Period.parse, json_schema_input_type=str | Period)]
