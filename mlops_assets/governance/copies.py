"""Models that are a copy of one which people ended or refused: same rows and target under another name.

A copy is shown, never stopped: the successor of a retired model reads the same table. Only what people decided counts here;
what a gate refused, it refuses again under another name.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from mlops_assets.ledger.canonical import digest
from mlops_assets.ledger.state.model import LedgerState, ModelState


@dataclass(frozen=True)
class Copy:
    """Another model with the same rows and target that was retired or refused.

    Attributes:
        model: its name.
        ended: `retired` or `rejected`.
        record: number of the record by which it was.
        same: what is the same: `source and target` or `training data and target`.
    """

    model: str
    ended: str
    record: int
    same: str

    @property
    def text(self) -> str:
        """In a sentence."""
        return f"It has the {self.same} of {self.model}, which was {self.ended} (record {self.record})."

    def to_dict(self) -> dict[str, Any]:
        """As JSON content."""
        return {**asdict(self), "text": self.text}


def copies(
    state: LedgerState, model: str, declaration: Mapping[str, Any], data_digest: str | None = None
) -> tuple[Copy, ...]:
    """Every retired or refused model of which `model` is a copy, in order of name.

    Args:
        state: of the ledger.
        model: name.
        declaration: of the model, as JSON content.
        data_digest: of the training rows of the version in question, where there is one.
    """
    found = []
    target = (declaration.get("target") or {}).get("column")
    origin = _origin(declaration)
    for other in state:
        if other.name == model or (ended := _ended(other)) is None:
            continue
        registered = [v.registration.event for v in other.versions.values() if v.registration is not None]
        alike = [e for e in registered if target and (e.declaration.get("target") or {}).get("column") == target]
        if any(origin and _origin(e.declaration) == origin for e in alike):
            found.append(Copy(other.name, *ended, "source and target"))
        elif data_digest and any(e.data_digest == data_digest for e in alike):
            found.append(Copy(other.name, *ended, "training data and target"))
    return tuple(found)


def _origin(declaration: Mapping[str, Any]) -> str | None:
    """Digest of what says where the rows are, however a text file is read; None where nothing does."""
    source = declaration.get("source") or {}
    named = {name: source.get(name) for name in ("path", "sql", "connection", "reader", "settings")}
    return digest(named) if any(named.values()) else None


def _ended(model: ModelState) -> tuple[str, int] | None:
    """How and by which record people ended or refused the model; None where they did not."""
    if model.retirement is not None:
        return "retired", model.retirement.seq
    newest = model.newest_version
    if newest is None or model.champion.deciding is not None:
        return None
    if newest.rejected is not None:
        return "rejected", newest.rejected.seq
    refusals = [given.record.seq for given in newest.approvals if given.record.event.decision == "reject"]
    return ("rejected", refusals[-1]) if refusals else None
