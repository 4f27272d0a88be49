"""Removing what is past its date: the data of versions that ended longer ago than the policy's `retention_days`.

A version has ended when it neither decides, nor stays ready as the former champion, nor is the newest of its model; of a
retired model every version has. Its data are the snapshot it was trained from and what was derived from it, unless another
version that has not ended was trained from the same; and the windows that it scored, outcomes and refused rows included.
Refused rows of a training are past their date when they were written that long ago. Until then nothing is removed.

Belongs here: what is due, the signed record, and the removal. Verdicts, evidence and cards hold no rows, and stay.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from mlops_assets.ledger.events.privacy import ERASING, RemovedFrom, RowsExpired
from mlops_assets.ledger.events.versions import SnapshotTaken, VersionRegistered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.keys import SigningKey
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.signed_acts import sign_act
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.removals import Removals
from mlops_assets.monitoring.window_results import DRAWING
from mlops_assets.platform import Platform
from mlops_assets.policy.recorded import recorded_policy
from mlops_assets.privacy.parts import PartOfTable, parts_of
from mlops_assets.privacy.removal import Reduced, take_out


@dataclass(frozen=True)
class Due:
    """A part of a table that is past its date.

    Attributes:
        part: of the table.
        rows: how many.
        since: when it became due.
        why: in a clause.
    """

    part: PartOfTable
    rows: int
    since: datetime
    why: str

    def to_dict(self) -> dict[str, Any]:
        """As a row of a table for people."""
        return {
            "table": self.part.table,
            "part": self.part.words,
            "rows": self.rows,
            "since": self.since.date(),
            "why": self.why,
        }


@dataclass(frozen=True)
class Expired:
    """What was removed of one model.

    Attributes:
        record: that lists it.
        files: how many files were deleted.
    """

    record: Record[RowsExpired]
    files: int


def retention_days(platform: Platform, model: str) -> tuple[int, str]:
    """Days and digest of the policy in force for a model, as the ledger has it.

    Raises:
        ValueError: no policy was ever in force for it.
    """
    adopted = platform.ledger.state().model(model).policy
    if adopted is None:
        raise ValueError(f"{model}: no policy is on record for it, so nothing says how long its data are kept")
    policy = recorded_policy(adopted.event.policy, adopted.event.policy_digest)
    return policy.retention_days, adopted.event.policy_digest


def due(platform: Platform, model: str, at: datetime) -> list[Due]:
    """What of a model is past its date at a moment.

    Raises:
        ValueError: no policy was ever in force for it.
    """
    days, _ = retention_days(platform, model)
    state = platform.ledger.state().model(model)
    ended = {version: when + timedelta(days=days) for version, when in ended_versions(platform, state).items()}
    past = {version: when for version, when in ended.items() if when <= at}
    snapshots, windows = _snapshots(platform, model, past, days, at), _windows(platform, model, past)
    found = []
    for part in parts_of(platform, model):
        since, why = _since(part, past, snapshots, windows, days)
        if since is not None and since <= at:
            rows = part.rows(platform, state.removals).select(pl.len()).collect().item()
            found += [Due(part, rows, since, why)] if rows else []
    return found


def enforce(platform: Platform, model: str, found: Sequence[Due], key: SigningKey) -> Expired:
    """Record what goes, with a signature, and remove it.

    Raises:
        NotAllowed: the key is not enrolled, or its role may not.
    """
    days, digest = retention_days(platform, model)
    state = platform.ledger.state().model(model)
    removals = state.removals
    versions = sorted({one.part.on_record.version or "" for one in found if one.part.on_record} - {""}, key=int)
    day = platform.ledger.clock().date().isoformat()
    said = {
        "day": day,
        "reason": f"more than {days} days after the end, as policy says",
        "policy_digest": digest,
        "retention_days": days,
        "versions": versions,
        "tables": [_listed(one, removals).model_dump(mode="json") for one in found],
    }
    signed = sign_act(
        platform.ledger,
        key,
        RowsExpired.PURPOSE,
        model,
        {"policy": digest},
        said,
        roles=ERASING,
        barred=state.authors_of(None),
    )
    record = platform.ledger.append(RowsExpired.model_validate(signed), model=model, subject=day)
    files = take_out(platform, model, [Reduced(one.part, None) for one in found], removals)
    for window in {one.part.window for one in found if one.part.window}:
        platform.window_results(model, window).path(*DRAWING).unlink(missing_ok=True)
    return Expired(record, files)


def ended_versions(platform: Platform, state: ModelState) -> dict[str, datetime]:
    """When each version ended that has: the last moment at which it was registered, decided, or scored a window."""
    registered = platform.ledger.of(VersionRegistered, model=state.name)
    champion = state.champion
    retired = champion.status == "retired"
    kept = set() if retired else {str(n) for n in (champion.champion, champion.former) if n is not None}
    if registered and not retired:
        kept.add(registered[-1].subject)
    last = {record.subject: record.recorded_at for record in registered if record.subject not in kept}
    for change in state.changes:
        for version in (change.version, change.former):
            if version in last:
                last[version] = max(last[version], change.recorded_at)
    for record in platform.ledger.of(WindowScored, model=state.name):
        for version in (str(record.event.version), str(record.event.challenger)):
            if version in last:
                last[version] = max(last[version], record.recorded_at)
    return last


def _snapshots(
    platform: Platform, model: str, past: Mapping[str, datetime], days: int, at: datetime
) -> dict[str, datetime]:
    """Snapshots that are due, by their digest, and since when: those of ended versions alone, and those of no version."""
    used: dict[str, list[str]] = {}
    for record in platform.ledger.of(VersionRegistered, model=model):
        used.setdefault(record.event.data_digest, []).append(record.subject)
    found = {}
    for record in platform.ledger.of(SnapshotTaken, model=model):
        versions = used.get(record.subject, [])
        if all(version in past for version in versions):
            since = max((past[v] for v in versions), default=record.recorded_at + timedelta(days=days))
            if since <= at:
                found[record.subject] = since
    return found


def _windows(platform: Platform, model: str, past: Mapping[str, datetime]) -> dict[str, datetime]:
    """Windows whose every run was made by an ended version, and since when they are due."""
    runs: dict[str, set[str]] = {}
    for record in platform.ledger.of(WindowScored, model=model):
        beside = {str(record.event.challenger)} if record.event.canary_share else set()
        runs.setdefault(record.subject, set()).update({str(record.event.version)} | beside)
    return {
        window: max(past[version] for version in versions)
        for window, versions in runs.items()
        if versions <= past.keys()
    }


def _since(
    part: PartOfTable,
    past: Mapping[str, datetime],
    snapshots: Mapping[str, datetime],
    windows: Mapping[str, datetime],
    days: int,
) -> tuple[datetime | None, str]:
    """Since when a part is due, and why; None where it is not."""
    if part.written_at is not None:
        return part.written_at + timedelta(days=days), f"refused {part.written_at:%Y-%m-%d}"
    if part.window is None:
        since = next(
            (when for digest, when in snapshots.items() if digest in part.name or digest[:12] in part.what), None
        )
        return since, "every version made from it has ended"
    if part.window in windows:
        return windows[part.window], "every version that scored it has ended"
    version = part.on_record.version if part.on_record and part.window.startswith("v") else None
    return past.get(version or ""), f"version {version} has ended"


def _listed(one: Due, removals: Removals) -> RemovedFrom:
    recorded = one.part.recorded
    if recorded is None:
        return RemovedFrom(table=one.part.table, window=one.part.window, rows=one.rows, removed=one.rows)
    removal = recorded.removal(removals)
    return RemovedFrom(
        table=one.part.table,
        window=one.part.window,
        digest=recorded.digest,
        root=recorded.root,
        rows=removal.rows if removal else one.rows,
        removed=one.rows,
    )
