"""Everything that is stored, held against what was recorded: ledger, signatures, promotions, registry, artifacts, lake."""

from collections.abc import Iterable, Iterator
from typing import Any

import polars as pl

from mlops_assets.datasets.internal_columns import PART
from mlops_assets.datasets.snapshot import rows_digest, split
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.governance.adoption import audit_policies
from mlops_assets.governance.verification import verify_all
from mlops_assets.inspection.kept_files import changed_files
from mlops_assets.inspection.lookup import predictions_digest
from mlops_assets.inspection.recorded_tables import kept_with_version, require_recorded
from mlops_assets.inspection.versions import verify_artifact
from mlops_assets.ledger.anchors import Anchor
from mlops_assets.ledger.events.versions import EvidenceStored, SnapshotTaken, VersionRegistered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.records import Record
from mlops_assets.monitoring.window_results import OUTCOMES
from mlops_assets.platform import Platform
from mlops_assets.release.audit import audit_promotions
from mlops_assets.release.reconciliation import reconcile
from mlops_assets.stores.home import exposed
from mlops_assets.stores.lake import WINDOW
from mlops_assets.stores.results import OF

SCORED_ROWS = "scored_rows"
FEATURES = "features"
"""Table of the rows that versions are made from."""


def check_everything(platform: Platform, anchors: Iterable[Anchor] = ()) -> list[dict[str, Any]]:
    """What is wrong, the gravest place first; each with where and what. An empty list: all is whole.

    Args:
        platform: the project.
        anchors: heads of the ledger that were kept elsewhere.
    """
    found = [{"where": "ledger", "what": str(problem)} for problem in verify_all(platform.ledger, anchors=anchors)]
    if not found and platform.ledger.head() is None:
        # An empty place is whole, and says nothing about the one that was meant.
        address = platform.ledger.database.url.render_as_string(hide_password=True)
        what = (
            f"nothing was ever recorded in {address}; expected a project that was set up: do MLOPS_HOME and "
            "MLOPS_LEDGER_URL name the one that you mean?"
        )
        found = [{"where": "ledger", "what": what}]
    if found:
        # Nothing that the ledger says can be held against anything while the ledger itself is not whole.
        return found
    found += [{"where": "promotion", "what": str(problem)} for problem in audit_promotions(platform.ledger)]
    state = platform.ledger.state(fresh=True)
    found += [{"where": "policy", "what": str(problem)} for problem in audit_policies(platform.ledger, state)]
    kept = ({"where": where, "what": what} for where, what in changed_files(platform))
    parts = {
        "registry": _registry(platform),
        "artifact": _artifacts(platform),
        "evidence": kept,
        "lake": lake_problems(platform),
        "home": ({"where": "home", "what": what} for what in exposed(platform.home)),
    }
    return [*found, *(row for where, rows in parts.items() for row in _to_the_end(where, rows))]


def _to_the_end(where: str, rows: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """What is wrong in one store; a store that cannot be looked through is named, and hides no other."""
    try:
        yield from rows
    except Exception as error:  # whatever somebody has done to it
        what = (
            f"cannot be checked to its end ({type(error).__name__}: {error}); is it there, and is it what was written?"
        )
        yield {"where": where, "what": what}


def _registry(platform: Platform) -> Iterator[dict[str, Any]]:
    for model in sorted({r.model for r in platform.ledger.of(VersionRegistered)}):
        for difference in reconcile(platform.ledger, platform.registry, model):
            yield {"where": "registry", "what": difference.message}


def _artifacts(platform: Platform) -> Iterator[dict[str, Any]]:
    for record in platform.ledger.of(VersionRegistered):
        name = f"{record.model} version {record.subject}"
        try:
            digest = verify_artifact(platform, record.model, int(record.subject))
        except Exception as error:  # whatever cannot be checked is not whole
            yield {"where": "artifact", "what": f"{name}: {error}"}
            continue
        expected = record.event.artifact_digest
        if digest != expected:
            yield {
                "where": "artifact",
                "what": f"{name} has digest {digest[:12]}, expected {expected[:12]} as registered",
            }


def lake_problems(platform: Platform) -> Iterator[dict[str, Any]]:
    """Tables of the lake whose rows are not those on record, each with where and what."""
    seen: set[tuple[str, int, str]] = set()
    for record in platform.ledger.of(SnapshotTaken):
        event = record.event
        address = (event.table, event.delta_version, record.subject)
        if address in seen:
            continue
        seen.add(address)
        yield from _table(platform, f"snapshot {record.subject[:12]}", *address, by=event.ordered_by)
        kept = event.without_outcome
        if kept is not None:
            name = f"rows without an outcome of snapshot {record.subject[:12]}"
            yield from _table(platform, name, kept.table, kept.delta_version, kept.digest, by=event.ordered_by)
    for record in platform.ledger.of(VersionRegistered):
        yield from _features(platform, record)
    latest = {(r.model, r.subject): r for r in platform.ledger.of(WindowScored)}
    for model in sorted({model for model, _ in latest}):
        for window in platform.lake.windows(f"{model}/predictions"):
            if (model, window) not in latest:
                what = f"{model}/predictions, window {window}: the ledger has no record that it was scored"
                yield {"where": "lake", "what": what}
    for record in platform.ledger.of(WindowScored):
        yield from _scored(platform, record, newest=latest[record.model, record.subject].seq == record.seq)
        yield from _scored_rows(platform, record)
    for model, window in sorted(latest):
        yield from _outcomes(platform, model, window)
    yield from _kept_with_versions(platform)


def _scored(platform: Platform, record: Record[WindowScored], *, newest: bool) -> Iterator[dict[str, Any]]:
    """The predictions of one run over a window; those of a window that was scored again are kept under their own version."""
    table, window, event = f"{record.model}/predictions", record.subject, record.event
    try:
        rows = platform.lake.read(table, version=event.predictions_version, window=window)
    except Exception as error:  # a version that cannot be read is lost evidence, whatever the reason
        yield {"where": "lake", "what": f"{table}, window {window}: cannot be read: {error}"}
        return
    if predictions_digest(rows) != event.predictions_digest:
        yield {"where": "lake", "what": f"{table}, window {window}: rows differ from record {record.seq}"}
    elif newest and predictions_digest(platform.lake.read(table, window=window)) != event.predictions_digest:
        # Readers of the table see its newest version: one that was written past the scoring is no prediction of ours.
        what = f"{table}, window {window}: its newest version holds other rows than record {record.seq} says"
        yield {"where": "lake", "what": f"{what}; version {event.predictions_version} holds those"}


def _scored_rows(platform: Platform, record: Record[WindowScored]) -> Iterator[dict[str, Any]]:
    """The input rows of one run over a window, as they were scored."""
    table, window, event = f"{record.model}/{SCORED_ROWS}", record.subject, record.event
    if event.rows_digest is None:
        return
    registered = platform.ledger.state().model(record.model).version(event.version).registration
    by = registered.event.declaration["id"] if registered else None
    try:
        rows = platform.lake.read(table, version=event.rows_version, window=window).drop(WINDOW)
        newest = platform.lake.read(table, window=window).drop(WINDOW)
    except Exception as error:  # a version that cannot be read is lost evidence, whatever the reason
        yield {"where": "lake", "what": f"{table}, window {window}: cannot be read: {error}"}
        return
    runs = platform.ledger.of(WindowScored, model=record.model, subject=window)
    if rows_digest(rows, by=by) != event.rows_digest:
        yield {"where": "lake", "what": f"{table}, window {window}: rows differ from record {record.seq}"}
    elif runs[-1].seq == record.seq and rows_digest(newest, by=by) != event.rows_digest:
        what = f"{table}, window {window}: its newest version holds other rows than record {record.seq} says"
        yield {"where": "lake", "what": what}


def _outcomes(platform: Platform, model: str, window: str) -> Iterator[dict[str, Any]]:
    """The outcomes that the window was last measured on."""
    results, table = platform.window_results(model, window), f"{model}/outcomes"
    if not results.has(OUTCOMES):
        return
    try:
        require_recorded(platform.lake, table, window, results.read(OUTCOMES).digest, by="id", remedy=table)
    except Exception as error:  # whatever cannot be read is not whole
        yield {"where": "lake", "what": str(error)}


def _kept_with_versions(platform: Platform) -> Iterator[dict[str, Any]]:
    """Reference rows and losses that windows are compared with."""
    kept = {(r.model, r.subject, r.event.name) for r in platform.ledger.of(EvidenceStored) if f"{OF}v" in r.subject}
    for model, subject, name in sorted(kept):
        try:
            kept_with_version(platform, model, name, subject.partition(f"{OF}v")[2])
        except Exception as error:  # whatever cannot be read is not whole
            yield {"where": "lake", "what": str(error)}


def _features(platform: Platform, registration: Record[VersionRegistered]) -> Iterator[dict[str, Any]]:
    """The rows that a version was fitted on and judged by must be its snapshot, parted as declared, and nothing else."""
    table = f"{registration.model}/{FEATURES}"
    registered = registration.event
    snapshot = platform.ledger.get(registered.snapshot_record)
    taken = snapshot.event if snapshot else None
    try:
        kept = platform.lake.digests(table)
        version = next((v for v, digest in kept.items() if digest.endswith(f":{registered.data_digest}")), None)
        if not isinstance(taken, SnapshotTaken) or version is None:
            what = f"{table}: holds no rows of version {registration.subject} any more; restore it from a back-up"
            yield {"where": "lake", "what": what}
            return
        declaration = Declaration.model_validate(registered.declaration)
        parts = split(platform.lake.read(taken.table, version=taken.delta_version), declaration)
        found = platform.lake.read(table, version=version)
        same = [
            rows_digest(found.filter(pl.col(PART) == name).drop(PART), by=declaration.id)
            == rows_digest(rows, by=declaration.id)
            for name, rows in (("fit", parts.fit), ("holdout", parts.holdout))
        ]
    except Exception as error:  # what cannot be read is lost evidence, whatever the reason
        yield {"where": "lake", "what": f"{table}: cannot be read: {error}"}
        return
    if not all(same):
        what = f"{table}, version {version}: its rows are not those of the snapshot that version {registration.subject}"
        yield {"where": "lake", "what": f"{what} was trained on (record {registration.seq})"}


def _table(
    platform: Platform, name: str, table: str, version: int, digest: str, by: str | None
) -> Iterator[dict[str, Any]]:
    try:
        found = rows_digest(platform.lake.read(table, version=version), by=by)
    except Exception as error:  # a version that cannot be read is lost evidence, whatever the reason
        yield {"where": "lake", "what": f"{table}, version {version} ({name}): cannot be read: {error}"}
        return
    if found != digest:
        yield {"where": "lake", "what": f"{table}, version {version}: its rows are not those of {name}"}
