"""Records as somebody would write them who goes around the event models: any kind, any content."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from mlops_assets.ledger.canonical import plain
from mlops_assets.ledger.events.base import Event
from mlops_assets.ledger.events.versions import EvidenceStored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record


class Raw(Event):
    """Content of any kind; no model has seen it."""

    raw_kind: str
    content: dict[str, Any]

    @property
    def record_kind(self) -> str:
        return self.raw_kind

    def body(self) -> dict[str, Any]:
        return plain(self.content)


def note(number: int = 0) -> EvidenceStored:
    """A real event that changes no state, where a test needs any record."""
    return EvidenceStored(name=f"note-{number}", digest="0" * 64)


def raw(kind: str, body: Mapping[str, Any]) -> Raw:
    return Raw(raw_kind=kind, content=dict(body))


def append_raw(
    ledger: Ledger,
    kind: str,
    body: Mapping[str, Any],
    *,
    model: str = "",
    subject: str = "",
    happened_at: datetime | None = None,
    key: str | None = None,
) -> Record:
    return ledger.append(raw(kind, body), model=model, subject=subject, happened_at=happened_at, key=key)
