"""One model on a page: what needs attention, how its windows went, who approved what, its gates and its commands.

Belongs here: what the page shows, in the order in which it shows it. Not here: any computation of a state; the row comes
from the inventory, events from the ledger's records, measurements from the windows' reports.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops_assets.evidence import plots
from mlops_assets.evidence.blocks import Figure, Tone
from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.pages.event_text import event_text
from mlops_assets.evidence.pages.fleet import MARKS, ModelView, event_log, state_tone, strip
from mlops_assets.evidence.reading import day, label, minute, moment, number, short
from mlops_assets.evidence.version_status import VersionStatus
from mlops_assets.evidence.window_evidence import WindowEvidence, heat, leading_metric
from mlops_assets.ledger.events import champion, judgements
from mlops_assets.ledger.events.versions import VersionRegistered
from mlops_assets.ledger.state.versions import Decision, VersionState
from mlops_assets.ledger.state.windows import WindowVerdict
from mlops_assets.monitoring.wording import column_name
from mlops_assets.response.alarm_precision import Precision

STATUS_TONES = {
    "champion": "none",
    "suspended": "critical",
    "refused": "act",
    "rejected": "act",
    "blocked": "act",
    "waiting for assessment": "watch",
    "waiting for approval": "watch",
    "waiting for policy": "watch",
    "in shadow": "watch",
    "in canary": "watch",
    "in an A/B test": "watch",
    "waiting for a step's signature": "watch",
    "ready": "watch",
}
"""Status of a version to the class of its badge."""
VERSION_EVENTS = (
    VersionRegistered,
    judgements.Approval,
    judgements.ValidationRecorded,
    champion.Promotion,
    champion.Rollback,
)


@dataclass(frozen=True)
class Command:
    """A command that a person can run on the model now.

    Attributes:
        what: what it does, in a few words.
        line: what to type.
        who: roles that may run it, where the policy names them.
    """

    what: str
    line: str
    who: str = ""


@dataclass(frozen=True)
class VersionRow:
    """One version, its status and what people and policy did with it."""

    version: str
    registered: VersionRegistered
    status: VersionStatus
    card: str
    events: tuple[tuple[datetime, str], ...]
    gates: str

    @property
    def tone(self) -> str:
        """Class of the badge that shows the status."""
        return STATUS_TONES.get(self.status.status, "")


@dataclass(frozen=True)
class WindowRow:
    """One judged window, with the leading metric."""

    verdict: WindowVerdict
    evidence: WindowEvidence | None
    value: plots.Interval | None
    estimated: bool
    reference: float | None
    address: str


@dataclass(frozen=True)
class GateRow:
    """One gate decision as a table shows it; `required` is yes, no, or `lifted by exception`."""

    gate: str
    required: str
    outcome: str
    value: object
    threshold: object
    rule: str
    reason: str
    record: int
    tone: Tone


@dataclass(frozen=True)
class HeatCell:
    """Severity of one column in one window, and the page of the window."""

    window: str
    severity: str
    mark: str
    address: str


@dataclass(frozen=True)
class HeatRow:
    """One column of the data over all windows."""

    column: str
    cells: tuple[HeatCell, ...]


@dataclass(frozen=True)
class HeatMap:
    """Drift severity of columns over windows; `left_out` counts the columns that changed least and are not shown."""

    columns: tuple[str, ...]
    windows: tuple[str, ...]
    rows: tuple[HeatRow, ...]
    left_out: int


def render(
    model: ModelView,
    windows: Sequence[WindowEvidence] = (),
    *,
    at: datetime,
    precision: Precision | None = None,
    fleet: str = "../fleet.html",
    runbooks: Mapping[str, str] | None = None,
) -> str:
    """The page as HTML text.

    Args:
        model: row, state and links, the links relative to this page.
        windows: what was measured, in order of time.
        at: the time the page describes.
        precision: of all the model's alarms, None while there was none.
        fleet: relative address of the fleet page.
        runbooks: name of a runbook to its address.
    """
    metric = leading_metric(windows)
    return render_template(
        "model.html.j2",
        model=model,
        row=model.row,
        state=model.state,
        at=at,
        fleet=fleet,
        runbooks=runbooks or {},
        strip=strip(model),
        versions=versions(model),
        windows=window_rows(model, windows, metric),
        metric=label(metric) if metric else "",
        figures=figures(model, windows, metric),
        heat=heat_map(model, windows),
        alarms=alarm_text(precision),
        commands=commands(model),
        gates=champion_gates(model),
        events=event_log(model),
        state_tone=state_tone,
        day=day,
        minute=minute,
        label=label,
        number=number,
        short=short,
    )


def figures(model: ModelView, windows: Sequence[WindowEvidence], metric: str) -> list[Figure]:
    """The leading metric over time, where at least two windows were measured."""
    measured = [w.metrics.get(metric) for w in windows]
    # One point is a number, not a course: the table has it.
    if sum(m is not None for m in measured) < 2:
        return []
    starts = [moment(w.window) for w in windows]
    picture = plots.metric_over_windows(
        [s for s in starts if s is not None],
        measured,
        metric=label(metric),
        reference=[w.references.get(metric) for w in windows],
        changes=_changes(model.verdicts),
    )
    return [Figure(picture.name, picture.title, picture.alt, picture.svg())]


def heat_map(model: ModelView, windows: Sequence[WindowEvidence]) -> HeatMap:
    """Severity of each column in each window, the columns that changed most first."""
    columns, severities, left_out = heat(windows)
    starts = [w.window for w in windows]
    rows = tuple(
        HeatRow(
            column_name(column),
            tuple(
                HeatCell(start, severity, MARKS.get(severity, "?"), model.links.windows.get(start, ""))
                for start, severity in zip(starts, line, strict=True)
            ),
        )
        for column, line in zip(columns, severities, strict=True)
    )
    return HeatMap(tuple(columns), tuple(starts), rows, left_out)


def versions(model: ModelView) -> list[VersionRow]:
    """Every registered version, newest first: its status, its gates, and what people did with it."""
    state = model.state
    cards = {name.removeprefix("card v"): address for name, address in model.links.model}
    statuses = {s["version"]: VersionStatus(**s) for s in model.row["version_status"]}
    return [
        VersionRow(
            version=name,
            registered=known.registration.event,
            status=statuses[name],
            card=cards.get(name, ""),
            events=_events(name, model),
            gates=_gates(known),
        )
        for name, known in reversed(list(state.versions.items()))
        if name in statuses and known.registration is not None
    ]


def window_rows(model: ModelView, windows: Sequence[WindowEvidence], metric: str) -> list[WindowRow]:
    """Every judged window, newest first."""
    measured = {w.window: w for w in windows}
    rows = []
    for verdict in reversed(model.verdicts):
        evidence = measured.get(verdict.window)
        value = evidence.metrics.get(metric) if evidence else None
        estimate = evidence.estimated.get(metric) if evidence and value is None else None
        rows.append(
            WindowRow(
                verdict=verdict,
                evidence=evidence,
                value=value or estimate,
                estimated=estimate is not None,
                reference=evidence.references.get(metric) if evidence else None,
                address=model.links.windows.get(verdict.window, ""),
            )
        )
    return rows


def alarm_text(found: Precision | None) -> str:
    """How often alarms were right, as far as incidents were closed; empty while there was no alarm."""
    if found is None:
        return ""
    data = f"true ({found.data_fault} of them faults of the data)" if found.data_fault else "true"
    counts = {data: found.true, "false": found.false, "expected": found.expected, "still open": found.open}
    parts = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    total = sum(counts.values())
    summary = f"{total} alarm{'' if total == 1 else 's'} opened an incident: {parts}."
    if found.precision is None:
        return f"{summary} The precision of alarms is known only after incidents are closed."
    return f"{summary} Precision {number(found.precision)} ({number(found.low)} to {number(found.high)})."


def champion_gates(model: ModelView) -> list[GateRow]:
    """Decisions on the champion, or without one on the newest version: those that did not pass first."""
    version = model.row["version"]
    known = model.state.versions.get(version) if version else None
    lifted = {e["gate"] for e in model.row["exceptions"] if e["version"] in (None, version)}
    required = set(model.row["required_gates"])
    rows = [_gate_row(decision, required, lifted) for decision in (known.decided() if known else {}).values()]
    return sorted(rows, key=lambda row: (row.outcome == "passed", row.required == "no"))


def _gate_row(decision: Decision, required: set[str], lifted: set[str]) -> GateRow:
    outcome, needed = decision.outcome, decision.gate in required
    excepted = needed and outcome != "passed" and decision.gate in lifted
    tone: Tone = "plain" if outcome == "passed" or not needed else "warn" if excepted or outcome != "failed" else "bad"
    return GateRow(
        gate=decision.gate,
        required="yes, lifted by an exception" if excepted else "yes" if needed else "no" if required else "not known",
        outcome=outcome.replace("_", " "),
        value=decision.value,
        threshold=decision.threshold,
        rule=decision.rule,
        reason=decision.reason,
        record=decision.seq,
        tone=tone,
    )


def commands(model: ModelView) -> list[Command]:
    """What can be done with the model in its present state; approvals only where signatures are missing."""
    name, row, state = model.name, model.row, model.state
    version = row["version"] or "VERSION"
    found = []
    if state.champion.status != "retired":
        pending = next((s for s in reversed(row["version_status"]) if s["status"] == "waiting for approval"), None)
        if pending is not None:
            roles = ", ".join(f"{count} × {role}" if count > 1 else role for role, count in pending["missing"])
            found += [Command(f"Approve version {pending['version']}", line, roles) for line in pending["commands"]]
        if state.champion.version:
            replaced = len({change.version for change in state.changes}) > 1
            found += _champion_commands(name, state.suspension is not None, replaced)
        finding = f"mlops finding record {name} --severity high --summary TEXT --owner NAME --due DATE --key KEY.pem"
        found += [
            Command("Request a retraining", f"mlops retrain {name} --key KEY.pem --rationale TEXT"),
            Command("Record a finding", finding, "validator, model-risk"),
        ]
    if row["version"]:
        found += [
            Command("Write the audit packet", f"mlops packet {name} {version} -o {name}-v{version}.zip"),
            Command("Train the version again and compare", f"mlops replay {name} {version}"),
        ]
    if state.verdicts:
        found += [
            Command("Test monitoring with injected faults", f"mlops drill {name}"),
            Command("Trace one prediction to all its evidence", "mlops trace PREDICTION_ID"),
        ]
    found += [
        Command("Show the model at an earlier time", f"mlops asof DATE {name}"),
        Command("Show the policy", f"mlops policy show {name}"),
    ]
    return found


def _champion_commands(name: str, suspended: bool, replaced: bool) -> list[Command]:
    found = []
    if suspended:
        found.append(Command("Resume the champion", f"mlops resume {name} --key KEY.pem --rationale TEXT"))
    else:
        found.append(Command("Suspend the champion now", f"mlops suspend {name} --key KEY.pem --rationale TEXT"))
    if replaced:
        line = f"mlops rollback {name} --key KEY.pem --rationale TEXT"
        found.append(Command("Roll back to the former champion", line))
    return found


def _gates(known: VersionState) -> str:
    """How the gates decided, in words; those that did not pass by name."""
    by: dict[str, list[str]] = {}
    decided = known.decided()
    for gate, decision in decided.items():
        by.setdefault(decision.outcome, []).append(gate.replace("_", " "))
    parts = [f"{len(by.get('passed', []))} of {len(decided)} gates passed"]
    return "; ".join([*parts, *(f"{o.replace('_', ' ')}: {', '.join(g)}" for o, g in by.items() if o != "passed")])


def _changes(verdicts: Sequence[WindowVerdict]) -> list[tuple[datetime, str]]:
    """Windows from which on another version decided; by the windows, because those are what is drawn."""
    found: list[tuple[datetime, str]] = []
    version = ""
    for verdict in verdicts:
        start = moment(verdict.window)
        if version and verdict.version and verdict.version != version and start is not None:
            found.append((start, verdict.version))
        version = verdict.version or version
    return found


def _events(version: str, model: ModelView) -> tuple[tuple[datetime, str], ...]:
    """What people and policy did with the version, from its records; what does not count says so."""
    mine = (r for r in model.records if isinstance(r.event, VERSION_EVENTS) and r.subject == version)
    return tuple((r.happened_at, event_text(r, objections=model.objections)) for r in mine)
