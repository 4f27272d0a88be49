"""Return on governance: what is counted from the ledger, and an estimate of the hours that it saved.

Counted or measured: times, decisions, windows, incidents, retrainings, differences in performance on the same rows.
Estimated: counts times the hours that the bank declares in `config/hours.yaml`; an hour that is not declared is a
default and is shown as one. Not here: the page (`pages.roi`).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from mlops_assets.evidence.coverage import Coverage
from mlops_assets.ledger.events.judgements import GateDecided
from mlops_assets.ledger.events.versions import SnapshotTaken
from mlops_assets.ledger.ledger import Ledger
from mlops_assets.ledger.state.model import ModelState
from mlops_assets.ledger.state.versions import Decision, VersionState
from mlops_assets.policy.reading import read_document

FILE = "hours.yaml"
ALARMS = ("act", "critical")


class Assumptions(BaseModel):
    """Hours of a person's work. Every default is a guess; declare your own."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    hours_per_gate: float = Field(0.75, ge=0)
    """To make one gate decision by hand: find the value, compare it, write it down."""
    hours_per_window: float = Field(3.0, ge=0)
    """To judge one monitoring window by hand: fetch rows and outcomes, compare, write it up."""
    hours_per_card: float = Field(16.0, ge=0)
    """To write the documentation of one version."""
    hours_per_retraining: float = Field(60.0, ge=0)
    """A retraining that was not needed: data, training, validation, approval, release."""
    hours_per_incident: float = Field(2.0, ge=0)
    """To examine one incident, whatever it turned out to be: a cost."""
    hours_per_signature: float = Field(1.0, ge=0)
    """To read the evidence and sign once: a cost."""
    hourly_rate: float | None = Field(None, gt=0)
    """What an hour costs; without it the estimate stays in hours."""
    currency: str = ""
    """Of the hourly rate."""


@dataclass(frozen=True)
class Release:
    """One version that became champion.

    Attributes:
        version: which.
        hours: from the snapshot of its training rows to its promotion, None where the snapshot is not recorded.
        cause: of the retraining request that it answers; empty for one that answers none.
        metric, difference, low, high: against the champion of that time on the same held-out rows, with the paired
            interval that its gate recorded; None for the first champion.
        rows: held out.
    """

    version: str
    hours: float | None
    cause: str
    metric: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    rows: int | None = None


@dataclass(frozen=True)
class ModelRoi:
    """What is counted of one model.

    Attributes:
        model: name.
        releases: versions that became champion.
        gates: gate decisions by outcome; of a gate that decided again, the last one.
        cards: versions with an issued card.
        signatures: approvals, validations and exceptions that people signed.
        windows: judged.
        alarms: windows at `act` or worse.
        incidents: by disposition; `open` among them.
        examined: incidents that a person acknowledged or closed.
        precision: of the alarms that were true or false, with its interval; None while none was.
        avoided: runs of windows with a data-quality fault for which no retraining was requested, each as first and
            last window.
    """

    model: str
    releases: tuple[Release, ...]
    gates: Mapping[str, int]
    cards: int
    signatures: int
    windows: int
    alarms: int
    incidents: Mapping[str, int]
    examined: int
    precision: Mapping[str, float | None] | None
    avoided: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Line:
    """One line of the estimate; hours are negative where they were spent rather than saved."""

    what: str
    count: int
    hours_each: float
    declared: bool

    @property
    def hours(self) -> float:
        """Of all of them."""
        return self.count * self.hours_each


@dataclass(frozen=True)
class RoiReport:
    """The fleet's return on governance.

    Attributes:
        models: counted, by name.
        assumptions: hours that the estimate rests on.
        lines: the estimate.
        hours_to_champion: median over all releases, None where there is none.
        coverage: what is governed of the models that are known to exist; None where no source was searched.
    """

    models: tuple[ModelRoi, ...]
    assumptions: Assumptions
    lines: tuple[Line, ...]
    hours_to_champion: float | None
    coverage: Coverage | None = None

    @property
    def hours(self) -> float:
        """Estimated hours saved, less those spent."""
        return sum(line.hours for line in self.lines)

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data; everything estimated is under `estimate`."""
        rate = self.assumptions.hourly_rate
        return {
            "counted": [asdict(m) for m in self.models],
            "hours_to_champion_median": self.hours_to_champion,
            "coverage": self.coverage.to_dict() if self.coverage else None,
            "estimate": {
                "rests_on": self.assumptions.model_dump(),
                "declared": sorted(self.assumptions.model_fields_set),
                "lines": [{**asdict(line), "hours": line.hours} for line in self.lines],
                "hours": self.hours,
                "amount": None if rate is None else self.hours * rate,
            },
        }


def read_assumptions(config: Path) -> Assumptions:
    """The hours declared in `config/hours.yaml`; the defaults where there is no such file.

    Raises:
        PolicyError: the file has a mistake; a line for each.
    """
    path = config / FILE
    return read_document(path, Assumptions) if path.exists() else Assumptions.model_validate({})


def measure_roi(
    ledger: Ledger,
    states: Iterable[ModelState],
    assumptions: Assumptions,
    precision: Mapping[str, Mapping[str, float | None]] | None = None,
    found: Coverage | None = None,
) -> RoiReport:
    """Count what is recorded, and estimate from it.

    Args:
        ledger: for what only the records hold: comparisons of gates, times of snapshots.
        states: of the models.
        assumptions: hours a person would need.
        precision: of each model's alarms, with `precision`, `low` and `high`, where any was judged.
        found: what is governed of the models that are known to exist; None where no source was searched.
    """
    models = tuple(model_roi(ledger, s, (precision or {}).get(s.name)) for s in sorted(states, key=lambda s: s.name))
    times = [r.hours for m in models for r in m.releases if r.hours is not None]
    return RoiReport(models, assumptions, _estimate(models, assumptions), median(times) if times else None, found)


class _Comparison(BaseModel):
    """The paired difference on the same held-out rows, in the measurement of the performance gate."""

    model_config = ConfigDict(extra="ignore")

    metric: str = ""
    difference: float | None = None
    low: float | None = None
    high: float | None = None


class _Measured(BaseModel):
    """What of the performance gate's measurement is shown here."""

    model_config = ConfigDict(extra="ignore")

    comparison: _Comparison | None = None
    n: int | None = None


def model_roi(ledger: Ledger, state: ModelState, precision: Mapping[str, float | None] | None = None) -> ModelRoi:
    """What is counted of one model."""
    verdicts = state.window_verdicts.values()
    incidents = state.incidents.values()
    signatures = sum(len(v.approvals) + len(v.validations) for v in state.versions.values()) + len(state.exceptions)
    return ModelRoi(
        model=state.name,
        releases=tuple(_release(ledger, state, v) for v in state.versions.values() if v.promotions),
        gates=_counted(decision.outcome for decision in _decisions(state)),
        cards=sum(v.card is not None for v in state.versions.values()),
        signatures=signatures,
        windows=len(verdicts),
        alarms=sum(v.severity in ALARMS for v in verdicts),
        incidents=_counted(i.disposition or "open" for i in incidents),
        examined=sum(bool(i.acknowledged_by or i.closed_by) for i in incidents),
        precision=precision,
        avoided=avoided_retrainings(state),
    )


def _decisions(state: ModelState) -> list[Decision]:
    """The last decision of each gate on each subject: a gate that decided again replaces one decision by a person."""
    found = [d for decided in state.data_decisions.values() for d in decided.values()]
    for version in state.versions.values():
        last: dict[str, Decision] = {}
        for decided in version.decisions.values():
            for gate, decision in decided.items():
                if gate not in last or last[gate].seq < decision.seq:
                    last[gate] = decision
        found += last.values()
    return found


def avoided_retrainings(state: ModelState) -> tuple[tuple[str, str], ...]:
    """Runs of windows with a data-quality fault, for none of which a retraining was requested.

    A rule that retrains at every alarm would have trained on the faulty rows, once for each run of windows.
    """
    requested = {request.record.event.window.isoformat() for request in state.requests.values()}
    verdicts = state.window_verdicts.values()
    found = []
    for broken, group in groupby(verdicts, lambda v: v.kind == "data_quality" and v.severity in ALARMS):
        windows = [v.window for v in group]
        if broken and not requested.intersection(windows):
            found.append((windows[0], windows[-1]))
    return tuple(found)


def _release(ledger: Ledger, state: ModelState, known: VersionState) -> Release:
    promotion = known.promotions[0]
    measured = _measured(ledger, known.decided(promotion.event.policy_digest).get("performance"))
    compared = (measured.comparison if measured else None) or _Comparison()
    answers = [
        request.record.event.cause
        for request in state.requests.values()
        if request.closed and request.closed.event.version == known.version
    ]
    return Release(
        version=known.version,
        hours=_hours(_snapshot_time(ledger, known), promotion.recorded_at),
        cause=answers[0] if answers else "",
        metric=compared.metric,
        difference=compared.difference,
        low=compared.low,
        high=compared.high,
        rows=measured.n if measured and measured.comparison else None,
    )


def _measured(ledger: Ledger, decision: Decision | None) -> _Measured | None:
    record = ledger.get(decision.seq) if decision else None
    if record is None or not isinstance(record.event, GateDecided):
        return None
    return _Measured.model_validate(record.event.measured or {})


def _snapshot_time(ledger: Ledger, known: VersionState) -> datetime | None:
    """When the training rows of the version were taken."""
    if known.registration is None:
        return None
    taken = ledger.get(known.registration.event.snapshot_record)
    same = taken is not None and isinstance(taken.event, SnapshotTaken)
    return taken.recorded_at if taken and same and taken.subject == known.registration.event.data_digest else None


def _hours(start: datetime | None, end: datetime) -> float | None:
    return None if start is None else max(0.0, (end - start).total_seconds() / 3600)


def _estimate(models: Sequence[ModelRoi], assumed: Assumptions) -> tuple[Line, ...]:
    declared = assumed.model_fields_set

    def line(what: str, field: str, count: int, sign: int = 1) -> Line:
        return Line(what, count, sign * getattr(assumed, field), field in declared)

    return (
        line("gate decisions", "hours_per_gate", sum(sum(m.gates.values()) for m in models)),
        line("windows judged", "hours_per_window", sum(m.windows for m in models)),
        line("model cards written", "hours_per_card", sum(m.cards for m in models)),
        line("retrainings on faulty data avoided", "hours_per_retraining", sum(len(m.avoided) for m in models)),
        line("incidents examined", "hours_per_incident", sum(m.examined for m in models), -1),
        line("signatures given", "hours_per_signature", sum(m.signatures for m in models), -1),
    )


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items()))
