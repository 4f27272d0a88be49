"""What a model's performance was on rows it had not seen: the reference_performance of every window.

Belongs here: building and storing the reference_performance. Not here: measuring a window against it (`performance.py`), or the
profile of the inputs (`drift.py`). It is made once, from held-out rows; rows the model was fitted on would flatter it,
and are refused where ids tell.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import (
    METRICS,
    NotMeasurable,
    Scored,
    estimate,
    prepare,
    trivial_losses,
)
from mlops_assets.evaluation.fairness import measure_fairness
from mlops_assets.evaluation.metrics import QUALITY_METRIC
from mlops_assets.evaluation.performance import plain
from mlops_assets.evaluation.slices import measure_slices
from mlops_assets.monitoring.outcomes.between_period_variation import (
    BetweenPeriodVariation,
    measure_variation,
    variation_of,
)
from mlops_assets.monitoring.outcomes.grades import GRADES, GradeTable, fine_grades, grade_score, tabulate
from mlops_assets.statistics.resampling import equal_frequency_edges

VERSION = 1


@dataclass(frozen=True)
class ReferencePerformance:
    """The reference_performance. Everything in it is counts, sums and metrics: no rows, a few KB as JSON."""

    version: int
    task: str
    source: str
    """Which rows it was made of, in words."""
    n: int
    threshold: float | None
    classes: tuple[str, ...]
    quality_metric: str
    quality: float | None
    quality_error: float | None
    trivial_loss: float
    """Mean loss of the constant prediction on these rows: the unit of skill, here and in windows."""
    metrics: dict[str, dict[str, float | None]]
    """Name to value and standard_error."""
    outcome_mean: float
    outcome_spread: float
    score_mean: float
    score_spread: float
    class_counts: tuple[int, ...]
    class_scores: tuple[float, ...]
    """Multiclass: sum of each class's probabilities."""
    grades: GradeTable
    fine: GradeTable
    """The same in more grades, from which performance is estimated where outcomes are missing."""
    slice_edges: dict[str, tuple[float, ...]]
    slices: dict[str, dict[str, Any]]
    """Name to n, value and standard_error."""
    fairness: dict[str, Any] | None
    variation: tuple[BetweenPeriodVariation, ...] = ()
    """How far periods of these rows differ; empty where their order in time is not known."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))

    def variation_of(self, rows: int) -> BetweenPeriodVariation | None:
        """How far periods of about so many rows differ; None where it was not measured."""
        return variation_of(self.variation, self.n, rows)

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":")).encode()).hexdigest()

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "ReferencePerformance":
        """Read back what `to_dict` wrote.

        Raises:
            ValueError: it was written by a release with another layout.
        """
        if stored.get("version") != VERSION:
            raise ValueError(
                f"found a performance reference of version {stored.get('version')}, expected {VERSION}: build it again"
            )
        tables = {
            name: GradeTable(**{key: tuple(value) for key, value in stored[name].items()})
            for name in ("grades", "fine")
        }
        tuples = {name: tuple(stored[name]) for name in ("classes", "class_counts", "class_scores")}
        edges = {name: tuple(values) for name, values in stored["slice_edges"].items()}
        variation = tuple(BetweenPeriodVariation.from_dict(one) for one in stored.get("variation", ()))
        return cls(**{**stored, **tables, **tuples, "slice_edges": edges, "variation": variation})


def build_reference(
    y_true: np.ndarray,
    score: np.ndarray,
    task: Task | str,
    *,
    threshold: float | None = None,
    classes: Sequence[str] | None = None,
    frame: pl.DataFrame | None = None,
    declaration: Declaration | None = None,
    source: str = "held-out rows",
    ids: Sequence[Any] | None = None,
    fitted_ids: Sequence[Any] | None = None,
    times: pl.Series | None = None,
    grades: int = GRADES,
    seed: int = 20261121,
) -> ReferencePerformance:
    """Build the reference_performance from held-out rows (shapes as in `evaluation.performance.evaluate`).

    With `frame` (the columns of the same rows) and `declaration`, slices and fairness are part of it; with `times`, how
    far periods of these rows differ by themselves.

    Raises:
        ValueError: no rows; rows the model was fitted on among them (`ids` in `fitted_ids`); input that does not fit.
    """
    if ids is not None and fitted_ids is not None:
        shared = set(ids) & set(fitted_ids)
        if shared:
            raise ValueError(
                f"found {len(shared)} rows that the model was fitted on (such as {sorted(map(str, shared))[0]}), "
                "expected held-out rows only: they would flatter the reference"
            )
    rows = prepare(y_true, score, task, threshold=threshold, classes=list(classes) if classes else None)
    if rows.n < 2:
        raise ValueError(f"found {rows.n} rows, expected held-out rows to measure a reference on")
    metrics: dict[str, dict[str, float | None]] = {}
    for name in METRICS[rows.task]:
        if name in ("pr_auc", "ks", "gini"):
            continue
        try:
            found = estimate(name, rows)
        except NotMeasurable:
            continue
        metrics[name] = {"value": found.value, "standard_error": found.standard_error}
    quality = metrics.get(QUALITY_METRIC[rows.task], {"value": None, "standard_error": None})
    edges = _slice_edges(frame, declaration)
    return ReferencePerformance(
        version=VERSION,
        task=rows.task.value,
        source=source,
        n=rows.n,
        threshold=threshold,
        classes=rows.classes,
        quality_metric=QUALITY_METRIC[rows.task],
        quality=quality["value"],
        quality_error=quality["standard_error"],
        trivial_loss=float(trivial_losses(rows).mean()),
        metrics=metrics,
        outcome_mean=float(rows.y.mean()),
        outcome_spread=float(rows.y.std()),
        score_mean=float(rows.score.mean()),
        score_spread=float(rows.score.std()),
        class_counts=tuple(np.bincount(rows.y, minlength=len(rows.classes)).tolist()) if rows.classes else (),
        class_scores=tuple(rows.score.sum(0).tolist()) if rows.classes else (),
        grades=tabulate(rows, equal_frequency_edges(grade_score(rows), grades)),
        fine=tabulate(rows, equal_frequency_edges(grade_score(rows), fine_grades(rows.n))),
        slice_edges=edges,
        slices=slice_values(rows, frame, declaration, edges),
        fairness=_fairness(rows, frame, declaration),
        variation=measure_variation(rows, times, grades) if times is not None else (),
    )


def slice_values(
    rows: Scored,
    frame: pl.DataFrame | None,
    declaration: Declaration | None,
    edges: Mapping[str, Sequence[float]],
    minimum_rows: int = 200,
) -> dict[str, dict[str, Any]]:
    """Declared slices by name: n, value, standard_error, trivial (the loss that skill was measured in)."""
    if frame is None or declaration is None or not declaration.slices:
        return {}
    y = np.array(rows.classes)[rows.y] if rows.classes else rows.y
    report = measure_slices(
        y, rows.score, rows.task, frame, declaration.slices, edges=edges, classes=rows.classes or None,
        minimum_rows=minimum_rows,
    )  # fmt: skip
    trivial = float(trivial_losses(rows).mean())
    found: dict[str, dict[str, Any]] = {}
    for one in report.declared:
        error = None
        if one.value is not None and one.low is not None and one.high is not None:
            # Back from the interval: on the logit scale for an area, on its own for skill.
            if rows.task is Task.BINARY and 0 < one.low < one.high < 1:
                width = math.log(one.high / (1 - one.high)) - math.log(one.low / (1 - one.low))
                error = width / (2 * 1.959963984540054) * one.value * (1 - one.value)
            else:
                error = (one.high - one.low) / (2 * 1.959963984540054)
        found[one.slice] = {
            "n": one.n, "value": one.value, "standard_error": error, "trivial": trivial, "reason": one.reason,
        }  # fmt: skip
    return found


def _slice_edges(frame: pl.DataFrame | None, declaration: Declaration | None) -> dict[str, tuple[float, ...]]:
    if frame is None or declaration is None:
        return {}
    binned = [one for one in declaration.slices if one.bins is not None]
    edges = {
        one.column: equal_frequency_edges(frame[one.column].cast(pl.Float64).to_numpy(), one.bins or 0)
        for one in binned
    }
    return {column: tuple(values.tolist()) for column, values in edges.items() if len(values)}


def _fairness(rows: Scored, frame: pl.DataFrame | None, declaration: Declaration | None) -> dict[str, Any] | None:
    if frame is None or declaration is None or not declaration.protected:
        return None
    return fairness_of(rows, frame, declaration)


def fairness_of(rows: Scored, frame: pl.DataFrame, declaration: Declaration) -> dict[str, Any] | None:
    """Fairness of prepared rows as evidence; None where a binary model has no threshold to decide by."""
    if rows.task is Task.BINARY and rows.threshold is None:
        return None
    favourable = declaration.target.favourable
    return measure_fairness(rows, frame, declaration.protected, favourable=favourable, intersections=False).to_dict()
