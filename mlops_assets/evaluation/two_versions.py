"""How much better one version is than another, as one number with its standard error, from the same rows or from each one's own.

Belongs here: a difference that can be added up over windows. The verdict on one set of rows is `comparison.py`'s.
"""

import math
from dataclasses import dataclass

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import NotMeasurable, Scored, estimate
from mlops_assets.evaluation.metrics import CATALOGUE, QUALITY_METRIC
from mlops_assets.statistics.delong import area, compare_areas


@dataclass(frozen=True)
class Difference:
    """A difference of quality, in ROC AUC (binary) or skill, turned so that positive favours the second version.

    Attributes:
        metric: name.
        first, second: value of each version.
        value: the difference.
        error: its standard error.
    """

    metric: str
    first: float
    second: float
    value: float
    error: float


def paired(first: Scored, second: Scored) -> Difference:
    """Difference on the same rows: DeLong for the area, otherwise the difference of the rows' influence values.

    Raises:
        NotMeasurable: the rows do not tell.
    """
    name = QUALITY_METRIC[first.task]
    if first.task is Task.BINARY:
        _both_outcomes(first)
        found = compare_areas(first.y, first.score, second.score)
        return Difference(name, found.first, found.second, found.difference, found.standard_error)
    one, other = estimate(name, first), estimate(name, second)
    if one.influence is None or other.influence is None:
        raise NotMeasurable(f"{name} has no influence values")
    error = math.sqrt(float(np.mean((other.influence - one.influence) ** 2)) / first.n)
    return Difference(name, one.value, other.value, _sign(name) * (other.value - one.value), error)


def two_sample(first: Scored, second: Scored) -> Difference:
    """Difference of two versions, each on rows of its own: the variances add up, since the rows are different ones.

    Raises:
        NotMeasurable: the rows of one of them do not tell.
    """
    name = QUALITY_METRIC[first.task]
    values = []
    for rows in (first, second):
        if rows.n < 2:
            raise NotMeasurable(f"{rows.n} rows have no spread")
        if rows.task is Task.BINARY:
            _both_outcomes(rows)
            found = area(rows.y, rows.score)
            values.append((found.value, found.standard_error))
            continue
        one = estimate(name, rows)
        if one.standard_error is None:
            raise NotMeasurable(f"{name} has no standard error")
        values.append((one.value, one.standard_error))
    (before, its), (after, others) = values
    return Difference(name, before, after, _sign(name) * (after - before), math.hypot(its, others))


def _both_outcomes(rows: Scored) -> None:
    positives = int(rows.y.sum())
    if min(positives, rows.n - positives) < 2:
        raise NotMeasurable(f"{min(positives, rows.n - positives)} rows of the rarer outcome have no spread")


def _sign(name: str) -> int:
    return 1 if CATALOGUE[name].higher_is_better else -1
