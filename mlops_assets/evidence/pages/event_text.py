"""One sentence a record: what happened, and why, in words a person outside the project understands."""

from mlops_assets.evidence.history import DATA_SUBJECT, text, texts
from mlops_assets.evidence.reading import day, label, number, short
from mlops_assets.ledger.ledger import Record

QUIET_KINDS = frozenset(
    {
        *("gate_decision", "snapshot_taken", "card_issued", "person_enrolled", "policy_adopted", "estimate_checked"),
        *("window_scored", "window_due", "evidence_stored"),
    }
)
"""Kinds that are told in full elsewhere; a story keeps of them only what went wrong."""


def sentence(record: Record) -> str:
    """What the record says; a kind that is not known is told by its name and subject."""
    told = TELLERS.get(record.kind)
    return told(record) if told else f"{label(record.kind)} {record.subject}".strip() + "."


def worth_telling(record: Record) -> bool:
    """Whether a reader who wants to know what happened needs this record."""
    if record.kind == "gate_decision":
        return record.body.get("outcome") != "passed"
    if record.kind == "health_verdict":
        return record.body.get("severity") in ("watch", "act", "critical")
    return record.kind not in QUIET_KINDS


def _because(record: Record, *keys: str) -> str:
    why = text(record.body, *keys)
    return f": {why.rstrip('.')}" if why else ""


def _gate(record: Record) -> str:
    body = record.body
    outcome = {"passed": "passed", "failed": "refused", "not_measurable": "could not measure"}
    done = outcome.get(str(body.get("outcome")), str(body.get("outcome")))
    about = f"version {record.subject}"
    if record.subject.startswith(DATA_SUBJECT):
        about = f"the data {short(record.subject.removeprefix(DATA_SUBJECT))}"
    said = f"Gate {label(str(body.get('gate'))).lower()} {done} {about}"
    if body.get("value") is not None and body.get("threshold") is not None:
        said += f" ({number(body['value'])}, threshold {number(body['threshold'])})"
    return said + _because(record, "reason") + "."


def _verdict(record: Record) -> str:
    body = record.body
    kind = str(body.get("kind", "none")).replace("_", " ")
    reasons = " ".join(r if r.endswith(".") else r + "." for r in texts(body.get("reasons"))[:2])
    said = f"Window {record.subject}: {body.get('severity')}"
    said += f", {kind}" if kind != "none" else ""
    action = text(body, "action")
    return " ".join(
        filter(
            None, [said + ".", reasons, f"Action: {action.replace('_', ' ')}." if action not in ("", "none") else ""]
        )
    )


def _promotion(record: Record) -> str:
    former = text(record.body, "former")
    said = f"Version {record.subject} became champion"
    said += f" in place of version {former}" if former else ", the first one"
    count = len(record.body.get("approvals") or [])
    return said + (f", on {count} signature{'' if count == 1 else 's'}." if count else ".")


def _approval(record: Record) -> str:
    person, role = text(record.body, "person"), text(record.body, "role")
    done = "rejected" if record.body.get("decision") == "reject" else "approved"
    who = f"{person} as {role}" if role and role != person else person
    return f"{who} {done} version {record.subject}{_because(record, 'rationale')}."


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
    return f"Rolled back to version {version}{_because(record, 'rationale', 'reason')}."


def _registered(record: Record) -> str:
    algorithm = label(text(record.body, "algorithm"))
    data = record.body.get("data_digest")
    return f"Version {record.subject} registered ({algorithm}){f', data {short(data)}' if data else ''}."


def _request(record: Record) -> str:
    by = "by policy" if record.body.get("automatic") else "on a signed request"
    return f"Retraining asked for {by}{_because(record, 'cause')}."


def _closed_request(record: Record) -> str:
    version = text(record.body, "version")
    return f"Retraining ended{_because(record, 'outcome')}{f', version {version}' if version else ''}."


def _validation(record: Record) -> str:
    outcome = text(record.body, "outcome").replace("_", " ")
    who, until = text(record.body, "person"), day(record.body.get("valid_until"))
    return f"{who} validated version {record.subject}: {outcome}, until {until}{_because(record, 'summary')}."


TELLERS = {
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
    "suspension": lambda r: f"Suspended{_because(r, 'rationale', 'reason', 'cause')}.",
    "resumption": lambda r: f"Resumed{_because(r, 'rationale', 'reason')}.",
    "retirement": lambda r: f"Retired{_because(r, 'rationale', 'reason')}.",
    "exception_withdrawn": lambda r: f"Exception to gate {r.subject} withdrawn{_because(r, 'reason')}.",
    "incident_acknowledged": lambda r: f"Incident {r.subject} acknowledged{_because(r, 'note')}.",
    "incident_closed": lambda r: f"Incident {r.subject} closed as {text(r.body, 'disposition')}{_because(r, 'note')}.",
    "finding_recorded": lambda r: (
        f"Finding {r.subject} ({text(r.body, 'severity')}){_because(r, 'summary', 'text', 'finding')}."
    ),
    "finding_closed": lambda r: f"Finding {r.subject} closed{_because(r, 'response', 'note')}.",
    "snapshot_taken": lambda r: (
        f"Training data taken: {number(r.body.get('rows'))} rows, {number(r.body.get('quarantined'))} quarantined."
    ),
    "card_issued": lambda r: f"Model card of version {r.subject} issued.",
    "key_revoked": lambda r: f"Key of {r.subject} revoked{_because(r, 'reason')}.",
}
"""How each kind of record is told."""
