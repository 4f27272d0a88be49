"""Every table of a model whose rows are on record, and by which record.

`mlops verify` compares each with its rows, an erasure looks for a person in each, and retention removes what is past its date.
Belongs here: listing them. Not here: comparing (`recorded_tables.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from mlops_assets.inspection.recorded_tables import Recorded, recorded_with_version
from mlops_assets.ledger.events.versions import EvidenceStored, SnapshotTaken, VersionRegistered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.monitoring.window_results import OUTCOMES
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import LakeError
from mlops_assets.stores.results import OF

PREDICTIONS = "predictions"
SCORED_ROWS = "scored_rows"
OUTCOME_TABLE = "outcomes"
FEATURES = "features"
"""Table of the rows that versions are made from."""


@dataclass(frozen=True)
class OnRecord:
    """One table of a model, or one part of it.

    Attributes:
        recorded: where it is, and its two hashes.
        what: what it is, for people.
        seq: number of the record that names its hashes.
        version: of the model that it belongs to; None of a snapshot that no version was trained on.
        column: that holds the identifier of a row's person or thing; None where it is not known.
        newest: whether it is the last one under its name: readers of the table see this one.
    """

    recorded: Recorded
    what: str
    seq: int
    version: str | None
    column: str | None
    newest: bool = True


def tables_on_record(platform: Platform, model: str) -> Iterator[OnRecord]:
    """Every table of the model that is on record."""
    yield from snapshots_on_record(platform, model)
    for record in platform.ledger.of(VersionRegistered, model=model):
        identifier = record.event.declaration["id"]
        found = features_on_record(platform, model, record.event.data_digest, identifier)
        if found is not None:
            yield OnRecord(found, "features", record.seq, record.subject, identifier)
    for record in platform.ledger.of(WindowScored, model=model):
        yield from window_on_record(platform, record)
    for window in sorted({record.subject for record in platform.ledger.of(WindowScored, model=model)}):
        outcomes = outcomes_on_record(platform, model, window)
        if outcomes is not None:
            yield outcomes
    yield from kept_on_record(platform, model)


def snapshots_on_record(platform: Platform, model: str) -> Iterator[OnRecord]:
    """Snapshots of training rows, and the rows without an outcome beside them."""
    trained = {r.event.snapshot_record: r.subject for r in platform.ledger.of(VersionRegistered, model=model)}
    seen: set[tuple[str, int, str]] = set()
    for record in platform.ledger.of(SnapshotTaken, model=model):
        version = trained.get(record.seq)
        for found in recorded_snapshots(record):
            assert found.version is not None
            if (found.table, found.version, found.digest) not in seen:
                seen.add((found.table, found.version, found.digest))
                what = f"snapshot {record.subject[:12]}"
                what = what if found.digest == record.subject else f"rows without an outcome of {what}"
                yield OnRecord(found, what, record.seq, version, record.event.ordered_by)


def recorded_snapshots(record: Record[SnapshotTaken]) -> Iterator[Recorded]:
    """The training rows of a record, and the rows without an outcome beside them."""
    event, remedy = record.event, f"{record.model}/training_data"
    yield Recorded(event.table, record.subject, event.root, event.ordered_by, None, event.delta_version, remedy)
    kept = event.without_outcome
    if kept is not None:
        yield Recorded(kept.table, kept.digest, kept.root, event.ordered_by, None, kept.delta_version, remedy)


def window_on_record(platform: Platform, record: Record[WindowScored]) -> Iterator[OnRecord]:
    """Predictions and scored rows of one run over a window."""
    event, model = record.event, record.model
    newest = platform.ledger.of(WindowScored, model=model, subject=record.subject)[-1].seq == record.seq
    registration = platform.ledger.state().model(model).version(event.version).registration
    identifier = registration.event.declaration["id"] if registration else None
    for found in recorded_window(record, identifier):
        column = "id" if found.table.endswith(f"/{PREDICTIONS}") else identifier
        what = f"window {record.subject}"
        yield OnRecord(found, what, record.seq, str(event.version), column, newest)


def recorded_window(record: Record[WindowScored], identifier: str | None) -> Iterator[Recorded]:
    """What is on record of a run's predictions and scored rows."""
    event, model, window = record.event, record.model, record.subject
    remedy = f"{model}/{PREDICTIONS}"
    if event.predictions_digest is not None:
        version, root = event.predictions_version, event.predictions_root
        yield Recorded(remedy, event.predictions_digest, root, "prediction_id", window, version, remedy)
    if event.rows_digest is not None:
        version, root = event.rows_version, event.rows_root
        yield Recorded(f"{model}/{SCORED_ROWS}", event.rows_digest, root, identifier, window, version, remedy)


def outcomes_on_record(platform: Platform, model: str, window: str) -> OnRecord | None:
    """The outcomes that a window was last measured on; None where it was not.

    Raises:
        ResultError: the file that has their hashes is not the one that was recorded.
    """
    record = platform.ledger.latest_of(WindowScored, model=model, subject=window)
    results = platform.window_results(model, window)
    if record is None or not results.has(OUTCOMES):
        return None
    found = results.read(OUTCOMES)
    if found.digest is None:
        return None
    recorded = recorded_outcomes(model, window, found.digest, found.root)
    return OnRecord(recorded, f"outcomes of window {window}", record.seq, str(record.event.version), "id")


def recorded_outcomes(model: str, window: str, digest: str, root: str | None) -> Recorded:
    """What is on record of the outcomes of a window."""
    table = f"{model}/{OUTCOME_TABLE}"
    return Recorded(table, digest, root, "id", window, remedy=table)


def kept_on_record(platform: Platform, model: str) -> Iterator[OnRecord]:
    """Reference rows and losses that windows are compared with."""
    records = platform.ledger.of(EvidenceStored, model=model)
    for subject, name in sorted({(r.subject, r.event.name) for r in records if f"{OF}v" in r.subject}):
        version = subject.partition(f"{OF}v")[2]
        record = platform.evidence_book.latest(subject, name)
        recorded = recorded_with_version(platform, model, name, version)
        registration = platform.ledger.state().model(model).version(version).registration
        column = registration.event.declaration["id"] if registration else None
        if record is not None and recorded is not None:
            yield OnRecord(recorded, f"{name} of version {version}", record.seq, version, column)


def features_on_record(platform: Platform, model: str, snapshot: str, by: str) -> Recorded | None:
    """What is on record of the features of a snapshot; None where they were never made.

    Raises:
        LakeError: the lake does not hold them any more.
    """
    record = platform.evidence_book.latest(f"{model}{OF}{snapshot}", FEATURES)
    if record is None:
        return None
    table, name = f"{model}/{FEATURES}", f"{record.event.digest}:{snapshot}"
    version = platform.lake.version_of(table, name)
    if version is None:
        raise LakeError(f"{table}: holds no rows of snapshot {snapshot[:12]} any more; restore it from a back-up")
    return Recorded(table, record.event.digest, record.event.root, by, None, version, table)
