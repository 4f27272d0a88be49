"""The proof metrics of a trial on a page: each figure with its definition, and what it lacks. One self-contained HTML file."""

from collections.abc import Sequence

from mlops_assets.evidence.blocks import Block, Paragraph
from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.proof import Case, Period, ProofMetric, span
from mlops_assets.evidence.reading import day, table

SHOWN = 100
"""Cases of one figure on the page; the JSON has all of them."""


def render(metrics: Sequence[ProofMetric], period: Period, fleet: str = "fleet.html") -> str:
    """The page as HTML text."""
    return render_template(
        "proof.html.j2",
        fleet=fleet,
        since=day(period.since),
        until=day(period.now),
        figures=[figures(metrics)],
        parts=[(metric.title, metric.definition, cases(metric)) for metric in metrics],
    )


def figures(metrics: Sequence[ProofMetric]) -> Block:
    """All figures in one table."""
    rows = [
        {
            "figure": metric.title,
            "met": metric.text,
            "median time": "" if metric.median_hours is None else span(metric.median_hours),
        }
        for metric in metrics
    ]
    return table(rows)


def cases(metric: ProofMetric) -> list[Block]:
    """What one figure counted: first what does not meet its definition."""
    if not metric.cases:
        return [Paragraph("No data: nothing of this kind is on record in the period.", "muted")]
    order = sorted(metric.cases, key=lambda case: {False: 0, None: 1, True: 2}[case.met])
    rows = [
        {
            "what": case.what,
            "met": _met(case),
            "time": "" if case.hours is None else span(case.hours),
            "why": case.why,
            "records": ", ".join(map(str, case.records)),
        }
        for case in order
    ]
    return [table(rows, limit=SHOWN)]


def _met(case: Case) -> str:
    return "not due yet" if case.met is None else "yes" if case.met else "no"
