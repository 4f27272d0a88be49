"""Champion against challenger on the same rows: a paired difference with its interval and a verdict.

Belongs here: the comparison of two scores. Not here: what a verdict is good for (`gates/performance.py`).
"""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mlops_assets.declaration.terms import Task
from mlops_assets.evaluation.estimators import NotMeasurable, Scored, estimate, prepare
from mlops_assets.evaluation.metrics import CATALOGUE, QUALITY_METRIC
from mlops_assets.evaluation.ordering import average_precisions, ks_statistics, order_counts
from mlops_assets.evaluation.performance import plain
from mlops_assets.statistics.delong import compare_areas
from mlops_assets.statistics.intervals import mean_interval, smallest_detectable, two_sided_p, z_of
from mlops_assets.statistics.resampling import assign_bins, equal_frequency_edges, percentile_interval

Verdict = Literal["better", "no_worse", "worse", "undecidable"]
RESAMPLES = 200
RESAMPLE_BINS = 500


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows. Differences are in the metric's unit, turned so that positive favours the
    challenger."""

    metric: str
    n: int
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    p_value: float | None
    """Two-sided, that both are equally good."""
    margin: float
    smallest_detectable: float | None
    """Smallest true difference that this test sees with probability .8."""
    confidence: float
    method: str
    verdict: Verdict
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able form, without NaN."""
        return plain(asdict(self))


def compare(
    y_true: np.ndarray,
    champion_score: np.ndarray,
    challenger_score: np.ndarray,
    task: Task | str,
    margin: float = 0.01,
    *,
    metric: str | None = None,
    threshold: float | None = None,
    classes: tuple[str, ...] | list[str] | None = None,
    confidence: float = 0.95,
    seed: int = 20261121,
) -> Comparison:
    """Compare two scores of the same rows (shapes as in `performance.evaluate`).

    `metric` defaults to ROC AUC (binary), the share of the trivial log loss removed (multiclass) or R² (regression), so
    that `margin` means the same on any data; another metric's margin is in its own unit.

    The verdict is `better` when the whole interval is above 0; `no_worse` when it is above `-margin`; `worse` when it
    is below 0 and reaches `-margin`; else `undecidable`: the rows are too few to tell. DeLong for AUC,
    with Student's quantile (rows of the rarer outcome less one), paired bootstrap for `pr_auc` and `ks`, paired influence values for the rest. All assume independent rows.

    Raises:
        ValueError: a negative margin, a metric without direction, or scores that do not fit the task.
    """
    task = Task(task)
    name = metric or QUALITY_METRIC[task]
    if margin < 0:
        raise ValueError(f"found a margin of {margin}, expected 0 or more")
    if CATALOGUE[name].higher_is_better is None:
        raise ValueError(f"found metric {name!r}, which has no better or worse: name one that has")
    champion = prepare(y_true, champion_score, task, threshold=threshold, classes=classes)
    challenger = prepare(y_true, challenger_score, task, threshold=threshold, classes=classes)
    try:
        former, latter, error, draws, method = _pair(name, champion, challenger, seed)
    except NotMeasurable as reason:
        text = f"{name} cannot be measured: {reason}"
        return Comparison(
            name, champion.n, None, None, None, None, None, None, margin, None, confidence, "", "undecidable", text
        )
    sign = 1 if CATALOGUE[name].higher_is_better else -1
    difference = sign * (latter - former)
    # Where one outcome is rare, the error itself is uncertain: Student's quantile, by the rows of the rarer outcome.
    freedom = min(int(champion.y.sum()), champion.n - int(champion.y.sum())) - 1 if name == "roc_auc" else 0
    interval = percentile_interval(sign * draws, confidence) if draws is not None else None
    interval = interval or mean_interval(difference, error, confidence, freedom)
    verdict, reason = _judge(difference, interval.low, interval.high, margin, champion.n)
    return Comparison(
        metric=name,
        n=champion.n,
        champion=former,
        challenger=latter,
        difference=difference,
        low=interval.low,
        high=interval.high,
        p_value=two_sided_p(z_of(difference, error), freedom),
        margin=margin,
        smallest_detectable=smallest_detectable(error, 1 - confidence, two_sided=True),
        confidence=confidence,
        method=method,
        verdict=verdict,
        reason=f"{name} {latter:.4f} against the champion's {former:.4f}: {reason}",
    )


def _pair(
    name: str, champion: Scored, challenger: Scored, seed: int
) -> tuple[float, float, float, np.ndarray | None, str]:
    """Champion's value, challenger's, standard error of the difference, bootstrap differences, method."""
    if champion.n < 2:
        raise NotMeasurable(f"{champion.n} rows have no spread")
    if name in ("pr_auc", "ks"):
        return _pair_by_bootstrap(name, champion, challenger, seed)
    first, second = estimate(name, champion), estimate(name, challenger)
    if name == "roc_auc":
        rarer = min(int(champion.y.sum()), champion.n - int(champion.y.sum()))
        if rarer < 2:
            raise NotMeasurable(f"{rarer} rows of the rarer outcome have no spread")
        areas = compare_areas(champion.y, champion.score, challenger.score)
        return areas.first, areas.second, areas.standard_error, None, "DeLong"
    assert first.influence is not None
    assert second.influence is not None
    gap = second.influence - first.influence
    error = float(np.sqrt(np.mean(gap**2) / len(gap)))
    return first.value, second.value, error, None, "paired influence values"


def _pair_by_bootstrap(
    name: str, champion: Scored, challenger: Scored, seed: int
) -> tuple[float, float, float, np.ndarray | None, str]:
    positives = int(champion.y.sum())
    if positives in (0, champion.n):
        raise NotMeasurable(f"{positives} positives among {champion.n} rows: both outcomes are needed")
    compute = average_precisions if name == "pr_auc" else ks_statistics
    generator = np.random.default_rng(seed)
    cells = []
    for rows in (champion, challenger):
        edges = equal_frequency_edges(rows.score, RESAMPLE_BINS)
        cells.append((assign_bins(rows.score, edges) * 2 + rows.y, 2 * (len(edges) + 1)))
    draws = np.empty(RESAMPLES)
    for draw in range(RESAMPLES):
        # One weight a row for both scores: what keeps the pairs together.
        weight = generator.poisson(1.0, champion.n).astype(float)
        values = []
        for cell, size in cells:
            table = np.bincount(cell, weight, minlength=size).reshape(-1, 2)
            values.append(float(compute(table[:, 1], table[:, 0])))
        draws[draw] = values[1] - values[0]
    former, latter = (float(compute(*order_counts(rows.y, rows.score))) for rows in (champion, challenger))
    return former, latter, float(np.nanstd(draws, ddof=1)), draws, f"paired bootstrap, {RESAMPLES} resamples"


def _judge(difference: float, low: float, high: float, margin: float, n: int) -> tuple[Verdict, str]:
    shown = f"difference {difference:+.4f} ({low:+.4f} to {high:+.4f}) on {n} rows"
    if low > 0:
        return "better", f"{shown}, above 0"
    if low > -margin or low == high == 0:
        return "no_worse", f"{shown}, above the margin of -{margin:g}"
    if high < 0:
        return "worse", f"{shown}, below 0 and not above the margin of -{margin:g}"
    return "undecidable", f"{shown} holds both 0 and the margin of -{margin:g}: more rows are needed to tell"
