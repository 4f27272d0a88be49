"""How far a model's outcomes differ between periods of its own reference: what no window can be blamed for.

A model is a little better in one month than in another, and outcomes come and go with the season. Belongs here:
measuring that on the reference's held-out rows. The tests of a window that allow for it are in `ranking_change.py`,
`outcome_changes.py` and `relation.py`; the same for inputs is in `statistics/between_periods.py`.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import NotMeasurable, Scored, estimate, trivial_losses
from mlops_assets.monitoring.outcomes.grades import GradeTable, grade_score, quality_losses, tabulate
from mlops_assets.monitoring.outcomes.relation import compare_grades
from mlops_assets.statistics.between_periods import (
    LEAST_PERIODS,
    LEVEL,
    PARTS,
    PERIODS,
    BetweenPeriods,
    between_periods,
    extra_deviation,
    number_periods,
)
from mlops_assets.statistics.resampling import equal_frequency_edges

LEAST_OF_EACH = 10
"""Positives and negatives that a period needs for its ranking to count."""


@dataclass(frozen=True)
class BetweenPeriodVariation:
    """How far periods differ beyond what drawing rows gives; 0 or None where chance alone would do.

    Attributes:
        periods: how many of them.
        outcome: standard deviation of the mean outcome (one or two classes apart: `classes`).
        residual: the same of the mean of outcome less score; several classes: one a class.
        quality: the same of the quality (AUC; others: share of the trivial loss removed).
        relation: by how much a row adds to the mean of Cochran's Q over grades, per degree of freedom.
        classes: shares of the classes.
    """

    periods: int
    outcome: float
    residual: tuple[float, ...]
    quality: float
    relation: float
    classes: BetweenPeriods | None

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "BetweenPeriodVariation":
        """Read back what `dataclasses.asdict` made."""
        classes = stored["classes"]
        return cls(
            **{
                **stored,
                "residual": tuple(stored["residual"]),
                "classes": BetweenPeriods(**classes) if classes else None,
            }
        )


def measure_variation(rows: Scored, times: pl.Series, grades: int) -> tuple[BetweenPeriodVariation, ...]:
    """Measure at each number of periods; empty where the rows have no order, or too few of them.

    Args:
        rows: held-out rows with their scores.
        times: of the same rows.
        grades: in how many grades outcomes are compared.
    """
    parted = number_periods(times)
    if parted is None:
        return ()
    edges = equal_frequency_edges(grade_score(rows), grades)
    trivial = float(trivial_losses(rows).mean())
    found: list[tuple[BetweenPeriodVariation, _Chance]] = []
    for count in (k for k in PERIODS if k <= parted.finest):
        period = np.where(parted.part >= 0, parted.part * count // PARTS, -1)
        groups = [_some(rows, period == number) for number in np.unique(period[period >= 0])]
        if len(groups) >= LEAST_PERIODS:
            found.append(_measure(rows, groups, edges, trivial))
    return _beyond_chance(found)


@dataclass(frozen=True)
class _Chance:
    """P-values that periods do not differ, of each quantity of `BetweenPeriodVariation`."""

    outcome: float
    residual: tuple[float, ...]
    quality: float
    relation: float


def _beyond_chance(found: Sequence[tuple[BetweenPeriodVariation, _Chance]]) -> tuple[BetweenPeriodVariation, ...]:
    """What periods differ by is kept where periods of this length or, for certain, of any show that they do: of long ones
    there are few, and that they differ is seen less well than by how much."""

    def kept(value: float, p_value: float, others: Iterable[float]) -> float:
        return value if p_value < LEVEL or min(others) * len(found) < LEVEL else 0.0

    return tuple(
        replace(
            variation,
            outcome=kept(variation.outcome, chance.outcome, [c.outcome for _, c in found]),
            residual=tuple(
                kept(value, chance.residual[i], [c.residual[i] for _, c in found])
                for i, value in enumerate(variation.residual)
            ),
            quality=kept(variation.quality, chance.quality, [c.quality for _, c in found]),
            relation=kept(variation.relation, chance.relation, [c.relation for _, c in found]),
        )
        for variation, chance in found
    )


def variation_of(
    measured: Sequence[BetweenPeriodVariation], reference_rows: int, window_rows: int
) -> BetweenPeriodVariation | None:
    """The measurement whose periods are the largest that are no larger than the window; None where none was made."""
    wanted = reference_rows / max(window_rows, 1)
    return min(measured, key=lambda one: (one.periods < wanted, abs(one.periods - wanted)), default=None)


def _some(rows: Scored, chosen: np.ndarray) -> Scored:
    return Scored(rows.task, rows.y[chosen], rows.score[chosen], rows.threshold, rows.classes)


def _measure(
    rows: Scored, groups: list[Scored], edges: np.ndarray, trivial: float
) -> tuple[BetweenPeriodVariation, _Chance]:
    residuals = np.array([_mean_and_error(_residuals(group)) for group in groups])
    outcomes = np.array([_mean_and_error(group.y[:, None].astype(float)) for group in groups])
    several = rows.task is Task.MULTICLASS
    classes = None
    if rows.task is not Task.REGRESSION:
        size = max(2, len(rows.classes))
        classes = between_periods(np.array([np.bincount(group.y.astype(int), minlength=size) for group in groups]))
        classes = classes if classes is not None and classes.p_value < LEVEL else None
    outcome, p_outcome = (0.0, 1.0) if several else extra_deviation(outcomes[:, 0, 0], outcomes[:, 1, 0])
    each = [extra_deviation(residuals[:, 0, i], residuals[:, 1, i]) for i in range(residuals.shape[2])]
    quality, p_quality = _quality(groups, trivial)
    relation, p_relation = _relation(groups, edges)
    found = BetweenPeriodVariation(len(groups), outcome, tuple(value for value, _ in each), quality, relation, classes)
    return found, _Chance(p_outcome, tuple(p for _, p in each), p_quality, p_relation)


def _residuals(rows: Scored) -> np.ndarray:
    """Outcome less score, shape (rows, 1), or (rows, classes)."""
    if rows.task is Task.MULTICLASS:
        return (rows.y[:, None] == np.arange(len(rows.classes))) - rows.score
    return (rows.y - rows.score)[:, None]


def _mean_and_error(values: np.ndarray) -> np.ndarray:
    return np.array([values.mean(0), values.std(0, ddof=1) / np.sqrt(len(values))])


def _quality(groups: list[Scored], trivial: float) -> tuple[float, float]:
    found = []
    for group in groups:
        if group.task is not Task.BINARY:
            relative = quality_losses(group) / trivial if trivial > 0 else np.zeros(group.n)
            found.append((1 - relative.mean(), relative.std(ddof=1) / np.sqrt(group.n)))
            continue
        if min(group.y.sum(), group.n - group.y.sum()) < LEAST_OF_EACH:
            continue
        try:
            area = estimate("roc_auc", group)
        except NotMeasurable:
            continue
        if area.standard_error:
            found.append((area.value, area.standard_error))
    return extra_deviation(*np.array(found).T) if found else (0.0, 1.0)


def _relation(groups: list[Scored], edges: np.ndarray) -> tuple[float, float]:
    """Each period's grades against those of all others."""
    from scipy.stats import chi2

    tables = [tabulate(group, edges) for group in groups]
    sums = {
        f.name: np.sum([getattr(t, f.name) for t in tables], axis=0) for f in fields(GradeTable) if f.name != "edges"
    }
    binary = groups[0].task is not Task.REGRESSION
    statistic, freedom, rows = 0.0, 0, []
    for table in tables:
        others = {name: tuple((total - np.array(getattr(table, name))).tolist()) for name, total in sums.items()}
        found = compare_grades(GradeTable(edges=table.edges, **others), table, binary=binary)
        if found.statistic is None:
            continue
        statistic += found.statistic
        freedom += found.grades - 1
        n, m = sum(others["n"]), sum(table.n)
        rows.append(n * m / (n + m))
    if not freedom:
        return 0.0, 1.0
    return max(0.0, statistic / freedom - 1) / float(np.mean(rows)), float(chi2.sf(statistic, freedom))


@dataclass(frozen=True)
class PeriodError:
    """What the reference's periods add to the standard error of one quantity, and how well that is known."""

    deviation: float = 0.0
    freedom: int = 0
    """Of Student's distribution; 0: the normal one, nothing is added."""


def period_error(variation: BetweenPeriodVariation | None, deviation: float) -> PeriodError:
    """The error that a window has because periods differ by `deviation` (a standard deviation)."""
    if variation is None or deviation <= 0:
        return PeriodError()
    return PeriodError(deviation * math.sqrt(1 + 1 / variation.periods), variation.periods - 1)
