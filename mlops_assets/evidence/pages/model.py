"""One model on a page: how it stands, how its windows went, who approved what, what is open, and what can be done.

One HTML file that stands alone. Nothing is computed here: the row comes from the inventory, the story from the ledger's
records, the measurements from the windows' reports.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from mlops_assets.evidence.blocks import Figure
from mlops_assets.evidence.card.html import render as render_template
from mlops_assets.evidence.history import Verdict, VersionState, text
from mlops_assets.evidence.pages import plots
from mlops_assets.evidence.pages.event_text import sentence
from mlops_assets.evidence.pages.fleet import ModelView, story, strip
from mlops_assets.evidence.reading import day, label, minute, moment, number, short
from mlops_assets.evidence.window_evidence import WindowEvidence, heat, leading_metric
from mlops_assets.ledger.ledger import Record
from mlops_assets.response.alarm_precision import Precision


@dataclass(frozen=True)
class Command:
    """Something a person can do now.

    Attributes:
        what: in words.
        line: what to type.
        who: roles that may, as far as they are known; empty: anybody.
    """

    what: str
    line: str
    who: str = ""


@dataclass(frozen=True)
class VersionRow:
    """One version with everything that made or unmade it a champion."""

    version: str
    state: VersionState
    card: str
    events: tuple[tuple[datetime, str], ...]
    gates: str
    decides: bool


@dataclass(frozen=True)
class WindowRow:
    """One judged window, with the leading metric."""

    verdict: Verdict
    evidence: WindowEvidence | None
    value: plots.Interval | None
    estimated: bool
    reference: float | None
    address: str


def render(
    model: ModelView,
    windows: Sequence[WindowEvidence] = (),
    *,
    at: datetime,
    approvals: Sequence[tuple[str, int]] = (),
    precision: Precision | None = None,
    fleet: str = "../fleet.html",
) -> str:
    """The page as HTML text.

    Args:
        model: row, state and links, the links relative to this page.
        windows: what was measured, in order of time.
        at: the time the page speaks of.
        approvals: role and number of signatures that the policy asks for.
        precision: of all the model's alarms, None while there was none.
        fleet: relative address of the fleet page.
    """
    metric = leading_metric(windows)
    return render_template(
        "model.html.j2",
        model=model,
        row=model.row,
        state=model.state,
        at=at,
        fleet=fleet,
        strip=strip(model),
        versions=versions(model),
        windows=window_rows(model, windows, metric),
        metric=label(metric) if metric else "",
        figures=figures(model, windows, metric),
        hidden=heat(windows)[2],
        alarms=alarms_in_words(precision),
        open_work=open_work(model),
        commands=commands(model, approvals),
        gates=champion_gates(model),
        story=story(model.state),
        day=day,
        minute=minute,
        label=label,
        number=number,
        short=short,
    )


def figures(model: ModelView, windows: Sequence[WindowEvidence], metric: str) -> list[Figure]:
    """The leading metric over time, and the severity of columns by window, as far as there are any."""
    drawn = []
    measured = [w.metrics.get(metric) for w in windows]
    # One point is a number, not a course: it stands in the table.
    if sum(m is not None for m in measured) > 1:
        starts = [moment(w.window) for w in windows]
        picture = plots.metric_over_windows(
            [s for s in starts if s is not None],
            measured,
            metric=label(metric),
            reference=[w.references.get(metric) for w in windows],
            changes=_changes(model.state.verdicts),
        )
        drawn.append(Figure(picture.name, picture.title, picture.alt, picture.svg()))
    columns, severities, _ = heat(windows)
    if columns:
        picture = plots.severity_heat(columns, [w.window for w in windows], severities)
        drawn.append(Figure(picture.name, picture.title, picture.alt, picture.svg()))
    return drawn


def versions(model: ModelView) -> list[VersionRow]:
    """Every registered version, newest first: who approved it, and when it decided."""
    state = model.state
    cards = {name.removeprefix("card v"): address for name, address in model.links.model}
    return [
        VersionRow(
            version=name,
            state=known,
            card=cards.get(name, ""),
            events=tuple(sorted(_events(name, known, state.records))),
            gates=_gates(known),
            decides=name == state.champion,
        )
        for name, known in reversed(list(state.versions.items()))
        if known.registered_at is not None
    ]


def window_rows(model: ModelView, windows: Sequence[WindowEvidence], metric: str) -> list[WindowRow]:
    """Every judged window, newest first."""
    measured = {w.window: w for w in windows}
    rows = []
    for verdict in reversed(model.state.verdicts):
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


def alarms_in_words(found: Precision | None) -> str:
    """How often alarms were right, as far as people have said; empty while there was no alarm."""
    if found is None:
        return ""
    counts = {"true": found.true, "false": found.false, "expected": found.expected, "still open": found.open}
    said = ", ".join(f"{count} {name}" for name, count in counts.items() if count)
    total = sum(counts.values())
    told = f"{total} alarm{'' if total == 1 else 's'} became an incident: {said}."
    if found.precision is None:
        return f"{told} How often alarms are right is not known until some are closed."
    return f"{told} Precision {number(found.precision)} ({number(found.low)} to {number(found.high)})."


def champion_gates(model: ModelView) -> list[Record]:
    """Decisions on the version that evidence is asked of, those that did not pass first."""
    known = model.state.versions.get(model.row["version"]) if model.row["version"] else None
    decisions = list(known.decisions.values()) if known else []
    return sorted(decisions, key=lambda r: r.body.get("outcome") == "passed")


def open_work(model: ModelView) -> list[tuple[str, str, str, Command | None]]:
    """What waits for somebody: tone, heading, text, and the command that deals with it."""
    row, state = model.row, model.state
    found: list[tuple[str, str, str, Command | None]] = []
    if row["error"]:
        found.append(("bad", "The declaration cannot be read", str(row["error"]), None))
    if state.suspended is not None:
        resume = Command("Let it decide again", f"mlops resume {model.name} --key KEY.pem --rationale TEXT")
        since = (
            f"Since {day(state.suspended.happened_at)}. {text(state.suspended.body, 'rationale', 'reason', 'cause')}"
        )
        found.append(("bad", "Suspended: nothing decides", since, resume))
    for incident in state.open_incidents:
        unsaid = [name for name in incident.columns if name not in incident.summary]
        columns = f" Columns: {', '.join(unsaid)}." if unsaid else ""
        close = Command(
            "Say what it was",
            f"mlops incident close {incident.id} --disposition true|false|expected --key KEY.pem --note TEXT",
        )
        head = f"Incident {incident.id}: {incident.kind.replace('_', ' ')}, {incident.severity}"
        where = f"Window {incident.window}, {incident.state}. " if incident.window else ""
        found.append(("bad", head, f"{where}{incident.summary}{columns}", close))
    for finding in row["open_findings"]:
        close = Command(
            "Close it, as a validator",
            f"mlops finding close {model.name} {finding['id']} --note TEXT --key KEY.pem",
        )
        due = f" Due {day(finding.get('due'))}." if finding.get("due") else ""
        head = f"Finding {finding['id']}{', ' + finding['severity'] if finding.get('severity') else ''}"
        found.append(("warn", head, f"{finding.get('summary') or ''}{due}", close))
    for granted in row["exceptions"]:
        withdraw = Command(
            "End it early",
            f"mlops exception withdraw {model.name} {granted['record']} --reason TEXT --key KEY.pem",
        )
        head = f"Exception to gate {granted['gate']}, until {day(granted['expires'])}"
        found.append(("warn", head, f"{granted['person'] or granted['role']}: {granted['reason']}", withdraw))
    for refused in row["exceptions_refused"]:
        head = f"Record {refused['record']} claims an exception to gate {refused['gate']} and counts for nothing"
        found.append(("bad", head, refused["why"], None))
    for record in state.open_requests:
        head = f"Retraining is asked for ({'by policy' if record.body.get('automatic') else 'signed'})"
        found.append(("warn", head, text(record.body, "cause"), None))
    if row["evidence_missing"]:
        found.append(("warn", "Evidence missing", ", ".join(row["evidence_missing"]), None))
    return found


def commands(model: ModelView, approvals: Sequence[tuple[str, int]] = ()) -> list[Command]:
    """What can be done with the model as it stands."""
    name, row, state = model.name, model.row, model.state
    version = row["version"] or "VERSION"
    roles = ", ".join(f"{count} × {role}" if count > 1 else role for role, count in approvals)
    found = []
    if state.lifecycle != "decommissioned":
        newest = next((v.version for v in versions(model)), version)
        if newest != state.champion and row["version"]:
            found.append(
                Command(
                    f"Approve version {newest}", f"mlops approve {name} {newest} --key KEY.pem --rationale TEXT", roles
                )
            )
        if state.champion:
            if state.suspended is None:
                found.append(Command("Stop it at once", f"mlops suspend {name} --key KEY.pem --rationale TEXT"))
            if len({c.version for c in state.changes}) > 1:
                found.append(
                    Command("Let the former champion decide", f"mlops rollback {name} --key KEY.pem --rationale TEXT")
                )
        found.append(Command("Ask for a retraining", f"mlops retrain {name} --key KEY.pem --rationale TEXT"))
        found.append(
            Command(
                "Record a finding",
                f"mlops finding record {name} --severity high --summary TEXT --owner NAME --due DATE --key KEY.pem",
                "validator",
            )
        )
    if row["version"]:
        found += [
            Command("Take the evidence away", f"mlops packet {name} {version} -o {name}-v{version}.zip"),
            Command("Train the version again and compare", f"mlops replay {name} {version}"),
        ]
    if state.verdicts:
        found.append(Command("Try monitoring with known faults", f"mlops drill {name}"))
    return [*found, Command("What the policy asks", f"mlops policy show {name}")]


def _gates(known: VersionState) -> str:
    """How the gates decided, in words; those that did not pass by name."""
    by: dict[str, list[str]] = {}
    for gate, record in known.decisions.items():
        by.setdefault(text(record.body, "outcome"), []).append(gate.replace("_", " "))
    said = [f"{len(by.get('passed', []))} of {len(known.decisions)} gates passed"]
    return "; ".join([*said, *(f"{o.replace('_', ' ')}: {', '.join(g)}" for o, g in by.items() if o != "passed")])


def _changes(verdicts: Sequence[Verdict]) -> list[tuple[datetime, str]]:
    """Windows from which on another version decided; by the windows, because those are what is drawn."""
    found: list[tuple[datetime, str]] = []
    version = ""
    for verdict in verdicts:
        start = moment(verdict.window)
        if version and verdict.version and verdict.version != version and start is not None:
            found.append((start, verdict.version))
        version = verdict.version or version
    return found


def _events(name: str, known: VersionState, records: Sequence[Record]) -> list[tuple[datetime, str]]:
    """What people and policy did with the version, each with its record."""
    kinds = ("version_registered", "approval", "validation_recorded", "promotion", "rollback")
    return [(r.happened_at, sentence(r)) for r in records if r.kind in kinds and r.subject == name]
