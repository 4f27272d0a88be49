"""The champion state of a model: which version decides, and every change of it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

CHAMPION_KINDS = ("promotion", "rollback", "suspension", "resumption", "retirement")
"""Kinds of records that change which version decides."""

Status = Literal["none", "active", "suspended", "retired"]


@dataclass(frozen=True)
class ChampionState:
    """Which version of a model decides.

    Attributes:
        model: name.
        status: `none` before the first champion, `active`, `suspended` (nothing may decide), `retired` (for ever).
        champion: version that decides, or would if it were not suspended.
        former: version that stays ready to take over again.
        seq: of the last record that changed this; 0 when there is none.
        since: when that was recorded.
        promoted: every version that was ever promoted, in order.
    """

    model: str
    status: Status = "none"
    champion: int | None = None
    former: int | None = None
    seq: int = 0
    since: datetime | None = None
    promoted: tuple[int, ...] = ()

    @property
    def deciding(self) -> int | None:
        """The version that may score now: the champion unless suspended or retired."""
        return self.champion if self.status == "active" else None

    @property
    def version(self) -> str | None:
        """The champion as text, suspended or not; None before the first one and after a retirement."""
        return None if self.champion is None or self.status == "retired" else str(self.champion)


@dataclass(frozen=True)
class Pause:
    """A segment about whose rows no version decides.

    Attributes:
        where: the segment, such as `state == 'TX'`.
        person: who paused it.
        rationale: why.
        seq: number of the record.
        since: when that was recorded.
    """

    where: str
    person: str
    rationale: str
    seq: int
    since: datetime


@dataclass(frozen=True)
class ChampionChange:
    """One change of the version that decides.

    Attributes:
        at: when it happened.
        recorded_at: when it was recorded.
        kind: of the record.
        version: that decides from then on; None when the model was retired.
        former: that decided before.
        person: who signed it; empty for a promotion.
        reason: why.
        seq: number of the record.
    """

    at: datetime
    recorded_at: datetime
    kind: str
    version: str | None
    former: str | None
    person: str
    reason: str
    seq: int
