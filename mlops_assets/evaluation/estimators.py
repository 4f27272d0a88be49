"""Metrics as numbers with influence values: one number a row from which standard errors, paired differences and slice
tests all follow.

For a metric that is a smooth function of means, `influence[i]` is its derivative in the direction of row i (the
infinitesimal jackknife; Efron & Tibshirani 1993, ch. 21): its mean is 0 and `se² = mean(influence²) / n`. On the same
rows, the influence of a difference is the difference of influences. Metrics without one (`pr_auc`, `ks`) are
bootstrapped in `performance.py`.

Arrays only. A metric that the rows cannot tell (an AUC of one class) raises `NotMeasurable`, with the reason.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.errors import MlopsAssetsError
from mlops_assets.statistics.delong import area

PROBABILITY_FLOOR = 1e-15  # where log loss stops growing, as scikit-learn stops it

BINARY_METRICS = (
    "roc_auc", "gini", "pr_auc", "ks", "brier", "log_loss", "accuracy", "precision", "recall", "f1",
    "selection_rate", "base_rate", "mean_score",
)  # fmt: skip
MULTICLASS_METRICS = ("log_loss", "log_loss_skill", "accuracy", "balanced_accuracy", "macro_f1", "macro_auc")
REGRESSION_METRICS = ("rmse", "mae", "r2", "wape", "mape", "bias", "mean_score")
METRICS: dict[Task, tuple[str, ...]] = {
    Task.BINARY: BINARY_METRICS,
    Task.MULTICLASS: MULTICLASS_METRICS,
    Task.REGRESSION: REGRESSION_METRICS,
}


class NotMeasurable(MlopsAssetsError, ValueError):
    """The rows do not determine the metric; the message says why."""


@dataclass(frozen=True)
class Scored:
    """Checked outcomes and scores of one set of rows.

    `y`: binary 0 or 1; multiclass the position in `classes`; regression the target. `score`: binary the probability of
    the positive, shape (n,); multiclass probabilities, shape (n, classes); regression the prediction, shape (n,).
    """

    task: Task
    y: np.ndarray
    score: np.ndarray
    threshold: float | None = None
    classes: tuple[str, ...] = ()

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.y)

    @property
    def predicted(self) -> np.ndarray:
        """The class each row is given: 0 or 1 at the threshold, or the most probable class's position."""
        if self.task is Task.MULTICLASS:
            return self.score.argmax(1)
        return (self.score >= _threshold(self)).astype(np.int64)

    @cached_property
    def ordering(self) -> tuple[float, np.ndarray]:
        """Area under the ROC curve and its influence values (binary): several metrics and tests ask for the one sort.

        Raises:
            NotMeasurable: all outcomes are of one kind.
        """
        return _area(self.y, self.score)

    def take(self, rows: np.ndarray) -> "Scored":
        """The same for some rows (a mask or positions)."""
        return Scored(self.task, self.y[rows], self.score[rows], self.threshold, self.classes)


@dataclass(frozen=True)
class Estimate:
    """A value and, where there is one, its influence values (shape (n,))."""

    value: float
    influence: np.ndarray | None

    @property
    def standard_error(self) -> float | None:
        """Standard error of the value, in its unit."""
        if self.influence is None:
            return None
        return math.sqrt(float(np.mean(self.influence**2)) / len(self.influence))


def prepare(
    y: np.ndarray,
    score: np.ndarray,
    task: Task | str,
    *,
    threshold: float | None = None,
    classes: tuple[str, ...] | list[str] | None = None,
) -> Scored:
    """Check outcomes and scores and bring them into one form.

    Multiclass `y` holds labels (compared as text with `classes`, the order of the score's columns) or, without
    `classes`, positions.

    Raises:
        ValueError: what was found does not fit the task; the message names the count and the first offending value.
    """
    task = Task(task)
    y, score = np.asarray(y), np.asarray(score, dtype=float)
    if len(y) != len(score):
        raise ValueError(f"found {len(y)} outcomes and {len(score)} scores, expected one score for each outcome")
    bad = int((~np.isfinite(score)).sum())
    if bad:
        raise ValueError(f"found {bad} scores that are NaN or infinite, expected finite numbers: repair the scoring")
    if task is Task.MULTICLASS:
        return _prepare_multiclass(y, score, tuple(str(c) for c in classes) if classes is not None else ())
    if score.ndim != 1:
        raise ValueError(f"found scores of shape {score.shape}, expected one number a row for a {task.value} task")
    y = _as_float(y)
    if task is Task.REGRESSION:
        return Scored(task, y, score)
    other = (y != 0) & (y != 1)
    if other.any():
        raise ValueError(f"found outcome {y[other][0]!r} in a binary task, expected 0 or 1: map the target first")
    if len(score) and (score.min() < 0 or score.max() > 1):
        raise ValueError(f"found scores from {score.min()} to {score.max()}, expected probabilities between 0 and 1")
    return Scored(task, y.astype(np.int64), score, threshold)


def _as_float(y: np.ndarray) -> np.ndarray:
    try:
        values = y.astype(float)
    except (TypeError, ValueError) as error:
        raise ValueError(f"found outcomes of type {y.dtype} that are no numbers ({error})") from error
    missing = int((~np.isfinite(values)).sum())
    if missing:
        raise ValueError(f"found {missing} missing or infinite outcomes, expected known ones: leave the others out")
    return values


def _prepare_multiclass(y: np.ndarray, score: np.ndarray, classes: tuple[str, ...]) -> Scored:
    if score.ndim != 2 or score.shape[1] < 2:
        raise ValueError(f"found scores of shape {score.shape}, expected (rows, classes) with two classes or more")
    if classes and len(classes) != score.shape[1]:
        raise ValueError(f"found {len(classes)} classes and {score.shape[1]} columns of scores, expected as many")
    if len(score) and (score.min() < -1e-9 or np.abs(score.sum(1) - 1).max() > 1e-3):
        raise ValueError("found class scores that are negative or do not sum to 1, expected probabilities")
    if not classes:
        classes = tuple(str(position) for position in range(score.shape[1]))
    # numpy writes 1.0 where the class is "1": whole floats are read as whole numbers.
    if np.issubdtype(y.dtype, np.floating) and len(y) and np.isfinite(y).all() and (y == np.floor(y)).all():
        y = y.astype(np.int64)
    labels, codes = np.unique(y.astype(str), return_inverse=True)
    position = {label: index for index, label in enumerate(classes)}
    unknown = [str(label) for label in labels if str(label) not in position]
    if unknown:
        raise ValueError(f"found outcomes {unknown[:5]}, expected only the classes {list(classes)}")
    table = np.array([position[str(label)] for label in labels], dtype=np.int64)
    return Scored(Task.MULTICLASS, table[codes] if len(y) else np.empty(0, np.int64), score, None, classes)


def estimate(metric: str, rows: Scored) -> Estimate:
    """Value and influence of a metric that has one (every metric but `pr_auc` and `ks`).

    Raises:
        NotMeasurable: too few rows, or only one class where two are needed.
        KeyError: the metric is not one of the task's.
    """
    if metric not in METRICS[rows.task]:
        raise KeyError(f"found metric {metric!r}, expected one of {', '.join(METRICS[rows.task])}")
    if rows.n == 0:
        raise NotMeasurable("no rows")
    if metric in ("roc_auc", "gini"):
        value, influence = rows.ordering
        return Estimate(2 * value - 1, 2 * influence) if metric == "gini" else Estimate(value, influence)
    return _ESTIMATORS[metric](rows)


def row_losses(rows: Scored) -> np.ndarray:
    """The loss of each row that adds up over rows: log loss (classification) or absolute error (regression)."""
    if rows.task is Task.REGRESSION:
        return np.abs(rows.score - rows.y)
    if rows.task is Task.MULTICLASS:
        total = rows.score.sum(1)
        right = rows.score[np.arange(rows.n), rows.y] / total
    else:
        right = np.where(rows.y == 1, rows.score, 1 - rows.score)
    return -np.log(np.clip(right, PROBABILITY_FLOOR, 1))


def _area(y: np.ndarray, score: np.ndarray) -> tuple[float, np.ndarray]:
    positives = int(y.sum())
    if positives == 0 or positives == len(y):
        raise NotMeasurable(f"{positives} positives among {len(y)} rows: an area needs both outcomes")
    found = area(y, score)
    return found.value, found.influence


def _mean(values: np.ndarray) -> Estimate:
    value = float(values.mean())
    return Estimate(value, values - value)


def _ratio(above: np.ndarray, below: np.ndarray, why_zero: str) -> Estimate:
    """Sum of `above` over sum of `below`."""
    total = float(below.mean())
    if total == 0:
        raise NotMeasurable(why_zero)
    value = float(above.mean()) / total
    return Estimate(value, (above - value * below) / total)


def _threshold(rows: Scored) -> float:
    if rows.threshold is None:
        raise NotMeasurable("no decision threshold is given")
    return rows.threshold


def _f1(truth: np.ndarray, predicted: np.ndarray) -> Estimate:
    return _ratio(2.0 * truth * predicted, (truth + predicted).astype(float), "no row is, or is predicted, positive")


def _average(parts: list[Estimate]) -> Estimate:
    influence = np.mean([part.influence for part in parts if part.influence is not None], axis=0)
    return Estimate(float(np.mean([part.value for part in parts])), influence)


def _one_hot(rows: Scored, least: int = 1) -> list[tuple[int, np.ndarray]]:
    """(class position, 0/1 membership) of the classes that occur."""
    found = [(k, (rows.y == k).astype(np.int64)) for k in range(len(rows.classes))]
    found = [(k, truth) for k, truth in found if least <= truth.sum()]
    if not found:
        raise NotMeasurable("no class occurs")
    return found


def _macro_f1(rows: Scored) -> Estimate:
    predicted = rows.predicted
    parts = []
    for k in range(len(rows.classes)):
        truth, called = (rows.y == k).astype(np.int64), (predicted == k).astype(np.int64)
        if truth.any() or called.any():  # a class that neither occurs nor is predicted is left out, as in scikit-learn
            parts.append(_f1(truth, called))
    return _average(parts)


def _macro_auc(rows: Scored) -> Estimate:
    occurring = _one_hot(rows)
    if len(occurring) < 2:
        raise NotMeasurable("only one class occurs: an area needs two")
    return _average([Estimate(*_area(truth, rows.score[:, k])) for k, truth in occurring])


def _balanced_accuracy(rows: Scored) -> Estimate:
    right = (rows.predicted == rows.y).astype(float)
    return _average([_ratio(truth * right, truth.astype(float), "no rows") for _, truth in _one_hot(rows)])


def _accuracy(rows: Scored) -> Estimate:
    return _mean((rows.predicted == rows.y).astype(float))


def _rmse(rows: Scored) -> Estimate:
    squared = _mean((rows.score - rows.y) ** 2)
    value = math.sqrt(squared.value)
    assert squared.influence is not None
    return Estimate(value, squared.influence / (2 * value) if value else squared.influence)


def trivial_losses(rows: Scored) -> np.ndarray:
    """Row losses of predicting every row by the class shares (classification) or the mean (regression, squared)."""
    if rows.task is Task.REGRESSION:
        return (rows.y - rows.y.mean()) ** 2
    share = np.bincount(rows.y, minlength=2) / rows.n
    return -np.log(share[rows.y])


def _log_loss_skill(rows: Scored) -> Estimate:
    # The shares are estimated on the same rows; at their own minimum that adds nothing to the influence.
    unexplained = _ratio(
        row_losses(rows), trivial_losses(rows), "only one class occurs: there is nothing to tell apart"
    )
    assert unexplained.influence is not None
    return Estimate(1 - unexplained.value, -unexplained.influence)


def _r2(rows: Scored) -> Estimate:
    squared, centred = (rows.score - rows.y) ** 2, (rows.y - rows.y.mean()) ** 2
    unexplained = _ratio(squared, centred, "the target is constant, so that there is no variance to explain")
    assert unexplained.influence is not None
    return Estimate(1 - unexplained.value, -unexplained.influence)


def _mape(rows: Scored) -> Estimate:
    counted = np.abs(rows.y) > 0
    ratio = np.abs(rows.score - rows.y) / np.where(counted, np.abs(rows.y), 1)
    return _ratio(ratio * counted, counted.astype(float), "every target is 0, so that no percentage exists")


_ESTIMATORS = {
    "brier": lambda r: _mean((r.score - r.y) ** 2),
    "log_loss": lambda r: _mean(row_losses(r)),
    "log_loss_skill": _log_loss_skill,
    "accuracy": _accuracy,
    "balanced_accuracy": _balanced_accuracy,
    "precision": lambda r: _ratio(r.y * r.predicted * 1.0, r.predicted * 1.0, "no row is predicted positive"),
    "recall": lambda r: _ratio(r.y * r.predicted * 1.0, r.y * 1.0, "no row is positive"),
    "f1": lambda r: _f1(r.y, r.predicted),
    "macro_f1": _macro_f1,
    "macro_auc": _macro_auc,
    "selection_rate": lambda r: _mean(r.predicted * 1.0),
    "base_rate": lambda r: _mean(r.y * 1.0),
    "mean_score": lambda r: _mean(r.score),
    "rmse": _rmse,
    "mae": lambda r: _mean(np.abs(r.score - r.y)),
    "r2": _r2,
    "wape": lambda r: _ratio(np.abs(r.score - r.y), np.abs(r.y), "every target is 0, so that no share exists"),
    "mape": _mape,
    "bias": lambda r: _mean(r.score - r.y),
}
