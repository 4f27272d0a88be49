"""What goes into an audit packet from the stores: card, evidence, reports of windows, requirement results, lineage."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlops_assets.evidence.openlineage import events, text_of
from mlops_assets.evidence.packet.packet import PacketError, PacketParts, write_packet
from mlops_assets.governance.approval_subject import registered
from mlops_assets.inspection.requirement_results import requirement_rows
from mlops_assets.inspection.row_proofs import shown_prediction
from mlops_assets.ledger.canonical import canonical_json
from mlops_assets.ledger.events.versions import EvidenceStored
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.platform import Platform
from mlops_assets.stores.registry import RegistryError, evidence_bytes


def make_packet(
    platform: Platform, model: str, version: int, path: Path, predictions: Sequence[str] = ()
) -> dict[str, Any]:
    """Write the audit packet of a version; returns what the verifier found in it.

    Args:
        platform: the project.
        model: name.
        version: its number.
        path: of the file.
        predictions: ids of predictions of the version that are shown in it, each with the row that was scored.

    Raises:
        NotFound: there is no such prediction.
        NotRegistered: there is no such version.
        PacketError: a file that a record names is gone or was changed, or the packet would not be whole.
    """
    parts = packet_parts(platform, model, version)
    shown = {f"{place:04d}.json": _shown(platform, text) for place, text in enumerate(predictions, 1)}
    return write_packet(path, platform.ledger, model, str(version), replace(parts, predictions=shown))


def _shown(platform: Platform, text: str) -> bytes:
    return (json.dumps(shown_prediction(platform, text), ensure_ascii=False, indent=1) + "\n").encode()


def packet_parts(platform: Platform, model: str, version: int) -> PacketParts:
    """What goes into the packet of a version besides the ledger: every file that a record about it names.

    Raises:
        NotRegistered: there is no such version.
        PacketError: a file is gone.
    """
    known = platform.ledger.state().model(model).version(version)
    registration = registered(platform.ledger.state().model(model), version).event
    promoted = known.promotions[-1].event if known.promotions else None
    folder = platform.home.root / known.card.event.path if known.card else platform.home.root
    names = ("card.json", *known.card.event.files) if known.card else ()
    return PacketParts(
        declaration=canonical_json(registration.declaration),
        policy=canonical_json(promoted.policy) if promoted else None,
        card={name: _content(folder / name) for name in names},
        evidence=_evidence(platform, registration.run_id),
        windows=_windows(platform, model, str(version)),
        reports={
            "requirements.json": _requirements(platform, model),
            "lineage.jsonl": text_of(events(platform.ledger, model, str(version))).encode(),
        },
    )


def _evidence(platform: Platform, run_id: str) -> dict[str, bytes]:
    """What was stored with the run: what the gates decided on, and the bill of materials."""
    found = {}
    for name in sorted({record.event.name for record in platform.ledger.of(EvidenceStored, subject=run_id)}):
        try:
            found[f"{name}.json"] = evidence_bytes(platform.registry.evidence(run_id, name))
        except RegistryError as error:
            raise PacketError(f"the evidence {name} cannot go into the packet: {error}") from error
    return found


def _windows(platform: Platform, model: str, version: str) -> dict[str, bytes]:
    """The reports that the last verdict on each window of the version rests on."""
    last = {record.subject: record.event for record in platform.ledger.of(HealthVerdict, model=model)}
    return {
        f"{window}/{name}.json": _content(platform.window_results(model, window).path(name))
        for window, event in sorted(last.items())
        if event.version == version
        for name in event.evidence
    }


def _requirements(platform: Platform, model: str) -> bytes:
    """Requirement results as of the last record, so that the same records give the same packet."""
    last = platform.ledger.last()
    if model not in platform.project.declarations or last is None:
        return b"[]\n"
    rows = requirement_rows(platform, None, model, last.recorded_at)
    return (json.dumps(rows, indent=1, sort_keys=True, default=str) + "\n").encode()


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise PacketError(f"{path} cannot go into the packet: {error.strerror}; restore it from a back-up") from error
