"""A random forest with small trees."""

from typing import Any

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.training.algorithms.candidate import Candidate, seed_of


def build(declaration: Declaration, rows: int, **parameters: Any) -> Any:
    """The unfitted estimator."""
    from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

    regression = declaration.task is Task.REGRESSION
    kind: Any = RandomForestRegressor if regression else RandomForestClassifier
    # A third of the features is usual for regression; on a wide table it costs more than it finds.
    narrow = regression and len(declaration.features) <= 60
    return kind(
        n_estimators=60,
        max_leaf_nodes=256,
        min_samples_leaf=10 if rows >= 4000 else 3,
        max_features=1 / 3 if narrow else "sqrt",
        max_samples=20_000 if rows > 20_000 else None,
        random_state=seed_of(declaration),
    ).set_params(**parameters)


# Trees are seeded one by one, so fitting them side by side changes nothing.
CANDIDATE = Candidate("random_forest", build, form="trees", complexity=2, threads=2)
