"""What needs a person now: one list over a model, with the command and the roles for each item.

Belongs here: which open items are urgent, by when, and what a person types. Not here: the item itself and those about judgements
and evidence (`attention_items.py`), the facts, which the inventory holds, and how the list is shown.
"""

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from mlops_assets.datasets.windows import declared_windows
from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.attention_items import AttentionItem, Urgency, date_text, judgement_items, within
from mlops_assets.evidence.coverage import Coverage
from mlops_assets.evidence.reading import as_sentence, day, moment
from mlops_assets.evidence.version_status import VersionStatus, required_gates, waiting
from mlops_assets.evidence.window_evidence import OutcomeReports
from mlops_assets.ledger.events.champion import (
    Resumption,
    Retirement,
    Rollback,
    SegmentPaused,
    SegmentResumed,
    Suspension,
)
from mlops_assets.ledger.state.model import LedgerState, ModelState
from mlops_assets.ledger.state.response import Incident
from mlops_assets.policy.conduct_rules import IncidentRule
from mlops_assets.response.incident_acts import DISPOSITIONS
from mlops_assets.response.incident_life import incident_life
from mlops_assets.response.runbooks import runbook_of

FLEET = "fleet"
"""Stands for the model of an item that is about no single one."""
UNDECLARED = "recorded in the ledger, and no longer declared"
"""Error of a model that the ledger knows and no declaration names."""
NAMED = 3
"""Models that nobody governs of which an item names the place."""
ORDER: tuple[Urgency, ...] = ("now", "soon", "open")


def attention(
    row: Mapping[str, Any],
    state: ModelState,
    at: datetime,
    *,
    statuses: Mapping[str, VersionStatus] | None = None,
    unjudged: Sequence[str] = (),
    stale: Sequence[str] = (),
    reports: OutcomeReports | None = None,
    policy: Any | None = None,
    shared: Sequence[Incident] = (),
    model_of: Callable[[str], ModelState] | None = None,
    declared: str = "",
) -> list[AttentionItem]:
    """Everything that is open about a model, the most urgent first.

    Args:
        row: the model's row of the inventory.
        state: what is recorded about it.
        at: the time against which due dates are compared (UTC).
        statuses: of its versions, from `version_statuses`.
        unjudged: windows that have ended and have no verdict, from `unjudged_windows`.
        stale: evidence that is out of date, a text each.
        reports: of outcomes, where they have a source of their own.
        policy: its effective policy, for the roles that may close an incident or grant an exception.
        shared: incidents of the fleet that concern it.
        model_of: the state of another model by name, for what became of those.
        declared: digest of its declaration.
    """
    if state.champion.status == "retired":
        return []
    model = state.name
    found = [
        *_declaration(model, row),
        *_changed(model, row, state, declared),
        *_suspension(state),
        *_pauses(state),
        *_signatures(state),
        *(
            replace(item, runbook=row.get("runbook") or item.runbook)
            for i in state.open_incidents
            for item in (_incident(model, i, getattr(policy, "incidents", None), lambda _: state),)
        ),
        *(_incident(model, i, IncidentRule(), model_of or (lambda _: state)) for i in shared),
        *_windows(model, state, unjudged),
        *_versions(model, statuses or {}),
        *_stopped(state, statuses or {}, policy),
        *_approved_in_vain(state, statuses or {}),
        *_training(model, row, state),
        *judgement_items(row, state, at, stale=stale, reports=reports, policy=policy),
    ]
    return sorted(found, key=lambda item: ORDER.index(item.urgency))


def fleet_attention(
    state: LedgerState, found: Coverage | None = None, at: datetime | None = None
) -> list[AttentionItem]:
    """What is open about no single model: incidents, such as of a source that several models read, and models that nobody governs.

    Args:
        state: of the ledger.
        found: what is governed of the models that are known to exist; None where no source was searched.
        at: the time against which the ends of signatures are compared (UTC).
    """
    items = [_incident(FLEET, one, IncidentRule(), state.model) for one in state.fleet.open_incidents]
    return [*items, *_not_governed(found, at)] if found is not None and at is not None else items


def _not_governed(found: Coverage, at: datetime) -> list[AttentionItem]:
    """Models that are known and open, and signatures that ignore one and end soon."""
    items = []
    if found.open:
        first = [f"{row.place} ({row.form})" for row in found.rows if row.standing == "open"][:NAMED]
        more = f" and {found.open - len(first)} more" if found.open > len(first) else ""
        detail = f"{', '.join(first)}{more}. Declare each, assign it to a declared model, or sign why it is ignored."
        title = f"{found.open} known model{' is' if found.open == 1 else 's are'} not governed"
        items.append(AttentionItem(FLEET, "discovery", "soon", title, detail, "mlops discover list"))
    for row in found.rows:
        ends = moment(row.until)
        if row.standing == "ignored" and within(ends, at):
            title = f"{row.place} is ignored until {day(ends)}"
            line = f"mlops discover ignore {row.id} --until DATE --reason TEXT --key KEY.pem"
            items.append(AttentionItem(FLEET, "discovery", "soon", title, f"{row.how}.", line, "", date_text(ends)))
    return items


def unjudged_windows(declaration: Declaration | None, state: ModelState, today: date) -> tuple[str, ...]:
    """Windows that had ended before `today`, since monitoring began, and have no verdict.

    The day on which a window ends is left out: its rows and its run may still come.
    """
    if declaration is None or not declaration.has_time or state.champion.deciding is None:
        return ()
    judged = set(state.window_verdicts)
    return tuple(w.key for w in declared_windows(declaration, today) if w.end < today and w.key not in judged)


def _declaration(model: str, row: Mapping[str, Any]) -> list[AttentionItem]:
    if not row["error"]:
        return []
    if row["error"] == UNDECLARED:
        line = f"mlops retire {model} --key KEY.pem --rationale TEXT"
        detail = "The ledger has records of this model, and no declaration names it. Restore the declaration or retire the model."
        return [AttentionItem(model, "declaration", "now", "No longer declared", detail, line)]
    return [AttentionItem(model, "declaration", "now", "Declaration broken", str(row["error"]), "dg check defs")]


def _changed(model: str, row: Mapping[str, Any], state: ModelState, declared: str) -> list[AttentionItem]:
    """A champion that was made under another declaration, while no version of the present one was asked for or made."""
    newest = state.newest_version
    made = newest.registration.event.declaration_digest if newest is not None and newest.registration else ""
    if not row.get("declaration_changed") or state.open_request is not None or (declared and made == declared):
        return []
    due = "retraining" if row["declaration_changed"].endswith("so a retraining is due.") else "a new version"
    title = f"Declaration changed: {due} is due"
    line = f"mlops retrain {model} --key KEY.pem --rationale TEXT"
    return [AttentionItem(model, "retraining", "soon", title, row["declaration_changed"], line)]


def _suspension(state: ModelState) -> list[AttentionItem]:
    if state.suspension is None:
        return []
    event = state.suspension.event
    detail = f"Since {day(state.suspension.happened_at)}, by {event.person}. {event.rationale}"
    line = f"mlops resume {state.name} --key KEY.pem --rationale TEXT"
    return [
        AttentionItem(state.name, "suspension", "now", "Suspended: no version decides", detail, line, "no author of it")
    ]


def _quoted(segment: str) -> str:
    """A segment as a person types it to a shell."""
    return shlex.quote(segment) if set(segment) & set('"$`\\!') else f'"{segment}"'


def _pauses(state: ModelState) -> list[AttentionItem]:
    """Segments about whose rows nothing is decided."""
    return [
        AttentionItem(
            state.name, "suspension", "now", f"Paused where {one.where}: these rows get no decision",
            f"Since {day(one.since)}, by {one.person} (record {one.seq}). {one.rationale}",
            f"mlops resume {state.name} --where {_quoted(one.where)} --key KEY.pem --rationale TEXT", "no author of it",
        )
        for one in state.pauses.values()
    ]  # fmt: skip


COMMANDS = {
    SegmentPaused.KIND: "suspend",
    SegmentResumed.KIND: "resume",
    Suspension.KIND: "suspend",
    Resumption.KIND: "resume",
    Rollback.KIND: "rollback",
    Retirement.KIND: "retire",
}


def _signatures(state: ModelState) -> list[AttentionItem]:
    """Interventions that the policy lets take effect only when more people have signed."""
    found = []
    for kind, version in dict.fromkeys((record.kind, record.subject) for record in state.waiting):
        signed = state.signed(kind, version)
        by = ", ".join(f"{record.event.person} ({record.event.role})" for record in signed)
        missing = ", ".join(f"{count} × {role}" for role, count in state.missing_signatures(kind, version).items())
        where = f" --where {_quoted(version)}" if kind in (SegmentPaused.KIND, SegmentResumed.KIND) else ""
        line = f"mlops {COMMANDS[kind]} {state.name}{where} --key KEY.pem --rationale TEXT"
        detail = f"Signed by {by}: {signed[0].event.rationale}"
        title = f"A {kind.replace('_', ' ')} waits for signatures"
        found.append(AttentionItem(state.name, "intervention", "now", title, detail, line, missing))
    return found


def _incident(
    model: str, incident: Incident, rule: IncidentRule | None, model_of: Callable[[str], ModelState]
) -> AttentionItem:
    life = incident_life(incident, model_of)
    columns = ", ".join(name for name in incident.columns if name not in incident.summary)
    window = f"Window {incident.window}." if incident.window and incident.window not in incident.summary else ""
    decides = sorted(set(life.superseded.values()))
    said = [
        f"Version {', '.join(map(str, decides))} decides now." if decides else "",
        life.text if len(life.windows) > 1 or life.quiet else window,
        f"Opened again; first opened on {day(incident.first.recorded_at)}." if incident.earlier else "",
        f"Acknowledged by {incident.acknowledged_by}." if incident.acknowledged_by else "",
        f"Mitigated by {incident.mitigated_by}: {as_sentence(incident.mitigation)}" if incident.mitigated_by else "",
        f"Ticket {', '.join(incident.tickets)}." if incident.tickets else "",
        incident.summary,
        f"Models: {', '.join(sorted(incident.models))}." if incident.models else "",
        f"Columns: {columns}." if columns else "",
    ]
    choices = "|".join(DISPOSITIONS)
    line = f"mlops incident close {incident.id} --disposition {choices} --key KEY.pem --note TEXT"
    title = f"Incident {incident.id}: {incident.kind.replace('_', ' ')}, {life.worst}"
    # What another version's windows show presses no more; it is still to be judged, since thresholds rest on that.
    urgency: Urgency = "open" if life.is_past else "now"
    who = ", ".join(rule.close_roles) if rule is not None else ""
    return AttentionItem(
        *(model, "incident", urgency, title, " ".join(text for text in said if text), line, who),
        incident=incident.id,
        runbook=runbook_of(incident.kind),
    )


def _windows(model: str, state: ModelState, unjudged: Sequence[str]) -> list[AttentionItem]:
    if not unjudged:
        return []
    count = len(unjudged)
    title = f"{count} window{'' if count == 1 else 's'} without a verdict"
    span = unjudged[0] if count == 1 else f"{unjudged[0]} to {unjudged[-1]}"
    last = (
        f"The last verdict is on window {state.last_verdict.window}."
        if state.last_verdict
        else "No window has a verdict yet."
    )
    known = f"ended and not judged, so nothing is known about the model in {'it' if count == 1 else 'them'}."
    detail = f"{span}: {known} {last} The sensor arrivals starts one at a time; where no rows have come, it says so, and where a run failed, Dagster does."
    return [AttentionItem(model, "window", "now", title, detail)]


def _versions(model: str, statuses: Mapping[str, VersionStatus]) -> list[AttentionItem]:
    found = waiting(statuses)
    if found is None:
        return []
    kinds = {"waiting for policy": "policy", "waiting for assessment": "tier"}
    kind = kinds.get(found.status, "approval")
    who = ", ".join(f"{count} × {role}" if count > 1 else role for role, count in found.missing)
    title = f"Version {found.version} is {found.status}"
    return [AttentionItem(model, kind, "now", title, found.reason, line, who) for line in found.commands]


def _stopped(state: ModelState, statuses: Mapping[str, VersionStatus], policy: Any | None) -> list[AttentionItem]:
    """The newest version where a gate or a person stopped it: pressing while no version decides."""
    (*_, newest) = (None, *statuses.values())
    if newest is None or newest.status not in ("refused", "blocked", "rejected"):
        return []
    required = required_gates(policy)
    why = [
        f"{gate.replace('_', ' ')}: {decision.reason}"
        for gate, decision in state.version(newest.version).decided().items()
        if decision.outcome in ("failed", "not_measurable") and gate in required
    ]
    detail = f"{newest.reason} {as_sentence('; '.join(why))}" if why else newest.reason
    urgency: Urgency = "open" if state.champion.deciding else "soon"
    return [AttentionItem(state.name, "version", urgency, f"Version {newest.version} is {newest.status}", detail)]


def _approved_in_vain(state: ModelState, statuses: Mapping[str, VersionStatus]) -> list[AttentionItem]:
    """The last version that people approved and that a later one superseded, until a version after it was promoted."""
    promoted = max((int(number) for number in state.champion.promoted), default=0)
    for number, found in reversed(list(statuses.items())):
        if int(number) <= promoted:
            break
        approvals = [one.record.event for one in state.version(number).approvals]
        people = [event.person for event in approvals if event.decision == "approve"]
        if found.status == "superseded" and people:
            title = f"Version {number} was approved and is not released"
            detail = f"{found.reason} The signature of {', '.join(people)} does not count for another version."
            return [AttentionItem(state.name, "version", "soon", title, detail)]
    return []


def _training(model: str, row: Mapping[str, Any], state: ModelState) -> list[AttentionItem]:
    """A declared model that nobody has trained."""
    if row["error"] or state.versions or any(request.is_open for request in state.requests.values()):
        return []
    detail = "It is declared, and no version of it has been registered."
    return [AttentionItem(model, "training", "soon", "Not trained yet", detail, f"dg launch --job {model}__training")]
