"""The one fold: records in order, and what they add up to. Everything that reads the ledger's state reads it from here.

The fold is incremental: `Fold.take` continues where the last call ended. Time is the caller's choice of records: the state
at a past moment is the fold of what had been recorded by then. Records after the last signed head that counts are taken
in by nobody: whoever may write to the database cannot decide anything without a ledger key.
"""

import gc
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace

from mlops_assets.ledger.events.base import UnknownEvent
from mlops_assets.ledger.people import KINDS as PEOPLE_KINDS
from mlops_assets.ledger.people import People, known_people
from mlops_assets.ledger.records import NOTHING_BEFORE, Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted
from mlops_assets.ledger.state.champion import ChampionState
from mlops_assets.ledger.state.model import LedgerState, ModelState, Refused
from mlops_assets.ledger.state.reducers.registry import REDUCERS


@contextmanager
def collecting_later() -> Iterator[None]:
    """Without garbage collection: for making very many objects that all stay, such as the state or the assets of a fleet.

    Each collection goes through all of them and finds nothing; that is a quarter to a half of the time.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


class Fold:
    """Computes a `LedgerState` from records, as many at a time as there are.

    Args:
        people: everybody enrolled in the records that will be taken in; read before, because a revocation may say that a
            key was compromised before earlier records.
    """

    def __init__(self, people: People):
        self.context = FoldContext(people)
        self.models: dict[str, ModelState] = {}
        self.refused: list[Refused] = []
        self.seq = 0
        self.digest = NOTHING_BEFORE

    def take(self, records: Iterable[Record]) -> "Fold":
        """Take in further records, in order of their numbers."""
        for record in records:
            self._one(record)
            self.seq, self.digest = record.seq, record.digest
        return self

    def state(self, unsealed: str = "") -> LedgerState:
        """What the records taken in so far add up to."""
        models = {name: self.models[name] for name in sorted(self.models) if name}
        return LedgerState(
            models=models,
            fleet=self._model(""),
            people=self.context.people,
            refused=tuple(self.refused),
            seq=self.seq,
            digest=self.digest,
            unsealed=unsealed,
        )

    def _model(self, name: str) -> ModelState:
        return self.models.get(name) or ModelState(name, ChampionState(name))

    def _one(self, record: Record) -> None:
        if record.kind in PEOPLE_KINDS:
            # Who may sign was read before; what did not count there is listed in its place.
            self.refused += [_refused(record, why) for seq, why in self.context.people.refused if seq == record.seq]
            return
        event, before = record.event, self._model(record.model)
        model = replace(before, latest={**before.latest, record.kind: record.seq})
        reducer = REDUCERS.get(type(event))
        try:
            if isinstance(event, UnknownEvent):
                raise NotCounted(event.reason)
            if reducer is not None:
                model = reducer(model, record, self.context)
        except NotCounted as why:
            self.refused.append(_refused(record, str(why)))
        self.context.use(record)
        self.models[record.model] = model


def _refused(record: Record, reason: str) -> Refused:
    event = record.event
    claimed = event.content.get("person") if isinstance(event, UnknownEvent) else getattr(event, "person", "")
    return Refused(record.seq, record.kind, record.model, record.subject, str(claimed or ""), reason)


def fold(records: Iterable[Record], root: str | None = None) -> LedgerState:
    """The state of these records, such as those of a packet.

    Args:
        records: in order of their numbers; the enrolments among them say whose signature counts.
        root: key id of the root key, where it is known from outside the ledger.
    """
    taken = list(records)
    people = known_people([record for record in taken if record.kind in PEOPLE_KINDS], root)
    return Fold(people).take(taken).state()
