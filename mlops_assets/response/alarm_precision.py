"""What alarms turned out to be: dispositions of incidents joined to the verdicts that raised them.

Belongs here: which windows an incident stands for, and how often alarms were right, by model, kind and rule. Not here:
closing incidents (`incidents.py`), and what thresholds follow from it (`monitoring/thresholds/alarm_calibration.py`).

Precision is the share of true alarms among those that were true or false. A fault of the data was a true alarm. An expected
one (a campaign, a known migration) was neither: something did happen, and nobody had to be woken. Alarms that are open say
nothing yet. An incident that was opened again is one alarm for each opening.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Literal

from mlops_assets.ledger.state.model import LedgerState
from mlops_assets.ledger.state.response import Disposition, Incident
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.response.incidents import alarms
from mlops_assets.statistics.intervals import wilson_interval

ALARMS = ("act", "critical")
By = Literal["model", "kind", "rule"]


@dataclass(frozen=True)
class JudgedWindow:
    """One window's last verdict with what came of it.

    Attributes:
        window: its start.
        severity, kind: of the verdict.
        rules: what raised it.
        disposition: of the incident that stands for it; None while that is open, or where there is none.
        incident: its id, or empty.
        held: worth acting on, and only watched because persistence asks for more windows; it has the disposition of the
            alarm that such windows led to.
    """

    window: str
    severity: str
    kind: str
    rules: tuple[str, ...]
    disposition: Disposition | None
    incident: str
    held: bool = False


@dataclass(frozen=True)
class Precision:
    """How often alarms were right.

    Attributes:
        model: whose.
        by, name: all of the model's alarms, those of one kind, or those of one rule.
        true, false, expected, open: incidents by disposition; true ones include those that were a fault of the data.
        data_fault: how many of the true ones were that.
        windows: windows they stand for.
        precision: of the true and false ones; None while there are none.
        low, high: Wilson interval of 95 %.
    """

    model: str
    by: By
    name: str
    true: int
    false: int
    expected: int
    open: int
    windows: int
    precision: float | None
    low: float | None
    high: float | None
    data_fault: int = 0

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form."""
        return asdict(self)


def judged_windows(verdicts: Iterable[WindowVerdict], raised: Sequence[Incident]) -> list[JudgedWindow]:
    """The last verdict on each window of one model, in order of time, with the disposition of its alarm.

    An incident that is open takes in later windows of its cause without a new one being opened; its disposition is that
    of all of them, and of the windows right before it that persistence held back.

    Args:
        verdicts: the last verdict on each window of the model.
        raised: about the same model, as `alarms` gives them.
    """
    last = {verdict.window: verdict for verdict in verdicts}
    found: list[JudgedWindow] = []
    # From the latest on: a window that was held back looks at the one after it.
    for window in sorted(last, reverse=True):
        verdict = last[window]
        kind = verdict.kind
        held = verdict.severity == "watch" and verdict.raw.get(kind) in ALARMS
        incident = _incident_of(verdict, raised)
        follows = found[-1] if found and held and found[-1].kind == kind else None
        found.append(
            JudgedWindow(
                window=window,
                severity=verdict.severity,
                kind=kind,
                rules=verdict.alarm_rules,
                disposition=incident.disposition if incident else follows.disposition if follows else None,
                incident=incident.id if incident else "",
                held=held,
            )
        )
    return found[::-1]


def alarm_precision(model: str, raised: Sequence[Incident], windows: Sequence[JudgedWindow] = ()) -> list[Precision]:
    """Precision of a model's alarms: of all of them first, then by kind, then by rule.

    Args:
        model: whose.
        raised: about the model, as `alarms` gives them; those about windows count.
        windows: as `judged_windows` gives them, for how many windows each stands for.
    """
    mine = [i for i in raised if i.model == model and i.window and i.severity in ALARMS]
    if not mine:
        return []
    stands_for: dict[str, int] = {}
    for window in windows:
        stands_for[window.incident] = stands_for.get(window.incident, 0) + 1
    groups: list[tuple[By, str, list[Incident]]] = [("model", model, mine)]
    for kind in sorted({i.kind for i in mine}):
        groups.append(("kind", kind, [i for i in mine if i.kind == kind]))
    for rule in sorted({r for i in mine for r in rules_of(i)}):
        groups.append(("rule", rule, [i for i in mine if rule in rules_of(i)]))
    return [_precision(model, by, name, found, stands_for) for by, name, found in groups]


def fleet_precision(state: LedgerState, as_of: datetime | None = None) -> dict[str, list[Precision]]:
    """Precision of every model that had an alarm.

    Args:
        state: of the ledger, as it was known at the time in question.
        as_of: what happened later is left out, and incidents closed later were open; None: everything.
    """
    found: dict[str, list[Precision]] = {}
    for model in state:
        raised = [_as_of(i, as_of) for i in alarms(state, model.name) if as_of is None or i.opened_at <= as_of]
        verdicts = [v for v in model.window_verdicts.values() if as_of is None or v.happened_at <= as_of]
        rows = alarm_precision(model.name, raised, judged_windows(verdicts, raised)) if raised else []
        if rows:
            found[model.name] = rows
    return found


def _as_of(incident: Incident, as_of: datetime | None) -> Incident:
    if as_of is None or incident.closed_at is None or incident.closed_at <= as_of:
        return incident
    return replace(incident, state="open", disposition=None, closed_at=None)


def rules_of(incident: Incident) -> tuple[str, ...]:
    """Rules that raised an incident; one that names none is counted under its kind."""
    return tuple(incident.rule.split("+")) if incident.rule else (incident.kind,)


def _precision(model: str, by: By, name: str, found: Sequence[Incident], stands_for: Mapping[str, int]) -> Precision:
    counts = {d: sum(i.disposition == d for i in found) for d in ("true", "false", "expected", "data_fault", None)}
    true = counts["true"] + counts["data_fault"]
    judged = true + counts["false"]
    interval = wilson_interval(true, judged) if judged else None
    return Precision(
        model=model,
        by=by,
        name=name,
        true=true,
        false=counts["false"],
        expected=counts["expected"],
        open=counts[None],
        data_fault=counts["data_fault"],
        windows=sum(stands_for.get(i.id, 0) for i in {i.id: i for i in found}.values()),
        precision=true / judged if judged else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
    )


def _incident_of(verdict: WindowVerdict, raised: Sequence[Incident]) -> Incident | None:
    """The incident that stands for an alarm: its own, or the one of the same cause that was open when it was raised."""
    if verdict.severity not in ALARMS:
        return None
    window, kind, columns = verdict.window, verdict.kind, tuple(sorted(verdict.columns))
    same = [
        i
        for i in raised
        if i.kind == kind and i.window and i.window <= window and (kind != "data_quality" or i.columns == columns)
    ]
    still = [i for i in same if i.window == window or i.closed_at is None or i.closed_at >= verdict.recorded_at]
    return still[-1] if still else None
