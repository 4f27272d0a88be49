"""Which rows stand for a whole table: a bounded number, from all over it, the same each time."""

import numpy as np

SEED = 20261121


def spread_positions(rows: int, most: int) -> np.ndarray:
    """Positions of at most `most` of `rows` rows, rising, drawn at random without one coming twice.

    Drawn, not at even distances: against a cycle (hours of a day, say) even distances meet some of its phases only, and
    a sample without the others looks like another table.

    Returns:
        Shape (min(rows, most),), integers.
    """
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(SEED).choice(rows, most, replace=False))
