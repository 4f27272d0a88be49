"""Decisions and errors over the groups of protected attributes: rates, disparities, intervals, significance.

Belongs here: measuring. Not here: what is too much (`gates/fairness.py`), and no mitigation.

Everything follows from counts: a group is four numbers (favourable outcome or not × favourable decision or not). Rates
come from fairlearn's MetricFrame over those cells, weighted by their counts, which gives what it gives on the rows.

"Favourable" is what is good for the person: for a default model the decision "no default expected", for a benefit the
positive one. A group too small to measure is listed with its size and the reason, and takes no part in a disparity.
"""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from typing import Any, Literal

import numpy as np
import polars as pl

from mlops_assets.declaration.columns import Protected
from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.disparities import Disparity, counted_disparities, mean_disparity
from mlops_assets.evaluation.estimators import Scored
from mlops_assets.evaluation.performance import plain
from mlops_assets.evaluation.segments import Segments, by_edges, by_value, cross
from mlops_assets.statistics.intervals import wilson_interval

MINIMUM_GROUP = 100
MINIMUM_OUTCOMES = 10
MOST_GROUPS = 30
"""An attribute with more values is no attribute of groups: the rarest are joined."""


@dataclass(frozen=True)
class Group:
    """One group of one attribute, or of two together; None is what was not measured or what the task does not have.

    Attributes:
        group: readable name.
        n, share: rows, and their share of all.
        measurable, reason: whether it has enough rows; if not, why.
        selection_rate: share of favourable decisions (binary), with its Wilson interval `low` to `high`.
        base_rate: share of favourable outcomes (binary).
        tpr, fpr: of those with a favourable, with an unfavourable outcome, the share decided favourably.
        ppv: of those decided favourably, the share with a favourable outcome (positive predictive value).
        selected, favourable, selected_favourable: rows decided favourably, with a favourable outcome, with both.
        accuracy, correct: share and number of rows predicted right (classification).
        mean_score: mean score (binary) or prediction (regression).
        mean_outcome: mean outcome.
        mean_error: mean of score or prediction minus outcome.
        mean_absolute_error, error_spread: of the error (regression): mean of its size, standard deviation.
    """

    group: str
    n: int
    share: float
    measurable: bool
    reason: str
    selection_rate: float | None = None
    low: float | None = None
    high: float | None = None
    base_rate: float | None = None
    tpr: float | None = None
    fpr: float | None = None
    ppv: float | None = None
    selected: int | None = None
    favourable: int | None = None
    selected_favourable: int | None = None
    accuracy: float | None = None
    correct: int | None = None
    mean_score: float | None = None
    mean_outcome: float | None = None
    mean_error: float | None = None
    mean_absolute_error: float | None = None
    error_spread: float | None = None


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
    """Binary: demographic_parity_difference, demographic_parity_ratio, predictive_parity_difference,
    equal_opportunity_difference, equalized_odds_difference, mean_score_difference. Regression: mean_error_difference, mean_prediction_difference,
    both in standard deviations of the target. Multiclass: accuracy_difference."""
    reason: str


@dataclass(frozen=True)
class Fairness:
    """Fairness over every protected attribute."""

    task: str
    n: int
    favourable: str | None
    threshold: float | None
    target_spread: float | None
    """Regression: standard deviation of the target, the unit of the disparities."""
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
    rows: Scored,
    frame: pl.DataFrame,
    protected: Sequence[Protected],
    *,
    favourable: Literal["positive", "negative"] = "negative",
    minimum_group: int = MINIMUM_GROUP,
    minimum_outcomes: int = MINIMUM_OUTCOMES,
    intersections: bool = True,
) -> Fairness:
    """Measure fairness over the protected attributes.

    Args:
        rows: outcomes and scores (`estimators.prepare`), with the decision threshold for a binary task.
        frame: columns of the same rows, in the same order; holds every protected column.
        protected: attributes.
        favourable: which of the two predictions is good for the person (binary).
        minimum_group: groups with fewer rows are listed, and not measured.
        minimum_outcomes: groups with fewer rows of an outcome have no rate that is conditional on it.
        intersections: also measure every two attributes together.

    Raises:
        ValueError: binary without a threshold; a protected column that is missing; frame and scores of different
            length.
    """
    if rows.task is Task.BINARY and rows.threshold is None:
        raise ValueError("found no decision threshold, expected one: selection rates are about decisions")
    if frame.height != rows.n:
        raise ValueError(f"found {frame.height} rows of columns and {rows.n} scores, expected as many")
    parts = [(one.column, one.basis, assign_groups(frame, one)) for one in protected]
    if intersections:
        parts += [
            (f"{a} & {b}", "; ".join(x for x in (basis_a, basis_b) if x), cross(first, second))
            for (a, basis_a, first), (b, basis_b, second) in combinations(list(parts), 2)
        ]
    measure = _Measure(rows, favourable == "positive", minimum_group, minimum_outcomes)
    attributes = tuple(measure.attribute(name, basis, segments) for name, basis, segments in parts)
    unmeasured = [a.attribute for a in attributes if not a.measurable]
    reason = f"not measurable: {', '.join(unmeasured)}" if unmeasured else ""
    return Fairness(
        task=rows.task.value,
        n=rows.n,
        favourable=favourable if rows.task is Task.BINARY else None,
        threshold=rows.threshold,
        target_spread=float(rows.y.std()) if rows.task is Task.REGRESSION and rows.n else None,
        minimum_group=minimum_group,
        minimum_outcomes=minimum_outcomes,
        attributes=attributes,
        reason=reason if attributes else "no protected attribute is declared",
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


@dataclass(frozen=True)
class _Measure:
    """What every attribute of one model is measured with."""

    rows: Scored
    positive_is_favourable: bool
    minimum_group: int
    minimum_outcomes: int

    def attribute(self, name: str, basis: str, segments: Segments) -> AttributeFairness:
        """Groups and disparities of one attribute, or of two together."""
        cells, crossed = self._cells(segments), len(segments.columns) > 1
        groups = self._groups(segments, cells, crossed)
        large = segments.sizes >= self.minimum_group
        if large.sum() < 2:
            reason = (
                f"{int(large.sum())} of {len(groups)} groups have {self.minimum_group} rows or more: "
                "a disparity needs two"
            )
            return AttributeFairness(name, segments.columns, basis, crossed, False, groups, {}, reason)
        reasons = [f"too small to measure: {', '.join(g.group for g in groups if not g.measurable)}"]
        reasons = reasons if any(not g.measurable for g in groups) else []
        if self.rows.task is Task.MULTICLASS:
            reasons.insert(0, "no class is declared favourable: accuracy is compared, selection is not")
        disparities = self._disparities(segments, cells, large)
        return AttributeFairness(name, segments.columns, basis, crossed, True, groups, disparities, "; ".join(reasons))

    def _cells(self, segments: Segments) -> np.ndarray | None:
        """Counts of a binary task, turned so that 1 is favourable."""
        if self.rows.task is not Task.BINARY:
            return None
        outcome, decision = self.rows.y, self.rows.predicted
        if not self.positive_is_favourable:
            outcome, decision = 1 - outcome, 1 - decision
        return count_cells(outcome, decision, segments.codes, len(segments.names))

    def _groups(self, segments: Segments, cells: np.ndarray | None, crossed: bool) -> tuple[Group, ...]:
        values = _group_means(self.rows, segments) | self._rates(cells)
        groups = []
        for index, n in enumerate(segments.sizes.tolist()):
            if n == 0 and crossed:
                continue  # a combination without rows
            large = n >= self.minimum_group
            group = Group(
                group=segments.names[index],
                n=n,
                share=n / max(self.rows.n, 1),
                measurable=large,
                reason="" if large else f"{n} rows, fewer than {self.minimum_group}",
            )
            if large:
                known: dict[str, Any] = {name: _value(numbers[index]) for name, numbers in values.items()}
                if known.get("accuracy") is not None:
                    known["correct"] = round(known["accuracy"] * n)
                group = replace(
                    group, **known, **({} if cells is None else _counts(cells[index], self.minimum_outcomes))
                )
            groups.append(group)
        return tuple(groups)

    def _rates(self, cells: np.ndarray | None) -> dict[str, np.ndarray]:
        if cells is None or not self.rows.n:
            return {}
        rates = group_rates(cells)
        rates["tpr"][cells[:, 1].sum(1) < self.minimum_outcomes] = np.nan
        rates["fpr"][cells[:, 0].sum(1) < self.minimum_outcomes] = np.nan
        return rates

    def _disparities(self, segments: Segments, cells: np.ndarray | None, large: np.ndarray) -> dict[str, Disparity]:
        rows = self.rows
        if cells is not None:
            names = [segments.names[i] for i in np.flatnonzero(large)]
            return {
                **counted_disparities(cells[large], names, self.minimum_outcomes),
                "mean_score_difference": mean_disparity(rows.score, segments, large, 1.0),
            }
        if rows.task is Task.REGRESSION:
            spread = float(rows.y.std()) or 1.0
            return {
                "mean_error_difference": mean_disparity(rows.score - rows.y, segments, large, spread),
                "mean_prediction_difference": mean_disparity(rows.score, segments, large, spread),
            }
        right = (rows.predicted == rows.y).astype(float)
        return {"accuracy_difference": mean_disparity(right, segments, large, 1.0)}


def _counts(cells: np.ndarray, minimum: int) -> dict[str, Any]:
    """Counts and shares of one group from its cells of shape (2, 2); no predictive value of fewer than `minimum` decisions."""
    n, selected, favourable = int(cells.sum()), int(cells[:, 1].sum()), int(cells[1].sum())
    interval = wilson_interval(selected, n)
    return {
        "low": interval.low,
        "high": interval.high,
        "base_rate": favourable / n,
        "ppv": int(cells[1, 1]) / selected if selected >= max(minimum, 1) else None,
        "selected": selected,
        "favourable": favourable,
        "selected_favourable": int(cells[1, 1]),
    }


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
