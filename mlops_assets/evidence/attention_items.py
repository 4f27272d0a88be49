"""One item on which a person has to act, and the items about what people judged and what evidence there is.

Belongs here: tiers, copies, findings, exceptions, validations, evidence, outcomes and retraining requests. Not here: the list, and the items about
versions, windows, incidents and what was stopped (`attention.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from mlops_assets.evidence.reading import NOTHING, as_sentence, day, moment
from mlops_assets.evidence.window_evidence import OutcomeReports
from mlops_assets.gates import contract
from mlops_assets.ledger.state.model import ModelState

Urgency = Literal["now", "soon", "open"]
SOON = timedelta(days=30)
"""How long before its end an exception, a validation or a finding is shown as urgent."""


@dataclass(frozen=True)
class AttentionItem:
    """One item on which a person has to act.

    Attributes:
        model: name.
        kind: `declaration`, `suspension`, `intervention`, `window`, `incident`, `tier`, `approval`, `version`, `policy`, `finding`,
            `exception`, `validation`, `evidence`, `outcomes`, `training`, `retraining` or
            `copy`; of the fleet `incident` or `discovery`.
        urgency: `now`; `soon`, with an end within `SOON`; `open`, without a date that presses.
        title: what it is, in a few words.
        detail: why, in one or two sentences.
        command: what to type; empty where no command deals with it.
        who: roles or person; empty where anybody enrolled may.
        due: day by which it is due, as ISO text, where there is one.
        incident: id of the incident that it is about, or empty.
        runbook: name of the runbook that says what to do, or address of the model's own; empty where there is none.
    """

    model: str
    kind: str
    urgency: Urgency
    title: str
    detail: str
    command: str = ""
    who: str = ""
    due: str | None = None
    incident: str = ""
    runbook: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able data."""
        return asdict(self)


def judgement_items(
    row: Mapping[str, Any],
    state: ModelState,
    at: datetime,
    *,
    stale: Sequence[str] = (),
    reports: OutcomeReports | None = None,
    policy: Any | None = None,
) -> list[AttentionItem]:
    """What is open about judgements, evidence, outcomes and requests of a model; the arguments are those of `attention`."""
    model = state.name
    return [
        *_tier(model, row, at),
        *_findings(model, row, at),
        *_exceptions(model, row, at, policy),
        *_validation(model, row, at),
        *_evidence(model, row, stale),
        *_outcomes(model, reports, policy),
        *_requests(model, state),
        *_copies(model, row),
    ]


def _tier(model: str, row: Mapping[str, Any], at: datetime) -> list[AttentionItem]:
    """The assessment of the tier of a model that is in use, where the next version could not be promoted without another."""
    tier = row.get("tier_assessment")
    if not tier or row["champion"] is None:
        return []
    expires = moment(tier.get("expires"))
    line, who = tier["command"], ", ".join(tier["roles"])
    if tier["objection"]:
        title = "The tier must be assessed" if tier["problem"] else "The declared tier is too low"
        detail = f"The champion decides on. No further version can be promoted: {tier['objection']}."
        return [AttentionItem(model, "tier", "soon", title, detail, line, who, date_text(expires))]
    if tier["problem"] or not within(expires, at):
        return []
    title = f"The assessment of the tier expires on {day(expires)}"
    return [AttentionItem(model, "tier", "soon", title, "It has to be made again.", line, who, date_text(expires))]


def _copies(model: str, row: Mapping[str, Any]) -> list[AttentionItem]:
    return [
        AttentionItem(model, "copy", "open", f"A copy of {copy['model']}, which was {copy['ended']}", copy["text"])
        for copy in row.get("copies") or ()
    ]


def _findings(model: str, row: Mapping[str, Any], at: datetime) -> list[AttentionItem]:
    found = []
    for finding in row["open_findings"]:
        severity = finding.get("severity")
        due = moment(finding.get("due"))
        overdue = due is not None and due < at
        urgency: Urgency = "now" if overdue or severity == "critical" else "soon" if within(due, at) else "open"
        head = f"Finding {finding['id']}{f', {severity}' if severity else ''}"
        condition = f" Condition: {finding['condition']}." if finding.get("condition") else ""
        owner = f" Owner: {finding['owner']}." if finding.get("owner") else ""
        answer = f" Answer: {finding['response']}" if finding.get("response") else ""
        answered = bool(finding.get("response"))
        line = f"mlops finding respond {model} {finding['id']} --response TEXT --key KEY.pem"
        if answered:
            line = f"mlops finding close {model} {finding['id']} --note TEXT --key KEY.pem"
        who = "validator, model-risk" if answered else str(finding.get("owner") or "")
        found.append(
            AttentionItem(
                *(model, "finding", urgency, f"{head}{', overdue' if overdue else ''}"),
                f"{finding.get('summary') or ''}{condition}{owner}{answer}".strip(),
                *(line, who, date_text(due)),
            )
        )
    return found


def _exceptions(model: str, row: Mapping[str, Any], at: datetime, policy: Any | None) -> list[AttentionItem]:
    rule = getattr(policy, "exceptions", None)
    who = ", ".join(rule.roles) if rule is not None else ""
    found = []
    for granted in row["exceptions"]:
        expires = moment(granted["expires"])
        title = f"Exception to gate {granted['gate']} until {day(expires)}"
        detail = f"Granted by {granted['person'] or granted['role']}: {granted['reason']}"
        line = f"mlops exception withdraw {model} {granted['record']} --reason TEXT --key KEY.pem"
        urgency: Urgency = "soon" if within(expires, at) else "open"
        found.append(AttentionItem(model, "exception", urgency, title, detail, line, who, date_text(expires)))
    for refused in row["exceptions_refused"]:
        title = f"Record {refused['record']} claims an exception to gate {refused['gate']} and does not count"
        found.append(AttentionItem(model, "exception", "now", title, refused["why"], "mlops verify"))
    return found


def _validation(model: str, row: Mapping[str, Any], at: datetime) -> list[AttentionItem]:
    ends = moment(row.get("valid_until"))
    if ends is None or not (ends < at or within(ends, at)):
        return []
    line = f"mlops validation record {model} {row['version']} --outcome OUTCOME --summary TEXT --key KEY.pem"
    urgency: Urgency = "now" if ends < at else "soon"
    title = f"Validation {'expired' if ends < at else 'expires'} on {day(ends)}"
    detail = f"Version {row['version']} needs a new validation."
    return [AttentionItem(model, "validation", urgency, title, detail, line, "validator, model-risk", date_text(ends))]


def _evidence(model: str, row: Mapping[str, Any], stale: Sequence[str]) -> list[AttentionItem]:
    found = []
    # A model without a version has been declared only: nothing of it runs yet.
    missing = [name for name in row["evidence_missing"] if name != "model_version"]
    if missing:
        names = ", ".join(name.replace(":", " ").replace("_", " ") for name in missing)
        found.append(
            AttentionItem(model, "evidence", "soon", "Evidence missing", f"{names}.", f"mlops status {model} --json")
        )
    if stale:
        found.append(
            AttentionItem(model, "evidence", "soon", "Evidence out of date", "; ".join(stale), "mlops requirements")
        )
    return found


def _outcomes(model: str, reports: OutcomeReports | None, policy: Any | None) -> list[AttentionItem]:
    """Reports of outcomes that could not be used: urgent from the share on that policy allows of the rows of a source."""
    if reports is None or not reports.quarantined:
        return []
    gates = getattr(policy, "gates", None)
    most = gates.of(contract.GATE).max_quarantined_share if gates is not None else 0.0
    urgency: Urgency = "soon" if reports.quarantined > most * reports.total else "open"
    detail = f"{as_sentence(reports.why)} They are in the table {model}/outcome_quarantine; a later report about the same row settles what contradicts."
    return [AttentionItem(model, "outcomes", urgency, as_sentence(reports.summary).rstrip("."), detail)]


def _requests(model: str, state: ModelState) -> list[AttentionItem]:
    found = []
    for request in state.requests.values():
        if request.is_open:
            event = request.record.event
            origin = "by policy" if event.automatic else "by a signed request"
            found.append(AttentionItem(model, "retraining", "open", f"Retraining requested {origin}", event.cause))
    return found


def within(end: datetime | None, at: datetime) -> bool:
    """Whether an end comes within `SOON`, or is over."""
    return end is not None and end - at <= SOON


def date_text(value: datetime | None) -> str | None:
    """A day as ISO text; None where there is none."""
    return None if value is None else day(value) if day(value) != NOTHING else None
