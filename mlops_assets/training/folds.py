"""The order of the rows that train, and the folds on which candidates are compared.

Not here: fitting (`fitting.py`), and comparing (`candidates.py`).
"""

import numpy as np
import polars as pl

from mlops_assets.datasets.event_times import event_time_expr
from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task

# A flexible candidate fitted on the first few rows alone would be compared where it will never be used.
EARLIEST_FIT_SHARE = 0.4


def canonical_order(frame: pl.DataFrame, declaration: Declaration) -> pl.DataFrame:
    """Rows in the order of time, then of a seeded hash of the id: the same however they were delivered."""
    order: list[pl.Expr | pl.Series] = [
        pl.Series("_draw", seeded_hash(frame[declaration.id], declaration.training.seed))
    ]
    if declaration.event_time is not None:
        order.insert(0, event_time_expr(declaration.event_time))
    return frame.sort(*order, maintain_order=True)


def make_folds(
    frame: pl.DataFrame, target: np.ndarray, declaration: Declaration
) -> tuple[list[tuple[np.ndarray, np.ndarray]], str]:
    """Positions of (fitting, testing) rows for each fold, and how they were made.

    With time: the earliest 40 % of the rows are never tested on, the others are cut between days into as many parts as
    there are folds, of about equal size; each is tested on by a fit on everything before it. Where there
    are fewer different days than folds, or no time: seeded shuffled folds, stratified by class.

    Args:
        frame: rows in canonical order.
        target: their targets.
        declaration: the model.
    """
    from sklearn.model_selection import KFold, StratifiedKFold

    count = declaration.training.folds
    if declaration.event_time is not None:
        days = frame.select(event_time_expr(declaration.event_time).dt.date()).to_series().to_physical().to_numpy()
        wanted = [EARLIEST_FIT_SHARE + (1 - EARLIEST_FIT_SHARE) * k / count for k in range(count)]
        cuts = _day_cuts(days, wanted)
        if cuts is not None:
            bounds = [0, *cuts, len(days)]
            return [(np.arange(0, bounds[k]), np.arange(bounds[k], bounds[k + 1])) for k in range(1, count + 1)], "time"
    seed = declaration.training.seed % 2**32
    if declaration.task is Task.REGRESSION:
        return list(KFold(count, shuffle=True, random_state=seed).split(target)), "shuffled"
    smallest = int(np.unique(target, return_counts=True)[1].min())
    if smallest < count:
        return list(KFold(count, shuffle=True, random_state=seed).split(target)), "shuffled"
    return list(StratifiedKFold(count, shuffle=True, random_state=seed).split(target, target)), "stratified"


def _day_cuts(days: np.ndarray, shares: list[float]) -> list[int] | None:
    """Positions, each the first row of a day, that cut sorted `days` as wanted; None when there are too few days."""
    starts = np.flatnonzero(np.diff(days)) + 1
    if len(starts) < len(shares):
        return None
    cuts = [int(starts[np.argmin(np.abs(starts - len(days) * share))]) for share in shares]
    return cuts if len(set(cuts)) == len(cuts) else None
