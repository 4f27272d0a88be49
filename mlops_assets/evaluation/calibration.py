"""Calibration: whether predicted probabilities come true, and whether predicted values are right on average.

Belongs here: calibration of one model on one set of rows, over equal-frequency grades. Not here: how calibration moved
in production (`monitoring/outcomes/performance.py`).
"""

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import Scored, prepare
from mlops_assets.evaluation.performance import plain
from mlops_assets.statistics.brier import brier_parts
from mlops_assets.statistics.intervals import (
    normal_interval,
    normal_quantile,
    two_sided_p,
    wilson_interval,
    z_of,
)
from mlops_assets.statistics.multiplicity import holm
from mlops_assets.statistics.proportions import jeffreys
from mlops_assets.statistics.resampling import assign_bins, equal_frequency_edges

GRADES = 10
ROWS_AT_ONCE = 8192
"""So many rows stay in the processor's cache while they are worked on, and are too few for BLAS to wake its threads."""


@dataclass(frozen=True)
class Grade:
    """Rows with about the same prediction: `from_score <= prediction < next grade's from_score`."""

    grade: int
    from_score: float | None
    """None for the lowest grade, which is open downwards."""
    n: int
    mean_score: float
    observed: float
    """Share of events, or mean target."""
    low: float
    high: float
    """Interval of `observed`."""
    p_underestimated: float
    """P-value of "the prediction is high enough" (Jeffreys for probabilities, z for values)."""
    p_overestimated: float
    p_adjusted: float
    """Two-sided, Holm over the grades."""


@dataclass(frozen=True)
class Calibration:
    """Calibration over all rows and by grade; what a task does not have is None."""

    task: str
    n: int
    mean_score: float | None
    observed: float | None
    bias: float | None
    """Mean prediction minus mean outcome: calibration in the large."""
    bias_low: float | None
    bias_high: float | None
    bias_standardised: float | None
    """Bias in standard deviations of the outcome."""
    bias_p_value: float | None
    ece: float | None
    """Expected calibration error: mean over grades, weighted by size, of |mean score - observed| (classification)."""
    ece_expected: float | None
    """What the error would be on average if the model were perfectly calibrated: grades of finite size never match."""
    ece_net: float | None
    """Error of every grade that would give this `ece` on average: the error net of what chance adds; 0 where chance
    explains all of it."""
    ece_low: float | None
    ece_high: float | None
    """95 % interval of `ece_net`."""
    slope: float | None
    """1 is right; below 1 predictions are too extreme."""
    slope_low: float | None
    slope_high: float | None
    intercept: float | None
    """Logistic (binary) or linear (regression) recalibration: 0 is right, given slope 1."""
    brier: dict[str, float] | None
    grades: tuple[Grade, ...]
    classes: dict[str, dict[str, float]]
    """Multiclass: per class mean score, observed share, bias, ece and ece_net."""
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


_NOTHING = Calibration(
    task="",
    n=0,
    mean_score=None,
    observed=None,
    bias=None,
    bias_low=None,
    bias_high=None,
    bias_standardised=None,
    bias_p_value=None,
    ece=None,
    ece_expected=None,
    ece_net=None,
    ece_low=None,
    ece_high=None,
    slope=None,
    slope_low=None,
    slope_high=None,
    intercept=None,
    brier=None,
    grades=(),
    classes={},
    reason="",
)


def calibrate(
    y_true: np.ndarray,
    score: np.ndarray,
    task: Task | str,
    *,
    classes: tuple[str, ...] | list[str] | None = None,
    grades: int = GRADES,
    edges: np.ndarray | None = None,
    confidence: float = 0.95,
) -> Calibration:
    """Measure calibration (shapes as in `performance.evaluate`).

    `edges` are inner edges of fixed grades (a master scale); default `grades` of equal frequency. Standard errors of
    the bias come from the rows, not from assuming that the scores are right.

    Raises:
        ValueError: input that does not fit the task.
    """
    rows = prepare(y_true, score, task, classes=classes)
    if rows.n < 2:
        return replace(
            _NOTHING, task=rows.task.value, n=rows.n, reason=f"{rows.n} rows: too few to measure calibration"
        )
    if rows.task is Task.MULTICLASS:
        return _multiclass(rows, grades)
    inner = equal_frequency_edges(rows.score, grades) if edges is None else np.asarray(edges, dtype=float)
    bins = assign_bins(rows.score, inner)
    y = rows.y.astype(float)
    residual = rows.score - y
    bias, error = float(residual.mean()), float(residual.std(ddof=1)) / math.sqrt(rows.n)
    interval = normal_interval(bias, error, confidence)
    spread = float(y.std())
    table = _grade_table(rows, bins, inner, confidence)
    binary = rows.task is Task.BINARY
    slope, slope_error, intercept = _logistic_recalibration(rows) if binary else _linear_recalibration(rows)
    half = normal_quantile(0.5 + confidence / 2) * slope_error if slope_error is not None else None
    p_value = two_sided_p(z_of(bias, error))
    ece = _ece(table, rows.n) if binary else None
    net = net_error(table, ece) if ece is not None else (None, None, None)
    return Calibration(
        task=rows.task.value,
        n=rows.n,
        mean_score=float(rows.score.mean()),
        observed=float(y.mean()),
        bias=bias,
        bias_low=interval.low,
        bias_high=interval.high,
        bias_standardised=bias / spread if spread else None,
        bias_p_value=p_value,
        ece=ece,
        ece_expected=_ece_expected(table, rows.n) if binary else None,
        ece_net=net[0],
        ece_low=net[1],
        ece_high=net[2],
        slope=slope,
        slope_low=slope - half if slope is not None and half is not None else None,
        slope_high=slope + half if slope is not None and half is not None else None,
        intercept=intercept,
        brier=asdict(brier_parts(rows.y, rows.score, bins)) if binary else None,
        grades=table,
        classes={},
        reason=_sentence(rows, bias, p_value, table),
    )


def _grade_table(rows: Scored, bins: np.ndarray, edges: np.ndarray, confidence: float) -> tuple[Grade, ...]:
    found: list[tuple[int, int, float, float, float, float, float, float]] = []
    y, size = rows.y.astype(float), len(edges) + 1
    sizes = np.bincount(bins, minlength=size)
    rows_of = np.maximum(sizes, 1)
    means, sums = np.bincount(bins, rows.score, size) / rows_of, np.bincount(bins, y, size)
    residual = y - rows.score
    centred = residual - (np.bincount(bins, residual, size) / rows_of)[bins]
    spreads = np.sqrt(np.bincount(bins, centred**2, size) / np.maximum(sizes - 1, 1) / rows_of)
    for grade in np.flatnonzero(sizes).tolist():
        n, mean, observed = int(sizes[grade]), float(means[grade]), float(sums[grade] / sizes[grade])
        if rows.task is Task.BINARY:
            events = round(float(sums[grade]))
            interval = wilson_interval(events, n, confidence)
            test = jeffreys(events, n, mean)
            under, over = test.p_underestimated, test.p_overestimated
        else:
            spread = float(spreads[grade]) if n > 1 else math.inf
            interval = normal_interval(observed, spread if math.isfinite(spread) else 0.0, confidence)
            z = z_of(observed - mean, spread) if math.isfinite(spread) else 0.0
            over = two_sided_p(z) / 2 if z <= 0 else 1 - two_sided_p(z) / 2
            under = 1 - over
        found.append((grade, n, mean, observed, interval.low, interval.high, under, over))
    adjusted = holm([min(1.0, 2 * min(under, over)) for *_, under, over in found])
    return tuple(
        Grade(g, None if g == 0 else float(edges[g - 1]), n, mean, observed, low, high, under, over, p)
        for (g, n, mean, observed, low, high, under, over), p in zip(found, adjusted, strict=True)
    )


def _ece(table: tuple[Grade, ...], n: int) -> float:
    return sum(grade.n * abs(grade.mean_score - grade.observed) for grade in table) / n


def _ece_expected(table: tuple[Grade, ...], n: int) -> float:
    """Mean |observed - score| of a normal deviation with the binomial spread: sqrt(2/π) standard errors a grade."""
    spread = (grade.n * math.sqrt(max(0.0, grade.mean_score * (1 - grade.mean_score)) / grade.n) for grade in table)
    return math.sqrt(2 / math.pi) * sum(spread) / n


def net_error(table: tuple[Grade, ...], ece: float) -> tuple[float, float, float]:
    """The error of every grade that gives this `ece` on average, with its 95 % interval.

    In a grade of n rows the observed share deviates from its mean by a normal amount with standard deviation
    `sqrt(p (1 - p) / n)`, so that |score - observed| is a folded normal variable even where the score is right
    (Leone, Nelson & Nottingham 1961, Technometrics 3). Assumes independent rows, and some ten rows or more a grade.
    """
    weight = np.array([grade.n for grade in table], dtype=float)
    weight /= weight.sum()
    spread = np.array([math.sqrt(max(g.mean_score * (1 - g.mean_score), 1e-12) / g.n) for g in table])

    def folded(error: float) -> tuple[float, float]:
        """Mean and standard deviation of the ece where every grade is wrong by `error`."""
        mean = spread * math.sqrt(2 / math.pi) * np.exp(-((error / spread) ** 2) / 2)
        mean = mean + error * np.array([math.erf(error / one / math.sqrt(2)) for one in spread])
        variance = np.maximum(error**2 + spread**2 - mean**2, 0)
        return float(weight @ mean), math.sqrt(float(weight**2 @ variance))

    def solve(wanted: float) -> float:
        low, high = 0.0, 1.0
        if folded(low)[0] >= wanted:
            return 0.0
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if folded(middle)[0] < wanted else (low, middle)
        return high

    net = solve(ece)
    half = normal_quantile(0.975) * folded(net)[1]
    return net, solve(ece - half), solve(ece + half)


def _logistic_recalibration(rows: Scored) -> tuple[float | None, float | None, float | None]:
    """Slope, its standard error and the intercept at slope 1, of outcome on logit(score) (Cox 1958), by Newton steps.

    None where the outcome is of one kind, the scores are constant, or the classes are separated: no slope exists.
    """
    if rows.y.min() == rows.y.max():
        return None, None, None
    clipped = np.clip(rows.score, 1e-6, 1 - 1e-6)
    logit = np.log(clipped / (1 - clipped))
    intercept = _newton(logit, rows.y.astype(float), with_slope=False)
    both = _newton(logit, rows.y.astype(float), with_slope=True) if np.ptp(logit) > 0 else None
    level = float(intercept[0][0]) if intercept else None
    if both is None:
        return None, None, level
    return float(both[0][1]), float(math.sqrt(both[1][1, 1])), level


def _newton(logit: np.ndarray, y: np.ndarray, *, with_slope: bool) -> tuple[np.ndarray, np.ndarray] | None:
    """Coefficients and covariance of the logistic regression of `y` on `logit`; None when it does not converge.

    Without `with_slope` the slope is 1, and the intercept alone is fitted.
    """
    beta, fitted = np.array([0.0, 1.0]), 2 if with_slope else 1
    for _ in range(50):
        gradient, information = np.zeros(2), np.zeros((2, 2))
        for start in range(0, len(y), ROWS_AT_ONCE):
            x, outcome = logit[start : start + ROWS_AT_ONCE], y[start : start + ROWS_AT_ONCE]
            with np.errstate(over="ignore"):
                p = 1 / (1 + np.exp(-(beta[0] + beta[1] * x)))
            residual, weight = outcome - p, p * (1 - p)
            weighted = weight * x
            gradient += (residual.sum(), residual @ x)
            information += ((weight.sum(), weighted.sum()), (weighted.sum(), weighted @ x))
        needed = information[:fitted, :fitted]
        try:
            step = np.linalg.solve(needed, gradient[:fitted])
        except np.linalg.LinAlgError:
            return None
        beta[:fitted] += np.clip(step, -5, 5)
        if np.abs(beta[:fitted]).max() > 1e3:
            return None
        if np.abs(step).max() < 1e-10:
            return beta[:fitted], np.linalg.inv(needed)
    return None


def _linear_recalibration(rows: Scored) -> tuple[float | None, float | None, float | None]:
    """Slope of target on prediction with a heteroscedasticity-robust error; intercept at slope 1 (mean residual)."""
    centred = rows.score - rows.score.mean()
    total = float(centred @ centred)
    level = float((rows.y - rows.score).mean())
    if total == 0:
        return None, None, level
    slope = float(centred @ rows.y) / total
    residual = rows.y - rows.y.mean() - slope * centred
    return slope, math.sqrt(float(((centred * residual) ** 2).sum())) / total, level


def _multiclass(rows: Scored, grades: int) -> Calibration:
    by_class: dict[str, dict[str, float]] = {}
    for k, label in enumerate(rows.classes):
        one = calibrate((rows.y == k).astype(int), np.clip(rows.score[:, k], 0, 1), Task.BINARY, grades=grades)
        values = {
            "mean_score": one.mean_score,
            "observed": one.observed,
            "bias": one.bias,
            "ece": one.ece,
            "ece_net": one.ece_net,
        }
        by_class[label] = {key: value for key, value in values.items() if value is not None}
    # Confidence calibration (Guo et al. 2017): how often the class that was predicted is right.
    confidence = rows.score.max(1)
    top = calibrate((rows.predicted == rows.y).astype(int), np.clip(confidence, 0, 1), Task.BINARY, grades=grades)
    worst = max(by_class, key=lambda label: abs(by_class[label]["bias"]))
    reason = (
        f"the predicted class is right in {top.observed:.1%} of rows, predicted {top.mean_score:.1%}; "
        f"largest bias of a class: {worst} ({by_class[worst]['bias']:+.4f})"
    )
    return replace(top, task=rows.task.value, brier=None, classes=by_class, reason=reason)


def _sentence(rows: Scored, bias: float, p_value: float, table: tuple[Grade, ...]) -> str:
    what = "events" if rows.task is Task.BINARY else "target"
    off = [str(grade.grade + 1) for grade in table if grade.p_adjusted < 0.05]
    direction = "over" if bias > 0 else "under"
    evidence = f"p = {p_value:.2g}" if p_value >= 1e-4 else "p < 0.0001"
    grades = f"grades {', '.join(off)} of {len(table)} are off" if off else f"none of {len(table)} grades is off"
    return f"{what} {direction}estimated by {abs(bias):.4g} on average ({evidence}); {grades} (Holm, 5 %)"
