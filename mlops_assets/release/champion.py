"""Which version may score: the champion state of the ledger, held against the chain and its signed head.

The champion is what the promotions, rollbacks, suspensions, resumptions and retirements add up to (`ledger.state`); the
registry's alias only shows it. Whoever scores or moves an alias asks `verified_champion_state`.
"""

from mlops_assets.governance.approval_subject import NotRegistered, registered
from mlops_assets.ledger.ledger import Ledger, LedgerTampered
from mlops_assets.ledger.state.champion import ChampionState
from mlops_assets.release.registry import CHAMPION, FORMER


def champion_state(ledger: Ledger, model: str) -> ChampionState:
    """Who decides for `model` now."""
    return ledger.state().model(model).champion


def verified_champion_state(ledger: Ledger, model: str) -> ChampionState:
    """Who decides for `model`, when the ledger that says so holds.

    Every record since the deciding version was registered is held against the chain, and the chain against a head signed
    with a key that counts: a promotion written into the database, or a suspension taken out of it, decides nothing. What
    was written before the registration changes nothing about who decides. Costs a few microseconds a record since then.

    Raises:
        LedgerTampered: it does not hold.
    """
    state = ledger.state().model(model)
    now = state.champion
    try:
        since = registered(state, now.champion).seq if now.champion is not None else None
    except NotRegistered as error:
        raise LedgerTampered(f"{error}, and record {now.seq} says that it decides; see `mlops verify`") from error
    ledger.sealed_head(since)
    return now


def aliases(state: ChampionState) -> dict[str, int]:
    """The registry's aliases as they must be; the challenger's is not decided here."""
    if state.status == "retired":
        return {}
    pairs = {CHAMPION: state.deciding, FORMER: state.former}
    return {alias: version for alias, version in pairs.items() if version is not None}


def lock_name(model: str) -> str:
    """Name of the lock under which a model's champion changes."""
    return f"champion/{model}"
