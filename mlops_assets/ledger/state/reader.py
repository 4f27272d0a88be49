"""The ledger's state, read at the price of what is new: one fold a process is kept, and continued at each look.

Past moments are folded from the start. `fresh` folds from the start as well: promotion, `mlops verify` and audit packets
read nothing that was kept.
"""

from datetime import datetime
from threading import Lock
from typing import Any, Protocol

from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.people import People, known_people
from mlops_assets.ledger.records import NOTHING_BEFORE, Record
from mlops_assets.ledger.state.cache import StateCache
from mlops_assets.ledger.state.fold import Fold, collecting_later
from mlops_assets.ledger.state.model import LedgerState

WORTH_KEEPING = 200
"""Records after which the state on disk is written again."""


class Records(Protocol):
    """What the reader needs of a ledger."""

    def records(
        self,
        *,
        kind: Any = None,
        known_at: datetime | None = None,
        happened_until: datetime | None = None,
        after: int = 0,
    ) -> list[Record]:
        """Records in order of seq."""
        ...

    def get(self, seq: int) -> Record | None:
        """The record of that number, or None."""
        ...

    def sealed(self, people: People) -> tuple[int | None, str]:
        """Number of the last record under a signed head that counts (None: all of them), and why it is not the last."""
        ...


class StateReader:
    """Reads the state of one ledger.

    Args:
        ledger: to read.
        cache: keeps the fold between processes; None: in this process only.
    """

    def __init__(self, ledger: Records, cache: StateCache | None):
        self._ledger = ledger
        self._cache = cache
        self._folds: dict[tuple[str | None, str], Fold] = {}
        self._lock = Lock()

    def now(self, root: str | None, *, fresh: bool = False) -> LedgerState:
        """The state as the ledger stands."""
        people, last_about_people, until, unsealed = self._sealed(root)
        if fresh:
            return self._continued(Fold(people), until).state(unsealed)
        with self._lock:
            key = (root, last_about_people)
            kept = self._folds.get(key)
            if kept is None and self._cache is not None:
                kept = self._cache.read(people, key)
            if kept is None or not self._still_there(kept, until):
                kept = Fold(people)
            begun = kept.seq
            self._folds = {key: self._continued(kept, until)}
            if self._cache is not None and kept.seq - begun >= WORTH_KEEPING:
                self._cache.write(kept, key)
            return kept.state(unsealed)

    def at(self, known_at: datetime | None, root: str | None, *, happened_until: datetime | None = None) -> LedgerState:
        """The state as the ledger stood at a past moment, of what had happened by another."""
        # Everything up to then is under the latest head, if that one counts today.
        _, _, until, unsealed = self._sealed(root)
        about_people = self._ledger.records(kind=PEOPLE_KINDS, known_at=known_at)
        people = known_people([r for r in about_people if until is None or r.seq <= until], root)
        records = self._ledger.records(known_at=known_at, happened_until=happened_until)
        return Fold(people).take(r for r in records if until is None or r.seq <= until).state(unsealed)

    def _sealed(self, root: str | None) -> tuple[People, str, int | None, str]:
        """Everybody under the seal, digest of the last record about people there, where the seal ends, and why there.

        Whose head counts is read from all records: a head may be the one that its key's own enrolment is under.
        """
        records = self._ledger.records(kind=PEOPLE_KINDS)
        until, unsealed = self._ledger.sealed(known_people(records, root))
        counting = [record for record in records if until is None or record.seq <= until]
        return known_people(counting, root), counting[-1].digest if counting else NOTHING_BEFORE, until, unsealed

    def _continued(self, fold: Fold, until: int | None) -> Fold:
        with collecting_later():
            return fold.take(r for r in self._ledger.records(after=fold.seq) if until is None or r.seq <= until)

    def _still_there(self, fold: Fold, until: int | None) -> bool:
        """Whether the ledger still holds the record that a kept fold ended with."""
        if fold.seq == 0:
            return True
        last = self._ledger.get(fold.seq)
        return last is not None and last.digest == fold.digest and (until is None or fold.seq <= until)
