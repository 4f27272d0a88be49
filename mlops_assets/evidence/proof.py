"""Proof metrics of a trial: six figures, each with its definition, the records that it rests on, and what it lacks.

A figure without anything to count says "no data": an empty share is neither good nor bad. Limits are the service levels of each
model's policy. Not here: the page (`pages.proof`), and looking up what is required of a card (`inspection.proof_inputs`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, time, timedelta
from statistics import median
from typing import Any, Literal

from mlops_assets.evidence.coverage import Coverage, Row
from mlops_assets.evidence.reading import day
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.windows import HealthVerdict
from mlops_assets.ledger.records import Record
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.response import Incident, Request
from mlops_assets.ledger.state.versions import VersionState
from mlops_assets.policy.conduct_rules import ServiceLevels

ALARMS = ("act", "critical")
NO_DATA = "no data"

Name = Literal[
    "inventory_coverage",
    "lineage_complete",
    "windows_in_time",
    "alerts_in_time",
    "retraining_in_time",
    "cards_complete",
]


@dataclass(frozen=True)
class Case:
    """One thing that a figure counts.

    Attributes:
        what: it is, such as `loans, window 2026-01-01`.
        met: whether it meets the definition; None while its time has not run out.
        hours: that it took, or has taken so far; None where the figure is no time.
        why: it does not meet the definition; empty where it does.
        records: numbers of the records that show it.
        ended: whether it came to an end; otherwise its hours still grow.
    """

    what: str
    met: bool | None
    hours: float | None = None
    why: str = ""
    records: tuple[int, ...] = ()
    ended: bool = True


@dataclass(frozen=True)
class ProofMetric:
    """One figure.

    Attributes:
        name: short name.
        title: for people.
        definition: what is counted, and when it counts as met.
        cases: all that were counted.
    """

    name: Name
    title: str
    definition: str
    cases: tuple[Case, ...] = field(default=())

    @property
    def settled(self) -> tuple[Case, ...]:
        """Cases of which is known whether they meet the definition."""
        return tuple(case for case in self.cases if case.met is not None)

    @property
    def met(self) -> int:
        """How many meet the definition."""
        return sum(case.met is True for case in self.cases)

    @property
    def share(self) -> float | None:
        """Of the settled cases, the share that meets the definition; None without any."""
        return self.met / len(self.settled) if self.settled else None

    @property
    def waiting(self) -> int:
        """Cases whose time has not run out."""
        return len(self.cases) - len(self.settled)

    @property
    def median_hours(self) -> float | None:
        """Median time of the cases that came to an end, whether in time or not; None where the figure is no time."""
        times = [case.hours for case in self.cases if case.hours is not None and case.ended]
        return median(times) if times else None

    @property
    def text(self) -> str:
        """The figure in a phrase."""
        if self.share is None:
            return f"{NO_DATA} yet: {self.waiting} not due" if self.waiting else NO_DATA
        more = f", {self.waiting} not due yet" if self.waiting else ""
        return f"{self.share:.0%} ({self.met} of {len(self.settled)}{more})"

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return {
            "name": self.name,
            "title": self.title,
            "definition": self.definition,
            "share": self.share,
            "met": self.met,
            "of": len(self.settled),
            "not_due": self.waiting,
            "median_hours": self.median_hours,
            "text": self.text,
            "cases": [asdict(case) for case in self.cases],
        }


@dataclass(frozen=True)
class Period:
    """The time that the figures are about: from its first day, and known until `now`."""

    since: datetime
    now: datetime

    def holds(self, moment: datetime) -> bool:
        """Whether something of that time is counted."""
        return self.since <= moment <= self.now

    def to_dict(self) -> dict[str, str]:
        """As JSON-able data."""
        return {"since": iso(self.since), "until": iso(self.now)}


@dataclass(frozen=True)
class CardNeeds:
    """What the requirement profiles of a model ask of the card of the version in use.

    Attributes:
        model, version: whose card.
        lacking: clauses whose evidence the card lacks, or that is out of date; empty where it is complete.
        records: number of the record that issued the card; empty where there is none.
    """

    model: str
    version: str
    lacking: tuple[str, ...]
    records: tuple[int, ...]


@dataclass(frozen=True)
class ProofInputs:
    """What the figures are computed from.

    Attributes:
        states: of the models.
        snapshots: numbers of all records of training rows.
        fleet_incidents: incidents about no single model.
        verdicts: every verdict on a window, in order.
        unjudged: by model, windows that ended and have no verdict, with the day after their end.
        levels: by model, the service levels of its policy.
        coverage: what searches for models have found; None where no source was searched.
        cards: of the versions in use.
    """

    states: Sequence[ModelState]
    snapshots: frozenset[int]
    fleet_incidents: Sequence[Incident]
    verdicts: Sequence[Record[HealthVerdict]]
    unjudged: Mapping[str, Sequence[tuple[str, datetime]]]
    levels: Mapping[str, ServiceLevels]
    coverage: Coverage | None
    cards: Sequence[CardNeeds]

    def levels_of(self, model: str) -> ServiceLevels:
        """The service levels of a model; the strictest of all for what concerns no single one."""
        return self.levels.get(model) or strictest(self.levels.values())


def strictest(levels: Iterable[ServiceLevels]) -> ServiceLevels:
    """For each level the smallest limit; the defaults where there is no model."""
    known = list(levels)
    if not known:
        return ServiceLevels()
    return ServiceLevels(**{name: min(getattr(one, name) for one in known) for name in ServiceLevels.model_fields})


def proof(found: ProofInputs, period: Period) -> list[ProofMetric]:
    """The six figures, in the order of `Name`."""
    return [
        ProofMetric(
            "inventory_coverage",
            "Coverage of the inventory",
            "Models that are known to exist now, from searches of the bank's folders and servers; met where a declared model "
            "governs them.",
            tuple(_known(found.coverage.rows) if found.coverage else ()),
        ),
        ProofMetric(
            "lineage_complete",
            "Lineage complete",
            "Versions registered in the period; met where the ledger names the training rows, the declaration, the code, the "
            "environment and the signed artifact, and of a version that was promoted also its gates, approvals and card.",
            tuple(_lineage(found, period)),
        ),
        ProofMetric(
            "windows_in_time",
            "Windows judged in time",
            "Windows that ended in the period, or had ended when the model's first version was promoted in it; met where the "
            "first verdict came within the days of service_levels.judged_days in the policy.",
            tuple(_windows(found, period)),
        ),
        ProofMetric(
            "alerts_in_time",
            "Alerts acted on in time",
            "Incidents of severity act or critical recorded in the period; met where somebody acknowledged or closed them within "
            "the hours of service_levels.acknowledged_hours in the policy.",
            tuple(_alerts(found, period)),
        ),
        ProofMetric(
            "retraining_in_time",
            "From retraining request to deployment",
            "Retraining requests of the period; met where a version that answers the request was promoted within "
            "the days of service_levels.retrained_days in the policy, or the request ended by then because it was withdrawn or "
            "its version was refused.",
            tuple(_retrainings(found, period)),
        ),
        ProofMetric(
            "cards_complete",
            "Cards complete",
            "Versions in use now; met where their card has the evidence that the requirement profiles ask of a card.",
            tuple(
                Case(f"{c.model} version {c.version}", not c.lacking, why="; ".join(c.lacking), records=c.records)
                for c in found.cards
            ),
        ),
    ]


def _known(rows: Iterable[Row]) -> Iterable[Case]:
    for row in rows:
        governed = row.standing == "governed"
        why = "" if governed else ": ".join(filter(None, (row.standing, row.how)))
        yield Case(f"{row.name} ({row.place})", governed, why=why)


def _lineage(found: ProofInputs, period: Period) -> Iterable[Case]:
    for state in found.states:
        for version in state.versions.values():
            registered = version.registration
            if registered is not None and period.holds(registered.recorded_at):
                lacking = _lacks(version, found.snapshots)
                records = (registered.event.snapshot_record, registered.seq, *(p.seq for p in version.promotions))
                yield Case(
                    f"{state.name} version {version.version}", not lacking, why="; ".join(lacking), records=records
                )


def _lacks(version: VersionState, snapshots: frozenset[int]) -> list[str]:
    """What is missing between the rows of a version and its use."""
    assert version.registration is not None
    event = version.registration.event
    wanted = {
        "no signature of the artifact": event.signature,
        "no digest of the code": event.code_version,
        "no digest of the environment": event.environment_digest,
        f"record {event.snapshot_record} of its training rows is not there": event.snapshot_record in snapshots,
        "two registrations with different artifacts": not version.conflicting,
    }
    if version.promotions:
        promotion = version.promotions[0].event
        wanted |= {
            "promoted without a decision of a gate": promotion.decisions,
            "promoted without a card": version.card,
            "fewer approvals are on record than its promotion names": len(version.approvals)
            >= len(promotion.approvals),
        }
    return [text for text, there in wanted.items() if not there]


def _windows(found: ProofInputs, period: Period) -> Iterable[Case]:
    watched = {state.name: _first_promotion(state) for state in found.states}
    first: dict[tuple[str, str], Record[HealthVerdict]] = {}
    for record in found.verdicts:
        first.setdefault((record.model, record.subject), record)
    for (model, window), record in first.items():
        begin = _due(watched.get(model), datetime.combine(record.event.window_end, time(), UTC))
        if begin is not None and period.holds(begin):
            yield _timed(
                f"{model}, window {window}",
                record.recorded_at - begin,
                timedelta(days=found.levels_of(model).judged_days),
                "judged",
                (record.seq,),
            )
    for model, windows in found.unjudged.items():
        for window, end in windows:
            begin = _due(watched.get(model), end)
            if begin is not None and period.holds(begin):
                limit = timedelta(days=found.levels_of(model).judged_days)
                yield _unfinished(f"{model}, window {window}", period.now - begin, limit, "judged")


def _due(promoted: datetime | None, end: datetime) -> datetime | None:
    """From when a window's verdict is expected; None of a model that never decided."""
    return None if promoted is None else max(promoted, end)


def _first_promotion(state: ModelState) -> datetime | None:
    promoted = [p.recorded_at for version in state.versions.values() for p in version.promotions]
    return min(promoted, default=None)


def _alerts(found: ProofInputs, period: Period) -> Iterable[Case]:
    known = [*found.fleet_incidents, *(one for state in found.states for one in state.incidents.values())]
    for one in sorted(known, key=lambda one: one.seqs):
        if one.severity not in ALARMS or not period.holds(one.recorded_at):
            continue
        limit = timedelta(hours=found.levels_of(one.model).acknowledged_hours)
        what = f"incident {one.id} ({one.kind}) of {one.model or 'the fleet'}"
        seen = min((t for t in (one.acknowledged_at, one.closed_at) if t is not None), default=None)
        if seen is None:
            yield _unfinished(what, period.now - one.recorded_at, limit, "acknowledged", one.seqs)
        else:
            yield _timed(what, seen - one.recorded_at, limit, "acknowledged", one.seqs)


def _retrainings(found: ProofInputs, period: Period) -> Iterable[Case]:
    for state in found.states:
        for request in state.requests.values():
            if not period.holds(request.record.recorded_at):
                continue
            limit = timedelta(days=found.levels_of(state.name).retrained_days)
            yield _retraining(state, request, limit, period.now)


def _retraining(state: ModelState, request: Request, limit: timedelta, now: datetime) -> Case:
    asked = request.record.recorded_at
    what = f"{state.name}, request of {day(asked)} for {request.record.event.cause}"
    answers = [
        promotion
        for version in state.versions.values()
        if version.registration is not None and version.registration.event.request == request.id
        for promotion in version.promotions[:1]
    ]
    if answers:
        first = min(answers, key=lambda p: p.seq)
        return _timed(what, first.recorded_at - asked, limit, "in use", (request.record.seq, first.seq))
    closed = request.closed
    if closed is None or closed.event.outcome == "challenger":
        return _unfinished(what, now - asked, limit, "in use", (request.record.seq,))
    ended = _timed(what, closed.recorded_at - asked, limit, "ended", (request.record.seq, closed.seq))
    why = "; ".join(filter(None, (f"{closed.event.outcome}: {closed.event.note}".rstrip(": "), ended.why)))
    return replace(ended, met=ended.met and closed.event.outcome != "failed", why=why)


def _timed(what: str, taken: timedelta, limit: timedelta, done: str, records: tuple[int, ...]) -> Case:
    hours = taken.total_seconds() / 3600
    why = "" if taken <= limit else f"{done} after {span(hours)}, limit {span(limit.total_seconds() / 3600)}"
    return Case(what, taken <= limit, hours, why, records)


def _unfinished(what: str, taken: timedelta, limit: timedelta, done: str, records: tuple[int, ...] = ()) -> Case:
    hours = taken.total_seconds() / 3600
    why = f"not yet {done} after {span(hours)}, limit {span(limit.total_seconds() / 3600)}"
    return Case(what, False if taken > limit else None, hours, why, records, ended=False)


def span(hours: float) -> str:
    """A time for people: in minutes, hours up to two days, then days."""
    if hours * 60 < 2:
        return "under 2 minutes"
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.1f} hours" if hours < 48 else f"{hours / 24:.1f} days"
