"""Tables for tests of drift: invented rows with every kind of column, and the real streams of the repository."""

from pathlib import Path

import numpy as np
import polars as pl

from mlops_assets.monitoring.inputs.drift import DriftVerdict, compare
from mlops_assets.policy.monitoring_thresholds import MonitoringThresholds
from mlops_assets.statistics.counting import count_window
from mlops_assets.statistics.profile import build_profile

DATA = Path(__file__).resolve().parents[2] / "data"
RULES = MonitoringThresholds()
ROLES = {
    "amount": "numeric",
    "age": "numeric",
    "visits": "numeric",
    "rate": "numeric",
    "state": "categorical",
    "product": "categorical",
    "code": "categorical",
    "yes": "boolean",
}


def customers(rows: int, seed: int) -> pl.DataFrame:
    g = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "amount": g.lognormal(8, 1, rows),
            "age": g.normal(45, 12, rows).round(),
            "visits": g.poisson(3, rows),
            "rate": pl.Series(g.beta(2, 5, rows)).set(pl.Series(g.random(rows) < 0.05), None),
            "state": g.choice(["CA", "NY", "TX", "WA"], rows, p=[0.45, 0.3, 0.15, 0.1]),
            "product": g.choice(["basic", "plus"], rows, p=[0.8, 0.2]),
            "code": "c" + pl.Series(np.minimum(g.zipf(1.6, rows), 10**6)).cast(pl.String),
            "yes": g.random(rows) < 0.3,
        }
    )


def judge(reference: pl.DataFrame, window: pl.DataFrame, roles=None, importance=None) -> DriftVerdict:
    profile = build_profile(reference, roles or ROLES)
    some = [rows.gather_every(max(1, rows.height // 5000)).head(5000) for rows in (window, reference)]
    counts = count_window(window, profile)
    return compare(profile, counts, RULES, importance=importance, sample=some[0], reference_sample=some[1])


def roles_of(table: pl.DataFrame, *left_out: str) -> dict[str, str]:
    return {
        name: "numeric" if dtype.is_numeric() else "date" if dtype.is_temporal() else "categorical"
        for name, dtype in table.schema.items()
        if name not in left_out
    }


def scored_customers(rows: int, seed: int) -> pl.DataFrame:
    """Customers with a calibrated score (AUC about .78) and the outcome that came of it."""
    table = customers(rows, seed)
    evidence = table.select(
        0.8 * (pl.col("amount").log() - 8)
        + 0.04 * (pl.col("age") - 45)
        + pl.when(pl.col("state") == "CA").then(0.5).otherwise(-0.4)
        + 0.8 * (pl.col("product") == "plus").cast(pl.Float64)
        - 1.7
    )[:, 0].to_numpy()
    score = 1 / (1 + np.exp(-evidence))
    outcome = (np.random.default_rng(seed + 7).random(rows) < score).astype(int)
    return table.with_columns(pl.Series("score", score), pl.Series("outcome", outcome))
