"""Pictures of evidence: curves, intervals, importances, and a metric over time.

Pure functions from numbers to a `Picture`, which becomes SVG text or PNG bytes. One restrained style: no frame, thin
axes, few colours, all from the Okabe-Ito palette, which colour-blind readers can tell apart; nothing is shown by colour
alone. The SVG inherits the page's text colour and takes its line colours from CSS variables, so that one picture serves
light, dark and print. Nothing here computes a metric: what is drawn was found elsewhere.
"""

import base64
import io
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

INK = "#1b1f24"
SOFT = "#8a929b"
FAINT = "#d5dae0"
FIRST = "#0072b2"
SECOND = "#d55e00"
NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")

_VARIABLES = {INK: "currentColor", SOFT: "var(--soft, #8a929b)", FAINT: "var(--faint, #d5dae0)"}
_VARIABLES |= {FIRST: "var(--plot-1, #0072b2)", SECOND: "var(--plot-2, #d55e00)"}
_STYLE: Any = {
    "svg.fonttype": "none",
    # Labels are values out of the data: what stands between two dollar signs there is no formula.
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": SOFT,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": FAINT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "text.color": INK,
}


@dataclass(frozen=True)
class Interval:
    """A labelled value with its confidence bounds and the number of rows behind it."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class Picture:
    """One drawn figure: its name salts the SVG's ids, so that many pictures can stand in one page."""

    name: str
    title: str
    alt: str
    figure: Any = field(repr=False, compare=False)

    def svg(self) -> str:
        """SVG text without date, prolog or document-wide style: equal numbers give equal bytes."""
        import matplotlib

        buffer = io.StringIO()
        with matplotlib.rc_context({**_STYLE, "svg.hashsalt": self.name}):
            self.figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, transparent=True)
        # Characters that XML cannot hold at all, out of a value that a label names, would break the page.
        text = NOT_IN_XML.sub("\N{REPLACEMENT CHARACTER}", buffer.getvalue())
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>\s*", "", text, flags=re.DOTALL)
        text = re.sub(r"<defs>\s*<style type=\"text/css\">.*?</style>\s*</defs>", "", text, count=1, flags=re.DOTALL)
        text = text.replace("'DejaVu Sans'", "system-ui, 'Segoe UI', 'Helvetica Neue', Arial, 'DejaVu Sans'")
        for colour, variable in _VARIABLES.items():
            text = text.replace(colour, variable)
        text = re.sub(r'<text style="(?![^"]*fill:)', '<text style="fill: currentColor; ', text)
        # Many pictures share a page, and ids of a page must differ.
        text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", text)
        return text.strip()

    def png(self) -> bytes:
        """PNG on white, for readers that take no SVG (metadata in the UI, mail)."""
        import matplotlib

        buffer = io.BytesIO()
        with matplotlib.rc_context(_STYLE):
            self.figure.savefig(buffer, format="png", dpi=144, facecolor="white", metadata={"Software": None})
        return buffer.getvalue()

    def data_uri(self) -> str:
        """The PNG as a `data:` address, for an `<img>` or Markdown that stands alone."""
        return "data:image/png;base64," + base64.b64encode(self.png()).decode()


def _axes(width: float, height: float) -> tuple[Any, Any]:
    """Figure and axes in the project's style; the reader's own matplotlib settings stay as they are."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        for spine in ("top", "right"):
            axes.spines[spine].set_visible(False)
    return figure, axes


def _styled(draw: Any) -> Any:
    """Run a drawing function inside the project's style (texts and ticks read it when they are made)."""
    import functools

    @functools.wraps(draw)
    def inside(*args: Any, **kwargs: Any) -> Picture:
        import matplotlib

        with matplotlib.rc_context(_STYLE):
            return draw(*args, **kwargs)

    return inside


@_styled
def roc(
    fpr: Sequence[float],
    tpr: Sequence[float],
    auc: Interval | None = None,
    champion: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Picture:
    """Receiver operating characteristic; the champion's curve beside it where given."""
    figure, axes = _axes(4.2, 3.6)
    axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    if champion is not None:
        axes.plot(champion[0], champion[1], color=SECOND, linewidth=1.4, linestyle=(0, (5, 2)), label="champion")
    axes.plot(fpr, tpr, color=FIRST, linewidth=1.8, label="this version")
    axes.set(xlabel="False positive rate", ylabel="True positive rate", xlim=(0, 1), ylim=(0, 1.005))
    axes.set_aspect("equal")
    if champion is not None:
        axes.legend(loc="lower right")
    alt = "ROC curve."
    if auc is not None:
        text = f"AUC {auc.value:.3f}"
        if auc.low is not None and auc.high is not None:
            text += f" ({auc.low:.3f} to {auc.high:.3f})"
        axes.text(0.97, 0.26 if champion else 0.06, text, ha="right", transform=axes.transAxes)
        alt = f"ROC curve, {text}."
    return Picture("roc", "ROC curve", alt, figure)


@_styled
def residuals(predicted: Sequence[float], residual: Sequence[float]) -> Picture:
    """Residuals (predicted minus observed) against the prediction; at most 4,000 points are drawn."""
    step = max(1, len(predicted) // 4000)
    figure, axes = _axes(4.2, 3.6)
    axes.scatter(predicted[::step], residual[::step], s=5, color=FIRST, alpha=0.35, linewidths=0, rasterized=True)
    axes.axhline(0, color=INK, linewidth=0.8)
    axes.set(xlabel="Predicted", ylabel="Predicted minus observed")
    return Picture("residuals", "Residuals", f"Residuals of {len(predicted):,} rows against the prediction.", figure)


@_styled
def calibration(bins: Sequence[tuple[float, float, float | None, float | None, int]]) -> Picture:
    """Observed against predicted share by bin: `(predicted, observed, low, high, rows)`; area grows with the rows."""
    figure, axes = _axes(4.2, 3.6)
    top = min(1.0, 1.08 * max(max(b[0], b[1], b[3] or 0) for b in bins)) if bins else 1.0
    axes.plot([0, top], [0, top], color=SOFT, linewidth=0.8, linestyle=(0, (3, 3)))
    most = max((b[4] for b in bins), default=1) or 1
    for predicted, observed, low, high, rows in bins:
        if low is not None and high is not None:
            axes.plot([predicted, predicted], [low, high], color=FIRST, linewidth=1.2)
        axes.scatter([predicted], [observed], s=10 + 40 * rows / most, color=FIRST, zorder=3, linewidths=0)
    axes.set(xlabel="Predicted share", ylabel="Observed share", xlim=(0, top), ylim=(0, top))
    axes.set_aspect("equal")
    return Picture("calibration", "Calibration", f"Observed against predicted share in {len(bins)} bins.", figure)


@_styled
def score_distribution(
    edges: Sequence[float], negatives: Sequence[float], positives: Sequence[float], threshold: float | None = None
) -> Picture:
    """Distribution of the score by outcome: counts per bin, each outcome scaled to its own total."""
    figure, axes = _axes(4.8, 3.2)
    for counts, colour, name, hatch in (
        (negatives, FIRST, "event did not happen", None),
        (positives, SECOND, "event happened", "////"),
    ):
        total = sum(counts) or 1
        shares = [c / total for c in counts]
        axes.stairs(shares, edges, color=colour, linewidth=1.6, label=name)
        axes.stairs(shares, edges, fill=True, color=colour, alpha=0.14, hatch=hatch, linewidth=0)
    if threshold is not None:
        axes.axvline(threshold, color=INK, linewidth=0.9, linestyle=(0, (4, 2)))
        axes.text(threshold, 0.99, f" threshold {threshold:.3g}", va="top", transform=axes.get_xaxis_transform())
    axes.set(xlabel="Score", ylabel="Share of rows of that outcome")
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", bbox_to_anchor=(1, 0.9))
    alt = f"Score distribution by outcome: {sum(negatives):,.0f} without and {sum(positives):,.0f} with the event."
    return Picture("score_distribution", "Score by outcome", alt, figure)


@_styled
def intervals(
    rows: Sequence[Interval],
    *,
    name: str,
    title: str,
    axis: str,
    reference: float | None = None,
    reference_name: str = "overall",
    limit: int = 18,
) -> Picture:
    """A dot with its interval per row (slices, groups, importances), with a line at a reference value.

    Beyond `limit` rows the lowest and the highest are kept: the middle is where nothing happens.
    """
    shown = list(rows)
    if len(shown) > limit:
        ordered = sorted(shown, key=lambda r: r.value)
        keep = {id(r) for r in (*ordered[: limit - limit // 3], *ordered[-(limit // 3) :])}
        shown = [r for r in shown if id(r) in keep]
    figure, axes = _axes(5.6, 0.75 + 0.24 * max(2, len(shown)))
    for place, row in enumerate(reversed(shown)):
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color=FIRST, linewidth=1.4, solid_capstyle="butt")
        axes.scatter([row.value], [place], s=22, color=FIRST, zorder=3, linewidths=0)
    names = [r.label if r.rows is None else f"{r.label}  ({r.rows:,})" for r in reversed(shown)]
    axes.set_yticks(range(len(shown)), [n if len(n) <= 44 else n[:43] + "…" for n in names])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_ylim(-0.7, len(shown) - 0.3)
    axes.spines["left"].set_visible(False)
    if reference is not None:
        axes.axvline(reference, color=SECOND, linewidth=1.0, linestyle=(0, (4, 2)))
        axes.text(
            reference, 1.0, f" {reference_name} {reference:.3g}", transform=axes.get_xaxis_transform(), va="bottom"
        )
    axes.set_xlabel(axis)
    alt = f"{title}: {axis}, for {len(shown)} of {len(rows)}."
    return Picture(name, title, alt, figure)


@_styled
def importance(rows: Sequence[Interval], limit: int = 15) -> Picture:
    """Importance of the strongest features, largest first, with intervals where known."""
    shown = sorted(rows, key=lambda r: r.value, reverse=True)[:limit]
    figure, axes = _axes(5.6, 0.7 + 0.24 * max(2, len(shown)))
    for place, row in enumerate(reversed(shown)):
        axes.barh(place, row.value, height=0.55, color=FIRST, alpha=0.85, linewidth=0)
        if row.low is not None and row.high is not None:
            axes.plot([row.low, row.high], [place, place], color=INK, linewidth=1.0)
    axes.set_yticks(range(len(shown)), [r.label for r in reversed(shown)])
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel("Importance")
    alt = "Most important features: " + ", ".join(r.label for r in shown[:5]) + "."
    return Picture("importance", "What drives the score", alt, figure)


@_styled
def metric_over_windows(
    windows: Sequence[datetime],
    values: Sequence[Interval | None],
    *,
    metric: str,
    reference: float | Sequence[float | None] | None = None,
    changes: Sequence[tuple[datetime, str]] = (),
) -> Picture:
    """A metric over time and its intervals; a gap where it was not measurable, a mark where the champion changed.

    `reference` is one value, or one a window: each version has its own.
    """
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    figure, axes = _axes(7.2, 2.8)
    measured = [(w, v) for w, v in zip(windows, values, strict=True) if v is not None]
    band = [(w, v.low, v.high) for w, v in measured if v.low is not None and v.high is not None]
    if band:
        axes.vlines([b[0] for b in band], [b[1] for b in band], [b[2] for b in band], color=FIRST, alpha=0.45)
    segment: list[tuple[datetime, float]] = []
    for window, value in [*zip(windows, values, strict=True), (None, None)]:
        if value is not None and window is not None:
            segment.append((window, value.value))
        elif segment:
            axes.plot([s[0] for s in segment], [s[1] for s in segment], color=FIRST, marker="o", markersize=3.5)
            segment = []
    if isinstance(reference, Sequence):
        heights = [math.nan if r is None else r for r in reference]
        axes.step(windows, heights, where="post", color=SOFT, linewidth=0.9, linestyle=(0, (3, 3)))  # type: ignore[arg-type]
    elif reference is not None:
        axes.axhline(reference, color=SOFT, linewidth=0.9, linestyle=(0, (3, 3)))
    for when, version in changes:
        axes.axvline(when, color=SECOND, linewidth=1.0)
        axes.text(when, 1.01, f"v{version}", ha="center", va="bottom", transform=axes.get_xaxis_transform(), fontsize=8)
    axes.grid(axis="y")
    axes.set_ylabel(metric)
    dates = AutoDateLocator()
    axes.xaxis.set_major_locator(dates)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(dates))
    alt = f"{metric} in {len(measured)} of {len(windows)} windows; the champion changed {len(changes)} times."
    return Picture("metric_over_windows", f"{metric} over time", alt, figure)
