"""A ledger of which some kinds of records are read once for the whole fleet, and then looked up in memory.

For what asks the same few things of every model in turn: the number of queries no longer grows with the fleet. Whoever
decides on what it reads and writes the answer does not use this but the ledger, whose `expect` holds against others.
"""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Entry, Expected, Record


class LedgerAhead(Ledger):
    """The same ledger, as it stood when it was first asked for one of `kinds`; what is written through it is seen at once."""

    def __init__(self, ledger: Ledger, kinds: Sequence[str]) -> None:
        # The same connections, keys and anchor: nothing is opened or migrated again.
        self.__dict__.update(vars(ledger))
        self._ledger, self._kinds = ledger, frozenset(kinds)
        self._known: dict[str, dict[str, list[Record]]] | None = None

    def records(
        self,
        *,
        kind: str | Sequence[str] | None = None,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
        happened_until: datetime | None = None,
        after: int = 0,
    ) -> list[Record]:
        """See `Ledger.records`."""
        kinds = [kind] if isinstance(kind, str) else list(kind or ())
        if not kinds or not self._kinds.issuperset(kinds):
            return self._ledger.records(
                kind=kind, model=model, subject=subject, known_at=known_at, happened_until=happened_until, after=after
            )
        known = self._read()
        found = [
            record
            for one in dict.fromkeys(kinds)
            for own in ([known[one].get(model, ())] if model is not None else known[one].values())
            for record in own
            if (subject is None or record.subject == subject)
            and record.seq > after
            and (known_at is None or record.recorded_at <= known_at)
            and (happened_until is None or record.happened_at <= happened_until)
        ]
        return sorted(found, key=lambda record: record.seq)

    def latest(
        self,
        kind: str | Sequence[str],
        *,
        model: str | None = None,
        subject: str | None = None,
        known_at: datetime | None = None,
    ) -> Record | None:
        """See `Ledger.latest`."""
        kinds = [kind] if isinstance(kind, str) else list(kind)
        if not self._kinds.issuperset(kinds):
            return self._ledger.latest(kind, model=model, subject=subject, known_at=known_at)
        found = self.records(kind=kinds, model=model, subject=subject, known_at=known_at)
        return found[-1] if found else None

    def append_all(
        self, entries: Sequence[Entry], *, expect: Expected | Sequence[Expected] | None = None
    ) -> list[Record]:
        """See `Ledger.append_all`."""
        written = self._ledger.append_all(entries, expect=expect)
        known = self._known or {}
        for record in written:
            if record.kind in known:
                same = known[record.kind][record.model]
                same += [record] if all(one.seq != record.seq for one in same) else []
        return written

    def _read(self) -> dict[str, dict[str, list[Record]]]:
        if self._known is None:
            self._known = {kind: defaultdict(list) for kind in self._kinds}
            for record in self._ledger.records(kind=sorted(self._kinds)):
                self._known[record.kind][record.model].append(record)
        return self._known
