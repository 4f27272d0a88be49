"""Points for the plots of an evaluation: bounded in number, so that they can be stored beside the metrics.

Belongs here: what is looked at. Not here: what is decided on.
"""

from typing import Any

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import Scored
from mlops_assets.evaluation.ordering import order_counts

CURVE_POINTS = 200
HISTOGRAM_BINS = 40
RESIDUAL_ROWS = 400


def curves_of(rows: Scored, seed: int) -> dict[str, Any]:
    """Points by task.

    Binary: `roc` (false_positive_rate, true_positive_rate), `precision_recall`, `score_histogram` by outcome.
    Multiclass: `confusion` (rows true, columns predicted). Regression: `residuals` of a seeded sample,
    `score_histogram`.
    """
    if rows.task is Task.MULTICLASS:
        k = len(rows.classes)
        table = np.bincount(rows.y * k + rows.predicted, minlength=k * k).reshape(k, k)
        return {"confusion": {"classes": list(rows.classes), "counts": table.tolist()}}
    if rows.task is Task.REGRESSION:
        sample = np.arange(rows.n)
        if rows.n > RESIDUAL_ROWS:
            sample = np.sort(np.random.default_rng(seed).choice(rows.n, RESIDUAL_ROWS, replace=False))
        predicted, target = rows.score[sample], rows.y[sample]
        residuals = {"predicted": _short(predicted), "target": _short(target), "residual": _short(predicted - target)}
        edges = np.histogram_bin_edges(np.concatenate((rows.score, rows.y)), HISTOGRAM_BINS)
        histogram = {
            "edges": _short(edges),
            "predicted": np.histogram(rows.score, edges)[0].tolist(),
            "target": np.histogram(rows.y, edges)[0].tolist(),
        }
        return {"residuals": residuals, "score_histogram": histogram}
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    points: dict[str, Any] = {
        "score_histogram": {
            "edges": _short(edges),
            "negative": np.histogram(rows.score[rows.y == 0], edges)[0].tolist(),
            "positive": np.histogram(rows.score[rows.y == 1], edges)[0].tolist(),
        }
    }
    positives = int(rows.y.sum())
    if 0 < positives < rows.n:
        points |= _binary_curves(rows)
    return points


def _binary_curves(rows: Scored) -> dict[str, Any]:
    positives, negatives = order_counts(rows.y, rows.score)
    caught = np.concatenate(([0], np.cumsum(positives[::-1])))
    false = np.concatenate(([0], np.cumsum(negatives[::-1])))
    # Evenly along the curve's length, so that steep and flat parts are drawn equally well.
    tpr, fpr = caught / caught[-1], false / false[-1]
    way = tpr + fpr
    keep = np.unique(np.searchsorted(way, np.linspace(0, 2, CURVE_POINTS)).clip(0, len(way) - 1))
    keep = np.unique(np.concatenate(([0], keep, [len(way) - 1])))
    shown = keep[1:]
    return {
        "roc": {"false_positive_rate": _short(fpr[keep]), "true_positive_rate": _short(tpr[keep])},
        "precision_recall": {
            "recall": _short(tpr[shown]),
            "precision": _short(caught[shown] / (caught[shown] + false[shown])),
        },
    }


def _short(values: np.ndarray) -> list[float]:
    """Six significant digits: a plot needs no more, and the files stay small."""
    return [float(f"{value:.6g}") for value in values]
