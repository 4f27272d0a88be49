"""Windows that should have a verdict and have none, or were judged without a row, and pages that are out of date: an incident for
each cause.

A source that several models read and that cannot be read is one incident, which names all of them. A window is overdue a day
after its data was due, unless the model's windows are being judged one after the other. Not here: what is run for a window
(`windows_due.py`), and a run that fails (`failures.py`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from mlops_assets.datasets.windows import declared_windows, grace
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.fleet_files import pages_show
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.pipeline.windows_due import verdict_on, windows_due
from mlops_assets.platform import Platform
from mlops_assets.response.incidents import open_incident

WINDOW_OVERDUE = "window_overdue"
DATA_MISSING = "data_missing"
PAGE_STALE = "page_stale"
PAGES_WITHIN = timedelta(minutes=15)
"""How long after a record the pages may not show it; the job that writes them runs within a minute or two."""
PATIENCE = timedelta(days=1)
"""How long after its data was due a window is overdue; and how long a verdict shows that windows are being judged."""


@dataclass(frozen=True)
class Late:
    """What is missing of one model.

    Attributes:
        model: name.
        overdue: windows without a verdict, by their start.
        empty: the last judged window, where no row came for it; else empty.
    """

    model: str
    overdue: tuple[str, ...]
    empty: str


@dataclass(frozen=True)
class _Looked:
    """A look at a model, which stays as it is while state, declaration and day are the same."""

    model: ModelState
    declared: Declaration
    day: date
    found: Late


_LOOKED: dict[str, _Looked] = {}


def late_models(platform: Platform, now: datetime) -> list[Late]:
    """Models that lack a verdict or rows. It reads no source."""
    state, found = platform.ledger.state(), list[Late]()
    for name, declared in platform.project.declarations.items():
        if not declared.has_time:
            continue
        place, model = f"{platform.project.defs}/{name}", state.model(name)
        last = _LOOKED.get(place)
        if last is None or last.model is not model or last.declared is not declared or last.day != now.date():
            last = _LOOKED[place] = _Looked(model, declared, now.date(), _late(declared, model, now))
        if last.found.overdue or last.found.empty:
            found.append(last.found)
    return found


def to_be_told(platform: Platform, now: datetime) -> list[str]:
    """What is missing and has no incident yet, a sentence each."""
    state = platform.ledger.state()
    return [
        f"{late.model}: {kind.replace('_', ' ')} {occasion}"
        for late in late_models(platform, now)
        for kind, occasion in _occasions(late)
        if not _known(state, platform.project.declarations[late.model], late.model, kind, occasion)
    ]


def report_late(platform: Platform, now: datetime) -> list[str]:
    """Open the incidents; returns what was opened, a sentence each."""
    state, opened = platform.ledger.state(), list[str]()
    fresh = [
        (late, kind, occasion)
        for late in late_models(platform, now)
        for kind, occasion in _occasions(late)
        if not _known(state, platform.project.declarations[late.model], late.model, kind, occasion)
    ]
    reasons = _reasons(platform, now, [late.model for late, kind, _ in fresh if kind == WINDOW_OVERDUE])
    alike: dict[tuple[str, str, str], list[tuple[Late, str]]] = {}
    for late, kind, occasion in fresh:
        reason = reasons.get(late.model, "")
        place = _source(platform.project.declarations[late.model]) if kind == DATA_MISSING or reason else late.model
        alike.setdefault((kind, place, reason), []).append((late, occasion))
    for (kind, _, reason), group in alike.items():
        opened.append(_open(platform, kind, reason, group))
    return opened


def stale_page(platform: Platform, since: int, now: datetime) -> str:
    """That the pages do not show records that they should, in a sentence; empty where they do, or were never written.

    Args:
        platform: of the project.
        since: number of the last record at the last look, after which the pages were to be written: a machine that was switched
            off for a night has left no page out of date.
        now: the time.
    """
    shows = pages_show(platform.home.reports)
    if shows is None or shows >= since:
        return ""
    missing = platform.ledger.get(shows + 1)
    if missing is None or missing.recorded_at + PAGES_WITHIN >= now:
        return ""
    when = f"{missing.recorded_at:%Y-%m-%d %H:%M}"
    return f"the pages show records up to {shows}; record {missing.seq} of {when} UTC and what followed are not on them"


def page_to_be_told(platform: Platform, since: int, now: datetime) -> str:
    """That the pages are out of date, where no incident says so yet."""
    stands = any(i.cause == PAGE_STALE and i.is_open for i in platform.ledger.state().fleet.incidents.values())
    return "" if stands else stale_page(platform, since, now)


def report_stale_page(platform: Platform, since: int, now: datetime) -> list[str]:
    """Open the incident of pages that are out of date; returns what was opened, a sentence or none."""
    found = page_to_be_told(platform, since, now)
    if not found:
        return []
    open_incident(
        platform.ledger,
        "",
        kind=PAGE_STALE,
        severity="act",
        summary=f"People read what is out of date: {found}. The run of fleet__reconcile says why they could not be written.",
        window=f"after record {pages_show(platform.home.reports)}",
        cause=PAGE_STALE,
        rule=PAGE_STALE,
    )
    return [found]


def _late(declared: Declaration, model: ModelState, now: datetime) -> Late:
    nothing = Late(declared.name, (), "")
    if model.champion.deciding is None:
        return nothing
    today, cadence = now.date(), declared.monitoring.cadence
    ended = [w for w in declared_windows(declared, today) if w.end <= today]
    overdue = [w for w in ended if verdict_on(model, w) is None and now >= grace(w, cadence) + PATIENCE]
    promotions = model.version(model.champion.deciding).promotions
    recent = [v.recorded_at for v in model.window_verdicts.values()] + [p.recorded_at for p in promotions]
    if overdue and recent and max(recent) > now - PATIENCE:
        # One window after the other: those that wait are no fault.
        overdue = []
    judged = [w for w in ended if verdict_on(model, w) is not None]
    last = model.scored.get(judged[-1].key) if judged else None
    verdict = verdict_on(model, judged[-1]) if judged else None
    # Where the verdict says that the delivery is broken, that is why no row came, and its incident stands for it.
    broken = verdict is not None and verdict.kind == "data_quality"
    empty = last is not None and last.rows + last.quarantined == 0 and not broken
    return Late(declared.name, tuple(w.key for w in overdue), judged[-1].key if empty else "")


def _occasions(late: Late) -> list[tuple[str, str]]:
    overdue = [(WINDOW_OVERDUE, late.overdue[0])] if late.overdue else []
    return [*overdue, *([(DATA_MISSING, late.empty)] if late.empty else [])]


def _source(declared: Declaration) -> str:
    """The same for models that read the same table."""
    return hashlib.sha256(declared.source.model_dump_json().encode()).hexdigest()[:16]


def _known(state: LedgerState, declared: Declaration, model: str, kind: str, occasion: str) -> bool:
    """Whether an incident of the model, or of all that read its source, stands for this."""

    def stands(incidents: Mapping[str, Incident], cause: str) -> bool:
        return any(i.cause == cause and (i.is_open or i.window == occasion) for i in incidents.values())

    own = stands(state.model(model).incidents, kind)
    return own or stands(state.fleet.incidents, f"{kind}:{_source(declared)}")


def _reasons(platform: Platform, now: datetime, models: Sequence[str]) -> dict[str, str]:
    """Why windows are not judged, by model; empty where their run is due and has not come."""
    if not models:
        return {}
    waiting = windows_due(platform, now, models=models)[0].waiting
    return {name: text for name, _, text in (line.partition(": ") for line in waiting)}


def _open(platform: Platform, kind: str, reason: str, group: Sequence[tuple[Late, str]]) -> str:
    names, first = [late.model for late, _ in group], min(occasion for _, occasion in group)
    declared = platform.project.declarations[names[0]]
    if kind == DATA_MISSING:
        summary = f"no row came for the window {first}; ask the owner of {declared.source.described}"
    else:
        count = sum(len(late.overdue) for late, _ in group)
        what = "1 window has" if count == 1 else f"{count} windows have"
        why = reason or "its run is due and has not come: look whether Dagster's daemon runs, and what its queue holds"
        summary = f"{what} no verdict, the first is {first}: {why}"
    shared = len(names) > 1
    if shared:
        summary = f"{len(names)} models read {declared.source.described} ({', '.join(names)}): {summary}"
    open_incident(
        platform.ledger,
        "" if shared else names[0],
        kind=kind,
        severity="act",
        summary=f"{summary}.",
        window=first,
        cause=f"{kind}:{_source(declared)}" if shared else kind,
        rule=kind,
    )
    return summary
