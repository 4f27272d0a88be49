"""The fleet on a page: what needs attention, the state of every model, and what happened. One self-contained HTML file.

Belongs here: what the page shows, in the order in which it shows it. Not here: any computation of a state; rows come
from the inventory, events from the ledger's records.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import groupby
from typing import Any

from mlops_assets import clock
from mlops_assets.evidence.attention import fleet_attention
from mlops_assets.evidence.attention_items import AttentionItem
from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.coverage import Coverage, coverage
from mlops_assets.evidence.incident_rows import IncidentRow, incident_rows
from mlops_assets.evidence.inventory import DeclaredModel, inventory
from mlops_assets.evidence.pages.event_text import event_text, is_logged
from mlops_assets.evidence.reading import day, label, minute, number
from mlops_assets.evidence.window_evidence import OutcomeReports
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.monitoring.verdict.fleet_control import FleetControl
from mlops_assets.policy.policy import ExceptionRule
from mlops_assets.response.incident_times import IncidentTimes

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
    """What the page shows of one model.

    Attributes:
        row: its row of the inventory.
        state: what counts about it.
        records: everything that is recorded about it, in order.
        objections: why records of these have no effect, by number.
        links: to other pages.
        incidents: about it, the last first.
    """

    row: Mapping[str, Any]
    state: ModelState
    records: tuple[Record, ...] = ()
    objections: Mapping[int, str] = field(default_factory=dict)
    links: Links = field(default_factory=Links)
    incidents: tuple[IncidentRow, ...] = ()

    @property
    def name(self) -> str:
        """Name of the model."""
        return self.state.name

    @property
    def verdicts(self) -> tuple[WindowVerdict, ...]:
        """The last verdict on each window, in order of time."""
        return tuple(self.state.window_verdicts.values())

    @property
    def refused_by(self) -> list[GateDecided]:
        """Decisions of gates that failed, in order."""
        decided = [record.event for record in self.records if isinstance(record.event, GateDecided)]
        return [event for event in decided if event.outcome == "failed"]

    def verdict_event(self, verdict: WindowVerdict) -> HealthVerdict | None:
        """Everything that the record of a verdict holds."""
        return self._verdict_events.get(verdict.seq)

    @cached_property
    def _verdict_events(self) -> dict[int, HealthVerdict]:
        return {r.seq: r.event for r in self.records if isinstance(r.event, HealthVerdict)}

    @property
    def lifecycle(self) -> str:
        """`broken`, or the lifecycle of the inventory: development, in use, suspended, retired."""
        return "broken" if self.row["error"] else str(self.row["lifecycle"])

    @property
    def urgent(self) -> list[Mapping[str, Any]]:
        """Items that a person must act on now or soon; an incident of the fleet is an item of the fleet."""
        own = {one["id"] for one in self.row["open_incidents"] if one["model"]}
        return [
            item
            for item in self.row["needs_attention"]
            if item["urgency"] in ("now", "soon") and (not item["incident"] or item["incident"] in own)
        ]

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
        urgent: Items about no single model that a person must act on.
        times: How long incidents took, by kind.
        runbooks: Name of a runbook to its address.
        coverage: What is governed of the models that are known to exist; None where no source was searched.
    """

    title: str
    at: datetime
    models: tuple[ModelView, ...]
    records: int = 0
    head: str = ""
    problems: tuple[str, ...] | None = None
    links: tuple[Link, ...] = ()
    urgent: tuple[AttentionItem, ...] = ()
    coverage: Coverage | None = None
    times: tuple[IncidentTimes, ...] = ()
    runbooks: Mapping[str, str] = field(default_factory=dict)

    @property
    def open_incidents(self) -> int:
        """How many incidents are open, each once."""
        ids = {one["id"] for model in self.models for one in model.row["open_incidents"]}
        return len(ids | {item.incident for item in self.urgent if item.incident})


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
    ledger: Ledger,
    models: Iterable[DeclaredModel],
    policies: Mapping[str, Any],
    *,
    as_of: datetime | None = None,
    links: Mapping[str, Links] | None = None,
    problems: Sequence[str] | None = None,
    stale: Mapping[str, Sequence[str]] | None = None,
    reports: Mapping[str, OutcomeReports] | None = None,
    ignoring: ExceptionRule | None = None,
) -> FleetView:
    """Read what the page shows.

    Args:
        ledger: To read.
        models: The declared models, broken ones included.
        policies: Effective policy by model name, or policy by tier.
        as_of: Only what had happened by then; None: everything.
        links: Pages about each model, by name.
        problems: What `Ledger.verify` found, as texts; None when it was not run.
        stale: Evidence that is out of date by model, a text each.
        reports: Reports of outcomes by model, where they have a source of their own.
        ignoring: Who may sign that a model which was found needs no declaration, and for how long.
    """
    records = ledger.records(happened_until=as_of)
    rows = inventory(ledger, models, policies, as_of, stale=stale, reports=reports)
    found = ledger.state(happened_until=as_of)
    by_model: dict[str, list[Record]] = {}
    for record in records:
        by_model.setdefault(record.model, []).append(record)
    # Without a date the page describes the last record, so that the same ledger gives the same page.
    at = as_of or (records[-1].recorded_at if records else clock.now())
    views = [
        ModelView(
            row,
            found.model(row["model"]),
            tuple(by_model.get(row["model"], ())),
            found.objections(by_model.get(row["model"], ())),
            (links or {}).get(row["model"], Links()),
            incident_rows(found, row["model"]),
        )
        for row in rows
    ]
    views.sort(key=lambda v: (not v.row["error"], v.name))
    # The end of a signature passes whether or not anything is recorded.
    moment = as_of or clock.now()
    known = coverage(found.fleet, moment, ignoring)
    return FleetView(
        title="Model fleet",
        at=at,
        models=tuple(views),
        urgent=tuple(fleet_attention(found, known, moment)),
        coverage=known,
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
    for verdict in model.verdicts:
        changed = bool(version and verdict.version and verdict.version != version)
        version = verdict.version or version
        cells.append(
            StripCell(
                window=verdict.window,
                severity=verdict.severity,
                mark=MARKS.get(verdict.severity, "?"),
                title=_cell_title(model, verdict, changed),
                address=model.links.windows.get(verdict.window, ""),
                changed=changed,
            )
        )
    return [(year, list(group)) for year, group in groupby(cells, key=lambda c: c.window[:4])]


def event_log(model: ModelView, limit: int = 60) -> EventLog:
    """What happened, oldest first; of more than `limit` events the latest are listed and the rest is counted."""
    logged = [r for r in sorted(model.records, key=lambda r: (r.happened_at, r.seq)) if is_logged(r)]
    events = tuple(
        (r.happened_at, event_text(r, model.row["required_gates"], model.objections)) for r in logged[-limit:]
    )
    return EventLog(events, max(0, len(logged) - limit))


def _cell_title(model: ModelView, verdict: WindowVerdict, changed: bool) -> str:
    kind = "" if verdict.kind == "none" else f", {verdict.kind.replace('_', ' ')}"
    parts = [f"{verdict.window}: {verdict.severity.replace('_', ' ')}{kind}", *verdict.reasons[:2]]
    event = model.verdict_event(verdict)
    fleet = FleetControl(**event.fleet) if event and event.fleet else None
    if fleet and fleet.models > 1:
        parts.append(f"p-value over the {fleet.models} models of this period: {fleet.adjusted:.2g}")
    if verdict.version:
        parts.append(f"version {verdict.version}{' decides from this window on' if changed else ''}")
    return "\n".join(parts)
