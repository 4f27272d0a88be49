"""Every table of the lake, held against what is on record: which rows were changed, are gone, or should be."""

from collections.abc import Iterator
from typing import Any

import polars as pl

from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.pieces import pieces
from mlops_assets.datasets.snapshot import rows_digest, split
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.inspection.recorded_tables import (
    Recorded,
    difference,
    recorded_rows,
    still_there,
    stored_rows,
)
from mlops_assets.inspection.tables_on_record import (
    FEATURES,
    PREDICTIONS,
    OnRecord,
    features_on_record,
    kept_on_record,
    outcomes_on_record,
    recorded_snapshots,
    snapshots_on_record,
    window_on_record,
)
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.removals import Removal, Removals
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import WINDOW


def lake_problems(platform: Platform) -> Iterator[dict[str, Any]]:
    """Tables of the lake whose rows are not those on record, each with where and what."""
    for model in sorted(platform.ledger.state().models):
        for what in _of_model(platform, model):
            yield {"where": "lake", "what": what}


def removed_rows(platform: Platform) -> Iterator[dict[str, Any]]:
    """Rows that left the lake by a signed record: nothing is wrong with that, and nobody should take them for missing."""
    for state in platform.ledger.state():
        for removal in state.removals.values():
            where = f"{removal.table}, {removal.window}" if removal.window else removal.table
            yield {"model": state.name, "table": where, "what": removal.words, "record": removal.seq}


def _of_model(platform: Platform, model: str) -> Iterator[str]:
    for found in snapshots_on_record(platform, model):
        yield from _compared(platform, model, found)
    for record in platform.ledger.of(VersionRegistered, model=model):
        yield from _features(platform, record)
    runs = platform.ledger.of(WindowScored, model=model)
    scored = {record.subject for record in runs}
    for window in platform.lake.windows(f"{model}/{PREDICTIONS}") if scored else ():
        if window not in scored:
            yield f"{model}/{PREDICTIONS}, window {window}: the ledger has no record that it was scored"
    for record in runs:
        for found in window_on_record(platform, record):
            yield from _compared(platform, model, found)
    for window in sorted(scored):
        try:
            found = outcomes_on_record(platform, model, window)
        except Exception as error:  # what cannot be read is lost evidence, whatever the reason
            yield f"{model}/outcomes, window {window}: {error}"
            continue
        if found is not None:
            yield from _compared(platform, model, found)
    for found in kept_on_record(platform, model):
        yield from _compared(platform, model, found)


def _compared(platform: Platform, model: str, found: OnRecord) -> Iterator[str]:
    """What is wrong with one table; the newest part of it also as its readers see it."""
    recorded, removals = found.recorded, platform.ledger.state().model(model).removals
    removal = recorded.removal(removals)
    if removal is not None and removal.whole:
        yield from _left_behind(platform, recorded, removal)
        return
    try:
        rows = stored_rows(platform.lake, recorded, removals)
        problem = difference(rows, recorded, removals)
        if problem:
            yield f"{problem} ({found.what}, record {found.seq})"
            return
        if removal is not None and (left := still_there(pieces(rows), removal)):
            yield (
                f"{recorded.name}: record {removal.seq} says that rows were erased, and {left} of them are still in the lake: "
                "`mlops erase` again, which removes what is listed"
            )
        if recorded.window is not None and recorded.version is not None and found.newest:
            # Readers of the table see its newest version: one that was written past the scoring is none of ours.
            newest = platform.lake.scan(recorded.table, window=recorded.window, salted=True).drop(WINDOW)
            if difference(newest, recorded, removals):
                yield (
                    f"{recorded.name}: its newest version holds other rows than record {found.seq} says; version "
                    f"{recorded.version} holds those"
                )
    except Exception as error:  # a version that cannot be read is lost evidence, whatever the reason
        yield f"{recorded.name} ({found.what}): cannot be read: {error}"


def _left_behind(platform: Platform, recorded: Recorded, removal: Removal) -> Iterator[str]:
    """A table that was removed as a whole, and is there."""
    try:
        rows = platform.lake.scan(recorded.table, version=recorded.version, window=recorded.window, salted=True)
        there = rows.head(1).collect().height
    except Exception:  # nothing of it can be read: it is gone
        return
    if there:
        what = "was removed under retention" if removal.cause == "retention" else "was erased"
        yield f"{recorded.name}: record {removal.seq} says that it {what}, and its rows are still in the lake"


def _features(platform: Platform, registration: Record[VersionRegistered]) -> Iterator[str]:
    """The rows that a version was fitted on and judged by must be its snapshot, parted as declared, and nothing else.

    Where rows of the snapshot were removed they are no longer parted as they were: the hashes on record are compared alone.
    """
    model, registered = registration.model, registration.event
    table, removals = f"{model}/{FEATURES}", platform.ledger.state().model(model).removals
    snapshot = platform.ledger.get(registered.snapshot_record)
    if snapshot is None or not isinstance(snapshot.event, SnapshotTaken):
        yield f"{table}: record {registered.snapshot_record} is no snapshot"
        return
    taken, *_ = recorded_snapshots(snapshot)
    try:
        recorded = features_on_record(platform, model, registered.data_digest, registered.declaration["id"])
        if recorded is None:
            yield f"{table}: the ledger has no record of the rows that version {registration.subject} was made from"
            return
        on_record = OnRecord(recorded, "features", registration.seq, registration.subject, None)
        problems = list(_compared(platform, model, on_record))
        if problems:
            yield from problems
            return
        if taken.removal(removals) is not None or recorded.removal(removals) is not None:
            return
        declaration = Declaration.model_validate(registered.declaration)
        parts = split(recorded_rows(platform.lake, taken, removals), declaration)
        found = platform.lake.read(table, version=recorded.version)
        same = [
            rows_digest(found.filter(pl.col(PART) == name).drop(PART), by=declaration.id)
            == rows_digest(rows, by=declaration.id)
            for name, rows in (("fit", parts.fit), ("holdout", parts.holdout))
        ]
    except Exception as error:  # what cannot be read is lost evidence, whatever the reason
        if not _was_removed(taken, removals):
            yield f"{table}: cannot be read: {error}"
        return
    if not all(same):
        what = f"{table}, version {recorded.version}: its rows are not those of the snapshot that version"
        yield f"{what} {registration.subject} was trained on (record {registration.seq})"


def _was_removed(recorded: Recorded, removals: Removals) -> bool:
    removal = recorded.removal(removals)
    return removal is not None and removal.whole
