"""What is kept in files beside the ledger, held against what was recorded: evidence, cards, reports of windows and incidents.

People approve on cards, windows are judged by the evidence of the version's run, and policies are replayed on reports; all
three lie where whoever trains models can write.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

from mlops_assets.ledger.events.response import IncidentReported
from mlops_assets.ledger.events.versions import CardIssued, EvidenceStored
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.platform import Platform
from mlops_assets.stores.registry import RegistryError
from mlops_assets.stores.results import is_window


def changed_files(platform: Platform) -> Iterator[tuple[str, str]]:
    """Where and what: every kept file that is gone, or is not the one that was recorded last."""
    yield from _evidence(platform)
    yield from _cards(platform)
    yield from _reports(platform)
    yield from _incident_reports(platform)


def _evidence(platform: Platform) -> Iterator[tuple[str, str]]:
    last = {(r.subject, r.event.name): r for r in platform.ledger.of(EvidenceStored)}
    for (run, name), record in last.items():
        if is_window(run):
            continue
        try:
            platform.registry.evidence(run, name)
        except RegistryError as error:
            yield "evidence", f"{record.model}: {error} (record {record.seq})"


def _cards(platform: Platform) -> Iterator[tuple[str, str]]:
    last = {(r.model, r.subject): r for r in platform.ledger.of(CardIssued)}
    for (model, version), record in last.items():
        folder = platform.home.root / record.event.path
        for name, digest in record.event.files.items():
            if why := _differs(folder / name, digest):
                yield "card", f"{model} version {version}: {folder / name} {why} (record {record.seq})"


def _reports(platform: Platform) -> Iterator[tuple[str, str]]:
    last = {(r.model, r.subject): r for r in platform.ledger.of(HealthVerdict)}
    for (model, window), record in last.items():
        for name, digest in record.event.evidence.items():
            path = platform.window_results(model, window).path(name)
            if why := _differs(path, digest):
                yield "report", f"{model}, window {window}: {path} {why} (record {record.seq})"


def signed_reports(reports: Path) -> Path:
    """The folder of reports on incidents, in the folder of reports."""
    return reports / "incidents"


def signed_report(reports: Path, incident: str, digest: str) -> Path:
    """The kept copy of a signed report on an incident."""
    return signed_reports(reports) / f"{incident}-{digest[:12]}.md"


def _incident_reports(platform: Platform) -> Iterator[tuple[str, str]]:
    for record in platform.ledger.of(IncidentReported):
        path = signed_report(platform.home.reports, record.subject, record.event.report)
        if why := _differs(path, record.event.report):
            yield "report", f"incident {record.subject}: {path} {why} (record {record.seq})"


def _differs(path: Path, digest: str) -> str:
    """What is wrong with a file; empty where it is the one with this digest."""
    try:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return f"cannot be read: {error.strerror}; restore it from a back-up"
    return "" if found == digest else f"has digest {found[:12]}, expected {digest[:12]}; restore it from a back-up"
