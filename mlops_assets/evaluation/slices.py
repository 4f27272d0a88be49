"""Performance by segment: the declared slices, and the worst that a search over the columns finds.

Belongs here: whether some rows are served worse than the whole. Not here: protected groups (`fairness.py`).

What is compared is one number on one scale: ROC AUC (binary), or the share of the trivial loss removed (multiclass: log
loss; regression: squared error), where trivial is the constant prediction over *all* rows, so that a slice is not
punished for having little to explain.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np
import polars as pl

from mlops_assets.declaration.columns import Slice
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import NotMeasurable, Scored, estimate, prepare, row_losses, trivial_losses
from mlops_assets.evaluation.metrics import QUALITY_METRIC
from mlops_assets.evaluation.performance import plain
from mlops_assets.evaluation.segments import Segments, automatic, by_quantile, by_value
from mlops_assets.statistics.intervals import (
    Interval,
    logit_interval,
    normal_interval,
    upper_tail,
    z_of,
)
from mlops_assets.statistics.multiplicity import holm

MINIMUM_ROWS = 200
MINIMUM_OUTCOMES = 20
"""Binary: fewest positives and fewest negatives for an AUC of a slice."""
SEARCH_LEVELS = 5
SEARCH_COLUMNS = 25


@dataclass(frozen=True)
class SliceResult:
    """One slice against all rows; numbers are None where the slice is too small, and `reason` says so."""

    slice: str
    columns: tuple[str, ...]
    origin: Literal["declared", "found"]
    n: int
    positives: int | None
    value: float | None
    low: float | None
    high: float | None
    difference: float | None
    """Slice minus the whole; negative is worse."""
    difference_low: float | None
    difference_high: float | None
    p_value: float | None
    """One-sided, that the slice is no worse than the whole."""
    p_adjusted: float | None
    """The same, Holm over the slices tested together."""
    bias: float | None
    """Mean prediction minus mean outcome in the slice."""
    measurable: bool
    reason: str = ""


@dataclass(frozen=True)
class SliceReport:
    """Performance by segment."""

    metric: str
    n: int
    overall: float | None
    declared: tuple[SliceResult, ...]
    found: tuple[SliceResult, ...]
    """The worst that the search found, worst first: chosen on one half of the rows, measured on the other half, so that
    the numbers are not flattered (or blackened) by the choice."""
    searched: int
    """How many segments the search looked at."""
    minimum_rows: int
    reason: str

    @property
    def worst(self) -> SliceResult | None:
        """The measurable slice with the largest gap below the whole."""
        measured = [s for s in (*self.declared, *self.found) if s.difference is not None]
        return min(measured, key=lambda s: s.difference or 0.0, default=None)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def measure_slices(
    y_true: np.ndarray,
    score: np.ndarray,
    task: Task | str,
    frame: pl.DataFrame,
    declared: Sequence[Slice] = (),
    *,
    search: Sequence[str] = (),
    edges: Mapping[str, Sequence[float]] | None = None,
    classes: tuple[str, ...] | list[str] | None = None,
    minimum_rows: int = MINIMUM_ROWS,
    keep: int = 5,
    confidence: float = 0.95,
    seed: int = 20261121,
) -> SliceReport:
    """Measure the declared slices, and search the columns `search` (alone and in pairs) for worse ones.

    `frame` holds the columns of the same n rows as `y_true` and `score` (shapes as in `performance.evaluate`). `edges`
    fixes the bins of a binned slice, by column, so that a window is cut where its reference was.

    Raises:
        ValueError: a column is not in the frame, or the frame has other rows than the scores.
    """
    rows = prepare(y_true, score, task, classes=classes)
    if frame.height != rows.n:
        raise ValueError(f"found {frame.height} rows of columns and {rows.n} scores, expected as many")
    metric = QUALITY_METRIC[rows.task]
    try:
        overall = estimate(metric, rows).value
    except NotMeasurable as why:
        text = f"{metric} cannot be measured on all rows: {why}"
        return SliceReport(metric, rows.n, None, (), (), 0, minimum_rows, text)
    results: list[SliceResult] = []
    for one in declared:
        segments = (
            by_value(frame, one.column)
            if one.bins is None
            else by_quantile(frame, one.column, one.bins, edges=(edges or {}).get(one.column))
        )
        for position, name in enumerate(segments.names):
            inside = segments.codes == position
            results.append(
                _measure(rows, inside, f"{one.column} = {name}", segments.columns, "declared", minimum_rows, confidence)
            )
    found, searched = _search(rows, frame, search, minimum_rows, keep, confidence, seed) if search else ([], 0)
    report = SliceReport(
        metric, rows.n, overall, tuple(_adjust(results)), tuple(_adjust(found)), searched, minimum_rows, ""
    )
    return replace(report, reason=_sentence(report))


def _measure(
    rows: Scored,
    inside: np.ndarray,
    name: str,
    columns: tuple[str, ...],
    origin: Literal["declared", "found"],
    minimum_rows: int,
    confidence: float,
) -> SliceResult:
    n = int(inside.sum())
    positives = int(rows.y[inside].sum()) if rows.task is Task.BINARY else None
    nothing = SliceResult(name, columns, origin, n, positives, *(None,) * 9, False)  # pyright: ignore[reportCallIssue]
    if n < minimum_rows:
        return replace(nothing, reason=f"{n} rows, fewer than {minimum_rows}")
    if positives is not None and min(positives, n - positives) < MINIMUM_OUTCOMES:
        return replace(
            nothing, reason=f"{positives} positives and {n - positives} negatives, fewer than {MINIMUM_OUTCOMES} of one"
        )
    whole, whole_influence = _quality(rows)
    value, influence = _quality(rows, inside)
    error = float(np.sqrt(np.mean(influence**2) / n))
    # Influence on the difference, row by row over all rows: a slice and the whole share the slice's rows.
    gap = -whole_influence
    gap[inside] += influence * (rows.n / n)
    gap_error = float(np.sqrt(np.mean(gap**2) / rows.n))
    difference = value - whole
    interval = _interval(rows.task, value, error, confidence)
    between = normal_interval(difference, gap_error, confidence)
    outcome = (rows.predicted == rows.y) if rows.task is Task.MULTICLASS else rows.y
    predicted = rows.score.max(1) if rows.task is Task.MULTICLASS else rows.score
    return SliceResult(
        slice=name,
        columns=columns,
        origin=origin,
        n=n,
        positives=positives,
        value=value,
        low=interval.low,
        high=interval.high,
        difference=difference,
        difference_low=between.low,
        difference_high=between.high,
        p_value=upper_tail(-z_of(difference, gap_error)),
        p_adjusted=None,
        bias=float(predicted[inside].mean() - outcome[inside].mean()),
        measurable=True,
    )


def _quality(rows: Scored, inside: np.ndarray | None = None) -> tuple[float, np.ndarray]:
    """Value and influence of the quality of some rows, against the trivial loss of all of them."""
    if rows.task is Task.BINARY:
        found = estimate("roc_auc", rows if inside is None else rows.take(inside))
        assert found.influence is not None
        return found.value, found.influence
    losses = (rows.score - rows.y) ** 2 if rows.task is Task.REGRESSION else row_losses(rows)
    relative = losses / float(trivial_losses(rows).mean())
    if inside is not None:
        relative = relative[inside]
    value = 1 - float(relative.mean())
    return value, 1 - relative - value


def _interval(task: Task, value: float, error: float, confidence: float) -> Interval:
    if task is Task.BINARY:
        return logit_interval(value, error, confidence)
    return normal_interval(value, error, confidence)


def _adjust(results: list[SliceResult]) -> list[SliceResult]:
    tested = [index for index, result in enumerate(results) if result.p_value is not None]
    adjusted = holm([results[index].p_value or 0.0 for index in tested])
    for index, p in zip(tested, adjusted, strict=True):
        results[index] = replace(results[index], p_adjusted=p)
    return results


def _search(
    rows: Scored,
    frame: pl.DataFrame,
    columns: Sequence[str],
    minimum_rows: int,
    keep: int,
    confidence: float,
    seed: int,
) -> tuple[list[SliceResult], int]:
    """Choose the worst segments on a seeded half, and measure them on the other half."""
    from mlops_assets.evaluation.slice_search import rank_segments

    chosen = np.random.default_rng(seed).random(rows.n) < 0.5
    single = [automatic(frame, column, SEARCH_LEVELS) for column in dict.fromkeys(columns)][:SEARCH_COLUMNS]
    single = [segments for segments in single if len(segments.names) > 1]
    half = [Segments(s.columns, s.codes[chosen], s.names) for s in single]
    ranked, searched = rank_segments(rows.take(chosen), half, minimum_rows // 2, MINIMUM_OUTCOMES // 2)
    rest = rows.take(~chosen)
    found: list[SliceResult] = []
    for parts in ranked:
        inside = np.ones(rest.n, dtype=bool)
        names = []
        for column, level in parts:
            inside &= single[column].codes[~chosen] == level
            names.append(f"{single[column].columns[0]} = {single[column].names[level]}")
        columns_used = tuple(single[column].columns[0] for column, _ in parts)
        result = _measure(rest, inside, " and ".join(names), columns_used, "found", minimum_rows // 2, confidence)
        if result.measurable:
            found.append(result)
        if len(found) == keep:
            break
    found.sort(key=lambda s: s.difference or 0.0)
    return found, searched


def _sentence(report: SliceReport) -> str:
    measured = [s for s in report.declared if s.measurable]
    worst = report.worst
    parts = [f"{len(measured)} of {len(report.declared)} declared slices are large enough to measure"]
    if report.searched:
        parts.append(f"{report.searched} further segments were searched")
    if worst is not None and worst.value is not None and worst.difference is not None:
        sure = worst.p_adjusted is not None and worst.p_adjusted < 0.05
        parts.append(
            f"the worst is {worst.slice} ({worst.n} rows): {report.metric} {worst.value:.3f}, {worst.difference:+.3f} "
            f"against the whole, {'significant' if sure else 'not significant'} after Holm"
        )
    return "; ".join(parts)
