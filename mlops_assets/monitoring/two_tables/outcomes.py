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
from mlops_assets.monitoring.outcomes.reference_performance import ReferencePerformance, build_reference
from mlops_assets.monitoring.outcomes.segments import Segment, find_segment
from mlops_assets.monitoring.two_tables.labels_and_scores import Labels, given_scores, infer_labels
from mlops_assets.monitoring.two_tables.reading import spread_rows
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.profile import ColumnProfile

REFERENCE_ROWS = 20_000
WINDOW_ROWS = 20_000
"""Rows that are judged on outcomes: enough for any change worth acting on, and a few seconds of learning."""
LEAST_REFERENCE_ROWS = 200
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
        scores = given_scores(before[score], now[score], y, labels, remarks)
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
    if not score:
        remarks += _weak_relation(reference_performance, target)
    segment = None
    if found.measurable and found.severity != "none":
        losses = [_losses(t, s, labels) for t, s in ((truth, scores[0]), (truth_now, scores[1]))]
        segment = find_segment(columns, before, now, *losses)
    return replace(base, performance=found, segment=segment, remarks=tuple(remarks))


def _weak_relation(reference: ReferencePerformance, target: str) -> list[str]:
    """A remark where the inputs hardly predict the outcome even in the reference."""
    floor = LEAST_AREA if reference.quality_metric == "roc_auc" else LEAST_SKILL
    if reference.quality is None or reference.quality >= floor:
        return []
    return [
        f"the inputs hardly predict {target} even in the reference ({reference.quality_metric} {reference.quality:.3f}): "
        "a changed relation could hardly be seen"
    ]


def _losses(truth: np.ndarray, scores: np.ndarray, labels: Labels) -> np.ndarray:
    """Loss of each row, from which the segment that explains most of it is found."""
    binary, several = labels.task is Task.BINARY, labels.task is Task.MULTICLASS
    scores = np.clip(scores, 1e-6, 1 - 1e-6) if binary else scores
    return quality_losses(prepare(truth, scores, labels.task, classes=labels.classes if several else None))


def metric_rows(found: TableOutcomes) -> list[dict[str, Any]]:
    """Metrics with their intervals, the few that a reader asks for first."""
    metrics = found.performance.metrics if found.performance else {}
    return [
        {"metric": name, **{key: metrics[name].get(key) for key in ("reference", "value", "low", "high")}}
        for name in SHOWN
        if name in metrics
    ]


def _rows(frame: pl.LazyFrame, names: Sequence[str], most: int, time: str) -> pl.DataFrame:
    """Some rows, spread over the whole table, in order of time."""
    found = frame.collect_schema().names()
    wanted = [name for name in dict.fromkeys(names) if name and name in found]
    rows = spread_rows(frame, wanted, most)
    return rows.sort(time, maintain_order=True) if time in wanted else rows


def _height(frame: pl.LazyFrame, most: int) -> int:
    return min(int(frame.select(pl.len()).collect().item()), most)


def _known(rows: pl.DataFrame, labels: Labels, target: str, score: str) -> tuple[pl.DataFrame, np.ndarray]:
    y = labels.read(rows[target])
    known = np.isfinite(y)
    if score:
        known &= rows[score].is_not_null().to_numpy()
        if rows[score].dtype.is_float():
            known &= rows[score].is_finite().fill_null(False).to_numpy()
    return rows.filter(pl.Series(known)), y[known]
