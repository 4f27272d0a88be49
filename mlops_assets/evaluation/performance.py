"""How well scores match outcomes: every metric with its interval, and beside what predicting nothing would reach.

Belongs here: one model on one set of rows. Two models: `comparison.py`; segments: `slices.py`; probabilities
taken at their word: `calibration.py`.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.curves import curves_of
from mlops_assets.evaluation.estimators import METRICS, Estimate, NotMeasurable, Scored, estimate, prepare, row_losses
from mlops_assets.evaluation.metrics import CATALOGUE, MAIN_METRIC
from mlops_assets.evaluation.ordering import (
    average_precisions,
    binned_order,
    ks_interval,
    ks_statistics,
    order_counts,
)
from mlops_assets.statistics.delong import area_interval
from mlops_assets.statistics.intervals import LARGEST_SHARE, Interval, logit_interval, skewed_interval, wilson_interval
from mlops_assets.statistics.resampling import percentile_interval, resample_poisson

RESAMPLES = 200
BETWEEN_0_AND_1 = ("macro_auc", "f1", "macro_f1", "balanced_accuracy")


@dataclass(frozen=True)
class Metric:
    """One measured metric; `value` is None when it could not be measured, and `note` then says why."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    standard_error: float | None
    higher_is_better: bool | None
    trivial: float | None = None
    """What the best prediction that ignores the features reaches."""
    skill: float | None = None
    """Share of the way from trivial (0) to perfect (1); negative is worse than trivial."""
    note: str = ""


@dataclass(frozen=True)
class Performance:
    """All metrics of one model on one set of rows."""

    task: str
    n: int
    positives: int | None
    """Binary: rows with the event; otherwise None."""
    threshold: float | None
    classes: tuple[str, ...]
    confidence: float
    seed: int
    main_metric: str
    metrics: dict[str, Metric]
    curves: dict[str, Any]
    """Points to draw from, at most a few hundred numbers each."""
    rarest: int | None = None
    """Classification: rows of the rarest outcome, 0 where a class does not occur."""

    def value(self, name: str) -> float | None:
        """Value of a metric, None where it was not measured."""
        return self.metrics[name].value

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "Performance":
        """Read back what `to_dict` wrote."""
        metrics = {name: Metric(**metric) for name, metric in stored["metrics"].items()}
        return cls(**{**stored, "metrics": metrics, "classes": tuple(stored["classes"])})


def evaluate(
    y_true: np.ndarray,
    score: np.ndarray,
    task: Task | str,
    *,
    threshold: float | None = None,
    classes: tuple[str, ...] | list[str] | None = None,
    confidence: float = 0.95,
    seed: int = 20261121,
    with_curves: bool = True,
) -> Performance:
    """Measure every metric of the task.

    Args:
        y_true: shape (n,); binary 0 or 1, multiclass labels, regression numbers.
        score: binary probability of the positive (n,); multiclass probabilities (n, classes); regression (n,).
        task: binary, multiclass or regression.
        threshold: binary: predicted positive from this score on; without it, metrics of decisions are not measured.
        classes: multiclass: labels in the order of the score's columns.
        confidence: of the intervals.
        seed: of the bootstrap.
        with_curves: also give the points of the plots.

    Intervals: DeLong on the logit scale with Student's quantile (areas), Wilson (shares), influence-function standard errors
    with a correction for skewness (losses and ratios), Poisson bootstrap on score bins (`pr_auc`, `ks`). All assume
    independent rows. Where errors have so heavy a tail that one row carries a quarter of a metric's variance, its note
    says that the interval may be too short: nothing in the rows tells how large an error that is not among them would be.

    Raises:
        ValueError: input that does not fit the task, with what was found and expected.
    """
    rows = prepare(y_true, score, task, threshold=threshold, classes=classes)
    trivial = _trivial_values(rows)
    metrics: dict[str, Metric] = {}
    for name in METRICS[rows.task]:
        metrics[name] = (
            _ordering_metric(name, rows, trivial, confidence, seed)
            if name in ("pr_auc", "ks")
            else _metric(name, rows, trivial, confidence)
        )
    return Performance(
        task=rows.task.value,
        n=rows.n,
        positives=int(rows.y.sum()) if rows.task is Task.BINARY else None,
        threshold=threshold if rows.task is Task.BINARY else None,
        classes=rows.classes,
        confidence=confidence,
        seed=seed,
        main_metric=MAIN_METRIC[rows.task],
        metrics=metrics,
        curves=curves_of(rows, seed) if with_curves and rows.n else {},
        rarest=rarest_outcome(rows),
    )


def rarest_outcome(rows: Scored) -> int | None:
    """Rows of the rarest class, 0 where one does not occur; None for regression."""
    if rows.task is Task.REGRESSION:
        return None
    return int(np.bincount(rows.y, minlength=max(2, len(rows.classes))).min())


def measure_metric(name: str, rows: Scored, confidence: float = 0.95) -> Metric:
    """One metric of prepared rows, without its trivial value (any metric with influence values)."""
    return _metric(name, rows, {}, confidence)


def _metric(name: str, rows: Scored, trivial: dict[str, float], confidence: float) -> Metric:
    facts = CATALOGUE[name]
    try:
        found = estimate(name, rows)
    except NotMeasurable as reason:
        return Metric(name, None, None, None, None, facts.higher_is_better, note=str(reason))
    error = found.standard_error
    if rows.n < 2 or error is None:
        return Metric(name, found.value, None, None, None, facts.higher_is_better, note="one row has no spread")
    interval = _interval(name, rows, found, error, confidence)
    if interval is None:
        note = f"{rarest_outcome(rows)} rows of the rarer outcome: too few for an interval"
        return Metric(name, found.value, None, None, None, facts.higher_is_better, note=note)
    base = trivial.get(name)
    note = ""
    if name == "mape" and (left_out := int((rows.y == 0).sum())):
        note = f"{left_out} of {rows.n} rows have target 0 and are left out"
    largest = _largest_share(found)
    if rows.task is Task.REGRESSION and largest > LARGEST_SHARE:
        note = "; ".join(
            part
            for part in (note, f"one row carries {largest:.0%} of the variance: the interval may be too short")
            if part
        )
    skill = _skill(name, found.value, base)
    return Metric(name, found.value, interval.low, interval.high, error, facts.higher_is_better, base, skill, note)


def _largest_share(found: Estimate) -> float:
    """Share of the variance of a metric that a single row carries."""
    squares = found.influence**2 if found.influence is not None else np.zeros(1)
    return float(squares.max() / squares.sum()) if squares.sum() > 0 else 0.0


def _interval(name: str, rows: Scored, found: Estimate, error: float, confidence: float) -> Interval | None:
    value = found.value
    if name in ("roc_auc", "gini"):
        area = value if name == "roc_auc" else (value + 1) / 2
        spread = error if name == "roc_auc" else error / 2
        bounds = area_interval(area, spread, rarest_outcome(rows) or 0, confidence)
        return bounds if name == "roc_auc" or bounds is None else Interval(2 * bounds.low - 1, 2 * bounds.high - 1)
    share = _share_counts(name, rows)
    if share is not None:
        return wilson_interval(*share, confidence)
    if name in BETWEEN_0_AND_1:
        return logit_interval(value, error, confidence)
    skewness = _skewness(found, error)
    if name == "rmse":
        squared = skewed_interval(value**2, 2 * value * error, skewness, rows.n, confidence)
        return Interval(math.sqrt(max(0.0, squared.low)), math.sqrt(max(0.0, squared.high)))
    plain_interval = skewed_interval(value, error, skewness, rows.n, confidence)
    floor = 0.0 if CATALOGUE[name].higher_is_better is False else -math.inf
    return Interval(
        max(floor, plain_interval.low), min(1.0 if name in ("r2", "log_loss_skill") else math.inf, plain_interval.high)
    )


def _skewness(found: Estimate, error: float) -> float:
    """Skewness of the influence values."""
    if found.influence is None or not error:
        return 0.0
    return float(np.mean((found.influence / (error * math.sqrt(len(found.influence)))) ** 3))


def _share_counts(name: str, rows: Scored) -> tuple[float, float] | None:
    """(successes, trials) of a metric that is a plain proportion."""
    if name == "accuracy":
        return float((rows.predicted == rows.y).sum()), float(rows.n)
    if rows.task is not Task.BINARY:
        return None
    match name:
        case "base_rate":
            return float(rows.y.sum()), float(rows.n)
        case "selection_rate":
            return float(rows.predicted.sum()), float(rows.n)
        case "precision":
            return float((rows.y * rows.predicted).sum()), float(rows.predicted.sum())
        case "recall":
            return float((rows.y * rows.predicted).sum()), float(rows.y.sum())
        case _:
            return None


def _ordering_metric(name: str, rows: Scored, trivial: dict[str, float], confidence: float, seed: int) -> Metric:
    positives = int(rows.y.sum())
    if positives == 0 or positives == rows.n:
        reason = f"{positives} positives among {rows.n} rows: {name} needs both outcomes"
        return Metric(name, None, None, None, None, True, note=reason)
    compute = average_precisions if name == "pr_auc" else ks_statistics
    value = float(compute(*order_counts(rows.y, rows.score)))
    table = binned_order(rows.y, rows.score)
    drawn = resample_poisson(table, RESAMPLES, seed)
    draws = compute(drawn[:, 0], drawn[:, 1])
    interval = percentile_interval(draws, confidence)
    if name == "ks" and interval is not None:
        interval = ks_interval(value, table, drawn, confidence)
    base = trivial.get(name)
    low, high = (interval.low, interval.high) if interval else (None, None)
    error = float(np.nanstd(draws, ddof=1))
    return Metric(name, value, low, high, error, True, base, _skill(name, value, base))


def _trivial_values(rows: Scored) -> dict[str, float]:
    """What the best constant prediction reaches on these rows."""
    if rows.n == 0:
        return {}
    if rows.task is Task.REGRESSION:
        spread = float(rows.y.std())
        middle = float(np.median(rows.y))
        deviation = float(np.abs(rows.y - middle).mean())
        trivial = {"rmse": spread, "mae": deviation, "r2": 0.0}
        total = float(np.abs(rows.y).mean())
        return {**trivial, "wape": deviation / total} if total else trivial
    if rows.task is Task.MULTICLASS:
        share = np.bincount(rows.y, minlength=len(rows.classes)) / rows.n
        constant = Scored(rows.task, rows.y, np.tile(share, (rows.n, 1)), None, rows.classes)
        loss = float(row_losses(constant).mean())
        return {"log_loss": loss, "log_loss_skill": 0.0, "accuracy": float(share.max()), "macro_auc": 0.5}
    base = float(rows.y.mean())
    trivial = {"roc_auc": 0.5, "gini": 0.0, "ks": 0.0, "pr_auc": base, "brier": base * (1 - base)}
    entropy = -sum(p * math.log(p) for p in (base, 1 - base) if p > 0)
    return {**trivial, "log_loss": entropy, "accuracy": max(base, 1 - base)}


def _skill(name: str, value: float, trivial: float | None) -> float | None:
    perfect = 1.0 if CATALOGUE[name].higher_is_better else 0.0
    if trivial is None or trivial == perfect:
        return None
    return (value - trivial) / (perfect - trivial)


def plain(value: Any) -> Any:
    """JSON-able copy of nested results: numpy numbers and arrays become Python's, NaN and infinities None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
