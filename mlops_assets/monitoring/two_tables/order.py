"""Whether a table's rows stand in the order of time though no column says so.

Belongs here: that question. What follows from an order (how far the reference's own periods differ) is in
`statistics/between_periods.py`.
"""

import polars as pl

from mlops_assets.statistics.between_periods import LEVEL
from mlops_assets.statistics.profile import Profile

SAID = (
    "the reference's rows differ from stretch to stretch in the order they stand in, as a stream's do: what its own "
    "stretches differ by was taken for no change; --any-order says that their order means nothing"
)


def looks_ordered(profile: Profile, reference: pl.LazyFrame) -> bool:
    """Whether stretches of the reference differ more than rows in any order would, and it is not merely sorted.

    A table that was sorted by one of its columns has stretches that differ too, but holds each of that column's values in
    one stretch alone; what a stream's columns hold comes back. Rows in any order show no difference, but for one table
    in a hundred.

    Args:
        profile: of the reference, its rows taken in the order they stand in.
        reference: the rows.
    """
    tests = [one.p_value for column in profile.columns.values() for one in column.periods]
    if not tests or min(tests) * len(tests) >= LEVEL:
        return False
    return not any(_sorted(reference, name) for name, column in profile.columns.items() if column.distinct > 1)


def _sorted(reference: pl.LazyFrame, name: str) -> bool:
    """Whether rows stand by this column: rising, falling, or value by value, each in one stretch."""
    values = reference.select(name).collect().to_series()
    if values.is_sorted() or values.is_sorted(descending=True):
        return True
    different = values.n_unique()
    return len(values) >= 2 * different and values.rle_id().n_unique() == different
