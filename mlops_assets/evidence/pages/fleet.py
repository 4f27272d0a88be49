"""The fleet on a page: every model, how it stands, what happened to it and why. One HTML file that stands alone.

A model that is broken is shown first and loudly. Nothing is computed here: rows come from the inventory, stories from
the ledger's records.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.history import ModelState, Verdict, fold
from mlops_assets.evidence.inventory import DeclaredModel, RecordSource, inventory
from mlops_assets.evidence.pages.event_text import sentence, worth_telling
from mlops_assets.evidence.reading import day, label, minute, number

Link = tuple[str, str]


@dataclass(frozen=True)
class Links:
    """Relative addresses of pages about one model.

    Attributes:
        model: Pages such as its card, its run, its table of windows.
        windows: Start of a window to the page that draws it.
    """

    model: tuple[Link, ...] = ()
    windows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelView:
    """What the page shows of one model."""

    row: Mapping[str, Any]
    state: ModelState
    links: Links = field(default_factory=Links)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.state.name


@dataclass(frozen=True)
class FleetView:
    """What the page shows.

    Attributes:
        title: Heading.
        at: The time the page speaks of (UTC).
        models: One view a model, broken ones first.
        records: Number of ledger records read.
        head: Digest of the last of them.
        problems: What the check of the ledger found wrong; empty when it is whole, None when it was not checked.
        links: Pages about the fleet as a whole.
    """

    title: str
    at: datetime
    models: tuple[ModelView, ...]
    records: int = 0
    head: str = ""
    problems: tuple[str, ...] | None = None
    links: tuple[Link, ...] = ()


def view(
    ledger: RecordSource,
    models: Iterable[DeclaredModel],
    policies: Mapping[str, Any],
    *,
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    links: Mapping[str, Links] | None = None,
    problems: Sequence[str] | None = None,
    title: str = "Model fleet",
) -> FleetView:
    """Read what the page shows.

    Args:
        ledger: Where the records are.
        models: The declared models, broken ones included.
        policies: Effective policy by model name, or policy by tier.
        as_of: Only what had happened by then; None: everything.
        known_at: Only what was recorded by then; None: everything.
        links: Pages about each model, by name.
        problems: What `Ledger.verify` found, as texts; None when it was not asked.
        title: Heading of the page.
    """
    records = ledger.records(happened_until=as_of, known_at=known_at)
    rows = inventory(ledger, models, policies, as_of, known_at)
    states = fold(records, ledger.root)
    # Without a date the page speaks of the last record, so that the same ledger gives the same page.
    at = as_of or (records[-1].recorded_at if records else datetime.now(UTC))
    views = [
        ModelView(
            row,
            states.get(row["model"], ModelState(row["model"])),
            (links or {}).get(row["model"], Links()),
        )
        for row in rows
    ]
    views.sort(key=lambda v: (not v.row["error"], v.name))
    return FleetView(
        title=title,
        at=at,
        models=tuple(views),
        records=len(records),
        head=records[-1].digest if records else "",
        problems=None if problems is None else tuple(problems),
    )


def render(fleet: FleetView) -> str:
    """The page as HTML text."""
    return render_template(
        "fleet.html.j2",
        fleet=fleet,
        strip=strip,
        story=story,
        drivers=drift_columns,
        day=day,
        minute=minute,
        label=label,
        number=number,
    )


@dataclass(frozen=True)
class StripCell:
    """One window of a strip."""

    window: str
    severity: str
    mark: str
    title: str
    address: str
    changed: bool


def strip(model: ModelView) -> list[tuple[str, list[StripCell]]]:
    """The windows' severities in order, grouped by year; a cell is marked where another version decided than before."""
    cells: list[StripCell] = []
    version = ""
    for verdict in model.state.verdicts:
        changed = bool(version and verdict.version and verdict.version != version)
        version = verdict.version or version
        cells.append(
            StripCell(
                window=verdict.window,
                severity=verdict.severity,
                mark=_mark(verdict),
                title=_cell_title(verdict, changed),
                address=model.links.windows.get(verdict.window, ""),
                changed=changed,
            )
        )
    return [(year, list(group)) for year, group in groupby(cells, key=lambda c: c.window[:4])]


def story(state: ModelState, limit: int = 60) -> list[tuple[datetime, str]]:
    """What happened and why, newest last; when there is more than `limit`, the oldest is left to the ledger."""
    told = [r for r in sorted(state.records, key=lambda r: (r.happened_at, r.seq)) if worth_telling(r)]
    return [(r.happened_at, sentence(r)) for r in told[-limit:]]


def drift_columns(verdict: Verdict) -> list[str]:
    """Columns that a verdict names, worst first, as its record lists them."""
    named = verdict.body.get("columns") or []
    return [str(c.get("name", c)) if isinstance(c, Mapping) else str(c) for c in named]


def _mark(verdict: Verdict) -> str:
    marks = {"none": "", "watch": "w", "act": "A", "critical": "C", "not_measurable": "?"}
    return marks.get(verdict.severity, "?")


def _cell_title(verdict: Verdict, changed: bool) -> str:
    kind = "" if verdict.kind == "none" else f", {verdict.kind.replace('_', ' ')}"
    parts = [f"{verdict.window}: {verdict.severity.replace('_', ' ')}{kind}", *verdict.reasons[:2]]
    fleet = verdict.body.get("fleet") or {}
    if fleet.get("models", 1) > 1:
        parts.append(f"p over {fleet['models']} models of this period: {fleet['adjusted']:.2g}")
    if verdict.version:
        parts.append(f"{'from here on ' if changed else ''}version {verdict.version}")
    return "\n".join(parts)
