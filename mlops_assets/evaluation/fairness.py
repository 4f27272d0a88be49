"""Decisions and errors over the groups of protected attributes: rates, disparities, intervals, significance.

Belongs here: measuring. Not here: what is too much (`gates/fairness.py`), and no mitigation.

Everything follows from counts: a group is four numbers (favourable outcome or not × favourable decision or not), so
that a thousand resamples of the whole table cost milliseconds whatever the number of rows. Rates come from fairlearn's
MetricFrame over those cells, weighted by their counts, which gives what it gives on the rows.

"Favourable" is what is good for the person: for a default model the decision "no default expected", for a benefit the
positive one. A group too small to measure is listed with its size and the reason, and takes no part in a disparity.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import polars as pl

from mlops_assets.declaration.columns import Protected
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.disparities import Disparity, counted_disparities, mean_disparity
from mlops_assets.evaluation.estimators import Scored, prepare
from mlops_assets.evaluation.performance import plain
from mlops_assets.evaluation.segments import Segments, by_edges, by_value, cross
from mlops_assets.statistics.intervals import wilson_interval

MINIMUM_GROUP = 100
MINIMUM_OUTCOMES = 10
RESAMPLES = 1000
MOST_GROUPS = 30
"""An attribute with more values is no attribute of groups: the rarest are joined."""


@dataclass(frozen=True)
class Group:
    """One group of one attribute (or of an intersection); None is what was not measured or does not exist for the
    task."""

    group: str
    n: int
    share: float
    selection_rate: float | None
    """Share of favourable decisions (binary)."""
    low: float | None
    high: float | None
    """Wilson interval of the selection rate."""
    base_rate: float | None
    """Share of favourable outcomes (binary)."""
    tpr: float | None
    """Of those with a favourable outcome, the share decided favourably."""
    fpr: float | None
    """Of those with an unfavourable outcome, the share decided favourably."""
    accuracy: float | None
    mean_score: float | None
    """Mean score (binary) or prediction (regression)."""
    mean_outcome: float | None
    mean_error: float | None
    """Mean of score or prediction minus outcome."""
    mean_absolute_error: float | None
    measurable: bool
    reason: str
    error_spread: float | None = None
    """Standard deviation of the error inside the group (regression)."""


@dataclass(frozen=True)
class AttributeFairness:
    """Fairness over one attribute, or over an intersection of two."""

    attribute: str
    columns: tuple[str, ...]
    basis: str
    intersection: bool
    measurable: bool
    groups: tuple[Group, ...]
    disparities: dict[str, Disparity]
    """Binary: demographic_parity_difference, demographic_parity_ratio, equal_opportunity_difference,
    equalized_odds_difference, mean_score_difference. Regression: mean_error_difference, mean_prediction_difference,
    both in standard deviations of the target. Multiclass: accuracy_difference."""
    reason: str


@dataclass(frozen=True)
class Fairness:
    """Fairness over every protected attribute."""

    task: str
    n: int
    favourable: str | None
    threshold: float | None
    confidence: float
    resamples: int
    seed: int
    minimum_group: int
    minimum_outcomes: int
    attributes: tuple[AttributeFairness, ...]
    reason: str

    def attribute(self, name: str) -> AttributeFairness:
        """The attribute of that name, such as `sex` or `sex & age`."""
        return next(a for a in self.attributes if a.attribute == name)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def measure_fairness(
    y_true: np.ndarray,
    score: np.ndarray,
    task: Task | str,
    frame: pl.DataFrame,
    protected: Sequence[Protected],
    *,
    threshold: float | None = None,
    favourable: Literal["positive", "negative"] = "negative",
    classes: tuple[str, ...] | list[str] | None = None,
    minimum_group: int = MINIMUM_GROUP,
    minimum_outcomes: int = MINIMUM_OUTCOMES,
    intersections: bool = True,
    ratio_limit: float = 0.8,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
    seed: int = 20261121,
) -> Fairness:
    """Measure fairness over `protected`, whose columns are in `frame` (the same n rows as `y_true` and `score`).

    `ratio_limit` is the value below which a ratio of selection rates is tested to lie (the four-fifths convention of 29
    CFR 1607.4(D) by default, which is about employment; a policy may say otherwise).

    Raises:
        ValueError: binary without a threshold; a protected column that is missing; frame and scores of different
        length.
    """
    rows = prepare(y_true, score, task, threshold=threshold, classes=classes)
    if rows.task is Task.BINARY and threshold is None:
        raise ValueError("found no decision threshold, expected one: selection rates are about decisions")
    if frame.height != rows.n:
        raise ValueError(f"found {frame.height} rows of columns and {rows.n} scores, expected as many")
    parts = [(one.column, one.basis, False, assign_groups(frame, one)) for one in protected]
    if intersections:
        parts += [
            (f"{a} & {b}", "; ".join(x for x in (basis_a, basis_b) if x), True, cross(first, second))
            for (a, basis_a, _, first), (b, basis_b, _, second) in combinations(list(parts), 2)
        ]
    attributes = tuple(
        _attribute(rows, name, basis, crossed, segments, favourable == "positive", minimum_group, minimum_outcomes,
                   ratio_limit, confidence, resamples, seed)
        for name, basis, crossed, segments in parts
    )  # fmt: skip
    unmeasured = [a.attribute for a in attributes if not a.measurable]
    reason = f"not measurable: {', '.join(unmeasured)}" if unmeasured else ""
    if not attributes:
        reason = "no protected attribute is declared"
    return Fairness(
        task=rows.task.value,
        n=rows.n,
        favourable=favourable if rows.task is Task.BINARY else None,
        threshold=threshold,
        confidence=confidence,
        resamples=resamples,
        seed=seed,
        minimum_group=minimum_group,
        minimum_outcomes=minimum_outcomes,
        attributes=attributes,
        reason=reason,
    )


def assign_groups(frame: pl.DataFrame, protected: Protected) -> Segments:
    """Groups of a protected attribute: its bins, or its values with their labels; missing values are a group of their
    own."""
    if protected.bins is not None:
        return by_edges(frame, protected.column, protected.bins)
    return by_value(frame, protected.column, labels=protected.labels, most=MOST_GROUPS)


def count_cells(outcome: np.ndarray, decision: np.ndarray, codes: np.ndarray, groups: int) -> np.ndarray:
    """Counts of shape (groups, 2, 2): group, favourable outcome (0, 1), favourable decision (0, 1)."""
    return np.bincount(codes * 4 + outcome * 2 + decision, minlength=groups * 4).reshape(groups, 2, 2)


def group_rates(cells: np.ndarray) -> dict[str, np.ndarray]:
    """Selection, true-positive and false-positive rate of each group from its cells, by fairlearn's MetricFrame.

    NaN where a rate has no rows to be measured on (fairlearn alone would say 0).
    """
    import pandas as pd
    from fairlearn.metrics import MetricFrame, false_positive_rate, selection_rate, true_positive_rate

    groups = len(cells)
    code, outcome, decision = (index.ravel() for index in np.indices(cells.shape))
    weight = cells.ravel().astype(float)
    used = weight > 0
    measures = {"selection_rate": selection_rate, "tpr": true_positive_rate, "fpr": false_positive_rate}
    shared = {"sample_weight": weight[used]}
    frame = MetricFrame(
        metrics=measures,
        y_true=outcome[used],
        y_pred=decision[used],
        sensitive_features=pd.Series(code[used], name="group"),
        sample_params=dict.fromkeys(measures, shared),
    )
    by_group: Any = frame.by_group
    rates = {name: by_group[name].reindex(range(groups)).to_numpy(dtype=float, copy=True) for name in measures}
    rates["selection_rate"][cells.sum((1, 2)) == 0] = np.nan
    rates["tpr"][cells[:, 1].sum(1) == 0] = np.nan
    rates["fpr"][cells[:, 0].sum(1) == 0] = np.nan
    return rates


def _attribute(
    rows: Scored,
    name: str,
    basis: str,
    crossed: bool,
    segments: Segments,
    positive_is_favourable: bool,
    minimum_group: int,
    minimum_outcomes: int,
    ratio_limit: float,
    confidence: float,
    resamples: int,
    seed: int,
) -> AttributeFairness:
    size = segments.sizes
    large = size >= minimum_group
    count = len(size)
    cells, rates = None, {}
    if rows.task is Task.BINARY:
        outcome, decision = rows.y, rows.predicted
        if not positive_is_favourable:
            outcome, decision = 1 - outcome, 1 - decision
        cells = count_cells(outcome, decision, segments.codes, count)
        if rows.n:
            rates = group_rates(cells)
            rates["tpr"][cells[:, 1].sum(1) < minimum_outcomes] = np.nan
            rates["fpr"][cells[:, 0].sum(1) < minimum_outcomes] = np.nan
    means = _group_means(rows, segments)
    groups = []
    for index in range(count):
        if size[index] == 0 and crossed:
            continue  # a combination that nobody is in
        n = int(size[index])
        known = {key: _value(values[index]) if large[index] else None for key, values in (rates | means).items()}
        interval = None
        base_rate = None
        if cells is not None and large[index]:
            interval = wilson_interval(int(cells[index, :, 1].sum()), n, confidence)
            base_rate = float(cells[index, 1].sum() / n)
        groups.append(
            Group(
                group=segments.names[index],
                n=n,
                share=n / max(rows.n, 1),
                selection_rate=known.get("selection_rate"),
                low=interval.low if interval else None,
                high=interval.high if interval else None,
                base_rate=base_rate,
                tpr=known.get("tpr"),
                fpr=known.get("fpr"),
                accuracy=known.get("accuracy"),
                mean_score=known.get("mean_score"),
                mean_outcome=known.get("mean_outcome"),
                mean_error=known.get("mean_error"),
                mean_absolute_error=known.get("mean_absolute_error"),
                measurable=bool(large[index]),
                reason="" if large[index] else f"{n} rows, fewer than {minimum_group}",
                error_spread=known.get("error_spread"),
            )
        )
    if large.sum() < 2:
        reason = f"{int(large.sum())} of {len(groups)} groups have {minimum_group} rows or more: a disparity needs two"
        return AttributeFairness(name, segments.columns, basis, crossed, False, tuple(groups), {}, reason)
    names = [segments.names[i] for i in np.flatnonzero(large)]
    if cells is not None:
        disparities = counted_disparities(
            cells[large], names, minimum_outcomes, confidence, resamples, seed, ratio_limit
        )
        disparities["mean_score_difference"] = mean_disparity(rows.score, segments, large, 1.0, confidence)
    elif rows.task is Task.REGRESSION:
        spread = float(rows.y.std()) or 1.0
        disparities = {
            "mean_error_difference": mean_disparity(rows.score - rows.y, segments, large, spread, confidence),
            "mean_prediction_difference": mean_disparity(rows.score, segments, large, spread, confidence),
        }
    else:
        right = (rows.predicted == rows.y).astype(float)
        disparities = {"accuracy_difference": mean_disparity(right, segments, large, 1.0, confidence)}
    left_out = [g.group for g in groups if not g.measurable]
    reason = f"too small to measure: {', '.join(left_out)}" if left_out else ""
    if rows.task is Task.MULTICLASS:
        reason = "no class is declared favourable: accuracy is compared, selection is not" + (
            f"; {reason}" if reason else ""
        )
    return AttributeFairness(name, segments.columns, basis, crossed, True, tuple(groups), disparities, reason)


def _group_means(rows: Scored, segments: Segments) -> dict[str, np.ndarray]:
    size = segments.sizes.astype(float)

    def mean(values: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.bincount(segments.codes, values, minlength=len(size)) / size

    if rows.task is Task.REGRESSION:
        error = rows.score - rows.y
        return {
            "mean_score": mean(rows.score),
            "mean_outcome": mean(rows.y),
            "mean_error": mean(error),
            "mean_absolute_error": mean(np.abs(error)),
            "error_spread": np.sqrt(np.maximum(mean(error**2) - mean(error) ** 2, 0)),
        }
    accuracy = {"accuracy": mean((rows.predicted == rows.y).astype(float))}
    if rows.task is Task.MULTICLASS:
        return accuracy
    outcome = rows.y.astype(float)
    return accuracy | {
        "mean_score": mean(rows.score),
        "mean_outcome": mean(outcome),
        "mean_error": mean(rows.score - outcome),
    }


def _value(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None
