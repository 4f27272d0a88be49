"""What a policy says about training a model again: what asks for it, how often it may, and when a person has to sign.

Only data is here. Requests are made in `response.retraining`, what asks by the calendar is found in `response.triggers`.
"""

from typing import Annotated, Literal

from pydantic import Field

from mlops_assets.strictness import HigherInt, LowerInt, LowerLimit, Part, Stricter


class Retraining(Part):
    """When a model may be trained again. Which kinds of change ask for it is in `response`."""

    mode: Annotated[
        Literal["automatic", "on_signed_request", "never"],
        Stricter("ordered", ("automatic", "on_signed_request", "never")),
    ] = "automatic"
    """`automatic`: a verdict starts it; `on_signed_request`: a person signs first; `never`: replaced instead."""
    cooldown_windows: HigherInt = Field(default=1, ge=0)
    """Windows that must pass after a request before a verdict may start the next one."""
    budget_per_year: LowerInt = Field(default=4, ge=0)
    """Most automatic requests within any 365 days."""
    persistent_windows: HigherInt = Field(default=1, ge=1)
    """Windows in a row that must show a kind of change, from `act` on, before a verdict asks because of it."""
    every_months: Annotated[int | None, Stricter("lower")] = Field(default=None, ge=1)
    """Months of windows since the last training's rows after which another one is requested; null: never by the calendar."""
    validation_ends_days: Annotated[int | None, Stricter("higher")] = Field(default=None, ge=0)
    """Days before the champion's validation ends (`validity_days`) from which on a training is requested; null: not for that."""
    new_rows_share: LowerLimit = Field(default=None, gt=0)
    """Rows with outcomes since the last training's rows, as a share of those, from which on a training is requested; null: never."""
    refused_in_a_row: LowerInt = Field(default=1, ge=1)
    """Trainings in a row for the same kind of cause whose version was refused or sent back, after which the next one waits for a
    person's signature, and an incident asks for it."""
