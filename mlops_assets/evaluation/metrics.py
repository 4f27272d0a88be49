"""The catalogue of metrics: what each is called, which way is better, and how a drop in it is counted.

Belongs here: facts about metrics. Not here: computing them (`estimators.py`), or deciding on them (`gates/`).
"""

import math
from dataclasses import dataclass

from mlops_assets.declaration.terms import Task


@dataclass(frozen=True)
class MetricFacts:
    """What is true of a metric on any data."""

    name: str
    label: str
    higher_is_better: bool | None
    """None: neither way is good in itself (a rate, a bias)."""
    relative: bool
    """Whether a drop is a share of the former value (errors without a natural scale) or a plain difference."""


_FACTS = (
    MetricFacts("roc_auc", "ROC AUC", True, False),
    MetricFacts("gini", "Gini", True, False),
    MetricFacts("pr_auc", "average precision", True, False),
    MetricFacts("ks", "Kolmogorov-Smirnov", True, False),
    MetricFacts("brier", "Brier score", False, True),
    MetricFacts("log_loss", "log loss", False, True),
    MetricFacts("log_loss_skill", "share of the trivial log loss removed", True, False),
    MetricFacts("accuracy", "accuracy", True, False),
    MetricFacts("balanced_accuracy", "balanced accuracy", True, False),
    MetricFacts("precision", "precision", True, False),
    MetricFacts("recall", "recall", True, False),
    MetricFacts("f1", "F1", True, False),
    MetricFacts("macro_f1", "macro F1", True, False),
    MetricFacts("macro_auc", "macro ROC AUC, one class against the rest", True, False),
    MetricFacts("selection_rate", "share predicted positive", None, False),
    MetricFacts("base_rate", "share of positives", None, False),
    MetricFacts("mean_score", "mean score", None, False),
    MetricFacts("rmse", "root mean squared error", False, True),
    MetricFacts("mae", "mean absolute error", False, True),
    MetricFacts("r2", "R²", True, False),
    MetricFacts("mape", "mean absolute percentage error, rows with target 0 apart", False, True),
    MetricFacts("wape", "sum of absolute errors over sum of absolute targets", False, True),
    MetricFacts("concordance", "concordance: share of pairs in the right order", True, False),
    MetricFacts("bias", "mean of prediction minus target", None, False),
)
CATALOGUE: dict[str, MetricFacts] = {facts.name: facts for facts in _FACTS}

MAIN_METRIC: dict[Task, str] = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss", Task.REGRESSION: "rmse"}
"""The metric that ranks models of a task, unless the declaration names another."""

QUALITY_METRIC: dict[Task, str] = {Task.BINARY: "roc_auc", Task.MULTICLASS: "log_loss_skill", Task.REGRESSION: "r2"}
"""The metric in which gaps are counted (champion against challenger, slice against whole): on one scale for all data, 1 is perfect."""

ORDER_METRIC: dict[Task, str] = {Task.BINARY: "roc_auc", Task.MULTICLASS: "macro_auc", Task.REGRESSION: "concordance"}
"""The metric in which damage to the inputs is counted: how well rows are put in order. The same limits suit all tasks, because
it is bounded for each row; squared errors and log losses of the few rows with an extreme value would outweigh all others."""


def gain(metric: str, former: float, latter: float) -> float:
    """How much better `latter` is than `former`; negative when it is worse.

    A difference for metrics on a fixed scale (an AUC of .70 after .72 is -.02); a share of the former value for errors
    (an RMSE of 110 after 100 is -.10). An error that was 0 and is not any more is infinitely worse.

    Raises:
        ValueError: the metric has no better or worse direction.
    """
    facts = CATALOGUE[metric]
    if facts.higher_is_better is None:
        raise ValueError(f"{metric} has no direction: neither more nor less of it is better")
    difference = latter - former if facts.higher_is_better else former - latter
    if not facts.relative or difference == 0:
        return difference
    return difference / abs(former) if former else math.copysign(math.inf, difference)
