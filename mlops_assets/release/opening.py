"""An incident that should stand: what `release.oversight` and `release.loosening` find, and `response.incidents` opens."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from mlops_assets.policy.policy import Action

PROBATION_FAILED = "probation_failed"


@dataclass(frozen=True)
class Opening:
    """An incident that should stand.

    Attributes:
        kind: what it is about, such as `validation_expired` or `probation_failed`.
        severity: `watch`, `act` or `critical`.
        summary: in a sentence.
        cause: what it is about; incidents of one cause are one while open.
        occasion: names this time; a closed incident is not opened again for the same one.
        happened_at: when the date passed.
        actions: what the policy wants done.
        evidence: number of the record it rests on.
    """

    kind: str
    severity: str
    summary: str
    cause: str
    occasion: str
    happened_at: datetime
    actions: tuple[Action, ...]
    evidence: int = 0

    @property
    def act(self) -> Literal["", "suspension", "rollback"]:
        """The intervention that is called for, whoever makes it."""
        if self.kind == PROBATION_FAILED:
            return "rollback"
        return "suspension" if "suspend" in self.actions else ""
