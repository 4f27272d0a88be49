"""Reason codes for adverse decisions, and whether they are true of the model.

Belongs here: what each factor adds to one row's score, the reasons given for it, and the test of those reasons. Does not
belong here: which features the model relies on over all (`importance.py`) and how reasons are shown (`evidence/`).
"""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.contributions import (
    Reference,
    adverse_sign,
    background_contributions,
    factor_contributions,
    feature_blocks,
    is_adverse,
    matrix_and_scores,
    one_score,
)
from mlops_assets.evaluation.faithfulness import conditional_falls, shapley_values

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

# 12 CFR 1002.9(b)(2), official interpretation: more than four reasons are not likely to help the applicant.
MOST_REASONS = 4
# Smaller changes in the score are rounding, not reasons.
NEGLIGIBLE = 1e-9
LEAST_CONTRIBUTION = 0.005
SHAPLEY_DECISIONS = 20
"""Decisions whose reasons are compared with Shapley values: each costs some hundred calls of the model a factor."""


@dataclass(frozen=True)
class ReasonLimits:
    """Which contributions become reasons.

    Attributes:
        most: reasons of one decision.
        least: contribution to the adverse score, in its unit, below which a further reason is not given; the first
            reason is the strongest factor, however small.
    """

    most: int = MOST_REASONS
    least: float = LEAST_CONTRIBUTION


@dataclass(frozen=True)
class ReasonCodeReport:
    """Are there reasons for each adverse decision, and are they true?

    Attributes:
        applies: whether the task has adverse decisions.
        adverse: adverse decisions looked at.
        explained: of these, how many have at least one reason.
        most_codes: largest number of reasons of one decision.
        codes: reasons given in all.
        faithful: reasons whose factor, replaced by what similar reference rows have, lowers the adverse score; similar
            rows take no part in choosing reasons (`faithfulness.conditional_falls`).
        least_contribution: smallest contribution of a reason after the first; None where none was given.
        shapley_agreement: share of reasons, of some decisions, whose Shapley value counts against the person too; None
            without reasons.
        unscored: factors named that are no input of the model.
        coverage: explained / adverse; None without adverse decisions.
        faithful_share: faithful / codes; None without reasons.
        drop: mean fall of the adverse score when all named factors of a decision are replaced together.
        random_drop: the same for as many factors drawn at random.
        frequent: feature -> decisions it is a reason for, most frequent first.
        examples: reasons of a few decisions, with the phrases a customer would read.
    """

    applies: bool
    adverse: int
    explained: int
    most_codes: int
    codes: int
    faithful: int
    unscored: tuple[str, ...]
    coverage: float | None
    faithful_share: float | None
    drop: float | None
    random_drop: float | None
    frequent: dict[str, int]
    examples: tuple[dict[str, Any], ...]
    least_contribution: float | None = None
    shapley_agreement: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For an evidence file."""
        return asdict(self)


def reason_codes(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float,
    reference: Reference,
    limits: ReasonLimits = ReasonLimits(),
) -> pl.DataFrame:
    """Reasons for every adverse decision among `frame`.

    A factor can be a reason when the adverse score falls if it alone is replaced by its typical value. The factor that
    lowers it most is the first reason; each further one is that which lowers it most after those before have been
    replaced, so that a factor that merely repeats another is not named. A further reason adds at least `limits.least`,
    alone and after those before it. Where no single factor lowers the score, each is compared with the values of favourably decided rows instead, on average.

    Returns:
        One row for each adverse decision: `id`, `score`, and `reasons`, a list of structs (`feature`,
        `contribution` to the adverse score, `phrase`).

    Raises:
        ValueError: when the task is not binary: no other has adverse decisions.
    """
    if declaration.task is not Task.BINARY:
        raise ValueError(f"reason codes are for binary decisions, found task {declaration.task.value!r}")
    adverse, scores, _, added, named = _reasons(pipeline, frame, declaration, threshold, reference, limits)
    names = list(declaration.features)
    reasons = [
        [
            {"feature": names[j], "contribution": float(added[i, j]), "phrase": phrase(declaration, names[j])}
            for j in columns
        ]
        for i, columns in enumerate(named)
    ]
    kind = pl.List(pl.Struct({"feature": pl.String, "contribution": pl.Float64, "phrase": pl.String}))
    return adverse.select(pl.col(declaration.id).alias("id")).with_columns(
        pl.Series("score", scores, dtype=pl.Float64), pl.Series("reasons", reasons, dtype=kind)
    )


def phrase(declaration: Declaration, feature: str) -> str:
    """What a customer reads when this factor counted against them."""
    declared = declaration.features[feature]
    return declared.adverse_phrase or declared.description or feature.replace("_", " ")


def examine_reason_codes(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float | None,
    reference: Reference,
    *,
    most_rows: int = 2000,
    limits: ReasonLimits = ReasonLimits(),
) -> ReasonCodeReport:
    """Give reasons for the adverse decisions among a bounded sample of rows, and test them.

    Args:
        pipeline: fitted, steps `features` and `model`.
        frame: held-out rows.
        declaration: the model.
        threshold: binary only: the decision threshold.
        reference: from `contributions.build_reference`.
        most_rows: rows looked at, drawn by a seeded hash of the id.
        limits: which contributions become reasons.
    """
    if declaration.task is not Task.BINARY or threshold is None:
        return ReasonCodeReport(False, 0, 0, 0, 0, 0, (), None, None, None, None, {}, ())
    order = np.argsort(seeded_hash(frame[declaration.id], declaration.training.seed + 4), kind="stable")
    sample = frame[np.sort(order[:most_rows])]
    adverse, scores, matrix, added, named = _reasons(pipeline, sample, declaration, threshold, reference, limits)
    if adverse.height == 0:
        return ReasonCodeReport(True, 0, 0, 0, 0, 0, (), None, None, None, None, {}, ())
    names = list(declaration.features)
    model, blocks = pipeline.named_steps["model"], feature_blocks(pipeline, declaration)
    sign = adverse_sign(declaration)
    falls = conditional_falls(model, matrix, declaration, blocks, named, reference.pool)
    further = [added[i, j] for i, columns in enumerate(named) for j in columns[1:]]
    generator = np.random.default_rng(declaration.training.seed)
    drawn = [generator.permutation(len(names))[: len(columns)].tolist() for columns in named]
    drops = [
        float(np.mean(sign * (scores - _replaced_scores(model, matrix, declaration, blocks, choice, reference))))
        for choice in (named, drawn)
    ]
    counts = dict.fromkeys(names, 0)
    for columns in named:
        for j in columns:
            counts[names[j]] += 1
    codes, faithful = sum(map(len, named)), sum(fall > NEGLIGIBLE for one in falls for fall in one)
    explained = sum(bool(columns) for columns in named)
    return ReasonCodeReport(
        applies=True,
        adverse=adverse.height,
        explained=explained,
        most_codes=max(map(len, named)),
        codes=codes,
        faithful=faithful,
        unscored=tuple(name for name in names if counts[name] and not blocks[names.index(name)]),
        coverage=explained / adverse.height,
        faithful_share=faithful / codes if codes else None,
        drop=drops[0],
        random_drop=drops[1],
        frequent=dict(sorted(((n, c) for n, c in counts.items() if c), key=lambda item: (-item[1], item[0]))),
        examples=tuple(
            {
                "score": float(scores[i]),
                "reasons": [
                    {"feature": names[j], "contribution": float(added[i, j]), "phrase": phrase(declaration, names[j])}
                    for j in named[i]
                ],
            }
            for i in range(min(5, adverse.height))
        ),
        least_contribution=float(min(further)) if further else None,
        shapley_agreement=_shapley_agreement(model, matrix, declaration, blocks, named, reference),
    )


def _shapley_agreement(
    model: Any,
    matrix: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    named: list[list[int]],
    reference: Reference,
) -> float | None:
    looked_at = [i for i, columns in enumerate(named) if columns][:SHAPLEY_DECISIONS]
    if not looked_at:
        return None
    seed = declaration.training.seed
    values = shapley_values(model, matrix[looked_at], declaration, blocks, reference.pool, seed)
    against = [values[place, j] > 0 for place, i in enumerate(looked_at) for j in named[i]]
    return float(np.mean(against))


def _reasons(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float,
    reference: Reference,
    limits: ReasonLimits,
) -> tuple[pl.DataFrame, np.ndarray, np.ndarray, np.ndarray, list[list[int]]]:
    """Adverse rows, their scores, matrix, contributions to the adverse score, and the features named for each."""
    if frame.height == 0:
        empty = np.empty((0, len(declaration.features)))
        return frame, np.empty(0), empty, empty, []
    model, matrix, scores = matrix_and_scores(pipeline, frame, declaration)
    mask = is_adverse(scores, declaration, threshold)
    adverse, matrix, scores = frame.filter(pl.Series(mask)), matrix[mask], scores[mask]
    blocks, sign = feature_blocks(pipeline, declaration), adverse_sign(declaration)
    added = sign * factor_contributions(model, matrix, scores, declaration, blocks, reference.typical_row)
    unexplained = ~(added > NEGLIGIBLE).any(axis=1)
    if unexplained.any():
        added[unexplained] = sign * background_contributions(
            model, matrix[unexplained], scores[unexplained], declaration, blocks, reference.background
        )
    named = _choose(model, matrix, declaration, blocks, added, reference.typical_row, limits)
    return adverse, scores, matrix, added, named


def _choose(
    model: Any,
    matrix: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    added: np.ndarray,
    typical: np.ndarray,
    limits: ReasonLimits,
) -> list[list[int]]:
    """Reasons of each row, strongest first: greedily, each the factor that lowers the score most after those before."""
    count, most, least = len(added), limits.most, max(limits.least, NEGLIGIBLE)
    # Beyond the strongest few alone, a factor is hardly ever among the strongest together; they bound the cost.
    ranked = np.argsort(-added, axis=1, kind="stable")[:, : most + 3]
    rows = np.arange(count)
    eligible = added[rows[:, None], ranked] > NEGLIGIBLE
    named: list[list[int]] = [[int(ranked[i, 0])] if eligible[i, 0] else [] for i in range(count)]
    if count == 0:
        return named
    current = matrix.copy()
    eligible = added[rows[:, None], ranked] > least
    eligible[:, 0] = False
    for i, columns in enumerate(named):
        for j in columns:
            current[i, blocks[j]] = typical[blocks[j]]
    sign = adverse_sign(declaration)
    for _ in range(1, most):
        open_rows = np.flatnonzero(eligible.any(axis=1))
        if len(open_rows) == 0:
            break
        before = one_score(model, current[open_rows], declaration, None)
        falls = np.full((len(open_rows), ranked.shape[1]), -np.inf)
        for position in range(1, ranked.shape[1]):
            tried = np.flatnonzero(eligible[open_rows, position])
            if len(tried) == 0:
                continue
            trial = current[open_rows[tried]].copy()
            for k, i in enumerate(open_rows[tried]):
                columns = blocks[ranked[i, position]]
                trial[k, columns] = typical[columns]
            falls[tried, position] = sign * (before[tried] - one_score(model, trial, declaration, None))
        best = falls.argmax(axis=1)
        for k, i in enumerate(open_rows):
            if falls[k, best[k]] <= least:
                eligible[i] = False
                continue
            j = int(ranked[i, best[k]])
            named[i].append(j)
            current[i, blocks[j]] = typical[blocks[j]]
            eligible[i, best[k]] = False
    return named


def _replaced_scores(
    model: Any,
    matrix: np.ndarray,
    declaration: Declaration,
    blocks: list[list[int]],
    named: list[list[int]],
    reference: Reference,
) -> np.ndarray:
    replaced = matrix.copy()
    for i, columns in enumerate(named):
        for j in columns:
            replaced[i, blocks[j]] = reference.typical_row[blocks[j]]
    return one_score(model, replaced, declaration, None)
