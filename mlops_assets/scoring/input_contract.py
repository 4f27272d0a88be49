"""The contract of rows that are about to be scored.

It is the contract of training without the target: the same types, ranges and values, so that the model never sees in
production what it could not have seen in training. Bad rows are quarantined with their reasons, never dropped.
"""

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

import polars as pl

from mlops_assets import clock
from mlops_assets.datasets import contract
from mlops_assets.datasets.contract import Checked
from mlops_assets.datasets.internal_columns import EVENT_TIME, FAULT
from mlops_assets.datasets.pieces import pieces
from mlops_assets.datasets.survey import survey
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.features.frame import given_predictions


def scoring_columns(declaration: Declaration, found: list[str]) -> tuple[str, ...]:
    """Columns that scoring reads: id, event time, features and a score that others gave always; protected and slice columns,
    and what else comes with a score, where delivered.

    Group columns serve monitoring alone, so a feed that may not carry them can still be scored.
    """
    needed = {declaration.id, *declaration.features, *given_predictions(declaration)}
    if declaration.event_time is not None:
        needed.add(declaration.event_time.column)
    declared = contract.declared_columns(declaration, with_target=False)
    return tuple(name for name in declared if name in needed or name in found)


def check(frame: pl.DataFrame | pl.LazyFrame, declaration: Declaration, *, now: datetime | None = None) -> Checked:
    """Part rows into those that may be scored and those that may not; the target, if there, is ignored.

    Raises:
        mlops_assets.datasets.contract.ContractError: when a column that scoring needs is missing.
    """
    delivered = frame.collect() if isinstance(frame, pl.LazyFrame) else frame
    columns = scoring_columns(declaration, delivered.columns)
    return contract.check(delivered, declaration, now=now, with_target=False, columns=columns)


def check_in_pieces(
    rows: pl.LazyFrame, declaration: Declaration, *, now: datetime | None = None, size: int | None = None
) -> Iterator[Checked]:
    """As `check`, for a table that need not fit into memory: the pieces together say what it would say of the whole.

    Args:
        rows: as delivered.
        declaration: the model.
        now: see `check`.
        size: rows at a time; default `pieces.ROWS_AT_ONCE`.

    Raises:
        mlops_assets.datasets.contract.ContractError: when a column that scoring needs is missing.
    """
    found = rows.collect_schema().names()
    columns = scoring_columns(declaration, found)
    contract.require(found, columns, declaration)
    rows = rows.select(*columns, *(name for name in (EVENT_TIME, FAULT) if name in found))
    now = now or clock.now()
    delivered = pieces(rows, size)
    waiting = deque(islice(delivered, 2))
    whole = survey(rows, declaration, list(columns)) if len(waiting) > 1 else None
    position = 0
    while waiting:
        piece = waiting.popleft()
        yield contract.check(
            piece, declaration, now=now, with_target=False, columns=columns, whole=whole, first=position
        )
        position += piece.height
        if not waiting:
            waiting.extend(islice(delivered, 1))
