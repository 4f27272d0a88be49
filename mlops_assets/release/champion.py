"""Which version decides, read from the ledger: the registry's alias only shows it.

The champion is what the records of promotion, rollback, suspension, resumption and retirement add up to, so it has one
answer for any moment, past ones included. A version that no promotion names never decides, and nothing decides after a
retirement, whatever was recorded: `release.audit` names such records. Whoever acts on the answer asks for `verified_champion_state`.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from mlops_assets.governance.approval_subject import NotRegistered, registered
from mlops_assets.ledger.ledger import Expected, Ledger, LedgerTampered, Record
from mlops_assets.release.registry import CHAMPION, FORMER

KINDS = ("promotion", "rollback", "suspension", "resumption", "retirement")
"""Records that change which version decides."""


@dataclass(frozen=True)
class ChampionState:
    """Who decides for a model.

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
    status: Literal["none", "active", "suspended", "retired"] = "none"
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
    def expected(self) -> Expected:
        """For a record that may be written only while nobody else has changed the champion."""
        return Expected(KINDS, self.model, self.seq)

    @property
    def aliases(self) -> dict[str, int]:
        """The registry's aliases as they must be; the challenger's is not decided here."""
        if self.status == "retired":
            return {}
        pairs = {CHAMPION: self.deciding, FORMER: self.former}
        return {alias: version for alias, version in pairs.items() if version is not None}


def champion_state(ledger: Ledger, model: str, known_at: datetime | None = None) -> ChampionState:
    """Who decides for `model`, now or as the ledger stood at `known_at`."""
    return champion_state_of(model, ledger.records(kind=KINDS, model=model, known_at=known_at))


def verified_champion_state(ledger: Ledger, model: str) -> ChampionState:
    """Who decides for `model`, when the ledger that says so holds: what scores and what moves aliases asks here.

    Every record since the deciding version was registered is held against the chain, and the chain against a head signed
    with a key that counts: a promotion written into the database, or a suspension taken out of it, decides nothing. What
    was written before the registration changes nothing about who decides. Costs a few microseconds a record since then.

    Raises:
        LedgerTampered: it does not hold.
    """
    now = champion_state(ledger, model)
    try:
        since = registered(ledger, model, now.champion).seq if now.champion is not None else None
    except NotRegistered as error:
        raise LedgerTampered(f"{error}, and record {now.seq} says that it decides; see `mlops verify`") from error
    ledger.sealed_head(since)
    return now


def champion_state_of(model: str, records: Iterable[Record]) -> ChampionState:
    """`champion_state` over records already at hand."""
    state = ChampionState(model)
    for record in records:
        if record.kind not in KINDS:
            continue
        state = replace(_after(state, record), seq=record.seq, since=record.recorded_at)
    return state


def _after(state: ChampionState, record: Record) -> ChampionState:
    if state.status == "retired":
        return state
    version = int(record.subject) if record.subject.isdecimal() else None
    match record.kind:
        case "promotion" if version is not None:
            promoted = (*state.promoted, version)
            return replace(state, status="active", champion=version, former=state.champion, promoted=promoted)
        case "rollback" if version in state.promoted:
            return replace(state, status="active", champion=version, former=state.champion)
        case "promotion" | "rollback":
            return state
        case "suspension":
            return replace(state, status="suspended")
        case "resumption":
            return replace(state, status="active")
        case _:
            return replace(state, status="retired")


def lock_name(model: str) -> str:
    """Name of the lock under which a model's champion changes."""
    return f"champion/{model}"
