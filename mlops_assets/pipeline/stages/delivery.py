"""The model's source as its stages read it, and the account of all of its rows.

Belongs here: opening the source once for a stage, rows that came after their window was scored, and what the ledger knows
of earlier readings. Not here: what is done with the rows (`data.py`, `predictions.py`, `outcomes.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

import polars as pl

from mlops_assets import clock
from mlops_assets.datasets.accounting import Account, Disposition, Periods, account, ids_by_window
from mlops_assets.datasets.delivered import deliver
from mlops_assets.datasets.placement import Placement, place
from mlops_assets.datasets.reading import read_expr
from mlops_assets.datasets.sources import Delivered
from mlops_assets.datasets.windows import Window, declared_windows, first_day, shift
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.scoring.outcome_content import Contents, contents_by_window
from mlops_assets.stores.lake import Lake

SCORED_ROWS = "scored_rows"
QUARANTINE = "scoring_quarantine"


@dataclass(frozen=True)
class Delivery:
    """A source as it is now, and at what time each of its rows is counted."""

    source: Delivered
    declaration: Declaration

    @cached_property
    def placement(self) -> Placement:
        """Where each row is counted; reads the times of all rows."""
        return place(self.source.rows)

    @cached_property
    def contents(self) -> Contents:
        """Digests of the identifiers and outcomes of each window; one scan."""
        return contents_by_window(self.source.rows, self.declaration)

    def rows_of(self, window: Window) -> pl.LazyFrame:
        """Rows counted in a window, as delivered; of the window that the first training ends in, those after it."""
        return self.placement.rows(self.source.rows, first_day(self.declaration, window), window.end)


def delivery(declaration: Declaration, root: Path, required: Sequence[str] = ()) -> Delivery:
    """Open the source of a model with time.

    Raises:
        SourceError: it cannot be read as declared.
    """
    assert declaration.event_time is not None
    found = deliver(declaration, root, [declaration.event_time.column, *required])
    return Delivery(found, declaration)


def account_of(
    ledger: Ledger,
    lake: Lake,
    declaration: Declaration,
    now: Delivery,
    training: tuple[date | None, date, Disposition] | None = None,
) -> Account:
    """Count every row of the source into its place.

    Args:
        ledger: with the scored windows and snapshots.
        lake: with the scored rows.
        declaration: the model.
        now: the source.
        training: first day of the training period, first day after it, and what became of its rows; default: the declared
            first training, and what the ledger says of its last snapshot.
    """
    today = clock.today()
    ended = [w for w in declared_windows(declaration, today) if w.end <= today]
    since, until, found = training or _declared_training(ledger, declaration)
    periods = Periods(since, until, ended, declaration.monitoring.end)
    return account(
        now.placement,
        periods,
        found,
        scored_windows(ledger, declaration.name),
        late_rows(ledger.state().model(declaration.name), lake, declaration, now),
    )


def scored_windows(ledger: Ledger, model: str) -> dict[str, Disposition]:
    """What became of the rows of each scored window at its last scoring, by its start."""
    return {
        r.subject: Disposition(r.event.rows, r.event.quarantined, r.event.copies)
        for r in ledger.of(WindowScored, model=model)
    }


def late_rows(
    model: ModelState, lake: Lake, declaration: Declaration, now: Delivery, ids: Mapping[str, str] | None = None
) -> dict[str, int]:
    """Rows of scored windows that were not there when they were scored, by the window's start.

    Only windows whose identifiers have changed since are looked into: a row is late where its identifier was neither scored
    nor quarantined, or where it is a further, different row of one that was.

    Args:
        model: its state.
        lake: with the scored rows.
        declaration: the model.
        now: the source.
        ids: of each window of the source, where they were read already.
    """
    current = ids if ids is not None else ids_by_window(now.source.rows, declaration)
    # Of a window whose rows were removed nobody can say which are late.
    removed = model.removed_windows
    recorded = {w: scored.ids for w, scored in model.scored.items() if scored.ids and w not in removed}
    windows = {w.key: w for w in declared_windows(declaration, clock.today())}
    changed = [key for key, ids in recorded.items() if key in windows and current.get(key, ids) != ids]
    counts = {key: _late_in(lake, declaration, now, windows[key]) for key in changed}
    return {key: count for key, count in counts.items() if count}


def _late_in(lake: Lake, declaration: Declaration, now: Delivery, window: Window) -> int:
    id_, known = declaration.id, []
    for name in (SCORED_ROWS, QUARANTINE):
        table = f"{declaration.name}/{name}"
        if window.key in lake.windows(table):
            known.append(lake.read(table, window=window.key, columns=[id_])[id_])
    found = pl.concat(known) if known else pl.Series(id_, [], dtype=pl.String)
    before = found.drop_nulls().unique()
    rows = now.rows_of(window)
    schema = rows.collect_schema()
    # An outcome may come, or be corrected, at any time: it makes no other row.
    columns = [name for name in declaration.columns if name in schema and name != declaration.target.column]
    read = [read_expr(name, schema, declaration).alias(name) for name in columns]
    versions = rows.select(read).select(id=pl.col(id_), values=pl.struct(columns).hash()).collect(engine="streaming")
    is_known = pl.col("id").is_in(before.implode()).fill_null(False)
    again, nameless = versions.filter(is_known), versions["id"].null_count()
    unknown = versions.height - again.height - nameless
    return unknown + max(0, nameless - found.null_count()) + again.n_unique() - again["id"].n_unique()


def _declared_training(ledger: Ledger, declaration: Declaration) -> tuple[date | None, date, Disposition]:
    until, window = declaration.training.until, declaration.training.window
    assert until is not None  # the declaration refuses a timed model without `until`
    since = shift(until, window, sign=-1) if window else None
    for record in reversed(ledger.of(SnapshotTaken, model=declaration.name)):
        if record.event.until == until:
            found = record.event
            without = found.without_outcome.rows if found.without_outcome else 0
            return since, until, Disposition(found.rows, found.quarantined, found.contract.get("copies", 0), without)
    return since, until, Disposition(0)
