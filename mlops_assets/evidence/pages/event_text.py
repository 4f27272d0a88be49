"""One sentence for each ledger record: what happened and why.

Belongs here: the English text of a record of each kind. Not here: which records count, and any HTML.
"""

from collections.abc import Collection

from mlops_assets.evidence.history import DATA_SUBJECT, text, texts
from mlops_assets.evidence.reading import day, label, number, short
from mlops_assets.ledger.ledger import Record

QUIET_KINDS = frozenset(
    {
        *("gate_decision", "snapshot_taken", "card_issued", "person_enrolled", "policy_adopted", "estimate_checked"),
        *("window_scored", "window_due", "evidence_stored"),
    }
)
"""Kinds that have a table of their own; the event log lists of them only what went wrong."""


def event_text(record: Record, required: Collection[str] | None = None) -> str:
    """The record in one sentence; a record of an unknown kind gives its kind and subject.

    Args:
        record: of any kind.
        required: gates that the policy requires; a decision of another gate is then marked as not required.
    """
    if record.kind == "gate_decision":
        return _gate(record, required)
    write = EVENT_TEXTS.get(record.kind)
    return write(record) if write else f"{label(record.kind)} {record.subject}".strip() + "."


def is_logged(record: Record) -> bool:
    """Whether the record belongs in the event log that people read."""
    if record.kind == "gate_decision":
        return record.body.get("outcome") != "passed"
    if record.kind == "health_verdict":
        return record.body.get("severity") in ("watch", "act", "critical")
    return record.kind not in QUIET_KINDS


def _because(record: Record, *keys: str) -> str:
    why = text(record.body, *keys)
    return f": {why.rstrip('.')}" if why else ""


def _signer(record: Record) -> str:
    person = text(record.body, "person", "by")
    return f" by {person}" if person else ""


def _gate(record: Record, required: Collection[str] | None = None) -> str:
    body = record.body
    verbs = {"passed": "passed", "failed": "refused", "not_measurable": "could not measure"}
    optional = bool(required) and body.get("gate") not in (required or ())
    verb = verbs.get(str(body.get("outcome")), str(body.get("outcome")))
    if optional and verb == "refused":
        verb = "failed for"
    about = f"version {record.subject}"
    if record.subject.startswith(DATA_SUBJECT):
        about = f"the data {short(record.subject.removeprefix(DATA_SUBJECT))}"
    result = f"Gate {label(str(body.get('gate'))).lower()} {verb} {about}"
    if body.get("value") is not None and body.get("threshold") is not None:
        result += f" ({number(body['value'])}, threshold {number(body['threshold'])})"
    return f"{result}{', not required by the policy' if optional else ''}{_because(record, 'reason')}."


def _verdict(record: Record) -> str:
    body = record.body
    kind = str(body.get("kind", "none")).replace("_", " ")
    reasons = " ".join(r if r.endswith(".") else r + "." for r in texts(body.get("reasons"))[:2])
    verdict = f"Window {record.subject}: {str(body.get('severity')).replace('_', ' ')}"
    verdict += f", {kind}." if kind != "none" else "."
    action = text(body, "action")
    action = f"Action: {action.replace('_', ' ')}." if action not in ("", "none") else ""
    return " ".join(filter(None, [verdict, reasons, action]))


def _promotion(record: Record) -> str:
    former = text(record.body, "former")
    count = len(record.body.get("approvals") or [])
    signatures = f", with {count} signature{'' if count == 1 else 's'}" if count else ""
    place = f"champion and replaced version {former}" if former else "the first champion"
    return f"Version {record.subject} became {place}{signatures}."


def _approval(record: Record) -> str:
    person, role = text(record.body, "person"), text(record.body, "role")
    verb = "rejected" if record.body.get("decision") == "reject" else "approved"
    signer = f"{person} ({role})" if role and role != person else person
    return f"{signer} {verb} version {record.subject}{_because(record, 'rationale')}."


def _exception(record: Record) -> str:
    gate = text(record.body, "gate") or record.subject
    by = text(record.body, "person", "role")
    until = day(record.body.get("expires"))
    return f"Exception to gate {gate} granted by {by} until {until}{_because(record, 'reason', 'rationale')}."


def _incident(record: Record) -> str:
    kind = text(record.body, "kind").replace("_", " ")
    return f"Incident {record.subject} opened ({kind}){_because(record, 'summary', 'cause')}."


def _rollback(record: Record) -> str:
    version = text(record.body, "version", "to", "champion") or record.subject
    return f"Rolled back to version {version}{_signer(record)}{_because(record, 'rationale', 'reason')}."


def _registered(record: Record) -> str:
    algorithm = label(text(record.body, "algorithm"))
    data = record.body.get("data_digest")
    return f"Version {record.subject} registered ({algorithm}){f', data {short(data)}' if data else ''}."


def _request(record: Record) -> str:
    by = "by policy" if record.body.get("automatic") else "by a signed request"
    return f"Retraining requested {by}{_because(record, 'cause')}."


def _closed_request(record: Record) -> str:
    version = text(record.body, "version")
    return f"Retraining finished{_because(record, 'outcome')}{f', version {version}' if version else ''}."


def _validation(record: Record) -> str:
    outcome = text(record.body, "outcome").replace("_", " ")
    person, until = text(record.body, "person"), day(record.body.get("valid_until"))
    return f"{person} validated version {record.subject}: {outcome}, valid until {until}{_because(record, 'summary')}."


EVENT_TEXTS = {
    "validation_recorded": _validation,
    "gate_decision": _gate,
    "health_verdict": _verdict,
    "promotion": _promotion,
    "approval": _approval,
    "exception_granted": _exception,
    "incident_opened": _incident,
    "version_registered": _registered,
    "retraining_request": _request,
    "retraining_closed": _closed_request,
    "rollback": _rollback,
    "suspension": lambda r: f"Suspended{_signer(r)}{_because(r, 'rationale', 'reason', 'cause')}.",
    "resumption": lambda r: f"Resumed{_signer(r)}{_because(r, 'rationale', 'reason')}.",
    "retirement": lambda r: f"Retired{_signer(r)}{_because(r, 'rationale', 'reason')}.",
    "exception_withdrawn": lambda r: f"Exception to gate {r.subject} withdrawn{_because(r, 'reason')}.",
    "incident_acknowledged": lambda r: f"Incident {r.subject} acknowledged{_because(r, 'note')}.",
    "incident_closed": lambda r: f"Incident {r.subject} closed as {text(r.body, 'disposition')}{_because(r, 'note')}.",
    "finding_recorded": lambda r: (
        f"Finding {r.subject} ({text(r.body, 'severity')}){_because(r, 'summary', 'text', 'finding')}."
    ),
    "finding_closed": lambda r: f"Finding {r.subject} closed{_because(r, 'response', 'note')}.",
    "snapshot_taken": lambda r: (
        f"Training snapshot: {number(r.body.get('rows'))} rows, {number(r.body.get('quarantined'))} quarantined."
    ),
    "card_issued": lambda r: f"Model card of version {r.subject} issued.",
    "key_revoked": lambda r: f"Key of {r.subject} revoked{_because(r, 'reason')}.",
}
"""Kind of record to the function that writes its sentence."""
