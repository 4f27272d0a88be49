"""Rows that left the lake by a signed record: what was removed, by which record, and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Removal:
    """What was removed from one table, by one record or several.

    Attributes:
        seq: number of the last record.
        cause: `erasure` or `retention`.
        reason: of that record.
        removed_at: when it was recorded.
        table: in the lake.
        window: start of the window, `v<version>`, or empty.
        rows: how many the table had.
        removed: how many were removed by all records together.
        columns: that a row is written under in the tree.
        leaves: hashes of the removed rows; empty where the table was removed as a whole.
    """

    seq: int
    cause: str
    reason: str
    removed_at: datetime
    table: str
    window: str
    rows: int
    removed: int
    columns: tuple[str, ...] = ()
    leaves: frozenset[str] = frozenset()

    @property
    def whole(self) -> bool:
        """Whether the table was removed as a whole."""
        return self.removed > len(self.leaves)

    @property
    def words(self) -> str:
        """What happened, as a clause: `3 of 200 rows erased under record 71 (request of 2 March)`."""
        much = "all rows" if self.whole else f"{self.removed} of {self.rows} rows"
        how = "erased under" if self.cause == "erasure" else "removed under retention by"
        return f"{much} {how} record {self.seq} ({self.reason})"


Removals = Mapping[str, Removal]
"""By the root of the table, or `table@window` of a table without one."""


def place_of(table: str, window: str | None) -> str:
    """By what a table without a root is found."""
    return f"{table}@{window or ''}"
