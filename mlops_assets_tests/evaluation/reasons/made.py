"""Models whose reasons are known: a linear one, either-is-bad, both-are-bad, twins, and one that has learned noise."""

from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evaluation.reasons.examination import RESAMPLES, ReasonCodeReport, examine_reason_codes
from mlops_assets.evaluation.reasons.reference import build_reference
from mlops_assets.training.candidates import refit
from mlops_assets_tests.training.tables import declare, table

LINEAR, TREES = 0, 1
USED = np.array([1.2, -0.8, 0.6, 0.4])


def declared(factors: int) -> Declaration:
    return declare(features={f"x{j}": "numeric" for j in range(factors)})


def rows(count: int, seed: int, kind: str, factors: int = 6) -> pl.DataFrame:
    """Normal inputs of which the first ones decide: `linear`, `or`, `twins` (x1 is x0), or none (`noise`)."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(count, factors))
    if kind == "twins":
        x[:, 1] = x[:, 0]
    logit = np.full(count, -0.5)
    if kind == "or":
        logit = np.where((x[:, 0] > 0.8) | (x[:, 1] > 0.8), 2.5, -2.5)
    elif kind != "noise":
        logit = x[:, : len(USED)] @ USED - 0.5
    bad = generator.random(count) < 1 / (1 + np.exp(-logit))
    return pl.DataFrame(
        {
            "row id": [f"r{i:05d}" for i in range(count)],
            "opened": table(count)["opened"],
            **{f"x{j}": x[:, j] for j in range(factors)},
            "y": np.where(bad, "bad", "good"),
        }
    )


def examined(kind: str, algorithm: int, seed: int = 1, threshold: float = 0.5, **options: Any) -> ReasonCodeReport:
    """Reasons of a fitted model for rows that it was not fitted on."""
    model, held = declared(6), rows(1200, seed + 100, kind)
    pipeline = refit(model, model.candidates[algorithm], rows(2000, seed, kind))
    reference = build_reference(pipeline, held, model, threshold, resamples=RESAMPLES)
    return examine_reason_codes(pipeline, held, model, threshold, reference, **options)
