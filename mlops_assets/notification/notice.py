"""What people are told: a notice of a ledger record, and the message that is made of one or of several.

Belongs here: which facts a notice has, and its text. Not here: who gets it (`routes.py`), and how it is sent (`channels.py`).
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from mlops_assets.ledger.canonical import iso, plain
from mlops_assets.ledger.events.champion import Promotion, Retirement, Rollback, SegmentPaused, Suspension
from mlops_assets.ledger.events.response import (
    IncidentOpened,
    IncidentReopened,
    IncidentWidened,
    RetrainingRequested,
)
from mlops_assets.ledger.events.windows import LadderTested
from mlops_assets.ledger.ledger import Record
from mlops_assets.plain_text import shown
from mlops_assets.response.runbooks import runbook_of

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
        details: what else is known: `incident` (its kind), `subject`, `window`, `columns`, `models`, `record` (its number), `recorded` (when,
            as ISO text).
        tier: of the model.
        owner: of the model.
        roles: who is asked to act; empty: anybody who is enrolled, or nobody.
        action: what to do next, as a command where there is one; empty: nothing is asked of a person.
        runbook: address of the model's own runbook; empty: the one for the kind.
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
    runbook: str = ""

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
        runbooks: under which the bank keeps the runbooks.
        links: name of a runbook to the address that replaces it.
    """

    pages: str = ""
    runbooks: str = ""
    links: Mapping[str, str] = field(default_factory=dict)

    def runbook(self, kind: str) -> str:
        """Address of the runbook for a kind of incident or notice; empty where there is none.

        The bank's own address for it comes first, then the folder of its runbooks, then the page that is served with the reports.
        """
        name = runbook_of(kind)
        if not name:
            return ""
        served = f"{self.pages.rstrip('/')}/runbooks/{name}.html" if self.pages else ""
        return self.own_runbook(name) or served

    def own_runbook(self, name: str) -> str:
        """The bank's own address for a runbook; empty where it has none."""
        return self.links.get(name) or (f"{self.runbooks.rstrip('/')}/{name}" if self.runbooks else "")


TITLES = {
    IncidentOpened.KIND: "incident",
    IncidentReopened.KIND: "incident opened again",
    IncidentWidened.KIND: "incident concerns another model",
    RetrainingRequested.KIND: "retraining requested",
    Promotion.KIND: "another version decides",
    Rollback.KIND: "rolled back",
    Suspension.KIND: "suspended",
    SegmentPaused.KIND: "a segment is paused",
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
    runbook: str = "",
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
        runbook: address of the model's own runbook.
    """
    event = record.event
    texts = (getattr(event, name, None) for name in ("summary", "rationale", "cause", "reason", "note"))
    is_incident = isinstance(event, (IncidentOpened, IncidentReopened, IncidentWidened))
    details = plain(
        {
            "record": record.seq,
            "recorded": iso(record.recorded_at),
            "incident": event.kind if is_incident else None,
            "subject": record.subject,
            "window": getattr(event, "window", None),
            "columns": getattr(event, "columns", None),
            "models": [one.model for one in getattr(event, "models", ())] or None,
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
        runbook=runbook,
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
    if about:
        again = ", opened again" if notice.kind == IncidentReopened.KIND else ""
        more = ", another model" if notice.kind == IncidentWidened.KIND else ""
        kind = f"{about}".replace("_", " ") + again + more
    kind += ", not acknowledged" if notice.kind == UNACKNOWLEDGED else ""
    lines = [f"What happened: {notice.text}"]
    if notice.model:
        facts = [f"{notice.tier} tier" if notice.tier else "", f"owner {notice.owner}" if notice.owner else ""]
        known = ", ".join(fact for fact in facts if fact)
        lines.append(f"Model: {notice.model}" + (f" ({known})" if known else ""))
    lines.append(f"Models: {', '.join(map(str, details['models']))}" if details.get("models") else "")
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
    runbook = notice.runbook or places.runbook(str(notice.details.get("incident") or notice.kind))
    if runbook:
        found.append(f"Runbook: {runbook}")
    return found


def _title(text: str) -> str:
    one = shown(" ".join(text.split()))
    return one if len(one) <= LONGEST_TITLE else one[: LONGEST_TITLE - 1] + "…"
