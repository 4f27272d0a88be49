"""The window as it was scored: the record of the scoring, the version behind it, and the rows that were scored.

Belongs here: what every stage after `predictions` starts from.
"""

from dataclasses import dataclass, field, replace
from functools import cached_property

import polars as pl

from mlops_assets.datasets import pieces
from mlops_assets.datasets.pieces import StoredRows
from mlops_assets.datasets.windows import Window
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import given_scores, required_columns
from mlops_assets.governance.approval_subject import registered
from mlops_assets.inspection.recorded_tables import require_recorded
from mlops_assets.inspection.tables_on_record import recorded_window
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.events.windows import WindowScored
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.removals import Removals
from mlops_assets.pipeline.stages.predictions import SCORED_ROWS, scored_record
from mlops_assets.pipeline.stages.versions import declared_with
from mlops_assets.stores.lake import Lake


@dataclass(frozen=True)
class ScoredWindow:
    """One scored window of a model.

    Attributes:
        window: which.
        record: of its last scoring.
        registration: of the champion that scored it.
        declaration: under which that version was made.
        removals: rows of the model that left the lake by a signed record.
    """

    window: Window
    record: Record[WindowScored]
    registration: Record[VersionRegistered]
    declaration: Declaration
    removals: Removals = field(default_factory=dict)

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.record.model

    @property
    def version(self) -> int:
        """The champion that scored the window."""
        return self.record.event.version

    @property
    def run_id(self) -> str:
        """MLflow run of that version's training."""
        return self.registration.event.run_id

    @cached_property
    def canary(self) -> int | None:
        """The version that decided a share of the rows; None where the champion decided all."""
        return self.record.event.challenger if self.record.event.canary_share else None

    def require_recorded(self, lake: Lake) -> None:
        """Refuse predictions or rows of the window that are not those on record.

        Raises:
            ChangedRows: other rows are in the lake.
            RowsRemoved: they left the lake by a signed record.
        """
        for recorded in recorded_window(self.record, self.declaration.id):
            # What stages read is the newest version of the table.
            require_recorded(lake, replace(recorded, version=None), self.removals)

    def rows(self, lake: Lake) -> pl.DataFrame | StoredRows:
        """Identifier and what the model reads of the rows; those of a window that may not fit into memory stay in the lake."""
        stored = lake.scan(f"{self.model}/{SCORED_ROWS}", window=self.window.key)
        # A score that others gave is looked at as the score, and is no input.
        given = given_scores(self.declaration)
        read = [name for name in required_columns(self.declaration) if name not in given]
        stored = stored.select(self.declaration.id, *read)
        height = int(self.record.event.rows)
        return stored.collect() if height <= pieces.ROWS_AT_ONCE else StoredRows(stored, height)


def scored_window(ledger: Ledger, declaration: Declaration, window: Window) -> ScoredWindow:
    """The window as it was scored last.

    Args:
        ledger: to read.
        declaration: the model as its YAML declares it now.
        window: which.

    Raises:
        StageError: it was not scored.
    """
    record = scored_record(ledger, declaration.name, window)
    model = ledger.state().model(declaration.name)
    registration = registered(model, record.event.version)
    return ScoredWindow(window, record, registration, declared_with(registration, declaration), model.removals)
