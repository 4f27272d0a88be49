"""Whether reasons for adverse decisions are true, each test by something that did not choose them.

Four questions: does the score fall more when a reason is removed than when another factor is (`removal.py`); do reasons agree
with Shapley values (`shapley.py`); do they stay the same when other reference rows had been drawn; and does the factor help to
tell the outcome at all. The first three are about the model: reasons of a model that has learned noise are true of that
model. The fourth is about the world: such a model's factors tell nothing about outcomes.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from mlops_assets.datasets.snapshot import seeded_hash
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.reasons.reason_codes import (
    LIMITS,
    NEGLIGIBLE,
    Adverse,
    ReasonLimits,
    adverse_decisions,
    explained,
    named_features,
    phrase,
    strongest,
)
from mlops_assets.evaluation.reasons.reference import AdverseScore, Reference, adverse_score, columns_of
from mlops_assets.evaluation.reasons.removal import conditional_falls, one_not_named
from mlops_assets.evaluation.reasons.shapley import shapley_values
from mlops_assets.features.frame import target_vector, to_model_frame
from mlops_assets.features.transformer import output_columns
from mlops_assets.statistics.delong import compare_areas
from mlops_assets.statistics.intervals import upper_tail, z_of
from mlops_assets.statistics.multiplicity import holm

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SHAPLEY_DECISIONS = 20
SHAPLEY_CALLS = 24_000
"""Rows scored for Shapley values of these decisions together: exact up to seven factors."""
STABLE_DECISIONS = 100
RESAMPLES = 5
"""Bootstrap resamples of the reference that reasons are given under again."""
OUTCOME_ALPHA = 0.05
"""Chance that any factor of a model of noise is taken to help, over all its factors."""
OUTCOME_CALLS = 80_000
LEAST_OUTCOMES = 10
"""Rows of each outcome without which no factor can be said to help."""


@dataclass(frozen=True)
class ReasonCodeReport:
    """Are there reasons for each adverse decision, and are they true?

    Attributes:
        applies: whether the task has adverse decisions.
        adverse: adverse decisions looked at.
        explained: of these, how many have at least one reason.
        most_codes: largest number of reasons of one decision.
        codes: reasons given in all.
        faithful: reasons whose factor, replaced by what similar people have who were decided favourably, lowers the adverse
            score, and by more than a factor drawn at random from those that are no reason does.
        unscored: factors named that are no input of the model.
        coverage: explained / adverse; None without adverse decisions.
        faithful_share: faithful / codes; None without reasons.
        drop: mean fall of the adverse score when one reason is replaced so.
        random_drop: the same of the factors drawn at random.
        drop_error: standard error of the difference of the two, over decisions.
        least_share: smallest share of all that counted against a person of a reason after the first; None where none was given.
        shapley_agreement: share of reasons, of some decisions, whose Shapley value counts against the person too.
        shapley_first: share of these decisions whose first reason has the largest Shapley value, or none larger by
            more than two standard errors.
        shapley_error: mean standard error of the Shapley values, as a share of the largest of the decision.
        shapley_exact: whether all sets of factors were scored.
        stable_first: share of first reasons that stay the first when the reference is resampled.
        stable: share of all reasons that are given again.
        tested: reasons whose factor was tested on outcomes; 0 where too few outcomes are known.
        supported: of these, reasons whose factor helps to tell the outcome: shuffled, it makes the model order held-out rows
            worse (AUC) by more than chance.
        not_supported: features named as reasons whose factor does not.
        correlated: features that are nearly one and give one reason.
        frequent: feature -> decisions it is a reason for, most frequent first.
        examples: reasons of a few decisions, with the phrases a customer would read.
    """

    applies: bool = True
    adverse: int = 0
    explained: int = 0
    most_codes: int = 0
    codes: int = 0
    faithful: int = 0
    unscored: tuple[str, ...] = ()
    coverage: float | None = None
    faithful_share: float | None = None
    drop: float | None = None
    random_drop: float | None = None
    drop_error: float | None = None
    least_share: float | None = None
    shapley_agreement: float | None = None
    shapley_first: float | None = None
    shapley_error: float | None = None
    shapley_exact: bool | None = None
    stable_first: float | None = None
    stable: float | None = None
    tested: int = 0
    supported: int = 0
    not_supported: tuple[str, ...] = ()
    correlated: tuple[tuple[str, ...], ...] = ()
    frequent: dict[str, int] | None = None
    examples: tuple[dict[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """For an evidence file."""
        return asdict(self)


def examine_reason_codes(
    pipeline: "Pipeline",
    frame: pl.DataFrame,
    declaration: Declaration,
    threshold: float | None,
    reference: Reference,
    *,
    most_rows: int = 2000,
    limits: ReasonLimits = LIMITS,
) -> ReasonCodeReport:
    """Give reasons for the adverse decisions among a bounded sample of rows, and test them.

    Args:
        pipeline: fitted, steps `features` and `model`.
        frame: held-out rows with their outcomes.
        declaration: the model.
        threshold: binary only: the decision threshold.
        reference: from `reference.build_reference`, with resamples where stability is to be tested.
        most_rows: rows looked at, drawn by a seeded hash of the id.
        limits: which contributions become reasons.
    """
    if declaration.task is not Task.BINARY or threshold is None:
        return ReasonCodeReport(applies=False)
    order = np.argsort(seeded_hash(frame[declaration.id], declaration.training.seed + 4), kind="stable")
    sample = frame[np.sort(order[:most_rows])]
    found = adverse_decisions(pipeline, sample, declaration, threshold, reference, limits)
    names = list(declaration.features)
    correlated = tuple(tuple(names[j] for j in f.features) for f in reference.factors if len(f.features) > 1)
    if not found.named:
        return ReasonCodeReport(correlated=correlated)
    score = adverse_score(pipeline.named_steps["model"], declaration)
    given = named_features(pipeline, declaration, reference, found)
    counts = dict.fromkeys(names, 0)
    for one in given:
        for j, _ in one:
            counts[names[j]] += 1
    blocks = output_columns(pipeline.named_steps["features"])
    codes, explained_rows = sum(map(len, found.named)), sum(map(bool, found.named))
    factors = columns_of(reference.factors)
    most_known = max(500, OUTCOME_CALLS // max(len(factors), 1))
    helpful = helpful_factors(pipeline, frame[np.sort(order[:most_known])], declaration, factors)
    removal = _removal(score, found, reference, declaration.training.seed)
    return ReasonCodeReport(
        adverse=found.rows.height,
        explained=explained_rows,
        most_codes=max(map(len, found.named)),
        codes=codes,
        unscored=tuple(name for name in names if counts[name] and not blocks[name]),
        coverage=explained_rows / found.rows.height,
        least_share=_least_share(found),
        frequent=dict(sorted(((n, c) for n, c in counts.items() if c), key=lambda item: (-item[1], item[0]))),
        examples=tuple(
            {
                "score": float(found.scores[i]),
                "reasons": [
                    {"feature": names[j], "contribution": added, "phrase": phrase(declaration, names[j])}
                    for j, added in one
                ],
            }
            for i, one in enumerate(given[:5])
        ),
        correlated=correlated,
        tested=codes if helpful is not None else 0,
        supported=sum(helpful[j] for named in found.named for j in named) if helpful is not None else 0,
        not_supported=_not_supported(found, given, helpful, names),
        faithful_share=removal["faithful"] / codes if codes else None,
        **removal,
        **_agreement(score, found, reference, declaration.training.seed),
        **_stability(score, found, reference, limits),
    )


def _least_share(found: Adverse) -> float | None:
    against = np.maximum(found.added, 0).sum(axis=1)
    further = [found.added[i, j] / against[i] for i, named in enumerate(found.named) for j in named[1:]]
    return float(min(further)) if further else None


def _removal(score: AdverseScore, found: Adverse, reference: Reference, seed: int) -> dict[str, Any]:
    """Reasons, and other factors at random, replaced by what similar people have who were decided favourably."""
    factors = columns_of(reference.factors)
    drawn = one_not_named(found.named, len(factors), np.random.default_rng(seed))
    both_kinds = [[*named, *other] for named, other in zip(found.named, drawn, strict=True)]
    together = conditional_falls(score, found.matrix, factors, both_kinds, reference.pool)
    falls = [one[: len(named)] for one, named in zip(together, found.named, strict=True)]
    by_chance = [one[len(named) :] for one, named in zip(together, found.named, strict=True)]
    faithful = sum(
        fall > max([NEGLIGIBLE, *other]) for one, other in zip(falls, by_chance, strict=True) for fall in one
    )
    both = np.array([(np.mean(a), b[0]) for a, b in zip(falls, by_chance, strict=True) if a and b]).reshape(-1, 2)
    if not len(both):
        return {"faithful": faithful}
    apart = both[:, 0] - both[:, 1]
    return {
        "faithful": faithful,
        "drop": float(both[:, 0].mean()),
        "random_drop": float(both[:, 1].mean()),
        "drop_error": float(apart.std(ddof=1) / np.sqrt(len(apart))) if len(apart) > 1 else None,
    }


def _agreement(score: AdverseScore, found: Adverse, reference: Reference, seed: int) -> dict[str, Any]:
    """Reasons of some decisions beside Shapley values over favourably decided rows that did not choose them."""
    rows = [i for i, named in enumerate(found.named) if named][:SHAPLEY_DECISIONS]
    if not rows:
        return {}
    factors, generator = columns_of(reference.factors), np.random.default_rng(seed)
    shapley = shapley_values(score, found.matrix[rows], factors, reference.pool, generator, SHAPLEY_CALLS)
    against = [shapley.values[place, j] > 0 for place, i in enumerate(rows) for j in found.named[i]]
    first = [found.named[i][0] for i in rows]
    places = np.arange(len(rows))
    best = shapley.values.argmax(axis=1)
    behind = shapley.values[places, best] - shapley.values[places, first]
    doubt = 2 * np.hypot(shapley.errors[places, best], shapley.errors[places, first])
    largest = np.abs(shapley.values).max(axis=1)
    return {
        "shapley_agreement": float(np.mean(against)),
        "shapley_first": float(np.mean((best == first) | (behind <= doubt))),
        "shapley_error": float((shapley.errors.mean(1) / np.where(largest > 0, largest, 1.0)).mean()),
        "shapley_exact": shapley.exact,
    }


def _stability(score: AdverseScore, found: Adverse, reference: Reference, limits: ReasonLimits) -> dict[str, Any]:
    """Reasons of some decisions under typical rows of bootstrap resamples of the reference."""
    rows = [i for i, named in enumerate(found.named) if named][:STABLE_DECISIONS]
    if not rows or not len(reference.resampled):
        return {}
    factors, first, all_of_them = columns_of(reference.factors), [], []
    for typical in reference.resampled:
        again = strongest(explained(score, found.matrix[rows], factors, typical, reference.background), limits)
        for i, named in zip(rows, again, strict=True):
            first.append(bool(named) and named[0] == found.named[i][0])
            all_of_them += [j in named for j in found.named[i]]
    return {"stable_first": float(np.mean(first)), "stable": float(np.mean(all_of_them))}


def helpful_factors(
    pipeline: "Pipeline", frame: pl.DataFrame, declaration: Declaration, factors: Sequence[Sequence[int]]
) -> list[bool] | None:
    """For each factor, whether the model orders rows worse by their outcomes once the factor is shuffled among them.

    DeLong's test of two areas on the same rows, one-sided, at `OUTCOME_ALPHA` over all factors (Holm). Under a model of noise
    both areas are one half on average, so that this is also the chance that any of its factors is taken to help.

    Returns:
        None where too few rows of an outcome are known.
    """
    if declaration.target.column not in frame.columns:
        return None
    known = frame.filter(pl.col(declaration.target.column).is_not_null())
    y = target_vector(known, declaration) if known.height else np.empty(0)
    if min(int(np.sum(y == 1)), int(np.sum(y == 0))) < LEAST_OUTCOMES:
        return None
    model = pipeline.named_steps["model"]
    score = adverse_score(model, declaration)
    matrix = np.asarray(pipeline.named_steps["features"].transform(to_model_frame(known, declaration)))
    scores, shuffle = score(matrix), np.random.default_rng(declaration.training.seed).permutation(len(matrix))
    sign = 1.0 if declaration.target.favourable == "negative" else -1.0
    p_values = []
    for columns in factors:
        shuffled = matrix.copy()
        shuffled[:, columns] = matrix[shuffle][:, columns]
        areas = compare_areas(y, sign * score(shuffled), sign * scores)
        p_values.append(upper_tail(z_of(areas.difference, areas.standard_error)))
    return [p < OUTCOME_ALPHA for p in holm(p_values)]


def _not_supported(
    found: Adverse, given: list[list[tuple[int, float]]], helpful: list[bool] | None, names: list[str]
) -> tuple[str, ...]:
    if helpful is None:
        return ()
    without = {
        names[feature]
        for named, one in zip(found.named, given, strict=True)
        for place, (feature, _) in zip(named, one, strict=True)
        if not helpful[place]
    }
    return tuple(sorted(without))
