"""The search for segments that a model serves badly: every column and every pair, ranked on counts.

For binary scores a segment is a histogram of its scores by outcome, from which its AUC and standard error follow; for
the other tasks it is the sum and the sum of squares of its losses. So a pair of columns costs one or two counting
passes over the rows, however many segments it has.
"""

from collections.abc import Sequence
from itertools import combinations

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import Scored, row_losses
from mlops_assets.evaluation.segments import Segments
from mlops_assets.statistics.delong import areas_from_counts
from mlops_assets.statistics.resampling import assign_bins, equal_frequency_edges

SCORE_BINS = 64
MOST_ROWS = 100_000
SURE = 1.645  # a segment is ranked by the gap that remains at 95 % confidence, not by the gap that chance enlarges

Part = tuple[int, int]
"""(position of the column, position of its level)."""


def rank_segments(
    rows: Scored, single: Sequence[Segments], minimum_rows: int, minimum_outcomes: int, most: int = 20
) -> tuple[list[tuple[Part, ...]], int]:
    """Segments in order of how sure and how large their gap below the whole is, and how many were looked at.

    A pair is dropped when one of its two columns alone explains at least as much.
    """
    if rows.n > MOST_ROWS:
        step = np.linspace(0, rows.n - 1, MOST_ROWS).astype(np.int64)
        rows = rows.take(step)
        minimum_rows = max(1, minimum_rows * MOST_ROWS // len(single[0].codes)) if single else minimum_rows
        single = [Segments(s.columns, s.codes[step], s.names) for s in single]
    shortfall = _shortfalls(rows, minimum_rows, minimum_outcomes)
    scored: dict[tuple[Part, ...], float] = {}
    looked_at = 0
    for index, segments in enumerate(single):
        gaps = shortfall(segments.codes, len(segments.names))
        looked_at += int(np.isfinite(gaps).sum())
        scored |= {((index, int(level)),): float(gaps[level]) for level in np.flatnonzero(gaps < 0)}
    alone = dict(scored)
    for (i, first), (j, second) in combinations(enumerate(single), 2):
        width = len(second.names)
        gaps = shortfall(first.codes * width + second.codes, len(first.names) * width)
        looked_at += int(np.isfinite(gaps).sum())
        for cell in np.flatnonzero(gaps < 0):
            parts = ((i, int(cell) // width), (j, int(cell) % width))
            if gaps[cell] < min(alone.get((part,), 0.0) for part in parts):
                scored[parts] = float(gaps[cell])
    return sorted(scored, key=lambda parts: (scored[parts], parts))[:most], looked_at


def _shortfalls(rows: Scored, minimum_rows: int, minimum_outcomes: int):
    """A function from (codes, how many) to the upper confidence bound of slice minus whole; NaN where too small."""
    if rows.task is Task.BINARY:
        edges = equal_frequency_edges(rows.score, SCORE_BINS)
        cell = assign_bins(rows.score, edges) * 2 + rows.y
        width = 2 * (len(edges) + 1)
        table = np.bincount(cell, minlength=width).reshape(-1, 2)
        whole = float(areas_from_counts(table[:, 1], table[:, 0])[0])

        def binary(codes: np.ndarray, levels: int) -> np.ndarray:
            counts = np.bincount(codes * width + cell, minlength=levels * width).reshape(levels, -1, 2)
            positives, negatives = counts[..., 1], counts[..., 0]
            value, error = areas_from_counts(positives, negatives)
            p, n = positives.sum(-1), negatives.sum(-1)
            small = (p + n < minimum_rows) | (np.minimum(p, n) < minimum_outcomes)
            return np.where(small, np.nan, value - whole + SURE * error)

        return binary
    losses = (rows.score - rows.y) ** 2 if rows.task is Task.REGRESSION else row_losses(rows)
    mean = float(losses.mean())

    def additive(codes: np.ndarray, levels: int) -> np.ndarray:
        n = np.bincount(codes, minlength=levels)
        with np.errstate(invalid="ignore", divide="ignore"):
            level = np.bincount(codes, losses, minlength=levels) / n
            variance = np.maximum(np.bincount(codes, losses**2, minlength=levels) / n - level**2, 0)
            return np.where(n < minimum_rows, np.nan, mean - level + SURE * np.sqrt(variance / n))

    return additive
