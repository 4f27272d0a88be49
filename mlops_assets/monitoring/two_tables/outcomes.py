"""What outcomes say about two tables: measured on a deployed model's scores, or on a relation learned for the purpose.

Belongs here: reading outcome and score columns of tables that nobody has declared, and measuring. The tests are those of
the fleet (`performance.py`).
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import prepare
from mlops_assets.evaluation.performance import plain
from mlops_assets.monitoring.outcomes.grades import quality_losses
from mlops_assets.monitoring.outcomes.learned_relation import learned_scores
from mlops_assets.monitoring.outcomes.performance import WindowPerformance, measure
from mlops_assets.monitoring.outcomes.reference_performance import build_reference
from mlops_assets.monitoring.outcomes.segments import Segment, find_segment
from mlops_assets.monitoring.two_tables.reading import spread_rows
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.profile import ColumnProfile
from mlops_assets.statistics.resampling import assign_bins, equal_frequency_edges

REFERENCE_ROWS = 20_000
WINDOW_ROWS = 20_000
"""Rows that are judged on outcomes: enough for any change worth acting on, and a few seconds of learning."""
MOST_CLASSES = 20
LEAST_REFERENCE_ROWS = 200
POSITIVE = ("1", "1.0", "true", "yes", "y", "t", "positive", "bad", "default", "up")
LIKE_A_TARGET = ("target", "label", "outcome", "class", "y", "y_true", "ground_truth", "actual")
"""Names under which tables usually carry the outcome."""
LEAST_AREA = 0.55
LEAST_SKILL = 0.02
"""Quality of a learned relation below which a change of it could hardly be seen."""
SHOWN = ("roc_auc", "brier", "base_rate", "mean_score", "accuracy", "macro_auc", "log_loss_skill", "r2", "mae", "bias")


@dataclass(frozen=True)
class TableOutcomes:
    """The outcomes of two tables compared.

    Attributes:
        target: column of the outcome.
        score: column of the scores; empty where a relation was learned from the reference.
        task: binary, multiclass or regression.
        positive: the outcome that is counted (binary).
        reference_rows, rows: of both sides that were judged.
        performance: what was measured; None where nothing could be.
        segment: the part of the rows that a changed relation is confined to; None where there is no such part.
        remarks: what is to be known about it, in words.
    """

    target: str
    score: str
    task: str
    positive: str
    reference_rows: int
    rows: int
    performance: WindowPerformance | None
    segment: Segment | None
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, without NaN."""
        content = plain({**asdict(self), "performance": None})
        content["performance"] = self.performance.to_dict() if self.performance else None
        return content


@dataclass(frozen=True)
class _Labels:
    """How outcomes are read: as numbers (regression), or by their places in `classes`."""

    task: Task
    classes: tuple[str, ...] = ()

    def read(self, series: pl.Series) -> np.ndarray:
        """Numbers, NaN where the outcome is missing or unknown."""
        if self.task is Task.REGRESSION:
            values = series.cast(pl.Float64, strict=False).to_numpy().astype(float)
            return np.where(np.isfinite(values), values, np.nan)
        places = {label: float(i) for i, label in enumerate(self.classes)}
        text = as_text(series).replace_strict(places, default=None, return_dtype=pl.Float64)
        return text.to_numpy().astype(float)


def compare_outcomes(
    reference: pl.LazyFrame,
    window: pl.LazyFrame,
    columns: dict[str, ColumnProfile],
    thresholds: MonitoringThresholds,
    *,
    target: str,
    score: str = "",
    time: str = "",
    in_order: bool = False,
) -> TableOutcomes:
    """Judge the window's outcomes against the reference's.

    Args:
        reference, window: tables; the window may lack the outcome, or have it for some rows only.
        columns: inputs that both have.
        thresholds: thresholds.
        target: column of the outcome: two values, few values, or a number.
        score: column of a deployed model's scores (a probability, another number that ranks, or a predicted class);
            empty: a relation is learned from the reference.
        time: column that rows are ordered by; empty: rows are left as they are.
        in_order: the rows are in the order of time, without a column that says so.

    Raises:
        ValueError: the reference lacks the target or the score.
    """
    for name in filter(None, (target, score, time)):
        if name not in reference.collect_schema().names():
            raise ValueError(f"the reference has no column {name!r}; found {', '.join(reference.collect_schema())}")
    before = _rows(reference, [*columns, target, score, time], REFERENCE_ROWS, time)
    now = _rows(window, [*columns, target, score, time], WINDOW_ROWS, time)
    labels = infer_labels(before[target])
    task = labels.task
    base = TableOutcomes(
        target, score, task.value, labels.classes[1] if task is Task.BINARY else "", 0, 0, None, None, ()
    )
    lacking = [name for name in (target, score) if name and name not in now.columns]
    if lacking:
        return replace(base, remarks=(f"the current table has no column {', '.join(lacking)}: outcomes are not known",))
    if score and (task is Task.REGRESSION or before[score].dtype.is_numeric()):
        # A score that is no number is not known; its column says that the feed is broken.
        before, now = (rows.with_columns(pl.col(score).cast(pl.Float64, strict=False)) for rows in (before, now))
        if before[score].is_null().all():
            raise ValueError(f"{score}: found no number in the reference, expected predictions of a number")
    remarks: list[str] = []
    (before, y), (now, y_now) = _known(before, labels, target, score), _known(now, labels, target, score)
    share = len(y_now) / now_rows if (now_rows := _height(window, WINDOW_ROWS)) else 0.0
    base = replace(base, reference_rows=len(y), rows=len(y_now))
    if len(y) < LEAST_REFERENCE_ROWS or len(np.unique(y)) < 2:
        why = f"{len(y)} rows of the reference have an outcome, fewer than {LEAST_REFERENCE_ROWS}"
        if len(y) >= LEAST_REFERENCE_ROWS:
            why = "every outcome of the reference is the same"
        return replace(base, remarks=(f"{target}: {why}: nothing is said about outcomes",))
    if score:
        scores = _given_scores(before[score], now[score], y, labels, remarks)
    else:
        scores = learned_scores(before, y, now, columns, task, classes=len(labels.classes))
        remarks.append(
            f"no score was given: a relation between the inputs and {target} was learned from {len(y)} rows of the "
            "reference (gradient boosting, four folds) and read on rows it was not fitted on"
        )
    positions = np.asarray(labels.classes)
    truth, truth_now = (positions[s.astype(int)] if task is Task.MULTICLASS else s for s in (y, y_now))
    reference_performance = build_reference(
        truth,
        scores[0],
        task,
        threshold=float(y.mean()) if task is Task.BINARY else None,
        classes=labels.classes if task is Task.MULTICLASS else None,
        source="rows of the reference table",
        times=before[time] if time else pl.Series(np.arange(before.height)) if in_order else None,
    )
    found = measure(reference_performance, truth_now, scores[1], thresholds=thresholds, matured_share=min(share, 1.0))
    quality = reference_performance.quality
    if not score and quality is not None:
        floor = LEAST_AREA if reference_performance.quality_metric == "roc_auc" else LEAST_SKILL
        if quality < floor:
            remarks.append(
                f"the inputs hardly tell of {target} even in the reference ({reference_performance.quality_metric} {quality:.3f}): "
                "of a changed relation little could be seen"
            )
    segment = None
    if found.measurable and found.severity != "none":
        classes = labels.classes if task is Task.MULTICLASS else None
        losses = [
            quality_losses(prepare(t, np.clip(s, 1e-6, 1 - 1e-6) if task is Task.BINARY else s, task, classes=classes))
            for t, s in ((truth, scores[0]), (truth_now, scores[1]))
        ]
        segment = find_segment(columns, before, now, *losses)
    return replace(base, performance=found, segment=segment, remarks=tuple(remarks))


def metric_rows(found: TableOutcomes) -> list[dict[str, Any]]:
    """Metrics with their intervals, the few that a reader asks for first."""
    metrics = found.performance.metrics if found.performance else {}
    return [
        {"metric": name, **{key: metrics[name].get(key) for key in ("reference", "value", "low", "high")}}
        for name in SHOWN
        if name in metrics
    ]


def as_text(series: pl.Series) -> pl.Series:
    """Labels as text; a whole number reads the same whatever its type."""
    if series.dtype.is_float():
        whole = series.drop_nulls().drop_nans()
        if len(whole) and (whole == whole.round()).all() and whole.is_finite().all():
            return series.fill_nan(None).cast(pl.Int64).cast(pl.String)
    return series.cast(pl.Int8).cast(pl.String) if series.dtype == pl.Boolean else series.cast(pl.String)


def infer_labels(series: pl.Series) -> _Labels:
    """Two values are binary, up to 20 whole numbers or texts are classes, other numbers are regressed on.

    The positive of two is 1, true, yes and the like; of two other numbers the larger, of two other texts the rarer.

    Raises:
        ValueError: a text with more than 20 values: no outcome that can be judged.
    """
    text = as_text(series).drop_nulls()
    counts = text.value_counts(name="rows").sort(["rows", text.name], descending=[True, False])
    values = counts[text.name].to_list()
    if len(values) <= 2:
        return _Labels(Task.BINARY, _ordered(values, series.dtype.is_numeric()))
    whole = series.dtype.is_integer() or not series.dtype.is_numeric() or all("." not in v for v in values[:50])
    if len(values) <= MOST_CLASSES and whole:
        return _Labels(Task.MULTICLASS, tuple(sorted(values)))
    if series.dtype.is_numeric():
        return _Labels(Task.REGRESSION)
    raise ValueError(
        f"{series.name}: found {len(values)} different values of type {series.dtype}, expected an outcome with at most "
        f"{MOST_CLASSES}, or a number"
    )


def _ordered(values: list[str], numeric: bool) -> tuple[str, ...]:
    if len(values) < 2:
        return (*values, "another value") if values else ("nothing", "another value")
    if numeric:
        return tuple(sorted(values, key=float))
    positive = [v for v in values if v.strip().lower() in POSITIVE]
    # Most frequent first, as they came: the rarer is what is counted.
    return (values[0], values[1]) if positive != [values[0]] else (values[1], values[0])


def _rows(frame: pl.LazyFrame, names: Sequence[str], most: int, time: str) -> pl.DataFrame:
    """Some rows, spread over the whole table, in order of time."""
    found = frame.collect_schema().names()
    wanted = [name for name in dict.fromkeys(names) if name and name in found]
    rows = spread_rows(frame, wanted, most)
    return rows.sort(time, maintain_order=True) if time in wanted else rows


def _height(frame: pl.LazyFrame, most: int) -> int:
    return min(int(frame.select(pl.len()).collect().item()), most)


def _known(rows: pl.DataFrame, labels: _Labels, target: str, score: str) -> tuple[pl.DataFrame, np.ndarray]:
    y = labels.read(rows[target])
    known = np.isfinite(y)
    if score:
        known &= rows[score].is_not_null().to_numpy()
        if rows[score].dtype.is_float():
            known &= rows[score].is_finite().fill_null(False).to_numpy()
    return rows.filter(pl.Series(known)), y[known]


def _given_scores(
    before: pl.Series, now: pl.Series, y: np.ndarray, labels: _Labels, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores as probabilities (or predictions of a number), whatever the column holds."""
    if labels.task is Task.REGRESSION:
        return before.cast(pl.Float64).to_numpy(), now.cast(pl.Float64).to_numpy()
    said = as_text(before).drop_nulls().unique()
    if set(said) <= set(labels.classes):
        remarks.append(f"{before.name} holds predicted classes: each was given the reference's shares of outcomes")
        places = {label: i for i, label in enumerate(labels.classes)}
        unknown = len(places)
        codes = [
            as_text(s).replace_strict(places, default=unknown, return_dtype=pl.Int64).to_numpy() for s in (before, now)
        ]
        if strange := int((codes[1] == unknown).sum()):
            remarks.append(
                f"{strange} rows have a {before.name} that is no class of the outcome: they say nothing of it, and were "
                "given the shares of all outcomes"
            )
        table = np.full((unknown + 1, unknown), 0.5)
        np.add.at(table, (codes[0], y.astype(int)), 1.0)
        table[unknown] = np.bincount(y.astype(int), minlength=unknown)
        shares = table / table.sum(axis=1, keepdims=True)
        found = [shares[c] for c in codes]
        return (found[0], found[1]) if labels.task is Task.MULTICLASS else (found[0][:, 1], found[1][:, 1])
    if labels.task is Task.MULTICLASS or not before.dtype.is_numeric():
        raise ValueError(
            f"{before.name}: found {before.dtype} with values such as {said[0]!r}, expected predicted classes of the "
            f"outcome ({', '.join(labels.classes[:5])})"
            + ("" if labels.task is Task.MULTICLASS else " or a probability")
        )
    numbers = [s.cast(pl.Float64).to_numpy() for s in (before, now)]
    if all(not len(v) or (v.min() >= 0 and v.max() <= 1) for v in numbers):
        return numbers[0], numbers[1]
    remarks.append(f"{before.name} is no probability: each score was given the reference's share of outcomes around it")
    edges = equal_frequency_edges(numbers[0], 40)
    bins = [assign_bins(v, edges) for v in numbers]
    rows, events = (np.bincount(bins[0], w, minlength=len(edges) + 1) for w in (np.ones(len(y)), y))
    rate = (events + y.mean()) / (rows + 1)
    return rate[bins[0]], rate[bins[1]]
