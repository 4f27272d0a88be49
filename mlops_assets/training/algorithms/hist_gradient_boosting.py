"""Gradient boosting over binned features."""

from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.training.algorithms.candidate import Candidate, seed_of


def build(declaration: Declaration, rows: int, **parameters: Any) -> Any:
    """The unfitted estimator."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind: Any = HistGradientBoostingRegressor if declaration.task is Task.REGRESSION else HistGradientBoostingClassifier
    return kind(
        max_iter=150,
        learning_rate=0.08,
        max_leaf_nodes=15,
        min_samples_leaf=40 if rows >= 4000 else 10,
        l2_regularization=1.0,
        early_stopping=False,
        random_state=seed_of(declaration),
    ).set_params(**parameters)


CANDIDATE = Candidate("hist_gradient_boosting", build, form="trees", complexity=3)
