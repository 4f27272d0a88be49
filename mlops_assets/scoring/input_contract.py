"""What rows must be before they are scored.

The contract of training without the target: the same types, ranges and values, so that the model never sees in
production what it could not have seen in training. Bad rows are quarantined with their reasons, never dropped.
"""

from datetime import datetime

import polars as pl

from mlops_assets.datasets import contract
from mlops_assets.datasets.contract import Checked
from mlops_assets.declaration import Declaration


def scoring_columns(declaration: Declaration, found: list[str]) -> tuple[str, ...]:
    """Columns that scoring reads: id, event time and features always, protected and slice columns where delivered.

    Group columns serve monitoring alone, so a feed that may not carry them can still be scored.
    """
    needed = {declaration.id, *declaration.features}
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
