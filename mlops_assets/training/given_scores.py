"""The stored form of a model that others run: it says whose it is, and reads the score that came with a row.

A version of such a model is registered, signed, approved and monitored as any other. What is signed is how its predictions
are read and what its supplier declared; the model itself is not here.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

ALGORITHM = "external"
"""Label of the algorithm of such a version."""


class GivenScores:
    """An estimator whose prediction is its only input.

    Args:
        task: `binary` or `regression`.
        supplier: who runs the model.
        version: the supplier's version.
        facts: JSON of what is declared of both.
    """

    def __init__(self, task: str, supplier: str, version: str, facts: str) -> None:
        self.task = task
        self.supplier = supplier
        self.version = version
        self.facts = facts

    def fit(self, X: Any, y: Any = None) -> "GivenScores":
        """Nothing is learned; scikit-learn asks for the method."""
        self.classes_ = np.array([0, 1])
        return self

    def predict(self, X: Any) -> np.ndarray:
        """The given value (regression), or whether the given probability is at least a half."""
        given = self._given(X)
        return given if self.task == Task.REGRESSION.value else (given >= 0.5).astype(np.int64)

    def predict_proba(self, X: Any) -> np.ndarray:
        """The given probability as shape (n, 2)."""
        given = self._given(X)
        return np.column_stack([1 - given, given])

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Its settings, as scikit-learn asks for them."""
        return {name: getattr(self, name) for name in ("task", "supplier", "version", "facts")}

    def __sklearn_tags__(self) -> Any:
        """What kind of estimator it is, as scikit-learn asks for it."""
        from sklearn.base import BaseEstimator

        return BaseEstimator().__sklearn_tags__()

    @staticmethod
    def _given(X: Any) -> np.ndarray:
        return np.asarray(X, dtype=float).reshape(len(X), -1)[:, 0]


def given_pipeline(declaration: Declaration) -> "Pipeline":
    """The pipeline of a model that others run, from its declaration alone."""
    import pandas as pd
    from sklearn.compose import ColumnTransformer
    from sklearn.pipeline import Pipeline

    external = declaration.external
    assert external is not None
    pipeline = Pipeline(
        [
            ("features", ColumnTransformer([("given", "passthrough", [external.score])], remainder="drop")),
            (
                "model",
                GivenScores(declaration.task.value, external.supplier, external.version, external.model_dump_json()),
            ),
        ]
    )
    empty = pd.DataFrame({external.score: [0.0, 1.0]})
    return pipeline.fit(empty, [0, 1])
