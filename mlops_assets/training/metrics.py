"""Scores of a fitted pipeline and the metrics that rank candidates in cross-validation.

Belongs here: what a score is for each task, and point metrics of one fold. Does not belong here: metrics with
intervals on held-out rows (`evaluation/`).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

GREATER_IS_BETTER = {
    "roc_auc": True,
    "average_precision": True,
    "log_loss": False,
    "brier": False,
    "accuracy": True,
    "balanced_accuracy": True,
    "rmse": False,
    "mae": False,
    "r2": True,
}


METRICS_OF = {
    Task.BINARY: ("roc_auc", "average_precision", "log_loss", "brier"),
    Task.MULTICLASS: ("log_loss", "accuracy", "balanced_accuracy", "roc_auc"),
    Task.REGRESSION: ("rmse", "mae", "r2"),
}
"""Metrics that candidates of a task are compared by."""


@contextmanager
def single_threaded() -> Iterator[None]:
    """Sums on one thread: with more, their order and so their last bits depend on the number of cores."""
    with _thread_pools().limit(limits=1):
        yield


@cache
def _thread_pools() -> Any:
    """Handles on the loaded thread pools; finding them takes milliseconds, too long for every call to a model."""
    # They are found among the libraries loaded so far, so all that train or score are loaded first.
    import sklearn.ensemble
    import sklearn.linear_model  # noqa: F401
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def default_metric(task: Task) -> str:
    """The metric that ranks candidates where the declaration names none."""
    return {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}[task]


def scores_of(pipeline: "Pipeline", features: Any, declaration: Declaration) -> np.ndarray:
    """What the model says: P(positive) (n,), one probability a class (n, classes), or the predicted value (n,).

    Args:
        pipeline: fitted, steps `features` and `model`.
        features: a model frame (`features.frame.to_model_frame`).
        declaration: the model.
    """
    return model_scores(
        pipeline.named_steps["model"], pipeline.named_steps["features"].transform(features), declaration
    )


def model_scores(model: Any, matrix: np.ndarray, declaration: Declaration) -> np.ndarray:
    """As `scores_of`, from the transformed matrix.

    On one thread: where other processes want the cores too, threads that wait for each other take ten times as long as
    one that does not.
    """
    with single_threaded():
        if declaration.task is Task.REGRESSION:
            return np.asarray(model.predict(matrix), dtype=float)
        probabilities = np.asarray(model.predict_proba(matrix), dtype=float)
    if declaration.task is Task.BINARY:
        return probabilities[:, list(model.classes_).index(1)]
    return probabilities


def metrics_of(
    target: np.ndarray, scores: np.ndarray, pipeline: "Pipeline", declaration: Declaration
) -> dict[str, float | None]:
    """Every metric of the task for one fold; None where the fold cannot measure it (one class only).

    Binary: roc_auc, average_precision, log_loss, brier. Multiclass: log_loss, accuracy, balanced_accuracy, roc_auc
    (one against the rest, macro mean). Regression: rmse, mae, r2.
    """
    import sklearn.metrics as metrics

    if declaration.task is Task.REGRESSION:
        return {
            "rmse": float(metrics.root_mean_squared_error(target, scores)),
            "mae": float(metrics.mean_absolute_error(target, scores)),
            "r2": float(metrics.r2_score(target, scores)) if len(target) > 1 else None,
        }
    if declaration.task is Task.BINARY:
        both = 0 < target.sum() < len(target)
        return {
            "roc_auc": float(metrics.roc_auc_score(target, scores)) if both else None,
            "average_precision": float(metrics.average_precision_score(target, scores)) if both else None,
            "log_loss": float(metrics.log_loss(target, scores, labels=[0, 1])),
            "brier": float(np.mean((scores - target) ** 2)),
        }
    classes = pipeline.named_steps["model"].classes_
    predicted = classes[scores.argmax(axis=1)]
    return {
        "log_loss": _multiclass_log_loss(target, scores, classes),
        "accuracy": float(np.mean(predicted == target)),
        "balanced_accuracy": float(np.mean([np.mean(predicted[target == c] == c) for c in np.unique(target)])),
        "roc_auc": _one_against_rest(target, scores, classes),
    }


def _multiclass_log_loss(target: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> float:
    """Mean of -ln P(true class), probabilities clipped at machine precision; a class unseen in fitting has P = 0."""
    position = {label: i for i, label in enumerate(classes)}
    index = np.array([position.get(label, -1) for label in target])
    truth = np.where(index >= 0, scores[np.arange(len(target)), index], 0.0)
    return float(-np.mean(np.log(np.clip(truth, np.finfo(float).eps, 1.0))))


def _one_against_rest(target: np.ndarray, scores: np.ndarray, classes: np.ndarray) -> float | None:
    from sklearn.metrics import roc_auc_score

    areas = [
        float(roc_auc_score(target == label, scores[:, i]))
        for i, label in enumerate(classes)
        if 0 < np.sum(target == label) < len(target)
    ]
    return float(np.mean(areas)) if areas else None
