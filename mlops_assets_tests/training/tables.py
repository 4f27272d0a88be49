"""Small made-up tables and declarations, odd ones included, and a user's own algorithm."""

from datetime import datetime, timedelta
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration


def declare(**changes: Any) -> Declaration:
    fields: dict[str, Any] = {
        "name": "odd_table",
        "purpose": "A model of a made-up table.",
        "owner": "team:tests",
        "developers": ["developer"],
        "tier": "low",
        "task": "binary",
        "source": {"path": "odd.parquet"},
        "id": "row id",
        "event_time": "opened",
        "target": {"column": "y", "positive": "bad"},
        "features": {
            "income (€)": {"role": "numeric", "minimum": 0},
            "größe": "categorical",
            "code": "categorical",
            "flag": "boolean",
            "grade": {"role": "ordinal", "allowed": ["low", "mid", "high"]},
            "born": "date",
            "empty": "numeric",
            "blank": "categorical",
            "constant": "numeric",
        },
        "training": {"until": "2021-01-01"},
        "monitoring": {"cadence": "month"},
    }
    return Declaration.model_validate({**fields, **changes})


def table(rows: int = 1200, seed: int = 0) -> pl.DataFrame:
    """Rows for `declare()`: spaces and unicode in names, gaps, an all-missing column, a constant, text classes."""
    generator = np.random.default_rng(seed)
    income = generator.lognormal(8, 1, rows)
    size = generator.choice(["klein", "groß", "riesig"], rows, p=[0.6, 0.395, 0.005])
    grade = generator.integers(0, 3, rows)
    chance = 1 / (1 + np.exp(-(1.5 * (size == "groß") - (np.log(income) - 8) + 0.8 * grade - 1)))
    bad = generator.random(rows) < chance
    gaps = generator.random(rows) < 0.1
    start = datetime(2018, 1, 1)  # noqa: DTZ001
    return pl.DataFrame(
        {
            "row id": [f"r{i:05d}" for i in range(rows)],
            "opened": [start + timedelta(days=int(d)) for d in np.sort(generator.integers(0, 1000, rows))],
            "income (€)": [None if g else float(v) for g, v in zip(gaps, income, strict=True)],
            "größe": size,
            "code": generator.integers(1, 5, rows),
            "flag": [bool(v) if v < 2 else None for v in generator.integers(0, 3, rows)],
            "grade": [("low", "mid", "high")[g] for g in grade],
            "born": [start - timedelta(days=int(d)) for d in generator.integers(7000, 20000, rows)],
            "empty": pl.Series([None] * rows, dtype=pl.Float64),
            "blank": pl.Series([None] * rows, dtype=pl.String),
            "constant": np.ones(rows),
            "y": np.where(bad, "bad", "good"),
            "kind": generator.choice(["a", "b", "c"], rows),
            "amount": 3 * np.log(income) + grade + generator.normal(0, 0.5, rows),
        }
    )


def regression() -> Declaration:
    return declare(task="regression", target="amount")


def multiclass() -> Declaration:
    return declare(task="multiclass", target="kind")


def small_tree(depth: int = 2) -> Any:
    """A user's own algorithm."""
    from sklearn.tree import DecisionTreeClassifier

    return DecisionTreeClassifier(max_depth=depth)


def not_an_estimator() -> str:
    return "nothing that can be fitted"
