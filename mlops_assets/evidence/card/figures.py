"""The pictures of a card, drawn from evidence. Evidence without points gives no picture.

Not here: how a picture is drawn (`pages.plots`).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mlops_assets.evidence import plots
from mlops_assets.evidence.blocks import Figure
from mlops_assets.evidence.reading import estimate, first, is_number, label, records_of

REMEMBERED = 200
"""Pictures that a process remembers; a card has about fifteen."""
_DRAWN: dict[str, Figure] = {}


def figure(draw: Callable[..., plots.Picture], *data: Any, **options: Any) -> Figure:
    """What `draw` makes of the data, as a block.

    Drawn once in a process: a card is written again when somebody validates the version or signs an exception, and its
    pictures are then the same.
    """
    key = repr((draw.__name__, data, sorted(options.items())))
    if key not in _DRAWN:
        if len(_DRAWN) >= REMEMBERED:
            _DRAWN.clear()
        picture = draw(*data, **options)
        _DRAWN[key] = Figure(picture.name, picture.title, picture.alt, picture.svg())
    return _DRAWN[key]


def performance_figures(performance: Mapping[str, Any], champion: Mapping[str, Any] | None = None) -> list[Figure]:
    """ROC curve and score by outcome for a binary task, residuals for a regression, where the evidence has points."""
    curves = performance.get("curves") or {}
    found: list[Figure] = []
    roc = _curve(curves.get("roc"))
    if roc is not None:
        auc = _interval("AUC", (performance.get("metrics") or {}).get("roc_auc"))
        other = _curve(((champion or {}).get("curves") or {}).get("roc"))
        found.append(figure(plots.roc, *roc, auc, other))
    histogram = curves.get("score_histogram") or {}
    if histogram.get("negative") and histogram.get("positive"):
        edges, negative, positive = _trimmed(histogram["edges"], histogram["negative"], histogram["positive"])
        found.append(figure(plots.score_distribution, edges, negative, positive, performance.get("threshold")))
    residuals = curves.get("residuals") or {}
    if residuals.get("predicted") and residuals.get("residual"):
        found.append(figure(plots.residuals, residuals["predicted"], residuals["residual"]))
    return found


def calibration_figure(calibration: Mapping[str, Any]) -> Figure | None:
    """Observed against predicted by bin."""
    points = []
    for row in records_of(first(calibration, "bins", "grades", "reliability") or [], "bin"):
        predicted = first(row, "predicted", "mean_predicted", "mean_score", "expected")
        observed = estimate(first(row, "observed", "mean_observed", "observed_rate", "rate", "actual"))
        if is_number(predicted) and observed is not None:
            low = observed.low if observed.low is not None else first(row, "low", "observed_low", "lower")
            high = observed.high if observed.high is not None else first(row, "high", "observed_high", "upper")
            rows = int(first(row, "rows", "n", "count") or 0)
            points.append((float(predicted), observed.value, low, high, rows))
    return figure(plots.calibration, points) if len(points) > 1 else None


def interval_rows(
    rows: Sequence[Mapping[str, Any]], name_keys: Sequence[str], value_keys: Sequence[str]
) -> list[plots.Interval]:
    """Labelled intervals from table rows; rows without a value (not measurable) are left out."""
    found = []
    for row in rows:
        value = first(row, *value_keys)
        if is_number(value):
            value = {**row, "value": value}
        interval = _interval(" = ".join(str(row[k]) for k in name_keys if row.get(k) is not None), value)
        if interval is not None:
            rows_behind = first(row, "rows", "n", "size", "count")
            found.append(
                plots.Interval(
                    interval.label,
                    interval.value,
                    interval.low,
                    interval.high,
                    int(rows_behind) if rows_behind else None,
                )
            )
    return found


def importance_figure(rows: Sequence[Mapping[str, Any]]) -> Figure | None:
    """The strongest features."""
    found = interval_rows(rows, ("feature", "name"), ("importance", "value", "mean"))
    return figure(plots.importance, found) if found else None


def dots(
    rows: Sequence[plots.Interval],
    name: str,
    title: str,
    axis: str,
    reference: float | None = None,
    reference_name: str = "overall",
) -> Figure | None:
    """A dot with its interval for each row, where there are at least two rows to compare."""
    if len(rows) < 2:
        return None
    return figure(
        plots.intervals,
        rows,
        name=name,
        title=title,
        axis=label(axis),
        reference=reference,
        reference_name=reference_name,
    )


def _curve(points: Any) -> tuple[list[float], list[float]] | None:
    if not isinstance(points, Mapping):
        return None
    x, y = first(points, "false_positive_rate", "fpr"), first(points, "true_positive_rate", "tpr")
    return (x, y) if x and y and len(x) == len(y) else None


def _interval(name: str, value: Any) -> plots.Interval | None:
    found = estimate(value)
    return None if found is None else plots.Interval(name, found.value, found.low, found.high)


def _trimmed(edges: list[float], *counts: list[float]) -> tuple[list[float], list[float], list[float]]:
    """Without the empty bins at the upper end, which a rare event leaves."""
    used = [i for i in range(len(edges) - 1) if any(c[i] for c in counts)]
    last = min(len(edges) - 1, (used[-1] if used else 0) + 2)
    return edges[: last + 1], counts[0][:last], counts[1][:last]
