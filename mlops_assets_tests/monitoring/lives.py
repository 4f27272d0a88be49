"""Simulated lives of a version, shared by tests and `make soak`."""

import math

import numpy as np

from mlops_assets.monitoring.verdict.accumulated import LEVEL
from mlops_assets.statistics.homogeneity import chi_square_two_sample
from mlops_assets.statistics.sequential import Compared, distance_evidence, most_evidence

WINDOWS = 60
CELLS = 10
COLUMNS = 10


def restless_lives(
    rng: np.random.Generator, own: float, reference: float, between: float, memory: float, lives: int
) -> np.ndarray:
    """Windows that nothing changed in but what periods differ by, each period resembling the one before; (lives, 60)."""
    level = rng.normal(0, 1, lives)
    shown = rng.normal(0, reference, (lives, 1)) + rng.normal(0, own, (lives, WINDOWS))
    for window in range(WINDOWS):
        shown[:, window] += between * level
        level = memory * level + math.sqrt(1 - memory**2) * rng.normal(0, 1, lives)
    return shown


def distance_lives(
    rng: np.random.Generator, distance: float, lives: int, *, reference_rows: int = 10_000, rows: int = 500
) -> np.ndarray:
    """First window that reports the distance of a column with ten cells among ten columns; infinite where none does."""
    level = LEVEL / 2 / COLUMNS
    first = np.full(lives, np.inf)
    for life in range(lives):
        shares = rng.dirichlet(np.full(CELLS, 5.0))
        way = rng.normal(size=CELLS) * np.sqrt(shares)
        way -= shares * way.sum()
        moved = np.clip(shares + way * math.sqrt(distance / float((way**2 / shares).sum())), 1e-4, None)
        moved /= moved.sum()
        known = rng.multinomial(reference_rows, shares)
        log_e = []
        for _ in range(WINDOWS):
            found = chi_square_two_sample(known, rng.multinomial(rows, moved))
            sides = Compared(reference_rows, rows)
            log_e.append(distance_evidence(found.statistic, found.freedom, sides, 0.05, 0.01 / COLUMNS / 5))
        for last in range(1, WINDOWS + 1):
            _, surest = most_evidence(np.cumsum(log_e[:last][::-1])[::-1])
            if surest >= -math.log(level):
                first[life] = last
                break
    return first
