"""Which records people are told of, and what is said: each record with the model's tier and owner, and what to do next.

Not here: who gets a notice and how it is sent (`notification/`), and when this runs (`watch.py`).
"""

import hashlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from mlops_assets.evidence.pages.event_text import event_text
from mlops_assets.evidence.version_status import version_statuses, waiting
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.events.champion import Promotion, Retirement, Rollback, SegmentPaused, Suspension
from mlops_assets.ledger.events.judgements import Approval, GateDecided, PolicyAdopted
from mlops_assets.ledger.events.response import (
    IncidentOpened,
    IncidentReopened,
    IncidentWidened,
    RetrainingRequested,
)
from mlops_assets.ledger.events.tiers import TierAssessed
from mlops_assets.ledger.events.windows import LadderTested
from mlops_assets.ledger.ledger import Record
from mlops_assets.notification.delivery import Post, Sent
from mlops_assets.notification.notice import SIGNATURE, TAMPERED, Notice, damage_notice, notice_of
from mlops_assets.notification.routes import FILE, Settings, read_settings
from mlops_assets.platform import Platform
from mlops_assets.policy.reading import PolicyError
from mlops_assets.response.incident_acts import add_ticket
from mlops_assets.response.incidents import IncidentError, open_incident
from mlops_assets.response.runbooks import runbook_files, runbook_of

RECORDS = tuple(
    event.KIND
    for event in (
        *(IncidentOpened, IncidentReopened, IncidentWidened),
        *(RetrainingRequested, Promotion, Rollback, Suspension, SegmentPaused, Retirement, LadderTested),
    )
)
"""Kinds of records that people are told of where no route says otherwise."""
ASKING = tuple(e.KIND for e in (GateDecided, Approval, TierAssessed, PolicyAdopted, LadderTested))
"""Kinds of records after which a version may wait for another signature than before."""
TOLD = (*RECORDS, SIGNATURE, TAMPERED)


def settings_of(platform: Platform) -> tuple[Settings, str]:
    """Who is told of what, and why the file cannot be read; then the registered notifiers alone are used."""
    try:
        return read_settings(platform.project.config), ""
    except PolicyError as error:
        return Settings(), str(error)


def send(platform: Platform, since: int) -> tuple[int, Sent]:
    """Send notices of the records after `since`, and what waits and is due; open an incident about a channel that keeps failing.

    Returns:
        How many notices are new, and what came of sending.
    """
    settings, mistake = settings_of(platform)
    if mistake:
        open_incident(
            platform.ledger,
            "",
            kind="notification_unreadable",
            severity="act",
            summary=f"config/{FILE} cannot be read, so that only registered notifiers tell people: {mistake}",
            cause=f"notification_unreadable:{hashlib.sha256(mistake.encode()).hexdigest()[:16]}",
            rule="watch",
        )
    kinds = settings.kinds(RECORDS)
    records = [r for r in platform.ledger.records(kind=kinds, after=since) if kinds is None or _is_told(r)]
    asked = {r.model for r in platform.ledger.records(kind=ASKING, after=since) if r.model}
    found = [*(_notice(platform, record) for record in records), *_signatures(platform, sorted(asked))]
    sent = post_of(platform, settings).send(found, platform.ledger.clock())
    _report_failing(platform, sent)
    _note_tickets(platform, sent)
    return len(found), sent


def send_damage(platform: Platform, damage: str) -> None:
    """Tell people that the ledger does not hold."""
    now = platform.ledger.clock()
    post_of(platform, settings_of(platform)[0]).send([damage_notice(damage, now)], now)


def post_of(platform: Platform, settings: Settings) -> Post:
    """Where the project's notices are sent from."""

    def looked_at(notice: Notice) -> bool:
        known = platform.ledger.state().model(notice.model).incidents.get(str(notice.details.get("subject")))
        return known is not None and (bool(known.acknowledged_by) or not known.is_open)

    return Post(platform.home.root, platform.project.root, settings, TOLD, looked_at)


def _is_told(record: Record) -> bool:
    """Of challengers, people are told of those that failed."""
    event = record.event
    return not isinstance(event, LadderTested) or event.outcome == "failed"


def _notice(platform: Platform, record: Record) -> Notice:
    tier, owner = _facts(platform, record.model)
    event = record.event
    incident = isinstance(event, (IncidentOpened, IncidentReopened, IncidentWidened))
    said = "" if incident else event_text(record)
    if incident:
        roles: Sequence[str] = ()
        if record.model in platform.project.declarations:
            roles = platform.policy(record.model).incidents.close_roles
        return notice_of(
            record, tier=tier, owner=owner, roles=roles, action=f"mlops incident ack {record.subject} --key KEY.pem",
            runbook=runbook_link(platform, record.model),
        )  # fmt: skip
    severity = "watch" if isinstance(event, LadderTested) and event.outcome == "failed" else ""
    return notice_of(record, text=said, tier=tier, owner=owner, severity=severity)


def _signatures(platform: Platform, models: Sequence[str]) -> list[Notice]:
    """Of each model whose newest version waits for a person, that it does: once for each version and what it lacks."""
    found = []
    state = platform.ledger.state()
    for model in models:
        if model not in platform.project.declarations:
            continue
        one = waiting(version_statuses(platform.ledger, platform.policy(model), state.model(model)))
        if one is None:
            continue
        tier, owner = _facts(platform, model)
        lacking = hashlib.sha256(one.reason.encode()).hexdigest()[:12]
        found.append(
            Notice(
                key=f"signature:{model}:{one.version}:{lacking}",
                kind=SIGNATURE,
                model=model,
                severity="watch",
                text=f"Version {one.version} is {one.status}. {one.reason}",
                at=iso(platform.ledger.clock()),
                details={"subject": one.version},
                tier=tier,
                owner=owner,
                roles=tuple(role for role, _ in one.missing),
                action=one.commands[0],
            )
        )
    return found


def runbook_place(platform: Platform, kind: str, model: str) -> str:
    """Where the runbook for a kind of incident is: the model's own, the bank's address, or a file; empty where there is none."""
    places = replace(settings_of(platform)[0].places, pages="")
    address = runbook_link(platform, model) or places.runbook(kind)
    file = runbook_files(platform.project.config).get(runbook_of(kind))
    return address or (str(file) if file is not None else "")


def runbook_link(platform: Platform, model: str) -> str:
    """Address of the runbook that a model declares as its own; empty where it has none."""
    declared = platform.project.declarations.get(model)
    return (declared.runbook or "") if declared is not None else ""


def _facts(platform: Platform, model: str) -> tuple[str, str]:
    """Tier and owner of a declared model."""
    declared = platform.project.declarations.get(model)
    return (declared.tier.value, declared.owner) if declared is not None else ("", "")


def _note_tickets(platform: Platform, sent: Sent) -> None:
    """Note the tickets that channels opened on their incidents; what is no reference of one is left out."""
    for ticket in sent.tickets:
        identity = str(ticket.notice.details.get("subject", ""))
        if ticket.notice.details.get("incident") and identity:
            with suppress(ValueError, IncidentError):
                add_ticket(platform.ledger, identity, ticket.reference, ticket.channel)


def _report_failing(platform: Platform, sent: Sent) -> None:
    """Open an incident about each channel that keeps failing, and about what was given up; the others tell people of it."""
    for name, one in sent.to_report.items():
        open_incident(
            platform.ledger,
            "",
            kind="notifier_failing",
            severity="act",
            summary=f"Channel {name} failed {sent.rounds[name]} times in a row: {one.reason}. {sent.waiting.get(name, 0)} "
            f"notices wait and are sent again; mlops notice list shows them.",
            cause=f"notifier:{name}",
            window=one.notice.key,
            rule="watch",
        )
    for name in sorted({one.channel for one in sent.given_up}):
        lost = [one for one in sent.given_up if one.channel == name]
        open_incident(
            platform.ledger,
            "",
            kind="notices_undelivered",
            severity="act",
            summary=f"Channel {name}: {len(lost)} notices were given up after {lost[0].attempts + 1} attempts, the first "
            f"about {lost[0].notice.model or 'the fleet'}: {lost[0].reason}. mlops notice resend sends them again.",
            cause=f"undelivered:{name}",
            window=lost[0].notice.key,
            rule="watch",
        )
