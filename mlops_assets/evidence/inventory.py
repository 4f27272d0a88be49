"""The inventory of the fleet, and the short status of each model, from declarations and the ledger.

What is asked of an inventory is in SR 26-2 VI.2 and SS1/23 1.2(c). Fields that nobody declared or recorded are None:
an inventory that guesses is worse than one with gaps.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from mlops_assets.declaration.declaration import Declaration
from mlops_assets.evidence.attention import attention, unjudged_windows
from mlops_assets.evidence.history import ExceptionGranted, ModelState, fold, text
from mlops_assets.evidence.version_status import required_gates, version_statuses
from mlops_assets.governance.exceptions import objection
from mlops_assets.ledger.canonical import iso
from mlops_assets.ledger.ledger import Ledger, Record
from mlops_assets.policy.policy import Policy
from mlops_assets.response.alarm_precision import fleet_precision

STATUS_FIELDS = (
    "model",
    "tier",
    "owner",
    "lifecycle",
    "champion",
    "window",
    "severity",
    "kind",
    "open_incidents",
    "open_findings",
    "exceptions",
    "evidence_missing",
    "unjudged_windows",
    "needs_attention",
    "error",
    "alarm_precision",
)
"""Fields of `mlops status`, in order."""


class DeclaredModel(Protocol):
    """One model as read from its file: a declaration, or the reason why there is none."""

    @property
    def name(self) -> str:
        """Name of the model."""
        ...

    @property
    def declaration(self) -> Declaration | None:
        """None when the file could not be read."""
        ...

    @property
    def error(self) -> str:
        """Why there is no declaration; empty when there is one."""
        ...


class RecordSource(Protocol):
    """What is needed of a ledger: its records, and the key id of its root key where that is known."""

    root: str | None

    def records(self, *, known_at: datetime | None = None, happened_until: datetime | None = None) -> list[Record]:
        """Records in order of seq."""
        ...


UNDECLARED = "recorded in the ledger, and no longer declared"
TRIAL = "trial"
"""Lifecycle of a name that was never declared in the fleet and never registered: nothing of it can run."""


def inventory(
    ledger: RecordSource,
    models: Iterable[DeclaredModel],
    policies: Mapping[str, Any],
    as_of: datetime | None = None,
    known_at: datetime | None = None,
    stale: Mapping[str, Sequence[str]] | None = None,
) -> list[dict[str, Any]]:
    """One JSON-able row per model that is declared or that the ledger knows, by name.

    Args:
        ledger: Where the records are.
        models: The declared models, broken ones included.
        policies: Effective policy by model name, or policy by tier.
        as_of: Only what had happened by then; None: everything.
        known_at: Only what was recorded by then; None: everything. For "what did we know on that day" give both.
        stale: Evidence that is out of date by model, a text each.
    """
    states = fold(ledger.records(happened_until=as_of, known_at=known_at), ledger.root)
    at = as_of or datetime.now(UTC)
    earned = fleet_precision(ledger.state(known_at), as_of) if isinstance(ledger, Ledger) else {}
    declared = {m.name: m for m in models}
    rows = []
    for name in sorted(declared.keys() | states.keys()):
        state = states.get(name, ModelState(name))
        row = _row(ledger, declared.get(name), state, policies, at)
        row["alarm_precision"] = [p.to_dict() for p in earned.get(name, [])]
        row |= _work(ledger, declared.get(name), state, row, policy_of(name, row["tier"], policies), at, stale or {})
        rows.append(row)
    return rows


def status(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The few fields of `mlops status`, from inventory rows.

    A name that the ledger knows from a refused trial alone, never declared since and never registered, is no model of
    the fleet; the inventory still has it.
    """
    return [{field: row[field] for field in STATUS_FIELDS} for row in rows if row["lifecycle"] != TRIAL]


def evidence_missing(state: ModelState, version: str | None, policy: Any | None) -> list[str]:
    """What the version that decides (or would) lacks: required gate decisions, the card, and what its card lacks."""
    if version is None:
        return ["model_version"]
    known = state.versions.get(version)
    missing: list[str] = []
    required = tuple(policy.gates.required) if policy is not None else ()
    decided = known.decisions if known else {}
    missing += [f"gate:{gate}" for gate in required if gate not in decided]
    if known is None or known.card is None:
        missing.append("model_card")
    else:
        # Approvals are signed over the card, so no card ever holds its own; the ledger has them.
        unsigned = bool(getattr(policy, "approvals", ()) and not known.approvals)
        missing += [f"card:{n}" for n in known.card.body.get("missing") or [] if n != "approvals" or unsigned]
    return missing


def exceptions_in_force(
    ledger: RecordSource, state: ModelState, policy: Any | None, at: datetime
) -> tuple[tuple[ExceptionGranted, ...], tuple[dict[str, Any], ...]]:
    """Exceptions that count at a time, and those that are on record and count for nothing, with the reason.

    Signatures are checked where the ledger and the policy are at hand; a record alone gives nobody a permission.
    """
    recorded = state.exceptions_in_force(at)
    if not recorded or not isinstance(ledger, Ledger) or not isinstance(policy, Policy):
        return recorded, ()
    known = ledger.state()
    counting = {e.seq: e for e in known.model(state.name).exceptions}
    why = {r.seq: r.reason for r in known.refused} | {e.seq: objection(policy, e) for e in counting.values()}
    return (
        tuple(e for e in recorded if not why.get(e.seq) and counting[e.seq].in_force(at)),
        tuple({"gate": e.gate, "record": e.seq, "why": why[e.seq]} for e in recorded if why.get(e.seq)),
    )


def _work(
    ledger: RecordSource,
    model: DeclaredModel | None,
    state: ModelState,
    row: Mapping[str, Any],
    policy: Any | None,
    at: datetime,
    stale: Mapping[str, Sequence[str]],
) -> dict[str, Any]:
    """What the versions wait for, which windows were not judged, and what needs a person."""
    statuses = version_statuses(ledger, policy, state)
    unjudged = unjudged_windows(model.declaration if model else None, state, at.date())
    items = attention(
        row, state, at, statuses=statuses, unjudged=unjudged, stale=stale.get(state.name, ()), policy=policy
    )
    return {
        "version_status": [asdict(status) for status in statuses.values()],
        "required_gates": sorted(required_gates(policy)),
        "unjudged_windows": list(unjudged),
        "needs_attention": [item.to_dict() for item in items],
    }


def policy_of(name: str, tier: str | None, policies: Mapping[str, Any]) -> Any | None:
    """The effective policy of a model, or else that of its tier."""
    return policies.get(name) or (policies.get(tier) if tier else None)


def _row(
    ledger: RecordSource, model: DeclaredModel | None, state: ModelState, policies: Mapping[str, Any], at: datetime
) -> dict[str, Any]:
    declaration = model.declaration if model else None
    tier = declaration.tier.value if declaration else _recorded_tier(state)
    policy = policy_of(state.name, tier, policies)
    version = state.subject_version
    known = state.versions.get(version) if version else None
    registered = known.registered if known else {}
    verdict = state.last_verdict
    granted, refused = exceptions_in_force(ledger, state, policy, at)
    trial = model is None and not state.versions and not state.changes
    error = (model.error or None) if model else None if trial else UNDECLARED
    return {
        "model": state.name,
        "tier": tier,
        "owner": declaration.owner if declaration else None,
        "champion": state.champion,
        "window": verdict.window if verdict else None,
        "severity": verdict.severity if verdict else "not_measurable",
        "kind": verdict.kind if verdict else "none",
        "open_incidents": [_incident(i) for i in state.open_incidents],
        "exceptions": [_exception(e) for e in granted],
        "evidence_missing": evidence_missing(state, version, policy),
        "error": error,
        "exceptions_refused": list(refused),
        "lifecycle": TRIAL if trial else state.lifecycle,
        "version": version,
        "technique": registered.get("algorithm"),
        "task": declaration.task.value if declaration else None,
        "vendor": "in-house" if declaration else None,
        "artifact_digest": registered.get("artifact_digest"),
        "data_digest": registered.get("data_digest"),
        "declaration_digest": registered.get("declaration_digest"),
        "card_digest": known.card.body.get("digest") if known and known.card else None,
        "purpose": declaration.purpose if declaration else None,
        "intended_use": (declaration.intended_use or None) if declaration else None,
        "restrictions": list(declaration.card.out_of_scope) if declaration else None,
        "assumptions": list(declaration.card.assumptions) if declaration else None,
        "limitations": list(declaration.card.limitations) if declaration else None,
        "developers": list(declaration.developers) if declaration else None,
        "approvers": _approvers(state, version),
        "inputs": list(declaration.features) if declaration else None,
        "source": "/".join(declaration.source.key) if declaration else None,
        "target": declaration.target.column if declaration else None,
        "protected": [p.column for p in declaration.protected] if declaration else None,
        "cadence": declaration.monitoring.cadence.value if declaration and declaration.has_time else None,
        "monitored": bool(declaration and declaration.has_time),
        "policy_digest": getattr(policy, "digest", None),
        "registered_at": iso(known.registered_at) if known and known.registered_at else None,
        "champion_since": iso(state.changes[-1].at) if state.changes else None,
        "valid_until": _valid_until(state, policy),
        "open_findings": [{"id": r.subject, **_plain_finding(r)} for r in state.open_findings],
        "open_retraining_requests": [r.subject for r in state.open_requests],
        "last_change": state.changes[-1].kind if state.changes else None,
        "last_record": state.records[-1].seq if state.records else None,
    }


def _recorded_tier(state: ModelState) -> str | None:
    """Tier under which the last gate decided, for a model whose declaration cannot be read."""
    tiers = [r.body.get("tier") for r in state.records if r.kind == "gate_decision" and r.body.get("tier")]
    return str(tiers[-1]) if tiers else None


def _approvers(state: ModelState, version: str | None) -> list[dict[str, Any]]:
    known = state.versions.get(version) if version else None
    return [
        {
            "person": text(r.body, "person"),
            "role": text(r.body, "role"),
            "decision": text(r.body, "decision"),
            "record": r.seq,
        }
        for r in (known.approvals if known else ())
    ]


def _valid_until(state: ModelState, policy: Any | None) -> str | None:
    """The day until which the validation counts: that of the last promotion, plus the policy's validity."""
    days = getattr(policy, "validity_days", None)
    promoted = [c for c in state.changes if c.kind == "promotion"]
    return iso(promoted[-1].at + timedelta(days=days)) if days and promoted else None


def _incident(incident: Any) -> dict[str, Any]:
    return {
        "id": incident.id,
        "kind": incident.kind,
        "severity": incident.severity,
        "window": incident.window,
        "summary": incident.summary,
        "state": incident.state,
        "opened_at": iso(incident.opened_at),
    }


def _exception(granted: Any) -> dict[str, Any]:
    return {
        "gate": granted.gate,
        "version": granted.version,
        "reason": granted.reason,
        "person": granted.person,
        "role": granted.role,
        "expires": iso(granted.expires) if granted.expires else None,
        "record": granted.seq,
    }


def _plain_finding(record: Record) -> dict[str, Any]:
    keys = ("severity", "owner", "due", "summary", "condition", "restriction", "version")
    return {k: record.body[k] for k in keys if record.body.get(k) is not None}
