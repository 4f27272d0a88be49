"""How outcomes and scores of tables that nobody has declared are read: labels, probabilities, points, predicted classes.

Belongs here: turning two columns into what `outcomes/performance.py` measures. Not here: what is measured on them
(`outcomes.py`).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from mlops_assets.declaration.terms import Task

MOST_CLASSES = 20
POSITIVE = ("1", "1.0", "true", "yes", "y", "t", "positive", "bad", "default", "up")


@dataclass(frozen=True)
class Labels:
    """How outcomes are read: as numbers (regression), or by their places in `classes`."""

    task: Task
    classes: tuple[str, ...] = ()

    def read(self, series: pl.Series) -> np.ndarray:
        """Numbers, NaN where the outcome is missing or unknown."""
        if self.task is Task.REGRESSION:
            values = series.cast(pl.Float64, strict=False).to_numpy().astype(float)
            return np.where(np.isfinite(values), values, np.nan)
        places = {label: float(i) for i, label in enumerate(self.classes)}
        text = as_text(series).replace_strict(places, default=None, return_dtype=pl.Float64)
        return text.to_numpy().astype(float)


def as_text(series: pl.Series) -> pl.Series:
    """Labels as text; a whole number reads the same whatever its type."""
    if series.dtype.is_float():
        whole = series.drop_nulls().drop_nans()
        if len(whole) and (whole == whole.round()).all() and whole.is_finite().all():
            return series.fill_nan(None).cast(pl.Int64).cast(pl.String)
    return series.cast(pl.Int8).cast(pl.String) if series.dtype == pl.Boolean else series.cast(pl.String)


def infer_labels(series: pl.Series) -> Labels:
    """Two values are binary, up to 20 whole numbers or texts are classes, other numbers are regressed on.

    The positive of two is 1, true, yes and the like; of two other numbers the larger, of two other texts the rarer.

    Raises:
        ValueError: a text with more than 20 values: no outcome that can be judged.
    """
    text = as_text(series).drop_nulls().alias("value")
    counts = text.value_counts(name="rows").sort(["rows", "value"], descending=[True, False])
    values = counts["value"].to_list()
    if len(values) <= 2:
        return Labels(Task.BINARY, _ordered(values, series.dtype.is_numeric()))
    whole = series.dtype.is_integer() or not series.dtype.is_numeric() or all("." not in v for v in values[:50])
    if len(values) <= MOST_CLASSES and whole:
        return Labels(Task.MULTICLASS, tuple(sorted(values)))
    if series.dtype.is_numeric():
        return Labels(Task.REGRESSION)
    raise ValueError(
        f"{series.name}: found {len(values)} different values of type {series.dtype}, expected an outcome with at most "
        f"{MOST_CLASSES}, or a number"
    )


def _ordered(values: list[str], numeric: bool) -> tuple[str, ...]:
    if len(values) < 2:
        return (*values, "another value") if values else ("nothing", "another value")
    if numeric:
        return tuple(sorted(values, key=float))
    positive = [v for v in values if v.strip().lower() in POSITIVE]
    # Most frequent first, as they came: the rarer is what is counted.
    return (values[0], values[1]) if positive != [values[0]] else (values[1], values[0])


def given_scores(
    before: pl.Series, now: pl.Series, y: np.ndarray, labels: Labels, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Scores as probabilities (or predictions of a number), whatever the column holds."""
    if labels.task is Task.REGRESSION:
        return before.cast(pl.Float64).to_numpy(), now.cast(pl.Float64).to_numpy()
    values = as_text(before).drop_nulls().unique()
    if set(values) <= set(labels.classes):
        return _scores_of_classes(before, now, y, labels, remarks)
    if labels.task is Task.MULTICLASS or not before.dtype.is_numeric():
        raise ValueError(
            f"{before.name}: found {before.dtype} with values such as {values[0]!r}, expected predicted classes of the "
            f"outcome ({', '.join(labels.classes[:5])})"
            + ("" if labels.task is Task.MULTICLASS else " or a probability")
        )
    numbers = before.cast(pl.Float64).to_numpy(), now.cast(pl.Float64).to_numpy()
    if all(_are_probabilities(v) for v in numbers):
        return numbers
    curve = fit_score_curve(numbers[0], y)
    if _are_probabilities(numbers[0]):
        remarks.append(
            f"{before.name} is a probability in the reference and none in the current table, where it goes from "
            f"{numbers[1].min():.4g} to {numbers[1].max():.4g}: its unit has changed"
        )
    direction = "more" if curve.slope >= 0 else "less"
    remarks.append(
        f"{before.name} is no probability: performance is measured on its order (a higher value means {direction} of "
        f"{labels.classes[1]!r}), and calibration on a logistic curve of it, fitted on the reference, of which it says whether "
        "it still holds"
    )
    return curve.probabilities(numbers[0]), curve.probabilities(numbers[1])


def _are_probabilities(values: np.ndarray) -> bool:
    return not len(values) or bool(values.min() >= 0 and values.max() <= 1)


@dataclass(frozen=True)
class ScoreCurve:
    """A strictly monotone curve from any score to a probability, so that the order of rows stays what it is.

    logit p = intercept + slope · asinh((score - centre) / spread): Platt's logistic curve (1999) on a scale on which no
    score is so far out that its probability is rounded to 0 or 1. Two parameters are fitted, so that what the reference's own
    rows gain by it is negligible.
    """

    centre: float
    spread: float
    intercept: float
    slope: float

    def probabilities(self, scores: np.ndarray) -> np.ndarray:
        """Probabilities of the positive, shape (rows,)."""
        return 1 / (1 + np.exp(-(self.intercept + self.slope * np.arcsinh((scores - self.centre) / self.spread))))


def fit_score_curve(scores: np.ndarray, y: np.ndarray) -> ScoreCurve:
    """Fit the curve by Newton's method on the log-likelihood, with a prior of one row of each outcome.

    Args:
        scores: finite numbers, shape (rows,).
        y: 0 and 1, shape (rows,).
    """
    centre = float(np.median(scores))
    spread = float(np.subtract(*np.quantile(scores, [0.75, 0.25]))) or float(np.std(scores)) or 1.0
    design = np.column_stack([np.ones(len(scores)), np.arcsinh((scores - centre) / spread)])
    # Platt's targets: none is 0 or 1, so that separable rows have a curve too.
    events = y.sum()
    target = np.where(y == 1, (events + 1) / (events + 2), 1 / (len(y) - events + 2))
    weights = np.zeros(2)
    for _ in range(50):
        p = 1 / (1 + np.exp(-design @ weights))
        hessian = (design * (p * (1 - p))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, design.T @ (target - p))
        weights = weights + np.clip(step, -2.0, 2.0)
        if np.abs(step).max() < 1e-9:
            break
    return ScoreCurve(centre, spread, float(weights[0]), float(weights[1]))


def _scores_of_classes(
    before: pl.Series, now: pl.Series, y: np.ndarray, labels: Labels, remarks: list[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Predicted classes as the shares of outcomes that rows of the reference with the same prediction have.

    Each quarter of the reference's rows gets the shares of the other three where there are several classes: shares of many
    cells from the same rows would flatter it.
    """
    remarks.append(f"{before.name} holds predicted classes: each was given the reference's shares of outcomes")
    places = {label: i for i, label in enumerate(labels.classes)}
    unknown = len(places)
    codes, codes_now = (
        as_text(s).replace_strict(places, default=unknown, return_dtype=pl.Int64).to_numpy() for s in (before, now)
    )
    if strange := int((codes_now == unknown).sum()):
        remarks.append(
            f"{strange} rows have a {before.name} that is no class of the outcome: they were given the shares of all outcomes"
        )
    outcomes = y.astype(int)

    def shares(rows: np.ndarray) -> np.ndarray:
        table = np.full((unknown + 1, unknown), 0.5)
        np.add.at(table, (codes[rows], outcomes[rows]), 1.0)
        table[unknown] = np.bincount(outcomes[rows], minlength=unknown) + 0.5
        return table / table.sum(axis=1, keepdims=True)

    whole = shares(np.arange(len(codes)))
    if labels.task is Task.BINARY:
        return whole[codes][:, 1], whole[codes_now][:, 1]
    fold = np.arange(len(codes)) * 4 // max(len(codes), 1)
    scores = np.zeros((len(codes), unknown))
    for number in range(4):
        scores[fold == number] = shares(np.flatnonzero(fold != number))[codes[fold == number]]
    return scores, whole[codes_now]
