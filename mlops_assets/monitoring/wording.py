"""Parts of sentences: numbers, names and p-values as every verdict shows them.

A verdict's sentence has one pattern: what happened, how large, since when, how sure, what to do. Statistics come last,
in parentheses: "Model performance fell: AUC 0.720 against 0.810 in the reference (p 2e-05)."
"""

from collections.abc import Sequence

from mlops_assets.declaration.terms import RESERVED_PREFIX
from mlops_assets.monitoring.severity import Kind

MOST_NAMED = 8

KIND_NAMES: dict[Kind, str] = {
    "none": "no change",
    "data_quality": "data quality",
    "covariate_shift": "covariate shift",
    "label_shift": "label shift",
    "concept_drift": "concept drift",
}

METRIC_NAMES = {
    "roc_auc": "AUC",
    "macro_auc": "macro AUC",
    "log_loss_skill": "log-loss skill",
    "brier_skill": "Brier skill",
    "r2": "R²",
}


def shown_p(p_value: float | None) -> str:
    """A p-value; none is shown as 0."""
    if p_value is None:
        return "p not known"
    return f"p {p_value:.1g}" if p_value >= 1e-99 else "p below 1e-99"


def metric_name(metric: str) -> str:
    """A metric's name as a sentence uses it."""
    return METRIC_NAMES.get(metric, metric.replace("_", " "))


def listed(names: Sequence[str], most: int = MOST_NAMED) -> str:
    """Names in a row; those beyond `most` as a number."""
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")


def sentence(clause: str) -> str:
    """A clause as a sentence: a capital first, unless a column's name comes first in quotes, and a full stop."""
    clause = clause.strip()
    return clause[:1].upper() + clause[1:] + ("" if clause.endswith((".", "?", "!")) else ".")


def column_name(name: str) -> str:
    """A column as people know it: the model's score is no column of their data."""
    score = f"{RESERVED_PREFIX}score"
    return f"model score{name.removeprefix(score)}" if name.startswith(score) else name
