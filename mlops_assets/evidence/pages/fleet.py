"""The fleet on a page: what needs attention, the state of every model, and what happened. One HTML file that stands alone.

Belongs here: what the page shows, in the order in which it shows it. Not here: any computation of a state; rows come
from the inventory, events from the ledger's records.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.history import ModelState, Verdict, fold
from mlops_assets.evidence.inventory import DeclaredModel, RecordSource, inventory
from mlops_assets.evidence.pages.event_text import event_text, is_logged
from mlops_assets.evidence.reading import day, label, minute, number

Link = tuple[str, str]
STATE_TONES = {"broken": "broken", "suspended": "critical", "retired": "quiet", "in use": "none"}
"""Lifecycle state to the class of its badge."""
MARKS = {"none": "·", "watch": "w", "act": "A", "critical": "C", "not_measurable": "?"}
"""Severity to the letter in its square, so that no severity is shown by colour alone."""


@dataclass(frozen=True)
class Links:
    """Relative addresses of pages about one model.

    Attributes:
        model: Text and address of pages such as its own page and its cards.
        windows: Start of a window to the page about it.
    """

    model: tuple[Link, ...] = ()
    windows: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelView:
    """What the page shows of one model: its row of the inventory, its recorded state, and links to other pages."""

    row: Mapping[str, Any]
    state: ModelState
    links: Links = field(default_factory=Links)

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.state.name

    @property
    def lifecycle(self) -> str:
        """`broken`, or the lifecycle of the inventory: development, in use, suspended, retired."""
        return "broken" if self.row["error"] else str(self.row["lifecycle"])

    @property
    def urgent(self) -> list[Mapping[str, Any]]:
        """Items that a person must act on now or soon."""
        return [item for item in self.row["needs_attention"] if item["urgency"] in ("now", "soon")]

    @property
    def page(self) -> str:
        """Address of the model's own page; empty where there is none."""
        return next((address for text, address in self.links.model if text == "model page"), "")


@dataclass(frozen=True)
class FleetView:
    """What the page shows.

    Attributes:
        title: Heading.
        at: The time the page describes (UTC).
        models: One view a model, broken ones first.
        records: Number of ledger records read.
        head: Digest of the last of them.
        problems: What the check of the ledger found wrong; empty when nothing is, None when it was not checked.
        links: Pages about the fleet as a whole.
    """

    title: str
    at: datetime
    models: tuple[ModelView, ...]
    records: int = 0
    head: str = ""
    problems: tuple[str, ...] | None = None
    links: tuple[Link, ...] = ()


@dataclass(frozen=True)
class StripCell:
    """One window of a strip.

    Attributes:
        window: its start.
        severity: of its last verdict.
        mark: letter of the severity.
        title: window, severity, kind and the first reasons, as text.
        address: of the window's page; empty where there is none.
        changed: whether another version decides from this window on.
    """

    window: str
    severity: str
    mark: str
    title: str
    address: str
    changed: bool


@dataclass(frozen=True)
class EventLog:
    """What happened, oldest first; `left_out` counts the older events that are not listed."""

    events: tuple[tuple[datetime, str], ...]
    left_out: int = 0


def view(
    ledger: RecordSource,
    models: Iterable[DeclaredModel],
    policies: Mapping[str, Any],
    *,
    as_of: datetime | None = None,
    links: Mapping[str, Links] | None = None,
    problems: Sequence[str] | None = None,
    stale: Mapping[str, Sequence[str]] | None = None,
) -> FleetView:
    """Read what the page shows.

    Args:
        ledger: Where the records are.
        models: The declared models, broken ones included.
        policies: Effective policy by model name, or policy by tier.
        as_of: Only what had happened by then; None: everything.
        links: Pages about each model, by name.
        problems: What `Ledger.verify` found, as texts; None when it was not run.
        stale: Evidence that is out of date by model, a text each.
    """
    records = ledger.records(happened_until=as_of)
    rows = inventory(ledger, models, policies, as_of, stale=stale)
    states = fold(records, ledger.root)
    # Without a date the page describes the last record, so that the same ledger gives the same page.
    at = as_of or (records[-1].recorded_at if records else datetime.now(UTC))
    views = [
        ModelView(row, states.get(row["model"], ModelState(row["model"])), (links or {}).get(row["model"], Links()))
        for row in rows
    ]
    views.sort(key=lambda v: (not v.row["error"], v.name))
    return FleetView(
        title="Model fleet",
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
        event_log=event_log,
        state_tone=state_tone,
        day=day,
        minute=minute,
        label=label,
        number=number,
    )


def state_tone(lifecycle: str) -> str:
    """Class of the badge that shows a lifecycle state."""
    return STATE_TONES.get(lifecycle, "watch")


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
                mark=MARKS.get(verdict.severity, "?"),
                title=_cell_title(verdict, changed),
                address=model.links.windows.get(verdict.window, ""),
                changed=changed,
            )
        )
    return [(year, list(group)) for year, group in groupby(cells, key=lambda c: c.window[:4])]


def event_log(model: ModelView, limit: int = 60) -> EventLog:
    """What happened, oldest first; of more than `limit` events the latest are listed and the rest is counted."""
    logged = [r for r in sorted(model.state.records, key=lambda r: (r.happened_at, r.seq)) if is_logged(r)]
    events = tuple((r.happened_at, event_text(r, model.row["required_gates"])) for r in logged[-limit:])
    return EventLog(events, max(0, len(logged) - limit))


def _cell_title(verdict: Verdict, changed: bool) -> str:
    kind = "" if verdict.kind == "none" else f", {verdict.kind.replace('_', ' ')}"
    parts = [f"{verdict.window}: {verdict.severity.replace('_', ' ')}{kind}", *verdict.reasons[:2]]
    fleet = verdict.body.get("fleet") or {}
    if fleet.get("models", 1) > 1:
        parts.append(f"p-value over the {fleet['models']} models of this period: {fleet['adjusted']:.2g}")
    if verdict.version:
        parts.append(f"version {verdict.version}{' decides from this window on' if changed else ''}")
    return "\n".join(parts)
