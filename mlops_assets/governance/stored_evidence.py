"""Which evidence was stored with a run, by its digest: what is read later must be what was written then.

The store of the evidence is in the hands of whoever trains models; the digests are in the ledger.
"""

from collections.abc import Callable
from dataclasses import dataclass

from mlops_assets.ledger.ledger import Ledger, Record

KIND = "evidence_stored"


@dataclass(frozen=True)
class EvidenceBook:
    """The digests of stored evidence; the ledger is opened at first use."""

    ledger: Callable[[], Ledger]

    def keep(self, model: str, run_id: str, name: str, digest: str) -> None:
        """Record that `name` was stored with the run; the same again writes nothing."""
        before = self._latest(run_id, name)
        if before is not None and before.body["digest"] == digest:
            return
        key = f"evidence/{run_id}/{name}/{digest}/after/{before.seq if before else 0}"
        self.ledger().append(KIND, {"name": name, "digest": digest}, model=model, subject=run_id, key=key)

    def digest(self, run_id: str, name: str) -> str | None:
        """SHA-256 of what was stored last under that name; None where nothing was recorded."""
        found = self._latest(run_id, name)
        return str(found.body["digest"]) if found is not None else None

    def _latest(self, run_id: str, name: str) -> Record | None:
        records = self.ledger().records(kind=KIND, subject=run_id)
        return next((r for r in reversed(records) if r.body["name"] == name), None)
