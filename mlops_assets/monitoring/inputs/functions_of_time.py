"""Columns that are functions of time: a month, a year, a rate that stands still within each day or month.

In each new period they have values of their own, in the reference as well as after it. That they are new, gone, or one value
alone in a window is what they always did, and no fault; how far they moved says nothing of the rows.

Belongs here: recognising such columns from rows of the reference in the order of time. Not here: what follows for a verdict
(`drift.py`).
"""

from collections.abc import Iterable

import numpy as np
import polars as pl

LEAST_ROWS = 500
LEAST_VALUES = 3
"""Different values that show that a column takes new ones as time goes on."""
MOST_CHANGES = 0.1
"""Changes from one row to the next, as a share of those that rows in any order would have."""
MOST_RETURNS = 0.5
"""Share of the values of the reference's later half, at most, that its earlier half has had too."""


def functions_of_time(reference: pl.DataFrame, names: Iterable[str]) -> frozenset[str]:
    """Which columns stand still within a period and take other values in the next.

    Args:
        reference: rows in the order of time.
        names: of columns to look at.
    """
    if reference.height < LEAST_ROWS:
        return frozenset()
    return frozenset(name for name in names if name in reference.columns and _is_one(reference[name]))


def _is_one(values: pl.Series) -> bool:
    if values.dtype.is_nested() or values.null_count() > 0.5 * len(values):
        return False
    codes = values.drop_nulls().rank("dense").to_numpy().astype(int)
    counts = np.bincount(codes)
    if np.count_nonzero(counts) < LEAST_VALUES:
        return False
    # Of rows in any order, two neighbours differ with this probability.
    differ = 1 - float(((counts / len(codes)) ** 2).sum())
    changes = float((codes[1:] != codes[:-1]).mean())
    if changes > MOST_CHANGES * differ:
        return False
    earlier, later = np.unique(codes[: len(codes) // 2]), np.unique(codes[len(codes) // 2 :])
    # A sensor that seldom changes has the same few values all along; so has a day of the week.
    return len(np.intersect1d(earlier, later)) <= MOST_RETURNS * len(later)
