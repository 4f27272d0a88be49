"""The parts of a model's tables that rows are removed from: those on record, and those that are kept for people alone.

Belongs here: listing them, and what they are found by afterwards. Not here: whose rows go (`erasure.py`, `retention.py`).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from mlops_assets.inspection.recorded_tables import Recorded, stored_rows
from mlops_assets.inspection.tables_on_record import OnRecord, tables_on_record
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.state.removals import Removals
from mlops_assets.platform import Platform
from mlops_assets.stores.lake import WINDOW
from mlops_assets.stores.lake_removal import Place

QUARANTINES = ("quarantine", "outcome_quarantine")
"""Snapshots of refused rows: of each training, and of reports of outcomes."""
WINDOW_QUARANTINE = "scoring_quarantine"
"""Refused rows of each window."""


@dataclass(frozen=True)
class PartOfTable:
    """Rows that are removed or kept together.

    Attributes:
        table: in the lake.
        window: whose rows, or `v<version>`; None: a snapshot.
        version: Delta version that holds them; None: the newest of the table.
        name: digest that the version is found by; empty: none.
        what: it is, for people.
        on_record: what the ledger says of it; None of refused rows, which nothing is computed from.
        newest: whether readers of the table see it.
        written_at: when a snapshot of refused rows was written; None of other parts.
    """

    table: str
    window: str | None
    version: int | None
    name: str
    what: str
    on_record: OnRecord | None = None
    newest: bool = True
    written_at: datetime | None = None

    @property
    def model(self) -> str:
        """Whose table it is."""
        return self.table.split("/", 1)[0]

    @property
    def words(self) -> str:
        """Which part of the table it is, and the record that names its hashes: runs over one window differ in it."""
        return f"{self.what}, record {self.on_record.seq}" if self.on_record else self.what

    @property
    def recorded(self) -> Recorded | None:
        """Its hashes on record."""
        return self.on_record.recorded if self.on_record else None

    @property
    def place(self) -> Place | None:
        """Where it is; None where it is in the newest version of the table alone."""
        return Place(self.version, self.window) if self.version is not None else None

    def rows(self, platform: Platform, removals: Removals) -> pl.LazyFrame:
        """The rows with their salts.

        Raises:
            RowsRemoved: all of them were removed.
            LakeError: there is no such table.
        """
        if self.recorded is not None:
            return stored_rows(platform.lake, self.recorded, removals)
        rows = platform.lake.scan(self.table, version=self.version, window=self.window, salted=True)
        return rows.drop(WINDOW, strict=False)


def parts_of(platform: Platform, model: str) -> Iterator[PartOfTable]:
    """Every part of the model's tables, those on record first."""
    removals = platform.ledger.state().model(model).removals
    for found in tables_on_record(platform, model):
        recorded = found.recorded
        removal = recorded.removal(removals)
        if removal is not None and removal.whole:
            continue
        version, name = recorded.version, recorded.digest
        if recorded.window is None:
            named = {digest: number for number, digest in reversed(platform.lake.digests(recorded.table).items())}
            name = next((digest for digest in named if digest.startswith(recorded.digest)), recorded.digest)
            version = named.get(name, version)
        elif removal is not None:
            version = platform.lake.version_of(recorded.table, recorded.digest) or version
        yield PartOfTable(recorded.table, recorded.window, version, name, found.what, found, found.newest)
    yield from _quarantines(platform, model)


def last_runs(platform: Platform, model: str) -> dict[str, str]:
    """The version that scored each window last."""
    return {r.subject: str(r.event.version) for r in platform.ledger.of(WindowScored, model=model)}


def _quarantines(platform: Platform, model: str) -> Iterator[PartOfTable]:
    lake = platform.lake
    for name in QUARANTINES:
        table = f"{model}/{name}"
        newest: dict[str, int] = {}
        for version, digest in lake.digests(table).items():
            newest.setdefault(digest, version)
        written = lake.written_at(table)
        for digest, version in sorted(newest.items(), key=lambda one: one[1]):
            yield PartOfTable(table, None, version, digest, "refused rows", None, True, written[digest])
    table = f"{model}/{WINDOW_QUARANTINE}"
    for window in lake.windows(table):
        yield PartOfTable(table, window, None, "", f"refused rows of window {window}")
