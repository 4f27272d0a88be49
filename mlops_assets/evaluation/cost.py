"""What a version costs to run: its size on disk and in memory, and the time to score a million rows.

Times depend on the machine and on what else runs on it, so they are measured once a version and kept; the evidence
says on what they were measured.
"""

import gc
import os
import platform
import statistics
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from mlops_assets.evaluation.performance import plain

ROWS = 10_000
REPEATS = 5
MEGABYTE = 1e6


@dataclass(frozen=True)
class Cost:
    """What running a version takes.

    Attributes:
        seconds_per_million: median over `repeats` of the wall time to score `rows` rows, scaled to a million.
        fastest, slowest: the same of the fastest and the slowest repeat: how far the machine can be trusted.
        memory_megabytes: what loading the model leaves in memory (10^6 bytes).
        disk_megabytes: all files of the artifact.
        rows: scored at a time.
        repeats: timed scorings, after one that is not counted.
        machine: processor family, cores and Python; times on another machine are other times.
    """

    seconds_per_million: float
    fastest: float
    slowest: float
    memory_megabytes: float
    disk_megabytes: float
    rows: int
    repeats: int
    machine: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form."""
        return plain(asdict(self))


def measure_cost(
    load: Callable[[], Any],
    score: Callable[[Any, pl.DataFrame], Any],
    rows: pl.DataFrame,
    disk_bytes: int,
    *,
    scored: int = ROWS,
    repeats: int = REPEATS,
) -> Cost:
    """Load the model once and score the same rows several times.

    Args:
        load: reads the stored model; one that was read before, so that no import is counted as the model's.
        score: applies it to rows as scoring in production does, preparation of the features included.
        rows: some real rows; repeated where there are fewer than `scored`, so that fixed costs do not count as many
            times as there are small batches.
        disk_bytes: size of the artifact.
        scored: rows of one timed scoring.
        repeats: timed scorings.

    Raises:
        ValueError: no rows, so that there is nothing to time.
    """
    if rows.is_empty():
        raise ValueError("found no rows to score, expected some held-out ones")
    model, memory = _loaded(load)
    batch = pl.concat([rows] * -(-scored // rows.height)).head(scored)
    score(model, batch)
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        score(model, batch)
        seconds.append((time.perf_counter() - begun) * 1e6 / batch.height)
    return Cost(
        seconds_per_million=statistics.median(seconds),
        fastest=min(seconds),
        slowest=max(seconds),
        memory_megabytes=memory / MEGABYTE,
        disk_megabytes=disk_bytes / MEGABYTE,
        rows=batch.height,
        repeats=repeats,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


def _loaded(load: Callable[[], Any]) -> tuple[Any, int]:
    """The model, and the bytes that it keeps: what Python allocated while it was read, and the nodes of its trees."""
    gc.collect()
    traced = tracemalloc.is_tracing()
    if not traced:
        tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    try:
        model = load()
        kept = tracemalloc.get_traced_memory()[0] - before
    finally:
        if not traced:
            tracemalloc.stop()
    return model, max(kept, 0) + _nodes(model)


def _nodes(model: Any) -> int:
    """Bytes of scikit-learn's own trees: allocated in C, where Python does not count them."""
    estimator = getattr(model, "named_steps", {}).get("model", model)
    trees = [getattr(tree, "tree_", None) for tree in getattr(estimator, "estimators_", ())]
    return sum(t.__getstate__()["nodes"].nbytes + t.value.nbytes for t in trees if t is not None)
