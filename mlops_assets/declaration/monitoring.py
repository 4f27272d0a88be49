"""When windows begin and end, and how long each is."""

from datetime import date

from pydantic import Field

from mlops_assets.declaration.terms import Cadence, Part


class Monitoring(Part):
    """How production is watched."""

    cadence: Cadence = Field(default=Cadence.MONTH, examples=["quarter"])
    """Length of a window."""
    start: date | None = Field(default=None, examples=["2003-10-01"])
    """Start of the first window; default: where the first training ends."""
    end: date | None = Field(default=None, examples=["2010-10-01"])
    """End of the last window for a closed history; nothing for a live model."""
