"""Which evidence was stored with a run, by its digest: what is read later must be what was written then.

Whoever trains models can write to the store of the evidence; the digests are in the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mlops_assets.ledger.events.versions import EvidenceStored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record


@dataclass(frozen=True)
class EvidenceBook:
    """The digests of stored evidence; the ledger is opened at first use."""

    ledger: Callable[[], Ledger]

    def keep(self, model: str, run_id: str, name: str, digest: str, root: str | None = None) -> None:
        """Record that `name` was stored with the run (a table with the root of its rows); the same again writes nothing."""
        before = self.latest(run_id, name)
        if before is not None and before.event.digest == digest:
            return
        key = f"evidence/{run_id}/{name}/{digest}/after/{before.seq if before else 0}"
        self.ledger().append(EvidenceStored(name=name, digest=digest, root=root), model=model, subject=run_id, key=key)

    def digest(self, run_id: str, name: str) -> str | None:
        """SHA-256 of what was stored last under that name; None where nothing was recorded."""
        found = self.latest(run_id, name)
        return found.event.digest if found is not None else None

    def latest(self, run_id: str, name: str) -> Record[EvidenceStored] | None:
        """The last record about that name; None where there is none."""
        records = self.ledger().of(EvidenceStored, subject=run_id)
        return next((r for r in reversed(records) if r.event.name == name), None)
