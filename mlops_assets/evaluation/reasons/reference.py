"""What a decision is compared with when reasons are given for it.

Belongs here: the reference rows, their typical row, and the factors of which each feature is one or shares one. Not here:
what a factor adds to a score (`contributions.py`).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.reasons.correlated import correlated_groups
from mlops_assets.features.frame import number_features, to_model_frame
from mlops_assets.features.transformer import output_columns
from mlops_assets.training.metrics import model_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

REFERENCE_ROWS = 20_000
BACKGROUND_ROWS = 16
POOL_ROWS = 1000

AdverseScore = Callable[[np.ndarray], np.ndarray]
"""Rows of the model's matrix, shape (rows, columns), to their scores, each with the sign by which a higher one is worse for
the person, shape (rows,)."""


@dataclass(frozen=True)
class Factor:
    """What can be a reason: a feature, or several that are nearly one.

    Attributes:
        features: their places among the declared features.
        columns: what they become in the model's matrix.
    """

    features: tuple[int, ...]
    columns: tuple[int, ...]


@dataclass(frozen=True)
class Reference:
    """What a row is compared with.

    Attributes:
        typical: feature -> median (numbers) or most frequent value (categories) of the reference rows, those decided
            favourably where decisions are made.
        typical_row: the typical row in the model's matrix, shape (columns,).
        favourable: further reference rows in the model's matrix, decided favourably where decisions are made, shape
            (rows, columns); the first `BACKGROUND_ROWS` take part in choosing reasons, the others in testing them.
        factors: of the model, in the order of their first features.
        resampled: typical rows of bootstrap resamples of the reference, shape (resamples, columns); only for tests.
    """

    typical: dict[str, float | str | None]
    typical_row: np.ndarray
    favourable: np.ndarray
    factors: tuple[Factor, ...]
    resampled: np.ndarray

    @property
    def background(self) -> np.ndarray:
        """Rows that reasons are chosen with where the typical row explains nothing."""
        return self.favourable[:BACKGROUND_ROWS]

    @property
    def pool(self) -> np.ndarray:
        """Favourable rows that take no part in choosing reasons; all of them where there are no others."""
        return self.favourable[BACKGROUND_ROWS:] if len(self.favourable) > BACKGROUND_ROWS else self.favourable


def build_reference(
    pipeline: "Pipeline", frame: pl.DataFrame, declaration: Declaration, threshold: float | None, *, resamples: int = 0
) -> Reference:
    """The typical row, a seeded draw of other rows, and the factors.

    Where decisions are made, both are of the rows decided favourably: reasons say how a refused applicant
    differs from those who were not refused. The official interpretation of 12 CFR 1002.9(b)(2) names comparisons of this kind
    (with applicants who just passed, or with all) and leaves the choice of a statistically sound method open.

    Args:
        pipeline: fitted, steps `features` and `model`.
        frame: reference rows (training or held out), at least one.
        declaration: the model.
        threshold: binary only: the decision threshold, which separates favourable from adverse decisions.
        resamples: typical rows of so many bootstrap resamples of the reference rows, for a test of stability.

    Raises:
        ValueError: when there are no rows.
    """
    import pandas as pd

    if frame.height == 0:
        raise ValueError("reference: found no rows; the typical values need at least one")
    order = np.argsort(seeded_hash(frame[declaration.id], declaration.training.seed + 3), kind="stable")
    rows = to_model_frame(frame[np.sort(order[:REFERENCE_ROWS])], declaration)
    transformer, model = pipeline.named_steps["features"], pipeline.named_steps["model"]
    matrix = np.asarray(transformer.transform(rows))
    factors = factors_of(pipeline, declaration, matrix)
    if declaration.task is Task.BINARY and threshold is not None:
        favourable = ~is_adverse(model_scores(model, matrix, declaration), declaration, threshold)
        if favourable.any():
            rows, matrix = rows[favourable], matrix[favourable]
    generator = np.random.default_rng(declaration.training.seed)
    draws = [rows, *(rows.iloc[generator.integers(0, len(rows), len(rows))] for _ in range(resamples))]
    typical = [_typical(drawn, declaration) for drawn in draws]
    values = pd.DataFrame(
        {name: [float("nan") if one[name] is None else one[name] for one in typical] for name in declaration.features}
    )
    typical_rows = np.asarray(transformer.transform(values))
    return Reference(
        typical=typical[0],
        typical_row=typical_rows[0],
        favourable=matrix[: BACKGROUND_ROWS + POOL_ROWS],
        factors=factors,
        resampled=typical_rows[1:],
    )


def factors_of(pipeline: "Pipeline", declaration: Declaration, matrix: np.ndarray) -> tuple[Factor, ...]:
    """Each feature with its columns of the model's matrix; features that are nearly one are one factor."""
    found = output_columns(pipeline.named_steps["features"])
    blocks = [found[name] for name in declaration.features]
    groups = correlated_groups(matrix[: 2 * POOL_ROWS], blocks)
    return tuple(Factor(group, tuple(column for j in group for column in blocks[j])) for group in groups)


def single_factors(pipeline: "Pipeline", declaration: Declaration, factor: Factor) -> list[Factor]:
    """The features of a factor, each by itself."""
    found, names = output_columns(pipeline.named_steps["features"]), list(declaration.features)
    return [Factor((j,), tuple(found[names[j]])) for j in factor.features]


def _typical(rows: Any, declaration: Declaration) -> dict[str, float | str | None]:
    numbers = set(number_features(declaration))
    return {name: _median(rows[name]) if name in numbers else _mode(rows[name]) for name in declaration.features}


def _median(values: Any) -> float | None:
    numbers = values.to_numpy()
    return float(np.nanmedian(numbers)) if np.isfinite(numbers).any() else None


def _mode(values: Any) -> str:
    counts = values.value_counts()
    most_often = int(counts.max())
    # The first of several in order of the alphabet, so that it is the same each time.
    return min(str(value) for value, count in counts.items() if count == most_often)


def adverse_score(model: Any, declaration: Declaration) -> AdverseScore:
    """The estimator's score, turned where a low one is adverse."""
    sign = 1.0 if declaration.target.favourable == "negative" else -1.0
    return lambda matrix: sign * model_scores(model, matrix, declaration)


def is_adverse(scores: np.ndarray, declaration: Declaration, threshold: float) -> np.ndarray:
    """Which scores are decided against the person."""
    return scores >= threshold if declaration.target.favourable == "negative" else scores < threshold


def columns_of(factors: Sequence[Factor]) -> list[list[int]]:
    """Columns of the model's matrix that each factor has."""
    return [list(factor.columns) for factor in factors]
