"""Reason codes for adverse decisions: which contributions become reasons.

Not here: what a factor adds (`contributions.py`), whether reasons are true (`examination.py`), and how they are shown
(`evidence/`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.reasons.contributions import contributions, mean_contributions
from mlops_assets.evaluation.reasons.reference import (
    AdverseScore,
    Reference,
    adverse_score,
    columns_of,
    is_adverse,
    single_factors,
)
from mlops_assets.features.frame import to_model_frame
from mlops_assets.training.metrics import model_scores

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# 12 CFR 1002.9(b)(2), official interpretation: more than four reasons are not likely to help the applicant.
MOST_REASONS = 4
# Smaller changes in the score are rounding, not reasons.
NEGLIGIBLE = 1e-9
LEAST_SHARE = 0.05


@dataclass(frozen=True)
class ReasonLimits:
    """Which contributions become reasons.

    Attributes:
        most: reasons of one decision.
        least: share of all that counted against the person below which a further reason is not given; the first reason
            is the strongest factor, however small.
    """

    most: int = MOST_REASONS
    least: float = LEAST_SHARE


LIMITS = ReasonLimits()


@dataclass(frozen=True)
class Adverse:
    """Adverse decisions and their reasons.

    Attributes:
        rows: as they were scored.
        scores: of the model, as they were decided on.
        matrix: the rows as the model sees them.
        added: what each factor adds to the adverse score, shape (rows, factors).
        named: the factors that are reasons, for each row, strongest first.
    """

    rows: pl.DataFrame
    scores: np.ndarray
    matrix: np.ndarray
    added: np.ndarray
    named: list[list[int]]


def reason_codes(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float,
    reference: Reference,
    limits: ReasonLimits = LIMITS,
) -> pl.DataFrame:
    """Reasons for every adverse decision among `frame`: the factors that add most to the adverse score, strongest first.

    A factor is compared with the typical row (`contributions.py`). Where no factor adds anything over that, as when the typical
    row is itself decided adversely, rows decided favourably take its place, on average. Features that are nearly one
    (`correlated.py`) are one factor: its reason names the one of them that adds most by itself, with what they add together.

    Returns:
        One row for each adverse decision: `id`, `score`, and `reasons`, a list of structs (`feature`,
        `contribution` to the adverse score, `phrase`).

    Raises:
        ValueError: when the task is not binary: no other has adverse decisions.
    """
    if declaration.task is not Task.BINARY:
        raise ValueError(f"reason codes are for binary decisions, found task {declaration.task.value!r}")
    found = adverse_decisions(pipeline, frame, declaration, threshold, reference, limits)
    names = list(declaration.features)
    reasons = [
        [
            {"feature": names[j], "contribution": contribution, "phrase": phrase(declaration, names[j])}
            for j, contribution in one
        ]
        for one in named_features(pipeline, declaration, reference, found)
    ]
    kind = pl.List(pl.Struct({"feature": pl.String, "contribution": pl.Float64, "phrase": pl.String}))
    return found.rows.select(pl.col(declaration.id).alias("id")).with_columns(
        pl.Series("score", found.scores, dtype=pl.Float64), pl.Series("reasons", reasons, dtype=kind)
    )


def phrase(declaration: Declaration, feature: str) -> str:
    """What a customer reads when this factor counted against them."""
    declared = declaration.features[feature]
    return declared.adverse_phrase or declared.description or feature.replace("_", " ")


def adverse_decisions(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float,
    reference: Reference,
    limits: ReasonLimits,
) -> Adverse:
    """The adverse decisions among rows, with what each factor adds and which are reasons."""
    factors = columns_of(reference.factors)
    if frame.height == 0:
        return Adverse(frame, np.empty(0), np.empty((0, 0)), np.empty((0, len(factors))), [])
    model = pipeline.named_steps["model"]
    matrix = np.asarray(pipeline.named_steps["features"].transform(to_model_frame(frame, declaration)))
    scores = model_scores(model, matrix, declaration)
    mask = is_adverse(scores, declaration, threshold)
    score = adverse_score(model, declaration)
    added = explained(score, matrix[mask], factors, reference.typical_row, reference.background)
    return Adverse(frame.filter(pl.Series(mask)), scores[mask], matrix[mask], added, strongest(added, limits))


def explained(
    score: AdverseScore,
    matrix: np.ndarray,
    factors: Sequence[Sequence[int]],
    typical: np.ndarray,
    background: np.ndarray,
) -> np.ndarray:
    """What each factor adds over the typical row; over the background rows where it adds nothing over that."""
    if not len(matrix):
        return np.empty((0, len(factors)))
    scores = score(matrix)
    added = contributions(score, matrix, scores, factors, typical)
    without = ~(added > NEGLIGIBLE).any(axis=1)
    if without.any():
        added[without] = mean_contributions(score, matrix[without], scores[without], factors, background)
    return added


def strongest(added: np.ndarray, limits: ReasonLimits) -> list[list[int]]:
    """Factors of each row that are reasons: the strongest, and further ones that add the least share or more."""
    if not added.size:
        return [[] for _ in added]
    ranked = np.argsort(-added, axis=1, kind="stable")[:, : limits.most]
    against = np.take_along_axis(added, ranked, axis=1)
    least = np.maximum(NEGLIGIBLE, limits.least * np.maximum(added, 0).sum(axis=1))
    given = against >= least[:, None]
    given[:, 0] = against[:, 0] > NEGLIGIBLE
    return [row[keep].tolist() for row, keep in zip(ranked, given, strict=True)]


def named_features(
    pipeline: "Pipeline", declaration: Declaration, reference: Reference, found: Adverse
) -> list[list[tuple[int, float]]]:
    """For each decision the features that its reasons name, each with what its factor adds."""
    leading = np.tile([factor.features[0] for factor in reference.factors], (len(found.named), 1))
    for place, factor in enumerate(reference.factors):
        holders = [i for i, named in enumerate(found.named) if place in named]
        if len(factor.features) == 1 or not holders:
            continue
        alone = explained(
            adverse_score(pipeline.named_steps["model"], declaration),
            found.matrix[holders],
            columns_of(single_factors(pipeline, declaration, factor)),
            reference.typical_row,
            reference.background,
        )
        leading[holders, place] = np.asarray(factor.features)[alone.argmax(axis=1)]
    return [
        [(int(leading[i, place]), float(found.added[i, place])) for place in named]
        for i, named in enumerate(found.named)
    ]
