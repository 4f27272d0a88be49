"""What people are told: a notice of a ledger record, and the message that is made of one or of several.

Belongs here: which facts a notice has, and its text. Not here: who gets it (`routes.py`), and how it is sent (`channels.py`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.events.champion import Promotion, Retirement, Rollback, Suspension
from mlops_assets.ledger.events.response import IncidentOpened, RetrainingRequested
from mlops_assets.ledger.events.windows import LadderTested
from mlops_assets.ledger.ledger import Record
from mlops_assets.plain_text import shown

LONGEST_TITLE = 160
SHOWN = 50
"""Notices of one message that are written out."""
TAMPERED = "ledger_tampered"
UNACKNOWLEDGED = "incident_unacknowledged"
"""Kind of a notice that nobody looks at an incident."""
SIGNATURE = "signature_needed"
"""Kind of a notice that a version waits for a person."""


@dataclass(frozen=True)
class Notice:
    """One thing worth telling.

    Attributes:
        key: names the ledger record, so that a receiver can drop what it has seen.
        kind: of the record, such as `incident_opened`.
        model: concerned; empty: the fleet.
        severity: none, watch, act or critical.
        text: what happened, in a sentence.
        at: when, as ISO text.
        details: what else is known: `incident` (its kind), `subject`, `window`, `columns`, `record` (its number), `recorded` (when,
            as ISO text).
        tier: of the model.
        owner: of the model.
        roles: who is asked to act; empty: anybody who is enrolled, or nobody.
        action: what to do next, as a command where there is one; empty: nothing is asked of a person.
    """

    key: str
    kind: str
    model: str
    severity: str
    text: str
    at: str
    details: dict[str, Any] = field(default_factory=dict)
    tier: str = ""
    owner: str = ""
    roles: tuple[str, ...] = ()
    action: str = ""

    @property
    def topic(self) -> str:
        """The same for notices that say the same of the same model."""
        said = "\n".join((self.model, self.kind, str(self.details.get("incident", "")), self.text))
        return hashlib.sha256(said.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Message:
    """Title and text for people."""

    title: str
    body: str


@dataclass(frozen=True)
class Places:
    """Addresses that messages link to; empty: no link.

    Attributes:
        pages: under which the folder of reports is served.
        runbooks: page with what to do when something happens.
    """

    pages: str = ""
    runbooks: str = ""


RUNBOOKS = {
    "data_quality": "data-quality-fault",
    "covariate_shift": "covariate-shift",
    "label_shift": "label-shift",
    "concept_drift": "concept-drift",
    "fairness": "a-group-falls-behind",
    "window_overdue": "a-window-is-overdue-or-not-measurable",
    "data_missing": "a-window-is-overdue-or-not-measurable",
    "validation_expired": "a-finding-is-overdue-or-a-validation-expires",
    "validation_missing": "a-finding-is-overdue-or-a-validation-expires",
    "finding_overdue": "a-finding-is-overdue-or-a-validation-expires",
    "unfounded_champion": "mlops-verify-names-a-problem",
    "registry_changed": "mlops-verify-names-a-problem",
    TAMPERED: "mlops-verify-names-a-problem",
    SIGNATURE: "an-approval-is-missing",
}
"""Kind of incident or record to the section of the runbooks."""
TITLES = {
    IncidentOpened.KIND: "incident",
    RetrainingRequested.KIND: "retraining requested",
    Promotion.KIND: "another version decides",
    Rollback.KIND: "rolled back",
    Suspension.KIND: "suspended",
    Retirement.KIND: "retired",
    LadderTested.KIND: "a challenger was sent back",
    SIGNATURE: "a signature is needed",
    TAMPERED: "the ledger does not hold",
}


def notice_of(
    record: Record,
    *,
    text: str = "",
    tier: str = "",
    owner: str = "",
    roles: Sequence[str] = (),
    action: str = "",
    severity: str = "",
) -> Notice:
    """The notice of a ledger record.

    Args:
        record: an incident, a promotion, or any other.
        text: what happened, in a sentence; default: the reason that the record gives.
        tier: of the model.
        owner: of the model.
        roles: who is asked to act.
        action: what to do next.
        severity: default: what the record says, or none.
    """
    event = record.event
    texts = (getattr(event, name, None) for name in ("summary", "rationale", "cause", "reason", "note"))
    is_incident = isinstance(event, IncidentOpened)
    details = plain(
        {
            "record": record.seq,
            "recorded": iso(record.recorded_at),
            "incident": event.kind if is_incident else None,
            "subject": record.subject,
            "window": getattr(event, "window", None),
            "columns": getattr(event, "columns", None),
        }
    )
    return Notice(
        key=f"{record.seq}:{record.digest[:12]}",
        kind=record.kind,
        model=record.model,
        severity=severity or str(getattr(event, "severity", None) or "none"),
        text=text or next((str(text) for text in texts if text), record.kind),
        at=iso(record.happened_at),
        details={name: value for name, value in details.items() if value},
        tier=tier,
        owner=owner,
        roles=tuple(roles),
        action=action,
    )


def escalated(notice: Notice) -> Notice:
    """That nobody has acknowledged the incident of a notice."""
    return replace(
        notice,
        key=f"{notice.key}:unacknowledged",
        kind=UNACKNOWLEDGED,
        text=f"Nobody has acknowledged this incident. {notice.text}",
    )


def damage_notice(damage: str, at: datetime) -> Notice:
    """That the ledger does not hold: no record can say so, because nothing is written to it any more. A new one each day."""
    key = f"ledger:{hashlib.sha256(damage.encode()).hexdigest()[:16]}:{at:%Y-%m-%d}"
    return Notice(key, TAMPERED, "", "critical", damage, iso(at), action="mlops verify")


def message(notice: Notice, places: Places) -> Message:
    """What happened, to which model, since when, on what evidence, what to do next, and where to look."""
    details = notice.details
    about = details.get("incident")
    kind = TITLES.get(notice.kind, notice.kind.replace("_", " "))
    kind = f"{about}".replace("_", " ") if about else kind
    kind += ", not acknowledged" if notice.kind == UNACKNOWLEDGED else ""
    lines = [f"What happened: {notice.text}"]
    if notice.model:
        facts = [f"{notice.tier} tier" if notice.tier else "", f"owner {notice.owner}" if notice.owner else ""]
        known = ", ".join(fact for fact in facts if fact)
        lines.append(f"Model: {notice.model}" + (f" ({known})" if known else ""))
    lines.append(f"Severity: {notice.severity}" if notice.severity != "none" else "")
    lines.append(f"Since: {_since(notice)}")
    lines.append(f"Columns: {', '.join(map(str, details['columns']))}" if details.get("columns") else "")
    lines.append(f"Evidence: record {details['record']} of the ledger ({notice.kind})" if details.get("record") else "")
    lines.append(f"To act: {', '.join(notice.roles)}" if notice.roles else "")
    lines.append(f"Next: {notice.action or 'nothing is asked of you'}")
    lines += _links(notice, places)
    lines.append(f"Notice: {notice.key}")
    subject = f"{notice.model or 'Fleet'}: {kind}" + (f" ({notice.severity})" if notice.severity != "none" else "")
    return Message(_title(subject), shown("\n".join(line for line in lines if line)))


def digest_message(notices: Sequence[Notice], places: Places) -> Message:
    """Several notices in one message, the gravest first; those that say the same are one line."""
    if len(notices) == 1:
        return message(notices[0], places)
    order = ("critical", "act", "watch", "none")
    same: dict[str, list[Notice]] = {}
    for notice in notices:
        same.setdefault(notice.topic, []).append(notice)
    groups = sorted(
        same.values(), key=lambda group: order.index(group[0].severity) if group[0].severity in order else 9
    )
    models = sorted({notice.model or "fleet" for notice in notices})
    named = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
    parts = []
    for group in groups[:SHOWN]:
        first = message(group[0], places)
        times = f" ({len(group)} times, last {_minute(group[-1].at)})" if len(group) > 1 else ""
        parts.append(f"{first.title}{times}\n{first.body}")
    if len(groups) > SHOWN:
        parts.append(f"{len(groups) - SHOWN} more: mlops status")
    return Message(_title(f"{len(notices)} notices: {named}"), "\n\n".join(parts))


def _since(notice: Notice) -> str:
    window, recorded = notice.details.get("window"), str(notice.details.get("recorded", notice.at))
    began = f"the window of {window}" if window else _minute(notice.at)
    return began if recorded == notice.at and not window else f"{began}, recorded {_minute(recorded)}"


def _minute(text: str) -> str:
    return f"{text[:16].replace('T', ' ')} UTC"


def _links(notice: Notice, places: Places) -> list[str]:
    found = []
    if places.pages:
        page = f"models/{notice.model}.html" if notice.model else "fleet.html"
        found.append(f"Page: {places.pages.rstrip('/')}/{page}")
    section = RUNBOOKS.get(str(notice.details.get("incident") or notice.kind))
    if places.runbooks and section:
        found.append(f"Runbook: {places.runbooks.rstrip('/')}#{section}")
    return found


def _title(text: str) -> str:
    one = shown(" ".join(text.split()))
    return one if len(one) <= LONGEST_TITLE else one[: LONGEST_TITLE - 1] + "…"
