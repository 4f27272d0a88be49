"""Logistic regression for classes, ridge regression for numbers."""

from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.training.algorithms.candidate import Candidate, seed_of


def build(declaration: Declaration, rows: int, **parameters: Any) -> Any:
    """The unfitted estimator."""
    from sklearn.linear_model import LogisticRegression, Ridge

    if declaration.task is Task.REGRESSION:
        return Ridge(alpha=1.0, random_state=seed_of(declaration)).set_params(**parameters)
    return LogisticRegression(max_iter=1000, random_state=seed_of(declaration)).set_params(**parameters)


CANDIDATE = Candidate("linear", build, form="linear", complexity=1)
