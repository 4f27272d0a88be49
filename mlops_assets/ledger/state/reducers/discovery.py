"""What searches for models change, and when a signature about what they found counts."""

from dataclasses import replace
from typing import Any

from mlops_assets.ledger.events import discovery
from mlops_assets.ledger.people import NO_JUDGES
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.acts import FoldContext, NotCounted, require_same, signed
from mlops_assets.ledger.state.discovery import Assigned, Discovered, Ignored, Searched
from mlops_assets.ledger.state.model import ModelState


def source_searched(model: ModelState, record: Record[discovery.SourceSearched], _: FoldContext) -> ModelState:
    """The last search of a source."""
    event, source = record.event, record.subject
    found = Searched(source, record.happened_at, event.found, event.unread, event.reasons)
    return replace(model, searches={**model.searches, source: found})


def model_discovered(model: ModelState, record: Record[discovery.ModelDiscovered], _: FoldContext) -> ModelState:
    """What is there now. A signature that ignores it stands only while it is the same model."""
    event, before = record.event, model.discovered.get(record.subject)
    same = before is not None and before.basis == event.basis
    found = Discovered(
        id=record.subject, place=event.place, source=event.source, name=event.name, form=event.form, why=event.why,
        confidence=event.confidence, digest=event.digest, basis=event.basis, facts=event.facts,
        governed_by=event.governed_by, how=event.how, first_at=before.first_at if before else record.happened_at,
        changed_at=record.happened_at, seq=record.seq, record=record.digest,
        ignored=before.ignored if before and same else None, assigned=before.assigned if before else None,
    )  # fmt: skip
    return _with(model, found)


def model_gone(model: ModelState, record: Record[discovery.ModelGone], _: FoldContext) -> ModelState:
    """It is no longer there."""
    found = _found(model, record.subject)
    return _with(model, replace(found, gone_at=record.happened_at, changed_at=record.happened_at))


def discovery_ignored(
    model: ModelState, record: Record[discovery.DiscoveryIgnored], context: FoldContext
) -> ModelState:
    """A judge's signature, until its end or until it is another model."""
    found, event = _about(model, record, context), record.event
    ignored = Ignored(record.seq, event.reason, event.person, event.role, record.recorded_at, event.expires)
    return _with(model, replace(found, ignored=ignored))


def discovery_assigned(
    model: ModelState, record: Record[discovery.DiscoveryAssigned], context: FoldContext
) -> ModelState:
    """A judge's signature; from the next search on it holds while that model is declared."""
    found, event = _about(model, record, context), record.event
    assigned = Assigned(record.seq, event.governed_by, event.reason, event.person)
    how = f"assigned by {event.person}: {event.reason}"
    return _with(model, replace(found, assigned=assigned, governed_by=event.governed_by, how=how))


def _about(model: ModelState, record: Record[Any], context: FoldContext) -> Discovered:
    """What a signature is about, where it counts."""
    event = record.event
    act = signed(context, record)
    if event.role in NO_JUDGES:
        raise NotCounted(f"{event.role} is no role of somebody who judges a model")
    require_same("discovery", event.id, record.subject)
    found = _found(model, record.subject)
    require_same("discovery with digest", act.statement.subjects.get("discovery"), found.record)
    return found


def _found(model: ModelState, identity: str) -> Discovered:
    found = model.discovered.get(identity)
    if found is None or found.gone_at is not None:
        raise NotCounted(f"nothing with the id {identity} is there")
    return found


def _with(model: ModelState, found: Discovered) -> ModelState:
    return replace(model, discovered={**model.discovered, found.id: found})
