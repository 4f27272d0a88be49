"""What a version costs to run: its size on disk and in memory, and the time to score a million rows.

Times depend on the machine and on what else runs on it, so they are measured once a version and kept; the evidence
says on what they were measured.
"""

import gc
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import polars as pl

from mlops_assets.evaluation.performance import plain

ROWS = 10_000
REPEATS = 5
MEGABYTE = 1e6
PROGRAM = (type, ModuleType, FunctionType, BuiltinFunctionType)


@dataclass(frozen=True)
class Cost:
    """What running a version takes.

    Attributes:
        seconds_per_million: median over `repeats` of the wall time to score `rows` rows, scaled to a million.
        fastest, slowest: the same of the fastest and the slowest repeat: how far the machine can be trusted.
        memory_megabytes: what the fitted model keeps in memory (10^6 bytes): its Python objects and arrays.
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
    model: Any,
    score: Callable[[pl.DataFrame], Any],
    rows: pl.DataFrame,
    disk_bytes: int,
    *,
    scored: int = ROWS,
    repeats: int = REPEATS,
) -> Cost:
    """Count what the model keeps, and score the same rows several times.

    Args:
        model: fitted, as it was loaded.
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
    batch = pl.concat([rows] * -(-scored // rows.height)).head(scored)
    score(batch)
    seconds = []
    for _ in range(repeats):
        begun = time.perf_counter()
        score(batch)
        seconds.append((time.perf_counter() - begun) * 1e6 / batch.height)
    return Cost(
        seconds_per_million=statistics.median(seconds),
        fastest=min(seconds),
        slowest=max(seconds),
        memory_megabytes=bytes_of(model) / MEGABYTE,
        disk_megabytes=disk_bytes / MEGABYTE,
        rows=batch.height,
        repeats=repeats,
        machine=f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
    )


def bytes_of(model: Any) -> int:
    """Bytes of everything that can be reached from the model, each object once.

    Classes, functions and modules are the program's, not the model's. What a library keeps outside Python is not seen,
    but for the nodes of scikit-learn's trees.
    """
    import numpy as np

    seen: set[int] = set()
    waiting, total = [model], 0
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, PROGRAM):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            # A view owns nothing: what it looks at is counted, once.
            total += one.nbytes if one.base is None else 0
            waiting += [one.base] if one.base is not None else []
            continue
        total += sys.getsizeof(one)
        waiting += gc.get_referents(one)
        if type(one).__module__ == "sklearn.tree._tree" and hasattr(one, "node_count"):
            total += one.__getstate__()["nodes"].nbytes + one.value.nbytes
    return total
